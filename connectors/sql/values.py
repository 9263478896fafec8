"""Values of a database as JSON, as places in a cursor, and as instants; and JSON fitted to a column's type."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import sqlalchemy as sa

from kernel.clock import SECOND, instant
from kernel.errors import Park
from kernel.records import Json

_PLAIN = (str, bool, type(None))
_WIDEST = 2**63
_GONE = frozenset({"", "0", "f", "false", "n", "no"})


def row(names: list[str], values: Any) -> Json:
    """A row as JSON."""
    return {name: value if type(value) in _PLAIN else plain(value) for name, value in zip(names, values, strict=True)}


def plain(value: Any) -> Any:
    """A value as JSON: numbers with a point as text, times as ISO text, bytes as hex digits."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -_WIDEST <= value < _WIDEST else str(value)
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return format(value, "f") if value.is_finite() else None
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case dict():
            return {str(name): plain(one) for name, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(one) for one in value]
        case timedelta():
            return value.total_seconds()
    return str(value)


def gone(value: Any) -> bool:
    """Whether a row's mark says that it is gone."""
    return value is not None and str(value).strip().lower() not in _GONE


def moment(value: Any, zone: ZoneInfo) -> int | None:
    """A time as an instant; None where it is none. Numbers are taken for seconds, ms or µs since the epoch, by size."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return int(value * SECOND // _unit(value))
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        return None
    return instant(value if value.tzinfo else value.replace(tzinfo=zone))


def like(at: int, sample: Any, zone: ZoneInfo) -> Any:
    """An instant as its column holds times, going by a sample; never later than the instant."""
    if isinstance(sample, int | float | Decimal) and not isinstance(sample, bool):
        return at * _unit(sample) // SECOND
    told = datetime.fromtimestamp(at // SECOND, UTC) + timedelta(microseconds=at % SECOND)
    if isinstance(sample, datetime):
        return told if sample.tzinfo else told.astimezone(zone).replace(tzinfo=None)
    if isinstance(sample, date):
        return told.astimezone(zone).date()
    local = told.astimezone(zone).replace(tzinfo=None)
    text = str(sample)
    # Text is compared letter by letter: whole seconds without an offset stand before everything within that second.
    return local.isoformat("T" if "T" in text else " ", "seconds") if len(text) > 10 else local.date().isoformat()


def _unit(value: Any) -> int:
    """How many of a number's units make a second."""
    size = abs(value)
    return 1 if size < 10**11 else 1_000 if size < 10**14 else SECOND


_KINDS: dict[str, Callable[[str], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "decimal": Decimal,
    "uuid": UUID,
    "bytes": bytes.fromhex,
}


def kept(value: Any) -> Any:
    """A value as a cursor keeps it."""
    match value:
        case datetime():
            return {"datetime": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case Decimal():
            return {"decimal": str(value)}
        case UUID():
            return {"uuid": str(value)}
        case bytes() | memoryview():
            return {"bytes": bytes(value).hex()}
    return value


def restored(told: Any) -> Any:
    """A cursor's value as the database takes it."""
    if isinstance(told, dict):
        ((kind, text),) = told.items()
        return _KINDS[kind](text)
    return told


def fitted(value: Any, column: sa.Column[Any]) -> Any:
    """JSON as a column's type takes it. Raises Park that names the column."""
    kind, name = column.type, column.name
    if value is None or (value == "" and not isinstance(kind, sa.String)):
        return None
    try:
        return _fitted(value, kind)
    except (ValueError, InvalidOperation, ArithmeticError, TypeError):
        raise Park(f"{name} does not fit its column", cause="bad_value", field=name) from None
    except _Refused as refused:
        raise Park(f"{name} {refused}", allowed=refused.allowed, cause=refused.cause, field=name) from None


class _Refused(Exception):
    def __init__(self, rule: str, cause: str, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(rule)
        self.cause, self.allowed = cause, allowed


def _fitted(value: Any, kind: Any) -> Any:
    match kind:
        case sa.JSON():
            return value
        case sa.ARRAY():
            return value if isinstance(value, list) else [value]
        case sa.Enum() if value not in kind.enums:
            raise _Refused("is not one of its values", "bad_value", tuple(kind.enums))
        case sa.String():
            return _text(value, kind.length)
        case sa.Boolean():
            return value if isinstance(value, bool) else not _no(value)
        case sa.Integer():
            return _whole(value)
        case sa.Numeric():
            return _number(value, kind)
        case sa.DateTime():
            told = _time(value)
            return told if kind.timezone else told.astimezone(UTC).replace(tzinfo=None)
        case sa.Date():
            return date.fromisoformat(str(value)[:10])
        case sa.Time():
            return time.fromisoformat(str(value))
        case sa.Uuid():
            return UUID(str(value)) if kind.as_uuid else str(UUID(str(value)))
        case sa.LargeBinary():
            return bytes.fromhex(str(value))
    return value


def _text(value: Any, most: int | None) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if most is not None and len(text) > most:
        raise _Refused(f"is longer than the {most} characters of its column", "too_large")
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise _Refused("holds what no text may hold", "bad_value")
    return text


def _no(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in _GONE | {"1", "t", "true", "y", "yes"}:
        raise ValueError
    return text in _GONE


def _whole(value: Any) -> int:
    number = Decimal(str(value)) if not isinstance(value, bool) else Decimal(int(value))
    if number != number.to_integral_value():
        raise ValueError
    return int(number)


def _number(value: Any, kind: sa.Numeric[Any]) -> Any:
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError
    if isinstance(kind, sa.Float):
        return float(number)
    if kind.precision is not None and number.adjusted() >= kind.precision - (kind.scale or 0):
        raise _Refused("is larger than its column", "too_large")
    return number


def _time(value: Any) -> datetime:
    """Canonical times may tell the offset they were written with: `…Z[+02:00]`."""
    told = datetime.fromisoformat(str(value).partition("[")[0])
    return told if told.tzinfo else told.replace(tzinfo=UTC)
