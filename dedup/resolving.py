"""Who is one and the same: nodes that share keys become clusters, under limits, vetoes and people's verdicts.

The partition is a pure function of the nodes, the verdicts, the rules and the hot keys. Links are tried in one
canonical order (strength, priority, key hash, smallest node id), never in the order of arrival, and a link once refused
would be refused again later, because clusters only grow. Golden *ids* do follow arrival: they are anchored on the first
object.

Scored matching will add its links here, after the keys, as one more kind of evidence in the same canonical order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from dedup.decisions import Verdict, effective
from dedup.keys import KeyRule, Strength
from dedup.rules import EntityRules
from kernel.ids import beside

KeyHash = tuple[str, str]
"""(kind of key, keyed hash of its value)."""


@dataclass(slots=True)
class Node:
    """One part of one object, as matching sees it. `arrival` counts up for ever and never changes for a node."""

    id: str
    keys: tuple[KeyHash, ...]
    arrival: int
    golden_id: str | None = None
    connection: str = ""
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A shared key that did not join two clusters, and why: a candidate for a person's review."""

    kind: str  # the key's kind, or "verdict" for a must-link that could not be followed
    hash: str
    a: str
    b: str
    reason: str  # verdict | same_system | limit | cluster


@dataclass(slots=True)
class Resolution:
    """What became of the nodes. `assignments` names every node given; the rest is empty when nothing of it happened."""

    assignments: dict[str, str]
    created: dict[str, str] = field(default_factory=dict)  # new golden id -> the node that anchors it
    forwards: dict[str, str] = field(default_factory=dict)  # golden id that is no more -> the one that took it in
    splits: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # old golden id -> all golden ids its nodes are in now
    refused: list[Refusal] = field(default_factory=list)
    newly_hot: set[KeyHash] = field(default_factory=set)  # for the caller to remember and pass as `hot` from now on


NewId = Callable[[str, int], str]
"""Makes a golden id from (anchor node id, attempt). The attempt rises while the id is taken."""


def anchored_id(node_id: str, attempt: int = 0) -> str:
    """The golden id that a node anchors: the same node gives the same id, so an unmerge hands the old id back."""
    return beside(node_id, "golden", str(attempt)) if attempt else beside(node_id, "golden")


def resolve(
    nodes: Sequence[Node],
    verdicts: Sequence[Verdict],
    rules: EntityRules,
    hot: Collection[KeyHash] = frozenset(),
    new_id: NewId = anchored_id,
) -> Resolution:
    """Cluster the nodes and give each cluster its golden id.

    The caller passes whole components: every node that shares a key that is not hot, a verdict or a golden record with
    one of the nodes must be among them. Several components at once are fine.
    """
    if len(nodes) == 1 and not verdicts:
        return _alone(nodes[0], new_id)
    groups, newly_hot = _shared_keys(nodes, rules, hot)
    must, cannot = effective(verdicts)
    clusters = _Clusters({node.id: node for node in nodes}, rules, cannot, hot, newly_hot)
    for a, b in must:
        if a in clusters.nodes and b in clusters.nodes:
            clusters.obey(a, b)
    for rule, key, ids in groups:
        clusters.link(rule, key, ids)
    resolution = _name_clusters(nodes, clusters.of, new_id)
    resolution.refused = clusters.open_refusals()
    resolution.newly_hot = newly_hot
    return resolution


def _alone(node: Node, new_id: NewId) -> Resolution:
    if node.golden_id is not None:
        return Resolution({node.id: node.golden_id})
    golden_id = new_id(node.id, 0)
    return Resolution({node.id: golden_id}, {golden_id: node.id})


def _shared_keys(
    nodes: Sequence[Node], rules: EntityRules, hot: Collection[KeyHash]
) -> tuple[list[tuple[KeyRule, KeyHash, list[str]]], set[KeyHash]]:
    """The keys that link, with their holders, in canonical order; and those that turned hot."""
    by_kind = rules.by_kind
    holders: dict[KeyHash, list[str]] = {}
    shared: set[KeyHash] = set()
    for node in nodes:
        for key in node.keys:
            if key in holders:
                if holders[key][-1] != node.id:
                    holders[key].append(node.id)
                    shared.add(key)
            else:
                holders[key] = [node.id]
    groups: list[tuple[KeyRule, KeyHash, list[str]]] = []
    newly_hot: set[KeyHash] = set()
    for key in shared:
        rule = by_kind.get(key[0])
        if rule is None or key in hot:  # a kind of an older revision of the rules links no more
            continue
        if rule.hot_after is not None and len(holders[key]) > rule.hot_after:
            newly_hot.add(key)
        elif rule.strength is not Strength.SUPPORT:
            groups.append((rule, key, sorted(holders[key])))
    groups.sort(key=lambda group: (group[0].rank, group[1][1]))
    return groups, newly_hot


class _Cluster:
    """Nodes joined so far, with what the next join is checked against."""

    __slots__ = ("barred", "members", "systems", "values")

    def __init__(self, node: Node, barred: set[str], values: dict[str, set[str]]) -> None:
        self.members = [node.id]
        self.systems = {(node.connection, node.resource)}
        self.barred = barred  # node ids that a verdict keeps out
        self.values = values  # per limited kind, the distinct values held

    def absorb(self, other: _Cluster) -> None:
        self.members += other.members
        self.systems |= other.systems
        self.barred |= other.barred
        for kind, values in other.values.items():
            mine = self.values.get(kind)
            self.values[kind] = values if mine is None else mine | values


class _Clusters:
    """The union under vetoes. Only nodes that some link has touched have a cluster here."""

    def __init__(
        self,
        nodes: dict[str, Node],
        rules: EntityRules,
        cannot: Iterable[tuple[str, str]],
        hot: Collection[KeyHash],
        newly_hot: Collection[KeyHash],
    ) -> None:
        self.nodes = nodes
        self.of: dict[str, _Cluster] = {}
        self._rules = rules
        self._hot = (hot, newly_hot)
        self._barred: dict[str, set[str]] = {}
        for a, b in cannot:
            self._barred.setdefault(a, set()).add(b)
            self._barred.setdefault(b, set()).add(a)
        self._refused: list[Refusal] = []

    def obey(self, a: str, b: str) -> None:
        """A person's must-link: only a person's cannot-link stands against it."""
        mine, other = self._cluster(a), self._cluster(b)
        if mine is other:
            return
        if self._kept_apart(mine, other):
            self._refused.append(Refusal("verdict", "", a, b, "verdict"))
        else:
            self._union(mine, other)

    def link(self, rule: KeyRule, key: KeyHash, ids: list[str]) -> None:
        """Join the clusters that hold a key, first by first. `ids` are sorted."""
        seen: set[int] = set()
        waiting: list[str] = []
        for node_id in ids:
            cluster = id(self._cluster(node_id))
            if cluster not in seen:
                seen.add(cluster)
                waiting.append(node_id)
        while len(waiting) > 1:
            first, left = waiting[0], []
            for other in waiting[1:]:
                reason = self._veto(rule, self.of[first], self.of[other])
                if reason:
                    self._refused.append(Refusal(rule.name, key[1], first, other, reason))
                    left.append(other)
                else:
                    self._union(self.of[first], self.of[other])
            waiting = left

    def open_refusals(self) -> list[Refusal]:
        """The refusals that still stand between two clusters: one per pair of clusters, kind and reason."""
        kept: dict[tuple[frozenset[int], str, str], Refusal] = {}
        for refusal in self._refused:
            a, b = self.of[refusal.a], self.of[refusal.b]
            if a is not b:
                kept.setdefault((frozenset((id(a), id(b))), refusal.kind, refusal.reason), refusal)
        return list(kept.values())

    def _cluster(self, node_id: str) -> _Cluster:
        cluster = self.of.get(node_id)
        if cluster is None:
            node = self.nodes[node_id]
            values: dict[str, set[str]] = {}
            limited = self._rules.limited
            for key in node.keys:
                if key[0] in limited and not any(key in hot for hot in self._hot):
                    values.setdefault(key[0], set()).add(key[1])
            cluster = self.of[node_id] = _Cluster(node, set(self._barred.get(node_id, ())), values)
        return cluster

    def _veto(self, rule: KeyRule, a: _Cluster, b: _Cluster) -> str:
        if self._kept_apart(a, b):
            return "verdict"
        if rule.strength is Strength.EXACT:  # the same object named twice is no guess
            return ""
        if rule.strength is Strength.COMPOSITE and not a.systems.isdisjoint(b.systems):
            return "same_system"  # one system told them apart; only a strong key overrules it
        if len(a.members) + len(b.members) > self._rules.max_cluster:
            return "cluster"
        for kind, values in a.values.items():
            theirs = b.values.get(kind)
            if theirs is not None:
                together = len(values | theirs)
                if together > self._rules.limited[kind] and together > max(len(values), len(theirs)):
                    return "limit"
        return ""

    @staticmethod
    def _kept_apart(a: _Cluster, b: _Cluster) -> bool:
        return bool(a.barred) and bool(b.barred) and not a.barred.isdisjoint(b.members)

    def _union(self, a: _Cluster, b: _Cluster) -> None:
        large, small = (a, b) if len(a.members) >= len(b.members) else (b, a)
        large.absorb(small)
        for node_id in small.members:
            self.of[node_id] = large


def _name_clusters(nodes: Sequence[Node], of: dict[str, _Cluster], new_id: NewId) -> Resolution:
    """Golden ids: a golden record stays with its anchor; where two meet, the lower arrival keeps its id."""
    anchors: dict[str, Node] = {}  # golden id -> its first node
    for node in nodes:
        if node.golden_id is not None:
            known = anchors.get(node.golden_id)
            if known is None or (node.arrival, node.id) < (known.arrival, known.id):
                anchors[node.golden_id] = node
    ids: dict[int | str, str] = {}  # cluster (or lone node) -> golden id
    resolution = Resolution({})
    for golden_id, anchor in sorted(anchors.items(), key=lambda item: (item[1].arrival, item[1].id)):
        cluster = of.get(anchor.id)
        place = anchor.id if cluster is None else id(cluster)
        kept = ids.setdefault(place, golden_id)
        if kept != golden_id:
            resolution.forwards[golden_id] = kept
    for node in sorted(nodes, key=lambda node: (node.arrival, node.id)):
        cluster = of.get(node.id)
        place = node.id if cluster is None else id(cluster)
        if place not in ids:
            ids[place] = _unused(node.id, new_id, anchors, resolution.created)
            resolution.created[ids[place]] = node.id
        resolution.assignments[node.id] = ids[place]
    if anchors:
        resolution.splits = _splits(nodes, resolution.assignments)
    return resolution


def _unused(node_id: str, new_id: NewId, *taken: Collection[str]) -> str:
    attempt = 0
    golden_id = new_id(node_id, attempt)
    while any(golden_id in ids for ids in taken):
        attempt += 1
        golden_id = new_id(node_id, attempt)
    return golden_id


def _splits(nodes: Sequence[Node], assignments: dict[str, str]) -> dict[str, tuple[str, ...]]:
    now: dict[str, set[str]] = {}
    for node in nodes:
        if node.golden_id is not None:
            now.setdefault(node.golden_id, set()).add(assignments[node.id])
    return {old: tuple(sorted(new)) for old, new in now.items() if len(new) > 1}
