"""What is stored around a batch of news: earlier members, and for the objects of a target their bindings and target states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from dedup import Ruling, Verdict
from journey import bindings, echo
from journey.context import Context
from journey.drafts import COLUMNS, KeyHash, Member, from_row, member_id, succeed
from journey.inbound.classifying import News
from journey.syncs import Stream
from kernel.ledger import claims
from kernel.store import bulk
from kernel.store.tables import binding, member, target_state
from mappings import Part


class Surroundings:
    """What is stored around a batch of news: earlier members, and for objects of a target their bindings and target states."""

    def __init__(self, ctx: Context, stream: Stream, news: Sequence[News], started_at: int) -> None:
        """Three bulk look-ups at most; none for objects never seen in a stream that nothing writes to."""
        self.ctx, self.stream, self.started_at = ctx, stream, started_at
        self.mapping = ctx.mapping(stream.connection, stream.resource)
        known = [item.object_id for item in news if item.known is not None]
        self._old: dict[str, list[Member]] = {}
        self.bound: dict[str, str] = {}
        self._bindings: dict[str, Any] = {}
        self._states: dict[str, Any] = {}
        self._sent: dict[str, dict[str, Any]] = {}
        self._under_way: dict[str, set[str]] = {}
        self._new_states: dict[str, dict[str, Any]] = {}
        self.learned: list[dict[str, Any]] = []
        self.verdicts: list[Verdict] = []  # an object that carries our key is the record we wrote it from
        with ctx.store.read() as conn:
            for row in bulk.select_in(conn, member, "object_id", known, COLUMNS):
                self._old.setdefault(row.object_id, []).append(from_row(ctx.store, row))
            if (stream.connection, stream.resource) in ctx.pins.targets:
                self._find_bindings(conn, news)

    def _find_bindings(self, conn: Connection, news: Sequence[News]) -> None:
        """By object; and where the answer to our write never came, by the key that the object carries."""
        rows = bulk.select_in(conn, binding, "object_id", [item.object_id for item in news], bindings.COLUMNS)
        self._bindings = {row.object_id: row for row in rows}
        keyed = self._keyed([item for item in news if item.object_id not in self._bindings])
        found = bulk.select_in(conn, binding, "id", keyed, bindings.COLUMNS)  # a binding's id is the key it was given
        unanswered = [row for row in found if row.object_id is None and row.slot != "detached" and self._is_here(row)]
        for row in unanswered:
            item = keyed[row.id]
            self._bindings[item.object_id] = row
            self.learned.append(
                {"vendor_id": item.record.id, "object_id": item.object_id, "id": row.id, "was_object_id": None}
            )
        self._sent = claims.sent_fields(conn, self.ctx.store, [row.id for row in unanswered])
        self.bound = {object_id: row.golden_id for object_id, row in self._bindings.items()}
        ids = [row.id for row in self._bindings.values()]
        self._under_way = claims.under_way(conn, self.ctx.store, ids)
        columns = ["binding_id", "updated_at", "present", "fields"]
        self._states = {row.binding_id: row for row in bulk.select_in(conn, target_state, "binding_id", ids, columns)}

    def _keyed(self, news: Sequence[News]) -> dict[str, News]:
        """By our key: the news that carry one. Of two that carry the same, which happens when a person copies, the first."""
        path = self.ctx.connections.open(self.stream.connection).key_path(self.stream.resource)
        found: dict[str, News] = {}
        for item in news:
            value: Any = item.record.raw
            for step in path:
                value = value.get(step) if isinstance(value, dict) else None
            if path and isinstance(value, str) and value:
                found.setdefault(value.lower(), item)
        return found

    def _is_here(self, row: Any) -> bool:
        return bool(row.connection == self.stream.connection and row.resource == self.stream.resource)

    def members(self, item: News, parts: Sequence[Part], arrival: int) -> list[Member]:
        """The object's members after this version: drawn ones, and withdrawn ones that it no longer holds."""
        old = {each.id: each for each in self._old.get(item.object_id, [])}
        found = [self._member(item, part, old, arrival) for part in parts]
        drawn = {each.id for each in found}
        for each in old.values():
            if each.id not in drawn and each.active:
                each.active, each.version = False, item.trace_id
                found.append(each)
        return found

    def state(self, item: News) -> dict[str, Any] | None:
        """The target state that this read showed, to be written with the landing."""
        bound = self._bindings.get(item.object_id)
        if bound is None:
            return None
        if item.record.deleted:
            row = self._states.get(bound.id)
            fields = self.ctx.store.open(target_state, bound.id, row.fields) if row is not None else {}
            return self._state_row(bound.id, fields, present=False)
        return self._new_states.get(item.object_id)

    def _member(self, item: News, part: Part, old: dict[str, Member], arrival: int) -> Member:
        ours = self._echo(item, part.entity)
        new = Member(
            id=member_id(item.object_id, part),
            object_id=item.object_id,
            part=part.name,
            entity=part.entity,
            connection=self.stream.connection,
            resource=self.stream.resource,
            version=item.trace_id,
            arrival=arrival,
            active=True,
            keys=(),
            data=part.data,
            at={},
            refs=part.refs,
        )
        succeed(new, old.get(new.id), item.record.updated_at or arrival, ours)
        bound = self._bindings.get(item.object_id)
        if bound is not None and bound.object_id is None and self.mapping.target_part(part.entity) is not None:
            self.verdicts.append(Verdict(Ruling.MUST, bound.anchor, new.id))
        new.keys = self.keys(new)
        return new

    def old(self, item: News, part: Part) -> Member | None:
        """The member that a part was, where it was landed before."""
        wanted = member_id(item.object_id, part)
        return next((each for each in self._old.get(item.object_id, []) if each.id == wanted), None)

    def keys(self, new: Member) -> tuple[KeyHash, ...]:
        """The keyed hashes that link a member to others; none for an entity that is not matched."""
        rules = self.ctx.pins.rules
        if new.entity not in rules.entities:
            return ()
        own = {name: value for name, value in new.data.items() if name not in new.ours} if new.ours else new.data
        entity, hashed = new.entity, self.ctx.store.vault.keyed_hash
        return tuple(
            [(kind, hashed(f"{entity}:{kind}", value)) for kind, value in rules.for_entity(entity).linking(own)]
        )

    def _echo(self, item: News, entity: str) -> frozenset[str] | None:
        bound = self._bindings.get(item.object_id)
        part = self.mapping.target_part(entity) if bound is not None else None
        if bound is None or part is None:
            return None
        row = self._states.get(bound.id)
        if row is not None:
            state = self.ctx.store.open(target_state, bound.id, row.fields)
        else:
            state = {"sent": self._sent.get(bound.id, {})}
        older, sending = row is not None and self.started_at < row.updated_at, self._under_way.get(bound.id, ())
        fields, ours = echo.after_read(state, part, item.record.raw, older, sending)
        self._new_states[item.object_id] = self._state_row(bound.id, fields, present=True)
        return ours

    def _state_row(self, binding_id: str, fields: dict[str, Any], present: bool) -> dict[str, Any]:
        return {
            "binding_id": binding_id,
            "updated_at": self.ctx.store.clock.now(),
            "present": int(present),
            "fields": self.ctx.store.seal(target_state, binding_id, fields),
        }
