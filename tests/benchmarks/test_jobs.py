"""The benchmark's own job does its work, in small: nothing here measures time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import contacts, ours, plain_mapping
from benchmarks.measuring import JobFailed, Measured, measure
from benchmarks.report import Report
from benchmarks.run import ask, serving
from tests.conftest import ROOT

RECORDS = 2_000


@pytest.fixture
def url() -> Iterator[str]:
    """The benchmark's vendor, in its own process as always."""
    with serving(RECORDS) as address:
        yield address


def test_our_jobs_read_push_and_notice_changes(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_TOKEN", "not-a-secret")
    ours.run("prepare", tmp_path, url)

    read = ours.run("read", tmp_path, url)
    assert (read["inbound"]["read"], read["inbound"]["landed"]) == (RECORDS, RECORDS)
    assert read["warnings"] == {}
    assert ours.run("reread", tmp_path, url)["inbound"]["unchanged"] == RECORDS

    pushed = ours.run("push", tmp_path, url)["outbound"]
    assert (pushed["planned"], pushed["applied"], pushed["pending"]) == (RECORDS, RECORDS, 0)
    assert ask(f"{url}/benchmark/counts")["objects"] == RECORDS

    changed = ask(f"{url}/benchmark/touch?every=100", post=True)["changed"]
    counts = ours.run("changed", tmp_path, url)
    assert (counts["inbound"]["landed"], counts["outbound"]["applied"]) == (changed, changed)
    assert ask(f"{url}/benchmark/counts") == {"records": RECORDS, "written": RECORDS + changed, "objects": RECORDS}


def test_both_engines_map_to_the_same_values(tmp_path: Path) -> None:
    """What dlt is given to do is what ours does, contact by contact."""
    import dictionary
    import mappings
    from kernel.records import SourceRecord

    words = dictionary.load(ROOT / "dictionary/entities")
    mapping = mappings.load(ROOT / "mappings", words).get("hubspot.contacts")
    assert mapping is not None
    raws = [contacts.contact(n) for n in range(200)]
    for raw, drawn in zip(raws, mapping.draw([SourceRecord(r["id"], r) for r in raws], connection="x"), strict=True):
        (part,) = drawn.parts
        theirs = plain_mapping.inward(raw)
        flat = {name: value for name, value in part.data.items() if not isinstance(value, list)}
        told = {name: theirs[name] for name in flat if name != "source_created_at"}
        assert told == {name: flat[name] for name in told}
        (address,) = part.data["addresses"]
        assert {name: theirs[name] for name in address if name != "kind"} == {
            name: value for name, value in address.items() if name != "kind"
        }


def test_no_two_contacts_share_an_address() -> None:
    made = [contacts.contact(n)["properties"] for n in range(20_000)]
    assert len(made[0]) == 25
    assert len({each["email"] for each in made}) == len(made)


def test_a_measured_job_tells_its_cost_or_its_error(tmp_path: Path) -> None:
    found = measure([sys.executable, "-c", "print(sum(range(10**6)))"], tmp_path, {})
    assert found.output.strip() == "499999500000"
    assert found.cpu_s > 0
    assert found.peak_mb > 1
    with pytest.raises(JobFailed, match="no such thing"):
        measure([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path, {})


def test_the_report_puts_both_engines_side_by_side() -> None:
    report = Report(1000, 1)
    report.add("throughline", "read", 1000, Measured(0.1, 0.2, 50, 1.0, ""))
    report.add("dlt", "read", 1000, Measured(0.25, 0.5, 70, 1.0, ""))
    assert report.ratio("read") == 2.5
    page = report.markdown("# Performance\n", "")
    assert "| (a) read → hub, cold | throughline | 1,000 | 100 | ≤ 200 | 0.2 | 5,000 | 50 | 2.50 |" in page


def test_the_lock_names_no_host_and_pins_every_hash() -> None:
    lock = (ROOT / "benchmarks/requirements.lock").read_text()
    assert "http" not in lock
    pinned = [line for line in lock.splitlines() if "==" in line]
    assert all(line.rstrip().endswith("\\") for line in pinned)
