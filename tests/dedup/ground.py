"""What the dedup tests stand on: a small dictionary, a rules file, and a caller that lands nodes batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from dedup.decisions import Verdict
from dedup.keys import EXACT_KINDS
from dedup.resolving import KeyHash, Node, Resolution, anchored_id, resolve
from dedup.rules import EntityRules, compile_rules
from kernel.documents import parse

FIELDS = (
    *(
        "email",
        "emails",
        "phone",
        "first_name",
        "last_name",
        "addresses",
        "device_id",
        "lifecycle",
        "first_touch",
        "tags",
    ),
    *("opt_in", "opt_in_evidence", "street", "city", "postal_code", "score", "visit_source", "visit_at"),
)

RULES = """
entity: contact
description: People, for the tests.
max_cluster: {max_cluster}
hot_after: {hot_after}
keys:
  - name: email
    strength: strong
    priority: 10
    limit: {limit}
    from: [{{fields: [email, emails], transform: email}}]
  - name: phone_name
    strength: composite
    priority: 20
    from:
      - {{fields: [phone], transform: phone}}
      - {{fields: [first_name, last_name], transform: person}}
  - name: address_name
    strength: composite
    priority: 30
    from:
      - {{fields: ["addresses[kind=shipping].street", "addresses[kind=shipping].postal_code"], transform: address}}
      - {{fields: [first_name, last_name], transform: person}}
  - {{name: device, strength: support, priority: 90, from: [{{fields: [device_id], transform: code}}]}}
blocked:
  - {{exact: ["-1", "null", anonymous, unknown], regex: ["^[0-]*$"]}}
  - {{transform: email, exact: [test@test.com], regex: ["^(info|no-?reply)@"]}}
survivorship:
  default: [verified, source, recent, complete]
  sources: [crm, shop]
  together:
    - {{fields: [street, city, postal_code]}}
    - {{fields: [visit_source, visit_at], earliest: visit_at}}
  fields:
    first_touch: {{by: [oldest]}}
    tags: {{union: true}}
    addresses: {{union: true}}
    lifecycle: {{by: [recent]}}
    opt_in: {{consent: {{restrictive_first: [denied, pending, granted], evidence: opt_in_evidence}}}}
"""


def field(name: str) -> SimpleNamespace:
    """A stand-in for a dictionary field, of a type that its name tells."""
    strong = SimpleNamespace(strength="strong", limit=5) if name in ("email", "emails", "domain", "sku") else None
    inner = dict.fromkeys(("kind", "street", "postal_code")) if name == "addresses" else None
    kind = "list" if name in ("emails", "addresses", "tags") else "text"
    return SimpleNamespace(type=kind, identifier=strong, key="kind" if inner else None, fields=inner)


def dictionary(kind: str = "master", **entities: Iterable[str]) -> Any:
    """A stand-in for the dictionary: entity names with their fields."""
    made = {
        name: SimpleNamespace(kind=kind, fields={each: field(each) for each in fields})
        for name, fields in entities.items()
    }
    return SimpleNamespace(entities=made)


def rules(max_cluster: int = 50, hot_after: int = 20, limit: int = 3) -> EntityRules:
    """The test rules, with the guards set as the test needs them."""
    text = RULES.format(max_cluster=max_cluster, hot_after=hot_after, limit=limit)
    return compile_rules(parse(text, file="contact.yaml"), dictionary(contact=FIELDS))


def node(name: str, *keys: str, arrival: int = 0, system: str = "", golden: str | None = None) -> Node:
    """A node with keys written `kind:value`; each name is its own system unless told."""
    hashed = tuple((key.partition(":")[0], key.partition(":")[2]) for key in keys)
    return Node(name, hashed, arrival, golden, system or name, "contacts")


class Caller:
    """What the journey does around `resolve`: keeps memberships, forwards and hot keys, and loads whole components."""

    def __init__(self, rules: EntityRules) -> None:
        self.rules = rules
        self.nodes: dict[str, Node] = {}
        self.verdicts: list[Verdict] = []
        self.hot: set[KeyHash] = set()
        self.forwards: dict[str, str] = {}
        self._arrivals = 0

    def land(self, batch: Sequence[Node]) -> Resolution:
        """Take in new or changed nodes in the order given."""
        touched: set[str] = set()
        for new in batch:
            known = self.nodes.get(new.id)
            if known is None:
                self._arrivals += 1
                new = Node(new.id, new.keys, self._arrivals, None, new.connection, new.resource)
            else:
                touched |= self._neighbours({new.id})  # those its former keys had joined
                new = Node(new.id, new.keys, known.arrival, known.golden_id, new.connection, new.resource)
            self.nodes[new.id] = new
            touched.add(new.id)
        return self.again(touched)

    def decide(self, verdicts: Sequence[Verdict]) -> Resolution:
        """Put verdicts on record and follow them."""
        self.verdicts += verdicts
        return self.again({end for verdict in verdicts for end in verdict.pair})

    def again(self, touched: set[str]) -> Resolution:
        """Resolve the components around some nodes, again when a key turned hot."""
        around = self._neighbours(touched)
        component = [known for name, known in self.nodes.items() if name in around]  # in the order of arrival
        resolution = resolve(component, self.verdicts, self.rules, self.hot, anchored_id)
        for name, golden_id in resolution.assignments.items():
            self.nodes[name].golden_id = golden_id
        self.forwards.update(resolution.forwards)
        for golden_id in resolution.created:
            self.forwards.pop(golden_id, None)
        self.hot |= resolution.newly_hot
        return resolution

    def _neighbours(self, names: set[str]) -> set[str]:
        found, edge = set(names), set(names)
        while edge:
            golden = {self.nodes[name].golden_id for name in edge} - {None}
            keys = {key for name in edge for key in self._linking(self.nodes[name])}
            ends = {end for verdict in self.verdicts if edge & set(verdict.pair) for end in verdict.pair}
            edge = {
                other.id
                for other in self.nodes.values()
                if other.golden_id in golden or other.id in ends or keys.intersection(self._linking(other))
            } - found
            found |= edge
        return found

    def _linking(self, node: Node) -> set[KeyHash]:
        return {
            key for key in node.keys if key not in self.hot and (key[0] in self.rules.by_kind or key[0] in EXACT_KINDS)
        }

    @property
    def partition(self) -> set[frozenset[str]]:
        """The clusters as they stand."""
        clusters: dict[str | None, set[str]] = {}
        for node in self.nodes.values():
            clusters.setdefault(node.golden_id, set()).add(node.id)
        return {frozenset(names) for names in clusters.values()}
