"""Members on their way into the store: what a record's parts will be once landed, compared with what they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from dedup import MemberView
from kernel.store import Store
from kernel.store.tables import member
from mappings import Part, Ref

KeyHash = tuple[str, str]
T = TypeVar("T", bound=Hashable)


@dataclass(slots=True)
class Member:
    """One part of one object: its data, per-field times, and the fields that only echo what we wrote."""

    id: str
    object_id: str
    part: str
    entity: str
    connection: str
    resource: str
    version: str  # trace id
    arrival: int
    active: bool
    keys: tuple[KeyHash, ...]
    data: dict[str, Any]
    at: dict[str, int]
    ours: frozenset[str] = frozenset()
    golden_id: str | None = None
    refs: Mapping[str, Ref] = field(default_factory=dict)

    def view(self, system: str) -> MemberView:
        """As survivorship sees it."""
        return MemberView(self.id, self.connection, system, self.data, self.at, self.ours, self.arrival)

    def row(self, store: Store) -> dict[str, Any]:
        """As its table keeps it."""
        content = {"data": self.data, "at": folded(self.at, self.data), "ours": sorted(self.ours)}
        return {
            "id": self.id,
            "object_id": self.object_id,
            "part": self.part,
            "entity": self.entity,
            "connection": self.connection,
            "resource": self.resource,
            "golden_id": self.golden_id,
            "version": self.version,
            "arrival": self.arrival,
            "active": int(self.active),
            "keys": orjson.dumps(self.keys).decode(),
            "data": store.seal(member, self.id, content),
        }


COLUMNS = [
    "id",
    "object_id",
    "part",
    "entity",
    "connection",
    "resource",
    "golden_id",
    "version",
    "arrival",
    "active",
    "keys",
    "data",
]


def from_row(store: Store, row: Any) -> Member:
    """A member as it was stored."""
    content = store.open(member, row.id, row.data)
    return Member(
        id=row.id,
        object_id=row.object_id,
        part=row.part,
        entity=row.entity,
        connection=row.connection,
        resource=row.resource,
        version=row.version,
        arrival=row.arrival,
        active=bool(row.active),
        keys=tuple((kind, digest) for kind, digest in orjson.loads(row.keys)),
        data=content["data"],
        at=unfolded(content["at"], content["data"]),
        ours=frozenset(content["ours"]),
        golden_id=row.golden_id,
    )


def folded(by_field: Mapping[str, T], fields: Collection[str]) -> dict[str, T]:
    """What is said of each field, kept small: what most of `fields` share stands once, under an empty name."""
    told = [by_field[name] for name in fields if name in by_field]
    if len(told) < len(fields) or not told:
        return dict(by_field)
    first = told[0]
    if told.count(first) == len(told) == len(by_field):
        return {"": first}
    shared = Counter(told).most_common(1)[0][0]
    return {"": shared} | {name: one for name, one in by_field.items() if one != shared or name not in fields}


def unfolded(kept: Mapping[str, T], fields: Collection[str]) -> dict[str, T]:
    """What `folded` kept, said of each field again."""
    if "" not in kept:
        return dict(kept)
    found = dict.fromkeys(fields, kept[""])
    found.update(kept)
    del found[""]
    return found


def member_id(object_id: str, part: Part) -> str:
    """object id:part, and the entry's key where a mapping draws several."""
    return f"{object_id}:{part.name}:{part.key}" if part.key else f"{object_id}:{part.name}"


def succeed(new: Member, old: Member | None, source_at: int, touched_by_us: frozenset[str] | None) -> Member:
    """Carry over what did not change: arrival, golden record, and the time of every field whose value is the same.

    `touched_by_us`: the fields that hold what we wrote (see `echo`); None where the object has no binding.
    """
    ours = touched_by_us or frozenset()
    if old is None:
        new.at = dict.fromkeys(new.data, source_at)
    else:
        new.arrival, new.golden_id = old.arrival, old.golden_id
        new.at = {
            name: old.at.get(name, source_at) if name in old.data and old.data[name] == value else source_at
            for name, value in new.data.items()
        }
    new.ours = ours & new.data.keys()
    return new


def same_content(new: Member, old: Member) -> bool:
    """Nothing that a golden record could notice differs."""
    return new.data == old.data and new.ours == old.ours and new.active == old.active and new.keys == old.keys


def by_golden(members: Sequence[Member]) -> dict[str, list[Member]]:
    """Members by the golden record they are in."""
    found: dict[str, list[Member]] = {}
    for each in members:
        if each.golden_id is not None:
            found.setdefault(each.golden_id, []).append(each)
    return found
