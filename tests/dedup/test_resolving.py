"""Clusters under guards: what joins, what is refused and why, and that neither order nor batches matter."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.decisions import Ruling, Verdict, merging, unmerging
from dedup.resolving import Node, anchored_id, resolve
from tests.dedup.ground import Caller, node, rules

RULES = rules()


def together(*nodes: Node, verdicts: tuple[Verdict, ...] = (), with_rules: object = RULES) -> set[frozenset[str]]:
    resolution = resolve(nodes, verdicts, with_rules)  # type: ignore[arg-type]
    clusters: dict[str, set[str]] = {}
    for name, golden in resolution.assignments.items():
        clusters.setdefault(golden, set()).add(name)
    return {frozenset(names) for names in clusters.values()}


def one(*names: str) -> set[frozenset[str]]:
    return {frozenset(names)}


def apart(*names: str) -> set[frozenset[str]]:
    return {frozenset((name,)) for name in names}


class TestLinks:
    def test_a_strong_key_joins_even_inside_one_system(self) -> None:
        assert together(node("a", "email:x", system="crm"), node("b", "email:x", system="crm")) == one("a", "b")

    def test_a_composite_joins_two_systems_but_never_two_records_of_one(self) -> None:
        a, b = node("a", "phone_name:p", system="crm"), node("b", "phone_name:p", system="shop")
        assert together(a, b) == one("a", "b")
        inside = resolve([a, node("c", "phone_name:p", system="crm")], (), RULES)
        assert len(set(inside.assignments.values())) == 2
        assert [refusal.reason for refusal in inside.refused] == ["same_system"]

    def test_a_composite_does_not_bring_two_records_of_one_system_together_through_a_third(self) -> None:
        found = together(
            node("a", "email:1", "phone_name:p", system="crm"),
            node("b", "phone_name:p", system="shop"),
            node("c", "email:2", "phone_name:p", system="crm"),
        )
        assert sorted(map(len, found)) == [1, 2]
        assert frozenset("ac") not in found

    def test_a_support_key_and_a_kind_of_older_rules_join_nothing(self) -> None:
        assert together(node("a", "device:d"), node("b", "device:d")) == apart("a", "b")
        assert together(node("a", "fax:1"), node("b", "fax:1")) == apart("a", "b")

    def test_the_same_object_named_twice_joins_past_the_guards(self) -> None:
        tight = rules(max_cluster=2, hot_after=2)
        names = [f"n{number}" for number in range(5)]
        found = together(*(node(name, "object:o", system="crm") for name in names), with_rules=tight)
        assert found == one(*names)

    def test_a_repeated_key_inside_one_node_is_no_link(self) -> None:
        assert together(node("a", "email:x", "email:x"), node("b", "email:y")) == apart("a", "b")


class TestGuards:
    def test_a_golden_record_gathers_no_more_values_than_the_limit(self) -> None:
        two = rules(limit=2)
        a, b, c = node("a", "email:1", "email:2"), node("b", "email:2", "email:3"), node("c", "email:1")
        resolution = resolve([a, b, c], (), two)
        assert resolution.assignments["a"] == resolution.assignments["c"] != resolution.assignments["b"]
        assert [(refusal.kind, refusal.a, refusal.b, refusal.reason) for refusal in resolution.refused] == [
            ("email", "a", "b", "limit")
        ]

    def test_one_object_over_the_limit_may_still_meet_its_own_values(self) -> None:
        assert together(node("a", "email:1", "email:2"), node("b", "email:2"), with_rules=rules(limit=1)) == one(
            "a", "b"
        )

    def test_no_cluster_grows_past_the_most(self) -> None:
        small = rules(max_cluster=3)
        found = resolve([node(f"n{number}", "email:x") for number in range(5)], (), small)
        sizes = sorted(list(found.assignments.values()).count(golden) for golden in set(found.assignments.values()))
        assert sizes == [2, 3]
        assert {refusal.reason for refusal in found.refused} == {"cluster"}

    def test_a_hot_key_withdraws_all_its_links(self) -> None:
        cool = rules(hot_after=3)
        four = [node(f"n{number}", "email:x") for number in range(4)]
        resolution = resolve(four, (), cool)
        assert len(set(resolution.assignments.values())) == 4
        assert resolution.newly_hot == {("email", "x")}
        assert together(*four[:3], with_rules=cool) == one("n0", "n1", "n2")
        assert len(set(resolve(four[:2], (), cool, {("email", "x")}).assignments.values())) == 2

    def test_ten_thousand_records_of_one_mailbox_neither_merge_nor_are_compared_in_pairs(self) -> None:
        crowd = [node(f"n{number:05}", "email:x") for number in range(10_000)]
        resolution = resolve(crowd, (), RULES)
        assert len(set(resolution.assignments.values())) == 10_000
        assert resolution.refused == []


class TestVerdicts:
    def test_a_must_link_outranks_every_guard(self) -> None:
        must = Verdict(Ruling.MUST, "b", "a", 1)
        a, b = node("a", "email:1", system="crm"), node("b", "email:2", system="crm")
        assert together(a, b, verdicts=(must,), with_rules=rules(limit=1)) == one("a", "b")

    def test_a_cannot_link_outranks_every_key_and_reaches_through_others(self) -> None:
        cannot = Verdict(Ruling.CANNOT, "a", "c", 1)
        resolution = resolve([node("a", "email:x"), node("b", "email:x"), node("c", "email:x")], (cannot,), RULES)
        assert resolution.assignments["a"] == resolution.assignments["b"] != resolution.assignments["c"]
        assert [refusal.reason for refusal in resolution.refused] == ["verdict"]

    def test_two_people_who_disagree_are_told(self) -> None:
        verdicts = (Verdict(Ruling.MUST, "a", "b"), Verdict(Ruling.MUST, "b", "c"), Verdict(Ruling.CANNOT, "a", "c"))
        resolution = resolve([node("a"), node("b"), node("c")], verdicts, RULES)
        assert [(refusal.a, refusal.b, refusal.reason) for refusal in resolution.refused] == [("b", "c", "verdict")]

    def test_the_last_verdict_about_a_pair_holds(self) -> None:
        a, b = node("a", "email:x"), node("b", "email:x")
        said = (
            Verdict(Ruling.OPEN, "a", "b", 3),
            Verdict(Ruling.CANNOT, "b", "a", 2),
            Verdict(Ruling.MUST, "a", "b", 1),
        )
        assert together(a, b, verdicts=said) == one("a", "b")
        assert together(a, b, verdicts=said[1:]) == apart("a", "b")

    def test_a_verdict_needs_two_sides(self) -> None:
        with pytest.raises(ValueError, match="both sides"):
            merging(["a"], [], (), 1)
        with pytest.raises(ValueError, match="both sides"):
            unmerging(["a", "b"], ["b"], 1)


class TestGoldenIds:
    def test_a_new_node_anchors_its_own_id_and_a_known_one_keeps_it(self) -> None:
        new = resolve([node("a", "email:x")], (), RULES)
        assert new.created == {anchored_id("a"): "a"}
        assert resolve([node("a", golden="g1")], (), RULES).assignments == {"a": "g1"}

    def test_a_merge_keeps_the_id_of_the_lower_arrival_and_forwards_the_other(self) -> None:
        resolution = resolve(
            [node("z", "email:x", arrival=1, golden="g1"), node("a", "email:x", arrival=2, golden="g2")], (), RULES
        )
        assert set(resolution.assignments.values()) == {"g1"}
        assert resolution.forwards == {"g2": "g1"}
        assert resolution.created == {}

    def test_after_a_split_the_anchor_keeps_the_id(self) -> None:
        nodes = [node("a", arrival=2, golden="g"), node("b", arrival=1, golden="g"), node("c", arrival=3, golden="g")]
        resolution = resolve(nodes, (), RULES)
        assert resolution.assignments == {"a": anchored_id("a"), "b": "g", "c": anchored_id("c")}
        assert resolution.splits == {"g": tuple(sorted(("g", anchored_id("a"), anchored_id("c"))))}

    def test_a_new_id_never_meets_one_in_use(self) -> None:
        taken = anchored_id("b")
        resolution = resolve([node("a", arrival=1, golden=taken), node("b", arrival=2)], (), RULES)
        assert resolution.assignments == {"a": taken, "b": anchored_id("b", 1)}

    def test_merge_then_unmerge_hands_the_former_ids_back(self) -> None:
        caller = Caller(RULES)
        caller.land([node("a", "email:1"), node("b", "email:1"), node("c", "email:2"), node("d", "email:2")])
        before = {name: known.golden_id for name, known in caller.nodes.items()}
        caller.decide(merging(["a", "b"], ["c", "d"], caller.verdicts, 1))
        assert len(caller.partition) == 1
        assert caller.forwards == {before["c"]: before["a"]}
        caller.decide(unmerging(["c", "d"], ["a", "b"], 2))
        assert {name: known.golden_id for name, known in caller.nodes.items()} == before
        assert caller.forwards == {}
        caller.decide(merging(["a", "b"], ["c", "d"], caller.verdicts, 3))
        assert len(caller.partition) == 1


KINDS = ("email", "phone_name", "address_name", "device", "object")
NAMES = [f"n{number}" for number in range(9)]


@st.composite
def nodes(draw: st.DrawFn) -> list[Node]:
    """A few nodes that share keys often, some of them of one system."""
    made = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=2)):
        kinds = draw(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from("vwxyz")), max_size=4, unique=True))
        made.append(node(name, *(f"{kind}:{value}" for kind, value in kinds), system=draw(st.sampled_from("ABC"))))
    return made


verdicts = st.lists(
    st.builds(
        Verdict,
        st.sampled_from(Ruling),
        st.sampled_from(NAMES[:4]),
        st.sampled_from(NAMES[4:]),
        st.integers(0, 3),
    ),
    max_size=3,
)
guards = st.builds(rules, max_cluster=st.integers(2, 6), hot_after=st.integers(2, 6), limit=st.integers(1, 3))


@given(nodes(), verdicts, guards, st.data())
@settings(max_examples=150)
def test_the_partition_is_the_same_for_every_order_and_every_cut_into_batches(
    made: list[Node], said: list[Verdict], under: object, data: st.DataObject
) -> None:
    present = [verdict for verdict in said if set(verdict.pair) <= {each.id for each in made}]

    def landed(order: list[Node], cuts: list[int]) -> Caller:
        caller = Caller(under)  # type: ignore[arg-type]
        caller.verdicts = list(present)
        for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True):
            caller.verdicts = [verdict for verdict in present if set(verdict.pair) <= {each.id for each in order[:end]}]
            caller.land([replace(each) for each in order[start:end]])
        return caller

    whole = landed(made, [])
    order = data.draw(st.permutations(made))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(made) - 1))))
    pieces = landed(list(order), cuts)
    assert pieces.partition == whole.partition
    assert pieces.hot == whole.hot


@given(nodes(), guards)
@settings(max_examples=150)
def test_no_chain_of_guesses_makes_a_mega_record(made: list[Node], under: object) -> None:
    resolution = resolve([replace(each, keys=_without_exact(each)) for each in made], (), under)  # type: ignore[arg-type]
    by_golden: dict[str, list[Node]] = {}
    for each in made:
        by_golden.setdefault(resolution.assignments[each.id], []).append(each)
    for members in by_golden.values():
        assert len(members) <= under.max_cluster  # type: ignore[attr-defined]
        cold = {key for member in members for key in member.keys if key[0] == "email"} - resolution.newly_hot
        own = max(sum(key[0] == "email" for key in member.keys) for member in members)
        assert len(cold) <= max(own, under.limited["email"])  # type: ignore[attr-defined]


def _without_exact(each: Node) -> tuple[tuple[str, str], ...]:
    return tuple(key for key in each.keys if key[0] != "object")


@given(nodes(), guards, st.data())
@settings(max_examples=100)
def test_ids_live_on_through_any_change(made: list[Node], under: object, data: st.DataObject) -> None:
    """After every batch: ids that went are forwarded, new ones have their anchor, and a repeat is quiet."""
    caller = Caller(under)  # type: ignore[arg-type]
    caller.land(made)
    for _ in range(3):
        before = {known.golden_id for known in caller.nodes.values()}
        changed = data.draw(nodes())
        resolution = caller.land(changed)
        after = {known.golden_id for known in caller.nodes.values()}
        assert before - after <= set(resolution.forwards)
        assert after - before == set(resolution.created)
        assert all(caller.nodes[anchor].golden_id == golden for golden, anchor in resolution.created.items())
        quiet = caller.again({each.id for each in changed})
        assert (quiet.created, quiet.forwards, quiet.splits, quiet.newly_hot) == ({}, {}, {}, set())
