"""Records of one batch and route, rendered and compared field by field with what the target holds: what differs is a plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from dead_letter.parking import Letter
from journey import echo
from journey.context import Context
from journey.outbound.scene import Scene
from journey.syncs import Route
from kernel.errors import Park
from kernel.ids import derived_id
from kernel.ledger import claims, plans
from kernel.ledger.plans import Plan
from kernel.records import Action
from kernel.store.tables import target_state
from mappings import TargetPart

_ACTIONS = {"archive": Action.ARCHIVE, "clear": Action.CLEAR, "delete": Action.DELETE}


@dataclass(frozen=True, slots=True)
class Change:
    """One write of a dry run: what differs, field by field (before, after)."""

    golden_id: str
    target: str
    action: str
    ext_key: str
    fields: dict[str, tuple[Any, Any]]
    refs: dict[str, str]


class Comparison:
    """One route over one batch."""

    def __init__(self, ctx: Context, scene: Scene, route: Route, marks: Sequence[Any]) -> None:
        self.ctx, self.scene, self.route, self.marks = ctx, scene, route, marks
        self.mapping = ctx.mapping(route.connection, route.resource)
        part = self.mapping.target_part(route.entity)
        assert part is not None  # refused at activation
        self.part: TargetPart = part
        spec = ctx.declared(route.connection, route.resource).write
        assert spec is not None
        self.spec = spec
        self.plans: list[Plan] = []
        self.new_bindings: list[dict[str, Any]] = []
        self.new_states: list[dict[str, Any]] = []
        self.reseated: list[dict[str, Any]] = []  # bindings whose object is gone there: detached, or to be made anew
        self.obsolete: list[str] = []  # bindings whose unsent plan is no longer wanted
        self.removed = 0  # what takes something away, for the gates
        self.changed: list[str] = []  # bindings of objects that are there and would change
        self._now = ctx.store.clock.now()
        self._required = [part.references[name] for name in route.requires if name in part.references]

    def plan(self) -> None:
        """Fill `plans` and `new_bindings`."""
        for mark in self.marks:
            row = self.scene.goldens.get(mark.golden_id)
            if row is not None and row.entity == self.route.entity and row.merged_into is None:
                self._record(row, mark)
        made = {row["id"] for row in self.new_bindings}
        for plan in self.plans:
            plan.first = plan.binding_id in made

    def letters(self) -> list[Letter]:
        """One for each record that cannot be written in this target's terms."""
        return [
            Letter(
                kind="delivery",
                about=plan.id,
                trace_id=plan.trace_id,
                connection=self.route.connection,
                resource=self.route.resource,
                stage="plan",
                error=plan.error,
                rule=plan.error.cause,
                payload={"golden": plan.golden_id},
                revision=plan.mapping,
            )
            for plan in self.plans
            if plan.error is not None
        ]

    def changes(self) -> list[Change]:
        """The plans as a person reads them."""
        self.plan()
        target = f"{self.route.connection}.{self.route.resource}"
        return [
            Change(
                p.golden_id,
                target,
                p.action,
                p.binding_id,
                {n: ((p.before or {}).get(n), v) for n, v in p.fields.items()},
                p.refs,
            )
            for p in self.plans
        ]

    def _record(self, row: Any, mark: Any) -> None:
        content = self.scene.contents[row.id]
        seat = self.scene.seat(row.id, self.route.connection, self.route.resource)
        policy = self._leaving(row, content["data"], mark.reason)
        if seat is not None and (seat.slot == "detached" or self._detaches(seat)):
            return
        if policy is None:
            self._upsert(row, mark, content, seat)
        elif seat is not None:
            self._leave(row, mark, seat, policy, content)

    def _detaches(self, seat: Any) -> bool:
        """The object is gone at the target and the route says to let it go."""
        state = self.scene.states.get(seat.id)
        ours = seat.vendor_id is None  # we took it away ourselves
        if state is None or state.present or ours or self.route.on_missing_at_target != "detach":
            return False
        self.reseated.append(
            {"slot": "detached", "vendor_id": seat.vendor_id, "object_id": seat.object_id, "id": seat.id}
        )
        self.obsolete.append(seat.id)
        return True

    def _leaving(self, row: Any, data: dict[str, Any], reason: str) -> str | None:
        """The policy by which the record leaves this target; None: it stays."""
        if row.gone:
            return self.route.on_last_member_gone
        if reason == "source_delete" and self.route.on_source_delete != "keep":
            return self.route.on_source_delete
        if self.route.when is not None and not self.route.when(data):
            return self.route.on_filter_exit
        return None

    def _leave(self, row: Any, mark: Any, seat: Any, policy: str, content: dict[str, Any]) -> None:
        state = self.scene.states.get(seat.id)
        # Found by asking after a lost answer, it has an id and no state yet: it is there all the same.
        there = seat.vendor_id is not None and (state is None or state.present)
        unsettled = self.scene.unsettled.get(seat.id)  # what may have got there must leave, too
        if policy == "keep" or not (there or unsettled):
            self.obsolete.append(seat.id)
            return
        held = self.ctx.store.open(target_state, seat.id, state.fields) if state is not None else {}
        sent = {*held.get("sent", ()), *(unsettled.fields if unsettled else ())}
        sent |= self.part.filled(content["data"]) if state is None else set()
        fields = {name: None for name in sorted(sent) if not name.startswith("→")} if policy == "clear" else {}
        if policy == "clear" and not fields:
            self.obsolete.append(seat.id)
            return
        basis = state.updated_at if state is not None else 0
        self.removed += 1
        self.plans.append(self._plan(row, mark, seat.id, _ACTIONS[policy], fields, {}, {}, held, basis))

    def _upsert(self, row: Any, mark: Any, content: dict[str, Any], seat: Any | None) -> None:
        refs, wait_on = self._references(row.id)
        if any(name not in refs for name in self._required):
            wait_on = wait_on or derived_id(
                "missing parent", row.id
            )  # nobody releases it: it is planned again when the link resolves
        binding_id, held, basis, fresh = self._held(row, content, seat)
        unsettled = self.scene.unsettled.get(binding_id, claims.Unsettled())
        if unsettled.leaving:
            held, fresh = {}, True
        try:
            rendered = self.part.render(content["data"])
        except Park as error:
            plan = self._plan(row, mark, binding_id, Action.UPSERT, {}, {}, {}, held, basis)
            plan.error, plan.basis = error, self._now if plan.retry else basis  # asked for again: another letter
            self._unless_refused(plan)
            return
        unsure = unsettled.fields
        if held or unsure:
            fields = {name: value for name, value in rendered.items() if self._differs(name, value, held, unsure)}
        else:
            fields = {name: value for name, value in rendered.items() if value is not None}
        changed = {
            name: end for name, end in refs.items() if f"→{name}" in unsure or echo.base(held, f"→{name}") != end
        }
        if not fields and not changed:
            self.obsolete.append(binding_id)
            return
        if self.spec.whole:
            fields, changed = {**rendered, **fields}, refs
        origins = self._origins(content, fields)
        action = Action.UPSERT if fields or fresh else Action.ASSOCIATE
        plan = self._plan(row, mark, binding_id, action, fields, changed, origins, held, basis)
        plan.wait_on = wait_on
        plan.doubted = unsettled.doubted and not unsettled.open and self.spec.write_class.asks
        if not fresh:
            self.changed.append(binding_id)
        self._unless_refused(plan)

    def _unless_refused(self, plan: Plan) -> None:
        """The same write again would be refused again: its letter stands until a person or a change cures it."""
        if self.scene.refused.repeats(plan):
            self.obsolete.append(plan.binding_id)
        else:
            self.plans.append(plan)

    def _origins(self, content: dict[str, Any], fields: Collection[str]) -> dict[str, str]:
        """Whose value each vendor field is: its member, the commonest one once (see `drafts.folded`)."""
        of, canonical = content["of"], self.part.canonical_fields
        members = {of[name][0] for name in of}
        if len(members) == 1:
            return {"": members.pop()}
        said = {name: of.get(names[0]) or of.get("") for name in fields if (names := canonical.get(name))}
        return {name: one[0] for name, one in said.items() if one}

    def _differs(self, name: str, value: Any, held: echo.Fields, unsure: set[str]) -> bool:
        if name in unsure:
            return True
        if not echo.knows(held, name):
            return value is not None  # what was never seen is never cleared
        if name in self.part.only_create:
            return False
        was = echo.base(held, name)
        return bool(was != value and not (was is not None and value is not None and self.part.same(name, was, value)))

    def _held(self, row: Any, content: dict[str, Any], seat: Any | None) -> tuple[str, echo.Fields, int, bool]:
        """(binding, target state, its instant, is it new there): the seat there is, an adopted object, or a new seat."""
        if seat is not None:
            state = self.scene.states.get(seat.id)
            if state is None:
                return seat.id, {}, 0, True
            if not state.present and seat.vendor_id is None:  # we took it away ourselves
                return seat.id, {}, state.updated_at, True
            if not state.present and self.route.on_missing_at_target == "recreate":
                self.reseated.append({"slot": seat.slot, "vendor_id": None, "object_id": None, "id": seat.id})
                return seat.id, {}, state.updated_at, True
            return seat.id, self.ctx.store.open(target_state, seat.id, state.fields), state.updated_at, False
        adopted = self.scene.adoptable.get((row.id, self.route.connection, self.route.resource))
        anchor = adopted.member_id if adopted else self._anchor(content, row.id)
        new = plans.new_binding(row.id, anchor, self.route.connection, self.route.resource, self._now)
        self.new_bindings.append(new)
        if adopted is None:
            return new["id"], {}, 0, True
        new |= {"vendor_id": adopted.vendor_id, "object_id": adopted.object_id}
        held, _ = echo.after_read({}, self.part, adopted.raw)
        sealed = self.ctx.store.seal(target_state, new["id"], held)
        self.new_states.append({"binding_id": new["id"], "updated_at": self._now, "present": 1, "fields": sealed})
        return new["id"], held, self._now, False

    def _anchor(self, content: dict[str, Any], golden_id: str) -> str:
        """The member that gave the record its id; where that one is unknown, a member that contributes."""
        return self.scene.adoptable.anchors.get(golden_id) or next((of[0] for of in content["of"].values()), golden_id)

    def _references(self, golden_id: str) -> tuple[dict[str, str], str | None]:
        """Reference name -> golden record at its other end; and one that has no vendor id in this target yet."""
        refs: dict[str, str] = {}
        wait_on = None
        for canonical, end in self.scene.links.get(golden_id, {}).items():
            name = self.part.references.get(canonical)
            if name is None or end is None or name not in self.spec.references:
                continue
            seat = self.scene.seat(end, self.route.connection, self.spec.references[name])
            if seat is None or seat.slot == "detached":
                continue  # nothing sends that record here; when something does, this one is planned again
            refs[name] = end
            if seat.vendor_id is None:
                wait_on = end
        return refs, wait_on

    def _plan(
        self,
        row: Any,
        mark: Any,
        binding_id: str,
        action: Action,
        fields: dict[str, Any],
        refs: dict[str, str],
        origins: dict[str, str],
        held: echo.Fields,
        basis: int,
    ) -> Plan:
        return Plan(
            binding_id=binding_id,
            golden_id=row.id,
            golden_version=row.version,
            action=action,
            trace_id=mark.trace_id,
            mapping=self.mapping.revision,
            fields=fields,
            refs=refs,
            origins=origins,
            before=echo.before(held, fields) or None,
            basis=basis,
            retry=mark.reason == "replay",
        )
