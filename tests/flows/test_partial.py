"""A spent day ends a flow run by its own name; Prefect holds nothing meanwhile."""

from __future__ import annotations

from kernel import documents
from tests.flows.conftest import Office


def test_a_spent_day_ends_a_run_as_partial_and_says_when_it_goes_on(office: Office) -> None:
    for name in ("Ada Lovelace", "Bob Fox", "Cy Dow"):
        office.customer(email=f"{name.split()[0].lower()}@acme.io", name=name)
    path = office.config / "connections.yaml"
    told = documents.read(path).value
    told["connections"]["hubspot"]["settings"] |= {"limits": {"daily": 1}, "day_zone": "UTC"}
    path.write_text(documents.dump(told), encoding="utf-8")
    office.box["hubspot"].calls.clear()
    ended = office.sync()
    assert (ended.state, ended.ok) == ("Partial", False)
    assert ended.message.startswith("goes on at 20")
    assert "hubspot: its budget for the day is spent" in ended.message
    (run,) = office.runs()
    assert run.state == "partial"
    assert len(office.box["hubspot"].calls) <= 1
    del told["connections"]["hubspot"]["settings"]["limits"]
    path.write_text(documents.dump(told), encoding="utf-8")
