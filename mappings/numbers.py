"""Numbers, money and yes-or-no: exact decimals, never floats."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field

from dictionary.values import RULES, currencies, minor_digits
from kernel.records import Json
from mappings.steps import Apply, FromPath, Params, Step, Unfit, reader

_PLAIN = re.compile(r"[-+]?[0-9]{1,28}(?:\.[0-9]{1,18})?")
_SCIENTIFIC = re.compile(r"-?[0-9](?:\.[0-9]{1,17})?[eE][-+]?[0-9]{1,2}")


class DecimalParams(Params):
    """How the vendor writes numbers."""

    point: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'", ""] = ""
    form: Literal["text", "number"] = Field("text", alias="as", description="how it is written back")


def exact(value: Any, params: DecimalParams, kind: str = "decimal") -> Decimal | None:
    """A number exactly as written; None for an empty text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unfit(RULES[kind])
    written = value.strip() if isinstance(value, str) else repr(value)
    if not written:
        return None
    if params.thousands:
        written = written.replace(params.thousands, "")
    if params.point == ",":
        written = written.replace(",", ".")
    if not _PLAIN.fullmatch(written) and not _SCIENTIFIC.fullmatch(written):
        raise Unfit(RULES[kind])
    return Decimal(written)


def decimal_text(number: Decimal, digits: int = 0) -> str:
    """A decimal with at least `digits` decimals and no idle zeros beyond them: equal numbers are equal texts."""
    written = f"{number:f}"
    whole, _, rest = written.partition(".")
    rest = rest.rstrip("0").ljust(digits, "0")
    if whole.lstrip("-0") == "" and not rest.strip("0"):
        whole = "0"
    return f"{whole}.{rest}" if rest else whole


def _written(written: str, form: str) -> Any:
    if form == "text":
        return written
    number = Decimal(written)
    return int(number) if number == number.to_integral_value() else float(number)


def decimal(params: DecimalParams) -> Step:
    """A decimal string."""

    def apply(value: Any) -> str | None:
        number = exact(value, params)
        return None if number is None else _bounded(decimal_text(number), "decimal")

    def invert(value: Any) -> Any:
        if params.form == "number":
            return _written(value, "number")
        return value.replace(".", ",") if params.point == "," else value

    return Step(apply, invert, yields="decimal")


def _bounded(written: str, kind: str) -> str:
    if len(written) > 48:
        raise Unfit(RULES[kind])
    return written


def integer(params: DecimalParams) -> Step:
    """A whole number; 12.0 is one, 12.5 is not."""

    def apply(value: Any) -> int | None:
        if type(value) is int:
            return value
        number = exact(value, params, "integer")
        if number is None:
            return None
        if number != number.to_integral_value() or abs(number) > 2**63:
            raise Unfit(RULES["integer"])
        return int(number)

    return Step(apply, lambda value: value, yields="integer")


class Factor(Params):
    """What to multiply with."""

    by: str


def multiply(params: Factor) -> Step:
    """A number times a constant, as a decimal string; divided on the way out."""
    if not _PLAIN.fullmatch(params.by):
        raise ValueError("`by` is not a number")
    factor, plain = Decimal(params.by), DecimalParams()
    if not factor:
        raise ValueError("`by` must not be zero")

    def apply(value: Any) -> str | None:
        number = exact(value, plain)
        return None if number is None else _bounded(decimal_text(number * factor), "decimal")

    return Step(apply, lambda value: decimal_text(Decimal(str(value)) / factor), yields="decimal")


class BooleanParams(Params):
    """How the vendor writes yes and no."""

    yes: str | int | bool | list[str] = True
    no: str | int | bool | list[str] = Field(False, description="of several words, the first is written")


_YES = frozenset({"true", "yes", "y", "t", "1", "on"})
_NO = frozenset({"false", "no", "n", "f", "0", "off"})


def boolean(params: BooleanParams) -> Step:
    """True or false, from the words usual for them and the vendor's own. None for an empty text."""
    words = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}
    yes = params.yes if isinstance(params.yes, list) else [params.yes]
    no = params.no if isinstance(params.no, list) else [params.no]
    if not yes or not no:
        raise ValueError("`yes` and `no` need a word each")
    words |= {**{str(word).lower(): True for word in yes}, **{str(word).lower(): False for word in no}}

    def apply(value: Any) -> bool | None:
        if isinstance(value, bool):
            return value
        if not isinstance(value, str | int):
            raise Unfit(RULES["boolean"])
        written = str(value).strip().lower()
        if not written:
            return None
        if written not in words:
            raise Unfit(RULES["boolean"])
        return words[written]

    return Step(apply, lambda value: yes[0] if value else no[0], yields="boolean")


class MoneyParams(DecimalParams):
    """In which currency and unit the vendor writes an amount."""

    currency: str | FromPath | None = None
    unit: Literal["major", "minor"] = "major"
    decimals: dict[str, int] = Field(default_factory=dict, description="minor digits where the vendor leaves ISO 4217")
    write_currency: bool = Field(True, description="whether the currency's own path is written with the amount")


def money(params: MoneyParams) -> Step:
    """An amount with its currency, from a number or from an object that holds both. None for an empty text."""
    constant, read = reader(params.currency)
    if constant is not None and constant not in currencies():
        raise ValueError(f"'{constant}' is not an ISO 4217 currency")
    apply = _money_in(params, constant)

    def bind(node: Any, root: Json) -> Apply:
        assert read is not None
        return _money_in(params, read(node, root))

    beside: dict[str, Apply] = {}
    if isinstance(params.currency, FromPath) and params.write_currency:
        beside[params.currency.path] = _currency_of
    return Step(apply, _money_out(params, constant), bind=bind if read else None, beside=beside, yields="money")


def _money_in(params: MoneyParams, currency: Any) -> Apply:
    def apply(value: Any) -> dict[str, str] | None:
        told = currency
        if isinstance(value, dict):
            told = value.get("currencyCode") or value.get("currency_code") or value.get("currency") or told
            value = value.get("amount")
            if value is None:
                return None
        number = exact(value, params, "money")
        if number is None:
            return None
        code = told.strip().upper() if isinstance(told, str) else ""
        if code not in currencies():
            raise Unfit("must have an ISO 4217 currency")
        return {"amount": _bounded(_amount(number, params, code), "money"), "currency": code}

    return apply


def _amount(number: Decimal, params: MoneyParams, code: str) -> str:
    digits = minor_digits(code)
    if params.unit == "minor":
        number = number.scaleb(-params.decimals.get(code, digits))
    return decimal_text(number, digits)


def _currency_of(value: Any) -> Any:
    return None if value is None else value["currency"]


def _money_out(params: MoneyParams, constant: str | None) -> Apply:
    def invert(value: Any) -> Any:
        code = value["currency"]
        if constant is not None and code != constant:
            raise Unfit(f"must be in {constant} to be written here")
        if params.unit == "minor":
            digits = params.decimals.get(code, minor_digits(code))
            number = Decimal(value["amount"]).scaleb(digits)
            return int(number) if number == number.to_integral_value() else decimal_text(number)
        written = _written(value["amount"], params.form)
        return written.replace(".", ",") if isinstance(written, str) and params.point == "," else written

    return invert


@lru_cache(maxsize=1)
def plain_decimal() -> DecimalParams:
    """Numbers as JSON and most vendors write them."""
    return DecimalParams()
