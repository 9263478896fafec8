"""What goes wrong is said in a sentence, with the right exit code, and never as a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from console.exits import MEANINGS, Exit, Usage, exit_of
from kernel.errors import BadDocument, BadSetting, Broken, Retry, Stop, Unknown
from tests.conftest import ROOT
from tests.console.conftest import Company

WRONG: list[tuple[str, str]] = [
    ("sync run", "--all"),
    ("sync run peple --no-flow", "did you mean 'people'?"),
    ("sync run people --all --no-flow", "--all"),
    ("sync plan nothing", "there are: deals, people"),
    ("sync status nothing", "no sync 'nothing'"),
    ("dead-letters show zzz", "no dead letter begins with 'zzz'"),
    ("dead-letters list --state shut", "--state is one of"),
    ("dead-letters replay", "name letters by id"),
    ("dead-letters replay --cause nosuch --yes", "no open letter fits"),
    ("dead-letters replay zz --mode sideways", "verbatim, remap, edited"),
    ("dead-letters discard zz", "say why"),
    ("dead-letters edit zz", "nothing to edit"),
    ("dead-letters edit zz --set novalue", "PATH=VALUE"),
    ("dictionary show contcat", "did you mean 'contact'?"),
    ("dictionary show contact.emial", "did you mean 'email'?"),
    ("mapping preview stripe.custmers", "did you mean 'stripe.customers'?"),
    ("mapping test stripe.custmers", "did you mean 'stripe.customers'?"),
    ("check strip", "did you mean 'stripe'?"),
    ("connector new Stripe", "cannot name a system"),
    ("connector new stripe", "already"),
    ("connector new http", "cannot name a system"),
    ("sandbox --systems strip", "no simulator for strip"),
    ("up --stop --status", "one of"),
    ("nonsense", "No such command"),
    ("status --runs x", "--runs"),
]


@pytest.mark.parametrize(("line", "told"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_command_line_is_refused_with_what_is_right(settled: Company, line: str, told: str) -> None:
    assert told in settled.run(*line.split(), code=2).stderr


def test_an_error_is_one_json_document_too(settled: Company) -> None:
    told = settled.json("sync", "plan", "nothing", code=2)
    assert told["error"]["exit"] == 2
    assert "no sync" in told["error"]["message"]


def test_nothing_active_says_what_to_do(company: Company) -> None:
    assert "throughline activate" in company.run("sync", "list", code=4).stderr
    assert "throughline activate" in company.run("sync", "run", "--all", "--no-flow", code=4).stderr
    assert "throughline sync run --all" in company.run("status").stdout


def test_without_connections_the_example_is_named(company: Company) -> None:
    (company.config / "connections.yaml").unlink()
    assert "copy connections.example.yaml" in company.run("activate", code=4).stderr
    told = company.json("check", code=1)
    assert "connections.example.yaml" in next(each["detail"] for each in told["checks"] if each["about"] == "documents")


def test_a_wrong_name_in_a_file_is_refused_with_its_line(company: Company) -> None:
    company.edit("mappings/stripe/customers.yaml", "      email: {path: email}", "      emial: {path: email}")
    told = company.run("activate", code=4).stderr
    assert "mappings/stripe/customers.yaml:7" in told
    assert "did you mean 'email'?" in told
    assert company.json("activate", code=4)["error"]["cause"] == "bad_document"
    assert "stripe/customers.yaml:7" in company.run("mapping", "lint", code=4).stderr
    company.edit("dictionary/entities/contact.yaml", "type: email", "type: emial")
    assert "dictionary/entities/contact.yaml" in company.run("dictionary", "lint", code=4).stderr


def test_an_example_that_differs_is_a_finding(company: Company) -> None:
    company.edit("mappings/stripe/customers.yaml", "first_name: Ada King", "first_name: Eve")
    told = company.json("mapping", "test", "stripe.customers", code=1)
    assert "person: first_name" in told["failures"][0]["told"]


def test_a_refused_credential_stops_and_names_the_check(running: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_HUBSPOT_TOKEN", "pat-wrong")
    told = running.run("sync", "run", "people", "--no-flow", code=3)
    assert "throughline check hubspot" in told.stderr
    assert "pat-wrong" not in told.output
    checks = running.json("check", "hubspot", code=1)["checks"]
    assert any(not each["ok"] and each["fix"] for each in checks)


def test_an_unset_variable_is_named(running: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SANDBOX_STRIPE_TOKEN")
    told = running.run("sync", "run", "people", "--no-flow", code=3).stderr
    assert "SANDBOX_STRIPE_TOKEN is not set" in told


def test_a_sync_under_way_is_not_run_twice(running: Company) -> None:
    store = running.store()
    with store.write() as conn:
        conn.exec_driver_sql(
            "INSERT INTO lease (name, holder, fence, until) VALUES ('run:sync:people', 'other:1:x', 1, ?) "
            "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until",
            (store.clock.now() + 60_000_000,),
        )
    store.close()
    assert "is being worked on by other" in running.run("sync", "run", "people", "--no-flow", code=3).stderr
    assert running.json("status", code=None)["leases"][0]["name"] == "run:sync:people"


@pytest.mark.parametrize("url", ["nonsense", "nosuch://x/y", "sqlite:////proc/nowhere/x.db"])
def test_a_store_that_cannot_be_used_is_a_setting(company: Company, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("THROUGHLINE_DATABASE_URL", url)
    company.run("status", code=4)


def test_a_key_that_is_none_is_refused_without_being_shown(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THROUGHLINE_KEY", "my secret")
    told = company.run("status", code=4)
    assert "64 hex digits" in told.stderr
    assert "my secret" not in told.output


def test_a_key_file_others_can_read_is_found(running: Company) -> None:
    (running.home / "key").chmod(0o644)
    checks = running.json("check", code=1)["checks"]
    (key,) = [each for each in checks if each["name"] == "key" and each["about"] == "machine"]
    assert not key["ok"]
    assert key["fix"].startswith("chmod 600")


def test_files_that_are_not_active_are_found(running: Company) -> None:
    running.edit("flows/syncs/people.yaml", "*/15", "*/30")
    checks = running.json("check", code=1)["checks"]
    (active,) = [each for each in checks if each["name"] == "active"]
    assert not active["ok"]


def test_a_defect_is_told_without_its_values_and_kept_in_the_log(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise ValueError("for ada@acme.io")

    monkeypatch.setattr("console.verbs.status.overview", crash)
    told = company.run("status", code=5)
    assert "ValueError" in told.stderr
    assert "ada@acme.io" not in told.output
    log = (company.home / "logs/throughline.log").read_text(encoding="utf-8")
    assert "a verb crashed" in log
    assert "ada@acme.io" not in log


def test_an_interrupted_verb_says_so(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("console.verbs.status.overview", interrupted)
    assert "the next start goes on" in company.run("status", code=130).stderr


def test_every_error_has_its_code() -> None:
    assert [exit_of(error) for error in (Usage("x"), BadSetting("x"), BadDocument("x"), Broken("x"))] == [2, 4, 4, 5]
    assert [exit_of(error) for error in (Retry("x"), Unknown("x"), Stop("x"), ValueError("x"))] == [3, 3, 3, 5]
    assert exit_of(Stop("x", cause="nothing_active")) == 4
    assert exit_of(KeyboardInterrupt()) == 130
    assert set(MEANINGS) == set(Exit)


def _process(company: Company, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "console.cli", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip


def test_as_a_process_it_says_one_document_and_imports_no_prefect(company: Company, tmp_path: Path) -> None:
    told = _process(company, "status", "--json")
    assert told.returncode == 0
    assert told.stderr == ""
    assert json.loads(told.stdout)["runs"] == []
    code = (
        "import sys; from typer.testing import CliRunner; from console.cli import app; "
        "r = CliRunner().invoke(app, ['activate']); assert r.exit_code == 0, r.output; "
        "sys.exit('prefect' in sys.modules or 'sandbox' in sys.modules)"
    )
    clean = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False
    )
    assert clean.returncode == 0
    piped = f"{sys.executable} -m console.cli dictionary publish | head -n 1"
    told = subprocess.run(piped, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)  # noqa: S602
    assert told.stdout == "# Data dictionary\n"
    assert told.stderr == ""
