"""Verbs that look: what each shows, and that `--json` is one document and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.masking import MASK
from tests.console.conftest import Company

READING = [
    ("status", 1),
    ("sync list", 0),
    ("sync status", 0),
    ("sync status people", 0),
    ("sync plan people", 0),
    ("dead-letters list", 1),
    ("dead-letters groups", 1),
    ("dead-letters list --state any", 0),
    ("trace ada@acme.io", 0),
    ("identity show ada@acme.io", 0),
    ("dictionary lint", 0),
    ("dictionary show", 0),
    ("dictionary show contact", 0),
    ("dictionary show contact.email", 0),
    ("dictionary publish", 0),
    ("mapping lint", 0),
    ("mapping test", 0),
    ("mapping test stripe.customers", 0),
    ("mapping preview stripe.customers", 0),
    ("mapping preview typeform.responses --limit 1", 0),
    ("connector list", 0),
    ("activate --dry-run", 0),
    ("check stripe", 0),
    ("check files", 0),
]


@pytest.mark.parametrize(("line", "code"), READING, ids=[line for line, _ in READING])
def test_every_reading_verb_speaks_to_people_and_to_scripts(settled: Company, line: str, code: int) -> None:
    document, shown = settled.json(*line.split(), code=code), settled.run(*line.split(), code=code)
    assert shown.stdout.strip()
    for told in (shown.output, json.dumps(document)):
        assert "Lovelace" not in told, "a personal value is shown"
        assert "globex.de" not in told.replace("bob@globex.de", MASK if "identity" not in line else "")


def test_runs_are_told_with_both_rows(settled: Company) -> None:
    told = settled.json("sync", "status")["syncs"]
    people = next(each for each in told if each["name"] == "people")["last_run"]
    inbound, outbound = people["inbound"], people["outbound"]
    assert inbound["read"] == 5 == sum(count for name, count in inbound.items() if name != "read")
    assert outbound["planned"] == 4 == sum(count for name, count in outbound.items() if name != "planned")


def test_status_tells_where_everything_stands(settled: Company) -> None:
    told = settled.json("status", code=1)
    assert {each["sync"] for each in told["runs"]} == {"people", "deals"}
    assert told["golden"] == {"account": 2, "contact": 2, "opportunity": 1}
    assert [(each["cause"], each["letters"]) for each in told["dead_letters"]] == [("missing_required", 1)]
    assert {each["resource"] for each in told["checkpoints"]} == {"customers", "accounts", "contacts", "deals"}
    assert told["leases"] == []
    shown = settled.run("status", code=1).stdout
    assert "missing_required" in shown
    assert "golden records" in shown


def test_a_trace_leads_from_raw_versions_to_the_vendors_id(settled: Company) -> None:
    story = settled.json("trace", "ada@acme.io")
    assert story["found_as"] == "contact email"
    assert {each["vendor_id"] for each in story["objects"]} == {"cus_00000000000001", "cus_00000000000002"}
    version = story["objects"][0]["versions"][0]
    assert version["state"] == "landed"
    assert version["mapping"]["path"] == "mappings/stripe/customers.yaml"
    assert version["mapping"]["active"] is True
    (golden,) = story["goldens"]
    assert [member["shares"] for member in golden["members"]] == [["email"], ["email"]]
    assert golden["fields"]["email"] == {**golden["fields"]["email"], "value": MASK}
    (delivery,) = story["deliveries"]
    assert delivery["state"] == "APPLIED"
    assert delivery["vendor_id"] == golden["bindings"][0]["vendor_id"]
    assert [each["outcome"] for each in delivery["attempts"]] == ["created"]
    assert {each["id"] for each in story["runs"]} == {version["run"], delivery["planned_by"]}


def test_everything_a_person_may_hold_leads_to_the_same_story(settled: Company) -> None:
    story = settled.json("trace", "ada@acme.io")
    (golden,), (delivery,) = story["goldens"], story["deliveries"]
    version = story["objects"][0]["versions"][0]["trace_id"]
    held = [
        golden["id"],
        delivery["id"],
        f"hubspot.contacts:{delivery['vendor_id']}",
        delivery["trace_id"],
        "cus_00000000000001",
        version,
    ]
    held += [story["objects"][0]["id"], golden["bindings"][0]["ext_key"], " Ada@ACME.io "]
    for asked in held:
        assert [each["id"] for each in settled.json("trace", asked)["goldens"]] == [golden["id"]], asked
    assert settled.json("trace", version)["focus"] == version
    several = settled.json("trace", delivery["vendor_id"])["goldens"]  # a contact and a company may have one number
    assert golden["id"] in [each["id"] for each in several]


def test_a_parked_version_has_a_story_too(settled: Company) -> None:
    (letter,) = settled.letters()
    for asked in (letter["id"], letter["trace_id"]):
        story = settled.json("trace", asked)
        assert story["objects"][0]["versions"][0]["state"] == "parked"
        assert story["dead_letters"][0]["id"] == letter["id"]
    assert f"dead-letters show {letter['id']}" in settled.run("trace", letter["id"]).stdout


def test_nothing_found_is_a_finding(settled: Company) -> None:
    assert settled.json("trace", "nobody@nowhere.io", code=1)["goldens"] == []
    assert settled.json("identity", "show", "f" * 32, code=1)["goldens"] == []


def test_values_are_shown_on_demand_and_that_is_on_record(settled: Company) -> None:
    story = settled.json("trace", "ada@acme.io", "--show-values", "--by", "sam")
    assert story["goldens"][0]["fields"]["email"]["value"] == "ada@acme.io"
    assert "ada@acme.io" in settled.run("trace", "ada@acme.io", "--show-values").stdout
    store = settled.store()
    with store.read() as conn:
        seen = conn.exec_driver_sql(
            'SELECT "by", action FROM audit WHERE about = ?', (story["goldens"][0]["id"],)
        ).all()
    store.close()
    assert ("sam", "read golden record") in [tuple(row) for row in seen]


def test_a_letter_is_shown_with_its_fix_and_its_values_masked(settled: Company) -> None:
    (letter,) = settled.letters()
    told = settled.json("dead-letters", "show", letter["id"][:20])
    assert told["field"] == "deal.name"
    assert told["fix"]
    assert told["payload"]["sales_agent"] == MASK
    assert settled.json("dead-letters", "show", letter["id"], "--show-values")["payload"]["sales_agent"] == "Moses"
    assert "--show-values" in settled.run("dead-letters", "show", letter["id"]).stderr


def test_the_dictionary_is_published_as_a_page(settled: Company, tmp_path: Path) -> None:
    page = settled.run("dictionary", "publish").stdout
    assert "## contact" in page
    settled.run("dictionary", "publish", "--out", str(tmp_path / "pages/dictionary.md"))
    assert (tmp_path / "pages/dictionary.md").read_text(encoding="utf-8").strip() == page.strip()


def test_records_of_a_file_are_previewed(settled: Company, tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text('{"id": "cus_9", "email": "z@z.io", "name": "Zed Zee"}\n\n', encoding="utf-8")
    told = settled.json("mapping", "preview", "stripe.customers", "--records", str(file), "--show-values")
    assert told["records"] == "given"
    assert told["same_as_active"]
    assert told["previews"][0]["now"]["parts"][0]["data"]["email"] == "z@z.io"
    file.write_text("[1]\n", encoding="utf-8")
    assert f"{file}:1" in settled.run("mapping", "preview", "stripe.customers", "--records", str(file), code=2).stderr


def test_help_and_version_cost_no_store(company: Company) -> None:
    assert "throughline" in company.run("--version").stdout
    assert "Exit codes" in company.run("--help").stdout
    for group in ("sync", "dead-letters", "identity", "dictionary", "mapping", "connector"):
        assert "Usage" in company.run(group, "--help").stdout
    assert not (company.home / "throughline.db").exists()
