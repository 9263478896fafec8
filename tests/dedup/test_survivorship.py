"""Whose value survives: each rule by an example, and by properties for any members in any order."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.survivorship import Golden, MemberView, survive
from tests.dedup.ground import FIELDS, rules

RULES = rules()
NAMES = frozenset(FIELDS)


def member(name: str, system: str = "", at: int = 0, **facts: Any) -> MemberView:
    """A member whose fields all changed at one instant; `ours` and `verified` as asked."""
    ours, verified = frozenset(facts.pop("ours", ())), frozenset(facts.pop("verified", ()))
    return MemberView(name, f"{system}_eu", system, facts, dict.fromkeys(facts, at), ours, 0, verified)


def golden(*members: MemberView) -> Golden:
    return survive(members, RULES, NAMES)


class TestChoice:
    def test_one_member_is_its_golden_record_less_echoes_and_undeclared_names(self) -> None:
        found = golden(member("a", at=5, phone="1", score="2", shoe="3", ours=["score"]))
        assert found.data == {"phone": "1"}
        assert found.provenance == {"phone": ("a", 5)}

    def test_verified_then_source_order_then_recent_then_complete(self) -> None:
        crm, shop = member("a", "crm", 1, phone="crm"), member("b", "shop", 9, phone="shop")
        assert golden(crm, shop).data["phone"] == "crm"
        sure = member("c", "form", 0, phone="sure", verified=["phone"])
        assert golden(crm, shop, sure).data["phone"] == "sure"
        assert golden(member("d", "shop", 3, phone="old"), shop).data["phone"] == "shop"
        assert golden(member("d", "shop", 9, phone="longer"), shop).data["phone"] == "longer"

    def test_a_connection_may_be_named_as_a_source(self) -> None:
        first = MemberView("z", "crm", "other", {"phone": "z"}, {})
        assert golden(first, member("a", "shop", 7, phone="a")).data["phone"] == "z"

    def test_a_fields_own_rule(self) -> None:
        crm, shop = member("a", "crm", 1, lifecycle="lead"), member("b", "shop", 2, lifecycle="customer")
        assert golden(crm, shop).data["lifecycle"] == "customer"
        early, late, never = (
            member("a", "crm", 9, first_touch="late"),
            member("b", "shop", 2, first_touch="early"),
            member("c", "shop", 0, first_touch="nobody knows when"),
        )
        assert golden(early, late, never).data["first_touch"] == "early"

    def test_an_echo_is_never_evidence_however_fresh(self) -> None:
        told = golden(member("a", "crm", 99, phone="ours", ours=["phone"]), member("b", "shop", 1, phone="theirs"))
        assert told.data["phone"] == "theirs"
        assert (
            "phone" not in golden(member("a", phone="x", ours=["phone"]), member("b", phone="x", ours=["phone"])).data
        )

    def test_a_null_is_said_only_when_nobody_says_more(self) -> None:
        assert golden(member("a", "crm", 9, phone=None), member("b", "shop", 1, phone="1")).data["phone"] == "1"
        cleared = golden(member("a", "crm", 9, phone=None), member("b", "shop", 1, city="Ulm"))
        assert cleared.data == {"phone": None, "city": "Ulm"}


class TestGroups:
    def test_half_of_one_address_and_half_of_another_is_nobodys(self) -> None:
        crm = member("a", "crm", 1, street="1 Elm St", city=None)
        shop = member("b", "shop", 9, street="2 Oak St", city="Ulm", postal_code="89073")
        assert golden(crm, shop).data == {"street": "1 Elm St", "city": None}

    def test_the_earliest_visit_wins_whenever_it_was_learned(self) -> None:
        late = member("a", "crm", 1, visit_source="mail", visit_at="2026-03-01T09:00:00.500Z")
        early = member("b", "shop", 9, visit_source="web", visit_at="2026-03-01T09:00:00Z[+02:00]")
        unknown = member("c", "crm", 2, visit_source="?")
        found = golden(late, early, unknown)
        assert found.data == {"visit_source": "web", "visit_at": "2026-03-01T09:00:00Z[+02:00]"}
        assert golden(late, unknown).data["visit_source"] == "mail"


class TestLists:
    def test_plain_values_are_united_with_the_origin_of_each(self) -> None:
        found = golden(member("a", "shop", 2, tags=["x", "y"]), member("b", "crm", 1, tags=["y", "z"]))
        assert found.data["tags"] == ["y", "z", "x"]
        assert found.provenance == {
            "tags": ("b", 1),
            "tags[0]": ("b", 1),
            "tags[1]": ("b", 1),
            "tags[2]": ("a", 2),
        }

    def test_of_embedded_entries_with_one_key_the_best_members_stays_whole(self) -> None:
        home, other = {"kind": "main", "street": "1 Elm"}, {"kind": "main", "postal_code": "2"}
        ship = {"kind": "shipping", "street": "3 Oak"}
        found = golden(member("a", "crm", 1, addresses=[home]), member("b", "shop", 9, addresses=[other, ship]))
        assert found.data["addresses"] == [home, ship]

    def test_an_empty_list_stays_one(self) -> None:
        assert golden(member("a", tags=[]), member("b", tags=[])).data["tags"] == []


class TestConsentFields:
    def test_the_most_restrictive_wins_and_only_a_later_evidenced_yes_widens(self) -> None:
        no, imported = member("a", "shop", 5, opt_in="denied"), member("b", "crm", 9, opt_in="granted")
        assert golden(no, imported).data["opt_in"] == "denied"
        yes = member("c", "form", 6, opt_in="granted", opt_in_evidence="form 7")
        assert golden(no, imported, yes).data == {"opt_in": "granted", "opt_in_evidence": "form 7"}
        assert golden(member("d", "shop", 6, opt_in="denied"), yes).data == {"opt_in": "denied"}

    def test_evidence_that_is_our_own_echo_proves_nothing(self) -> None:
        echo = member("c", "form", 9, opt_in="granted", opt_in_evidence="form 7", ours=["opt_in_evidence"])
        assert golden(member("a", "shop", 5, opt_in="denied"), echo).data == {"opt_in": "denied"}


VALUES = {
    "phone": st.sampled_from([None, "1", "22"]),
    "lifecycle": st.sampled_from([None, "lead", "customer"]),
    "first_touch": st.sampled_from(["mail", "web"]),
    "street": st.sampled_from([None, "1 Elm", "2 Oak"]),
    "city": st.sampled_from([None, "Ulm"]),
    "visit_source": st.sampled_from(["mail", "web"]),
    "visit_at": st.sampled_from([None, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
    "tags": st.lists(st.sampled_from("xyz"), max_size=3),
    "addresses": st.lists(
        st.fixed_dictionaries({"kind": st.sampled_from(["main", "shipping"]), "street": st.sampled_from("ab")}),
        max_size=2,
    ),
    "opt_in": st.sampled_from([None, "denied", "pending", "granted", "strange"]),
    "opt_in_evidence": st.sampled_from([None, "form 7"]),
}


@st.composite
def members(draw: st.DrawFn) -> list[MemberView]:
    """Members of any systems with any of the fields, alike in much."""
    made = []
    for number in range(draw(st.integers(1, 5))):
        names = draw(st.sets(st.sampled_from(sorted(VALUES)), min_size=1))
        system = draw(st.sampled_from(["crm", "shop", "form"]))
        data = {name: draw(VALUES[name]) for name in sorted(names)}
        at = {name: draw(st.integers(0, 3)) for name in sorted(names)}
        ours, verified = (frozenset(draw(st.sets(st.sampled_from(sorted(names)), max_size=2))) for _ in range(2))
        made.append(MemberView(f"m{number}", f"{system}_eu", system, data, at, ours, number, verified))
    return made


@given(members(), st.data())
@settings(max_examples=200)
def test_the_golden_record_does_not_depend_on_the_order_of_its_members(
    made: list[MemberView], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(made))
    whole, again = golden(*made), golden(*shuffled)
    assert (whole.data, whole.provenance) == (again.data, again.provenance)


@given(members())
@settings(max_examples=200)
def test_every_value_comes_from_a_member_that_holds_it_as_its_own(made: list[MemberView]) -> None:
    by_id = {each.id: each for each in made}
    found = golden(*made)
    for name, value in found.data.items():
        source, at = found.provenance[name]
        assert name not in by_id[source].ours
        assert at == by_id[source].at[name]
        if name not in ("tags", "addresses") or len(made) == 1:
            assert value == by_id[source].data[name]


@given(members())
@settings(max_examples=200)
def test_consent_is_never_widened_without_the_persons_own_later_word(made: list[MemberView]) -> None:
    order = ["strange", "denied", "pending", "granted"]
    said = [each for each in made if each.data.get("opt_in") is not None and "opt_in" not in each.ours]
    found = golden(*made).data.get("opt_in")
    if not said or found is None:
        return
    strictest = min(said, key=lambda each: order.index(each.data["opt_in"]))
    if order.index(found) > order.index(strictest.data["opt_in"]):
        assert any(
            each.data["opt_in"] == found
            and each.data.get("opt_in_evidence")
            and "opt_in_evidence" not in each.ours
            and each.at["opt_in"] > strictest.at["opt_in"]
            for each in said
        )
