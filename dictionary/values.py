"""The canonical forms of values: what each type looks like as JSON, everywhere between two vendors.

text      a string                                       email   lower-case address
phone     +E.164, with `;ext=` when there is one         url     http(s)://…
domain    lower-case host without www.                   integer a JSON integer
decimal   a decimal string, never a float                money   {"amount": decimal string, "currency": ISO 4217}
boolean   true or false                                  date    YYYY-MM-DD, no zone
datetime  UTC instant, then the source's own offset where it was not UTC: 2026-03-01T09:30:00Z[+02:00] (RFC 9557)
picklist  one of the declared values                     json    any JSON
list      scalars, or embedded objects told apart by a key
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import pycountry

EMAIL = (
    r"^[^\s@A-Z\x00-\x1f\"(),:;<>\[\\\]]{1,64}"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$"
)
PHONE = r"^\+[1-9][0-9]{6,14}(?:;ext=[0-9]{1,7})?$"
URL = r"^https?://[^\s/?#]+[^\s]*$"
DOMAIN = r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$"
DECIMAL = r"^-?(?:0|[1-9][0-9]{0,27})(?:\.[0-9]{1,18})?$"
DATETIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3}|\.[0-9]{6})?Z(?:\[[+-][0-9]{2}:[0-9]{2}\])?$"
)

RULES = {
    "text": "must be text",
    "email": "must be an e-mail address",
    "phone": "must be a phone number with its country code",
    "url": "must be an http or https address",
    "domain": "must be a domain name",
    "integer": "must be a whole number",
    "decimal": "must be a decimal number",
    "money": "must be an amount with an ISO 4217 currency",
    "boolean": "must be true or false",
    "date": "must be a day of the calendar",
    "datetime": "must be an instant with a known time zone",
    "picklist": "must be one of the declared values",
    "reference": "must name another record",
    "json": "must be JSON",
    "list": "must be a list",
}
"""What a bad value of each type broke, in words that never hold the value."""


def _codes(text: str) -> list[str]:
    return text.split()


_EXPONENTS = {
    **dict.fromkeys(_codes("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"), 0),
    **dict.fromkeys(_codes("BHD IQD JOD KWD LYD OMR TND"), 3),
    **dict.fromkeys(_codes("CLF UYW"), 4),
}


@lru_cache(maxsize=1)
def currencies() -> frozenset[str]:
    """The ISO 4217 codes."""
    return frozenset(str(currency.alpha_3) for currency in pycountry.currencies)


def minor_digits(currency: str) -> int:
    """How many decimals a currency's minor unit has in ISO 4217: 2 unless the standard says otherwise."""
    return _EXPONENTS.get(currency, 2)


def datetime_text(moment: datetime) -> str:
    """An aware datetime in canonical form. Raises ValueError without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a zone is not an instant")
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=_precision(moment.microsecond)) + "Z"
    offset = moment.utcoffset()
    return text + _bracket(offset) if offset else text


def moment_of(text: str) -> datetime:
    """A canonical datetime as an aware datetime in its own offset. Raises ValueError."""
    if text.endswith("]"):
        instant, _, offset = text[:-1].partition("[")
        return datetime.fromisoformat(instant).astimezone(datetime.fromisoformat(f"2000-01-01T00:00{offset}").tzinfo)
    return datetime.fromisoformat(text)


def instant_text(text: str) -> str:
    """A canonical datetime less its original offset: equal texts are equal instants."""
    return text.partition("[")[0]


def is_date(text: str) -> str:
    """A canonical date, as it is. Raises ValueError."""
    if len(text) != 10 or date.fromisoformat(text).isoformat() != text:
        raise ValueError("not a date")
    return text


def is_datetime(text: str) -> str:
    """A canonical datetime, as it is. Raises ValueError."""
    moment_of(text)
    return text


def is_json(value: Any, depth: int = 16) -> Any:
    """Any JSON value of bounded depth, as it is. Raises ValueError."""
    if depth == 0:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError("a key is not text")
            is_json(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            is_json(item, depth - 1)
    elif value is not None and not isinstance(value, str | int | float | bool):
        raise ValueError("not JSON")
    return value


def _precision(microsecond: int) -> str:
    if not microsecond:
        return "seconds"
    return "microseconds" if microsecond % 1000 else "milliseconds"


def _bracket(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return f"[{sign}{minutes // 60:02d}:{minutes % 60:02d}]"
