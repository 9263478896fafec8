"""Countries and telephone numbers: ISO 3166 codes and E.164, from how people write them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Literal

import phonenumbers
import pycountry
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult
from pydantic import Field

from dictionary.values import RULES
from kernel.records import Json
from mappings.steps import Apply, FromPath, Params, Step, Unfit, reader
from mappings.texts import text

_ALIASES = {
    "usa": "US",
    "u.s.a.": "US",
    "u.s.": "US",
    "united states of america": "US",
    "america": "US",
    "uk": "GB",
    "u.k.": "GB",
    "great britain": "GB",
    "britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "deutschland": "DE",
    "españa": "ES",
    "italia": "IT",
    "österreich": "AT",
    "schweiz": "CH",
    "suisse": "CH",
    "svizzera": "CH",
    "holland": "NL",
    "the netherlands": "NL",
    "nederland": "NL",
    "belgië": "BE",
    "belgique": "BE",
    "brasil": "BR",
    "méxico": "MX",
    "danmark": "DK",
    "sverige": "SE",
    "norge": "NO",
    "suomi": "FI",
    "polska": "PL",
    "czech republic": "CZ",
    "turkey": "TR",
    "south korea": "KR",
    "korea": "KR",
    "north korea": "KP",
    "russia": "RU",
    "vietnam": "VN",
    "hong kong": "HK",
    "macau": "MO",
    "ivory coast": "CI",
    "uae": "AE",
    "kosovo": "XK",
    "xk": "XK",
}
_CLEAN = re.compile(r"\+[1-9][0-9]{6,14}")
_INTERNATIONAL = re.compile(r"\+[1-9][0-9 ().\-/]{5,28}")
_SEPARATORS = str.maketrans("", "", " ().-/")


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    known: dict[str, str] = {}
    for country in pycountry.countries:
        names = (getattr(country, name, "") for name in ("alpha_3", "name", "official_name", "common_name"))
        known.update((name.lower(), country.alpha_2) for name in names if name)
        known[country.alpha_2.lower()] = country.alpha_2
    return known | _ALIASES


def _country_code(value: str) -> str | None:
    return _countries().get(" ".join(value.lower().split()))


class CountryParams(Params):
    """How the vendor writes a country."""

    form: Literal["alpha_2", "alpha_3", "name"] = Field("alpha_2", alias="as")


def country(params: CountryParams) -> Step:
    """An ISO 3166 code with two letters, from a code or an English name. None for an empty text."""

    def apply(value: Any) -> str | None:
        written = text(value)
        if not written:
            return None
        if (code := _country_code(written)) is None:
            raise Unfit("must be a country")
        return code

    return Step(apply, lambda code: _written(code, params.form), yields="text")


@lru_cache(maxsize=1024)
def _written(code: str, form: str) -> str:
    found = pycountry.countries.get(alpha_2=code)
    if found is None or form == "alpha_2":
        return code
    return str(found.alpha_3 if form == "alpha_3" else getattr(found, "common_name", found.name))


class PhoneParams(Params):
    """Where a number without a country code is from."""

    region: str | FromPath | None = None


def phone(params: PhoneParams) -> Step:
    """A telephone number as +E.164; one with its country code is checked by form only. None for an empty text."""
    constant, read = reader(params.region)
    if constant is not None and _country_code(constant) is None:
        raise ValueError(f"'{constant}' is not a country")
    region = _country_code(constant) if constant else None

    def apply(value: Any) -> str | None:
        return parse_phone(value, region)

    if read is None:
        return Step(apply, _spoken, yields="phone")

    def bind(node: Any, root: Json) -> Apply:
        def apply_here(value: Any) -> str | None:
            if isinstance(value, str) and _CLEAN.fullmatch(value):
                return value
            told = read(node, root)
            return parse_phone(value, _country_code(told) if isinstance(told, str) else None)

        return apply_here

    return Step(apply, _spoken, bind=bind, yields="phone")


def _spoken(value: Any) -> Any:
    """An extension as people and vendors write it."""
    return value.replace(";ext=", " x") if isinstance(value, str) else value


def parse_phone(value: Any, region: str | None) -> str | None:
    """A number as +E.164, read as if dialled in `region`."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Unfit(RULES["phone"])
    if _CLEAN.fullmatch(value):
        return value
    written = value.strip()
    if not written:
        return None
    if _INTERNATIONAL.fullmatch(written) and "(0" not in written:
        number = written.translate(_SEPARATORS)
        if _CLEAN.fullmatch(number):
            return number
    parsed = _parsed(written[:64], region)
    if parsed is None:
        raise Unfit(RULES["phone"])
    return parsed


@lru_cache(maxsize=32_768)
def _parsed(written: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(written, region)
    except NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    plain = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return f"{plain};ext={number.extension}" if number.extension and number.extension.isdigit() else str(plain)
