"""The same mapping as mappings/hubspot/contacts.yaml, written by hand for dlt: the same fields, libraries and shortcuts.

It leaves out what dlt has no place for: validation by a dictionary, warnings, and what is wrong ending as a dead letter.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import phonenumbers
import pycountry

_CLEAN = re.compile(r"\+[1-9][0-9]{6,14}")
_ABROAD = re.compile(r"\+[0-9 ()./-]+")
_SEPARATORS = str.maketrans("", "", " ()./-")
_EMAIL = re.compile(r"[^\s@]{1,64}@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_STAGES = {
    "subscriber": "subscriber",
    "lead": "lead",
    "marketingqualifiedlead": "mql",
    "salesqualifiedlead": "sql",
    "opportunity": "opportunity",
    "customer": "customer",
    "evangelist": "evangelist",
    "other": "other",
}
_OUT = {canonical: vendor for vendor, canonical in _STAGES.items()}
_VENDOR = {
    "email": "email",
    "phone": "phone",
    "mobile_phone": "mobilephone",
    "salutation": "salutation",
    "first_name": "firstname",
    "last_name": "lastname",
    "job_title": "jobtitle",
    "company_name": "company",
    "website": "website",
    "language": "hs_language",
    "street": "address",
    "city": "city",
    "region": "state",
    "postal_code": "zip",
}


def inward(raw: dict[str, Any]) -> dict[str, Any]:
    """One contact of HubSpot's as one flat row."""
    told = raw["properties"]
    country = _country(told["country"])
    return {
        "id": raw["id"],
        "updated_at": raw["updatedAt"],
        "email": _email(told["email"]),
        "extra_emails": ";".join(filter(None, map(_email, (told["hs_additional_emails"] or "").split(";")))) or None,
        "phone": _phone(told["phone"], country),
        "mobile_phone": _phone(told["mobilephone"], country),
        "salutation": _text(told["salutation"]),
        "first_name": _text(told["firstname"]),
        "last_name": _text(told["lastname"]),
        "job_title": _text(told["jobtitle"]),
        "company_name": _text(told["company"]),
        "website": _text(told["website"]),
        "language": _text(told["hs_language"]),
        "lifecycle_stage": _STAGES.get(told["lifecyclestage"] or ""),
        "account": told["associatedcompanyid"],
        "source_created_at": datetime.fromisoformat(told["createdate"]).astimezone(UTC).isoformat(),
        "street": _text(told["address"]),
        "city": _text(told["city"]),
        "region": _text(told["state"]),
        "postal_code": _text(told["zip"]),
        "country": country,
    }


def outward(row: dict[str, Any]) -> dict[str, str]:
    """A row as HubSpot's properties."""
    found = {vendor: row[name] for name, vendor in _VENDOR.items() if row.get(name) is not None}
    if row.get("lifecycle_stage"):
        found["lifecyclestage"] = _OUT[row["lifecycle_stage"]]
    if row.get("country"):
        found["country"] = _country_name(row["country"])
    return found


def _text(value: str | None) -> str | None:
    return value.strip() or None if value else None


def _email(value: str | None) -> str | None:
    text = value.strip().lower() if value else ""
    return text if _EMAIL.fullmatch(text) else None


def _phone(value: str | None, region: str | None) -> str | None:
    text = value.strip() if value else ""
    if _ABROAD.fullmatch(text) and "(0" not in text:
        plain = text.translate(_SEPARATORS)
        if _CLEAN.fullmatch(plain):
            return plain
    return _parsed(text, region) if text else None


@lru_cache(maxsize=32_768)
def _parsed(text: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


@lru_cache(maxsize=1024)
def _country(text: str | None) -> str | None:
    try:
        return str(pycountry.countries.lookup(text).alpha_2) if text else None
    except LookupError:
        return None


@lru_cache(maxsize=1024)
def _country_name(code: str) -> str:
    found = pycountry.countries.get(alpha_2=code)
    return str(getattr(found, "common_name", None) or getattr(found, "name", code))
