"""Dates and instants: any vendor's way of writing them, and back."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from dictionary.values import RULES, datetime_text, moment_of
from mappings.steps import Apply, Params, Step, Unfit

_UTC_TEXT = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SCALE = {"s": 1, "ms": 1_000, "us": 1_000_000}


class TimeParams(Params):
    """How the vendor writes an instant."""

    zone: str | None = Field(None, description="IANA zone of values that name none")
    unit: Literal["s", "ms", "us"] | None = Field(None, description="numbers are time since 1970 in this unit")
    format: str | None = Field(None, description="strptime format of texts")
    form: Literal["iso", "number", "text"] | None = Field(
        None, alias="as", description="how it is written back; a number where `unit` is given"
    )


class DateParams(TimeParams):
    """How the vendor writes a day."""

    form: Literal["date", "datetime", "number"] = Field(  # type: ignore[assignment]
        "date", alias="as", description="how it is written back"
    )


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"'{name}' is not a time zone") from None


def _moment(value: Any, params: TimeParams, zone: tzinfo | None, kind: str) -> datetime:
    """A vendor's value as a datetime, aware where it or `zone` says so."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _since_epoch(float(value) if isinstance(value, float) else value, params, kind)
        if not isinstance(value, str):
            raise Unfit(RULES[kind])
        if params.unit and value.lstrip("-").isdigit():
            return _since_epoch(int(value), params, kind)
        found = datetime.strptime(value, params.format) if params.format else datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError) as error:
        raise error if isinstance(error, Unfit) else Unfit(RULES[kind]) from None
    return found.replace(tzinfo=zone) if found.tzinfo is None and zone is not None else found


def _since_epoch(number: int | float, params: TimeParams, kind: str) -> datetime:
    if params.unit is None:
        raise Unfit(RULES[kind])
    micros = round(number * (1_000_000 // _SCALE[params.unit]))
    whole, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=rest)


def instant(params: TimeParams) -> Step:
    """An instant in UTC with its original offset. None for an empty text."""
    zone = _zone(params.zone)

    def apply(value: Any) -> str | None:
        if isinstance(value, str):
            if _UTC_TEXT.fullmatch(value) and not params.format:
                return _tidy(value)
            value = value.strip()
            if not value:
                return None
            if value.endswith("]"):
                value = value.partition("[")[0]
        moment = _moment(value, params, zone, "datetime")
        if moment.tzinfo is None:
            raise Unfit(RULES["datetime"])
        try:
            return datetime_text(moment)
        except (OverflowError, ValueError):
            raise Unfit(RULES["datetime"]) from None

    return Step(apply, _instant_out(params, zone), yields="datetime")


def _tidy(value: str) -> str:
    """A UTC text in canonical precision. The calendar is checked by the dictionary."""
    if len(value) == 20 or (len(value) == 24 and not value.endswith("000Z")):
        return value
    try:
        return datetime_text(datetime.fromisoformat(value))
    except ValueError:
        raise Unfit(RULES["datetime"]) from None


def _instant_out(params: TimeParams, zone: tzinfo | None) -> Apply:
    form = params.form or ("number" if params.unit else "iso")
    if form == "number" and params.unit is None:
        raise ValueError("`as: number` needs a `unit`")

    def invert(value: Any) -> Any:
        moment = moment_of(value)
        if form == "number":
            micros = round(moment.timestamp() * 1_000_000)
            return micros * _SCALE[params.unit or "s"] // 1_000_000
        if zone is not None:
            moment = moment.astimezone(zone).replace(tzinfo=None)
        if params.format:
            return moment.strftime(params.format)
        return moment.isoformat() if zone is not None else value.partition("[")[0]

    return invert


def day(params: DateParams) -> Step:
    """A day of the calendar; of an instant, the day it falls on in `zone`, or in UTC. None for an empty text."""
    zone = _zone(params.zone) or UTC

    def apply(value: Any) -> str | None:
        if isinstance(value, str):
            value = value.strip()
            if not value:
                return None
            if not params.format and _DAY.fullmatch(value):
                return _checked(value)
        moment = _moment(value, params, None, "date")
        return (moment.astimezone(zone) if moment.tzinfo is not None else moment).date().isoformat()

    return Step(apply, _day_out(params, zone), yields="date")


def _checked(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise Unfit(RULES["date"]) from None


def _day_out(params: DateParams, zone: tzinfo) -> Apply:
    if params.form == "number" and params.unit is None:
        raise ValueError("`as: number` needs a `unit`")

    def invert(value: Any) -> Any:
        if params.form == "date" and not params.format:
            return value
        midnight = datetime.combine(date.fromisoformat(value), datetime.min.time(), zone)
        if params.form == "number":
            return int(midnight.timestamp()) * _SCALE[params.unit or "s"]
        if params.format:
            return midnight.strftime(params.format)
        return datetime_text(midnight.astimezone(UTC))

    return invert
