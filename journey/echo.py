"""Echo is decided by content, per field: is what we read an edit, or still what we wrote?

A target state holds, by vendor field of a binding, `sent` (what we wrote and nobody has changed since) and `seen`
(what the vendor was last seen to hold: the answer to our write, a read-back, a read), the latter only where it differs
from the former. Both are plain objects side by side, for most fields stand in one of them only. Whose value it was stands in the delivery and in the golden record. A value read is an edit only if it
differs from both; then `sent` goes, and the field is the vendor's own evidence. Else it stays ours and is evidence of nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kernel.records import Json
from mappings import TargetPart

Fields = dict[str, dict[str, Any]]
"""A target state: {"sent": {vendor field: value}, "seen": {vendor field: value}}; {} where nothing is known."""


def after_read(
    state: Fields, part: TargetPart, raw: Json, read_before_write: bool = False, under_way: Collection[str] = ()
) -> tuple[Fields, frozenset[str]]:
    """The new target state, and the canonical fields whose value is still ours.

    `read_before_write`: the read began before our last write was answered; what it shows of the fields we sent is older
    than what we know, so it is no edit.
    `under_way`: fields of a send that nobody has answered yet. A new value of theirs may be what the vendor made of ours;
    were it a person's, the send, which is made again or settled, would overwrite it all the same. So it is no edit either.
    """
    observed = part.observe(raw)
    sent, seen = dict(state.get("sent", {})), dict(state.get("seen", {}))
    ours: set[str] = set()
    theirs: set[str] = set()
    for name, value in observed.items():
        unsure = name in under_way and value != base(state, name)
        if name not in sent and not unsure:
            seen[name] = value
            theirs |= {name} if value not in _NOTHING else set()
        elif name in sent and read_before_write:
            ours.add(name)
        elif name in sent and sent[name] == value:
            seen.pop(name, None)
            ours.add(name)
        elif name in sent and _still_ours(part, name, sent[name], seen, value):
            seen[name] = value
            ours.add(name)
        elif unsure:
            ours.add(name)
        else:
            del sent[name]
            seen[name] = value
            theirs.add(name)  # also when it was emptied: that is an edit
    return {"sent": sent, "seen": seen}, _canonical(part, ours) - _canonical(part, theirs)


def _canonical(part: TargetPart, vendor_fields: set[str]) -> frozenset[str]:
    """The canonical fields that are drawn from some of these. A part that is empty and was never ours says nothing."""
    return frozenset(field for name in vendor_fields for field in part.canonical_fields.get(name, ()))


_NOTHING: tuple[Any, ...] = (None, "", [])


def after_write(state: Fields, part: TargetPart, sent: Mapping[str, Any], raw: Json | None) -> Fields:
    """The target state once our write was applied; `raw` is the object as the vendor answered, where it did."""
    ours = {**state.get("sent", {}), **sent}
    seen = {name: value for name, value in state.get("seen", {}).items() if name not in sent}
    if raw is not None:
        observed = part.observe(raw)
        unlike = {name: value for name, value in observed.items() if name not in ours or ours[name] != value}
        if seen:
            seen = {name: value for name, value in seen.items() if name in unlike or name not in observed}
        for name, value in unlike.items():
            if name not in ours or name in sent or _still_ours(part, name, ours[name], seen, value):
                seen[name] = value
            # else: a field we did not send now differs from what was seen. A read will tell it as an edit, with its time.
    return {"sent": ours, "seen": seen}


def knows(state: Fields, name: str) -> bool:
    """Whether a field was ever written or seen there."""
    return name in state.get("sent", ()) or name in state.get("seen", ())


def before(state: Fields, names: Iterable[str]) -> dict[str, Any]:
    """Of these fields, what is known of the target."""
    return {name: base(state, name) for name in names if knows(state, name)} if state else {}


def base(state: Fields, name: str) -> Any:
    """What a new value of a field is compared with: what we sent if it stands, else what was seen."""
    sent = state.get("sent", {})
    return sent[name] if name in sent else state.get("seen", {}).get(name)


def _still_ours(part: TargetPart, name: str, sent: Any, seen: Mapping[str, Any], value: Any) -> bool:
    if name in seen and _equal(part, name, value, seen[name]):
        return True
    return _equal(part, name, value, sent)


def _equal(part: TargetPart, name: str, a: Any, b: Any) -> bool:
    return bool(a == b or part.same(name, a, b))
