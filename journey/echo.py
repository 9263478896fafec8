"""Echo is decided by content, per field: is what we read an edit, or still what we wrote?

A target state holds, for each vendor field of a binding, `sent` (what we wrote and nobody has changed since) and `seen`
(what the vendor was last seen to hold: the answer to our write, a read-back, a read), the latter only where it differs
from the former. Whose value it was stands in the delivery and in the golden record. A value read is an edit only if it
differs from both; then `sent` goes, and the field is the vendor's own evidence. Else it stays ours and is evidence of nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kernel.records import Json
from mappings import TargetPart

Fields = dict[str, dict[str, Any]]


def after_read(
    state: Fields,
    part: TargetPart,
    raw: Json,
    read_before_write: bool = False,
    under_way: Collection[str] = (),
) -> tuple[Fields, frozenset[str]]:
    """The new target state, and the canonical fields whose value is still ours.

    `read_before_write`: the read began before our last write was answered; what it shows of the fields we sent is older
    than what we know, so it is no edit.
    `under_way`: fields of a send that nobody has answered yet. A new value of theirs may be what the vendor made of ours;
    were it a person's, the send, which is made again or settled, would overwrite it all the same. So it is no edit either.
    """
    observed = part.observe(raw)
    new: Fields = {}
    ours: set[str] = set()
    theirs: set[str] = set()
    for name, known in state.items():
        if name not in observed:
            new[name] = known
            continue
        value = observed[name]
        unsure = name in under_way and value != base(known)
        if "sent" not in known and not unsure:
            new[name] = {"seen": value}
            theirs |= {name} if value not in _NOTHING else set()
        elif "sent" in known and (read_before_write or _still_ours(part, name, known, value)):
            new[name] = known if read_before_write else _ours(known["sent"], value)
            ours.add(name)
        elif unsure:
            new[name] = known
            ours.add(name)
        else:
            new[name] = {"seen": value}
            theirs.add(name)  # also when it was emptied: that is an edit
    for name, value in observed.items():
        if name not in new and name in under_way:
            ours.add(name)
        elif name not in new:
            new[name] = {"seen": value}
            theirs |= {name} if value not in _NOTHING else set()
    return new, _canonical(part, ours) - _canonical(part, theirs)


def _canonical(part: TargetPart, vendor_fields: set[str]) -> frozenset[str]:
    """The canonical fields that are drawn from some of these. A part that is empty and was never ours says nothing."""
    return frozenset(field for name in vendor_fields for field in part.canonical_fields.get(name, ()))


_NOTHING: tuple[Any, ...] = (None, "", [])


def after_write(state: Fields, part: TargetPart, sent: Mapping[str, Any], raw: Json | None) -> Fields:
    """The target state once our write was applied; `raw` is the object as the vendor answered, where it did."""
    new = state | {name: {"sent": value} for name, value in sent.items()}
    if raw is not None:
        for name, value in part.observe(raw).items():
            known = new.get(name)
            if known is None or "sent" not in known:
                new[name] = {"seen": value}
            elif known["sent"] == value and len(known) == 1:
                continue
            elif name in sent or _still_ours(part, name, known, value):
                new[name] = _ours(known["sent"], value)
            # else: a field we did not send now differs from what was seen. A read will tell it as an edit, with its time.
    return new


def base(known: Mapping[str, Any]) -> Any:
    """What a new value is compared with: what we sent if it stands, else what was seen."""
    return known["sent"] if "sent" in known else known.get("seen")


def _ours(sent: Any, seen: Any) -> dict[str, Any]:
    return {"sent": sent} if sent == seen else {"sent": sent, "seen": seen}


def _still_ours(part: TargetPart, name: str, known: Mapping[str, Any], value: Any) -> bool:
    if "seen" in known and _equal(part, name, value, known["seen"]):
        return True
    return _equal(part, name, value, known["sent"])


def _equal(part: TargetPart, name: str, a: Any, b: Any) -> bool:
    return bool(a == b or part.same(name, a, b))
