"""The journey from start to end, on both databases: what a person would say of it."""

from __future__ import annotations

from tests.journey.conftest import World, route


def _ann(world: World, **more: str) -> None:
    world.shop.put(
        "customers",
        "1",
        **(
            {"email": "Ann@Acme.io", "first": "Ann", "last": "Archer", "phone": "+14155552671", "company": "Acme"}
            | more
        ),
    )


def test_one_record_gives_a_person_and_a_company_and_both_arrive_linked(world: World) -> None:
    _ann(world)
    run = world.run()
    assert run.state == "completed"
    (company,) = world.crm.all("companies")
    (person,) = world.crm.all("contacts")
    assert (person["email"], person["firstname"], company["domain"]) == ("ann@acme.io", "Ann", "acme.io")
    assert person["company"] == company["id"]
    assert (run.counts.inbound.read, run.counts.inbound.landed) == (1, 1)
    assert (run.counts.outbound.planned, run.counts.outbound.applied) == (2, 2)


def test_running_again_reads_nothing_new_and_writes_nothing(world: World) -> None:
    _ann(world)
    world.run()
    calls = world.crm.calls
    again = world.run()
    assert (again.counts.inbound.read, again.counts.outbound.planned, world.crm.calls) == (0, 0, calls)


def test_a_change_sends_only_the_field_that_changed(world: World) -> None:
    _ann(world)
    world.run()
    _ann(world, title="Director")
    world.run()
    assert world.crm.log[-1][3] == {"jobtitle": "Director"}


def test_the_same_content_read_again_is_unchanged(world: World) -> None:
    for n in range(7):
        world.shop.put("customers", str(n), email=f"p{n}@x{n}.io", last="P")
    world.run()
    with world.store.write() as conn:
        conn.exec_driver_sql("DELETE FROM checkpoint")
    again = world.run()
    assert (again.counts.inbound.read, again.counts.inbound.unchanged) == (7, 7)
    assert again.counts.outbound.planned == 0


def test_two_systems_that_know_one_person_give_one_record(world: World) -> None:
    world.streams.append("help.users")
    _ann(world)
    world.help.put("users", "9", email="ann@acme.io", role="Engineer")
    world.run()
    (person,) = world.crm.all("contacts")
    assert (person["jobtitle"], person["lastname"]) == ("Engineer", "Archer")
    assert len(world.golden()) == 1


def test_a_reference_whose_other_end_comes_late_is_written_when_it_arrives(world: World) -> None:
    _ann(world, company="")
    world.run()
    (person,) = world.crm.all("contacts")
    assert "company" not in person
    world.shop.put("customers", "2", email="bob@acme.io", last="Bell", company="Acme")
    world.run()
    company = world.crm.all("companies")[0]
    assert person["company"] == company["id"]


def test_a_required_parent_makes_the_child_wait_and_releases_it(world: World) -> None:
    world.routes[1] = route("contact", "crm.contacts", requires=frozenset({"account"}))
    _ann(world, company="")
    first = world.run()
    assert world.crm.all("contacts") == []
    assert (first.counts.outbound.planned, first.counts.outbound.pending) == (1, 1)
    world.shop.put("customers", "2", email="bob@acme.io", last="Bell", company="Acme")
    world.run()
    assert {p["company"] for p in world.crm.all("contacts")} == {world.crm.all("companies")[0]["id"]}


def test_a_child_that_waited_too_long_is_a_dead_letter(world: World) -> None:
    world.routes[1] = route("contact", "crm.contacts", requires=frozenset({"account"}), wait_limit=60)
    _ann(world, company="")
    world.run()
    world.clock.at += 61_000_000
    run = world.run()
    assert run.state == "with_dead_letters"
    assert [letter.cause for letter in world.rows("dead_letter")] == ["parent_missing"]
