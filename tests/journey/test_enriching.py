"""Parts that only add to golden records: what matches is added, what matches nobody makes nobody, and each row is counted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import mappings
from journey.interventions import identity
from kernel.errors import BadDocument
from kernel.store import tables
from tests.journey.conftest import HERE, RESOURCES, WORDS, World
from tests.journey.memory import MemorySystem, resource

BY_EMAIL = """
resource: facts.spending
produces:
  person:
    entity: contact
    create: false
    fields:
      email: {path: email, direction: in}
      lifetime_value: {path: spent, transform: [{money: {currency: EUR}}]}
      order_count: {path: orders}
"""
BY_ID = """
resource: facts.visits
produces:
  person:
    entity: contact
    create: false
    golden: of
    fields:
      job_title: {path: title}
"""
COMPANIES = """
resource: facts.sizes
produces:
  company: {entity: account, create: false, fields: {domain: {path: domain}, employee_count: {path: size}}}
"""
KNOWN = {**RESOURCES, "facts": ["spending", "visits", "sizes"]}


def loaded(folder: Path, **documents: str) -> mappings.Mappings:
    shutil.copytree(HERE / "config/mappings", folder / "mappings", dirs_exist_ok=True)
    (folder / "mappings/facts").mkdir(exist_ok=True)
    for name, text in documents.items():
        (folder / f"mappings/facts/{name}.yaml").write_text(text)
    return mappings.load(folder / "mappings", WORDS, known_resources=KNOWN)


@pytest.fixture
def facts(world: World, tmp_path: Path) -> MemorySystem:
    """A query beside the shop, read whole with each run."""
    world.mappings = loaded(tmp_path, spending=BY_EMAIL, visits=BY_ID, sizes=COMPANIES)
    found = MemorySystem("facts", {name: resource(name) for name in KNOWN["facts"]}, world.clock.now)
    world.systems["facts"] = found
    world.streams += ["facts.spending", "facts.visits", "facts.sizes"]
    return found


def again(world: World) -> Any:
    """A run that reads everything from the beginning."""
    with world.store.write() as conn:
        conn.exec_driver_sql("DELETE FROM checkpoint")
    return world.run()


def ids(world: World) -> dict[str, str]:
    """By e-mail address: the id of the living golden record."""
    rows = [row for row in world.rows("golden") if row.entity == "contact" and not row.merged_into and not row.gone]
    return {world.store.open(tables.golden, row.id, row.data)["data"]["email"]: row.id for row in rows}


def test_a_row_is_added_to_whom_it_matches_and_makes_nobody(world: World, facts: MemorySystem) -> None:
    world.shop.put("customers", "1", email="ann@acme.io", first="Ann", last="Lee")
    facts.put("spending", "a", email="ANN@acme.io", spent="12.50", orders=3)
    facts.put("spending", "b", email="nobody@acme.io", spent="9", orders=1)
    run = world.run()
    assert (run.counts.inbound.read, run.counts.inbound.landed, run.counts.inbound.filtered) == (3, 2, 1)
    assert run.counts.warnings == {"facts.spending no golden record matches": 1}
    (person,) = world.golden()
    assert (person["lifetime_value"], person["order_count"]) == ({"amount": "12.50", "currency": "EUR"}, 3)
    assert len(world.crm.all("contacts")) == 1
    filtered = [row for row in world.rows("version") if row.state == "filtered"]
    assert [row.rule for row in filtered] == ["no golden record matches"]


def test_who_arrives_later_is_added_to_then_and_nothing_is_written_meanwhile(world: World, facts: MemorySystem) -> None:
    facts.put("spending", "b", email="bob@acme.io", spent="9", orders=1)
    for _ in range(3):
        run = again(world)
        assert (run.counts.inbound.read, run.counts.inbound.filtered) == (1, 1)
    assert (len(world.rows("golden")), len(world.rows("member")), len(world.rows("version"))) == (0, 0, 1)
    facts.put("spending", "b", email="bob@acme.io", spent="10", orders=2)
    assert again(world).counts.inbound.filtered == 1
    assert len(world.rows("version")) == 2
    world.shop.put("customers", "2", email="bob@acme.io", last="Fox")
    assert again(world).counts.inbound.landed == 2
    assert world.golden()[0]["order_count"] == 2
    assert again(world).counts.inbound.unchanged == 2


def test_a_row_that_matches_no_more_is_taken_back(world: World, facts: MemorySystem) -> None:
    world.shop.put("customers", "1", email="ann@acme.io")
    facts.put("spending", "a", email="ann@acme.io", spent="1", orders=1)
    world.run()
    facts.put("spending", "a", email="someone@else.io", spent="1", orders=1)
    assert world.run().counts.inbound.filtered == 1
    (person,) = world.golden()
    assert person["email"] == "ann@acme.io"
    assert "order_count" not in person


def test_what_is_added_keeps_no_record_alive(world: World, facts: MemorySystem) -> None:
    world.shop.put("customers", "1", email="ann@acme.io")
    facts.put("spending", "a", email="ann@acme.io", spent="1", orders=1)
    world.run()
    world.shop.remove("customers", "1")
    world.run()
    assert world.golden() == []
    world.shop.put("customers", "9", email="ann@acme.io")
    world.run()
    assert [person["order_count"] for person in world.golden()] == [1]


def test_the_golden_record_may_be_named(world: World, facts: MemorySystem) -> None:
    world.shop.put("customers", "1", last="Nameless", email="")
    world.shop.put("customers", "1", email="ann@acme.io")
    world.shop.put("customers", "2", email="bob@acme.io")
    world.run()
    named = ids(world)
    facts.put("visits", "v1", of=named["ann@acme.io"], title="Director")
    facts.put("visits", "v2", of="f" * 32, title="Nobody")
    facts.put("visits", "v3", of=None, title="Nobody")
    run = world.run()
    counts = run.counts.inbound
    assert (counts.read, counts.landed, counts.filtered, counts.parked) == (3, 1, 1, 1)
    titles = {person["email"]: person.get("job_title") for person in world.golden()}
    assert titles == {"ann@acme.io": "Director", "bob@acme.io": None}
    assert [row.kind for row in world.rows("decision")] == ["must"]
    # Merged, it follows; when the row changes it is added to the record that took the other one in.
    identity.merge(world.context(), named["bob@acme.io"], named["ann@acme.io"], "Jo", "one person")
    facts.put("visits", "v1", of=named["ann@acme.io"], title="President")
    facts.put("visits", "v4", of=named["bob@acme.io"], title=None)
    run = world.run()
    assert (run.counts.inbound.landed, run.counts.inbound.filtered) == (2, 0)
    (person,) = world.golden()
    assert person["job_title"] == "President"


def test_a_row_that_names_another_record_moves_and_merges_nobody(world: World, facts: MemorySystem) -> None:
    world.shop.put("customers", "1", email="ann@acme.io")
    world.shop.put("customers", "2", email="bob@acme.io")
    world.run()
    named = ids(world)
    facts.put("visits", "v", of=named["ann@acme.io"], title="Director")
    world.run()
    facts.put("visits", "v", of=named["bob@acme.io"], title="Director")
    world.run()
    titles = {person["email"]: person.get("job_title") for person in world.golden()}
    assert titles == {"ann@acme.io": None, "bob@acme.io": "Director"}


def test_a_shared_mailbox_or_a_veto_matches_nobody(world: World, facts: MemorySystem) -> None:
    world.shop.put("customers", "1", email="info@acme.io", last="Lee")
    facts.put("spending", "a", email="info@acme.io", spent="1", orders=1)
    run = world.run()
    assert (run.counts.inbound.filtered, len(world.golden())) == (1, 1)


def test_companies_are_added_to_without_their_required_name(world: World, facts: MemorySystem) -> None:
    world.shop.put("customers", "1", email="ann@acme.io", company="Acme")
    facts.put("sizes", "s", domain="acme.io", size=40)
    assert world.run().counts.inbound.parked == 0
    (company,) = world.golden("account")
    assert (company["name"], company["employee_count"]) == ("Acme", 40)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (BY_EMAIL.replace("create: false", "golden: id"), "only with `create: false`"),
        (BY_EMAIL + "  other: {entity: account, fields: {name: {path: x}}}\n", "the only one of its mapping"),
        (
            "resource: facts.spending\nproduces:\n  o: {entity: order, create: false, fields: {number: {path: n}}}\n",
            "masters",
        ),
    ],
)
def test_wrong_documents_are_refused(tmp_path: Path, document: str, told: str) -> None:
    with pytest.raises(BadDocument, match=told):
        loaded(tmp_path, spending=document)
