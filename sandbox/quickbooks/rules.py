"""What QuickBooks refuses of an object, and how a written one is merged into the one that stands."""

from __future__ import annotations

import re
from typing import Any

from sandbox.state import Json

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_MOST = {"DisplayName": 500, "Title": 16, "GivenName": 100, "MiddleName": 100, "FamilyName": 100, "Suffix": 16,
         "CompanyName": 100, "Notes": 2000, "PrimaryEmailAddr.Address": 100, "PrimaryPhone.FreeFormNumber": 30,
         "Mobile.FreeFormNumber": 30, "WebAddr.URI": 1000, "BillAddr.Line1": 500, "BillAddr.City": 255}  # fmt: skip
_WORDS = {"PreferredDeliveryMethod": ("Print", "Email", "None")}
_CUSTOMER = re.compile(
    "Id|SyncToken|sparse|domain|MetaData|Active|DisplayName|Title|GivenName|MiddleName|FamilyName|Suffix|CompanyName|"
    "PrimaryEmailAddr|PrimaryPhone|AlternatePhone|Mobile|Fax|WebAddr|BillAddr|ShipAddr|Notes|Taxable|Job|ParentRef|"
    "BillWithParent|CurrencyRef|PreferredDeliveryMethod|ResaleNum|PrintOnCheckName|PaymentMethodRef|SalesTermRef"
)


class Refused(Exception):
    """A ValidationFault."""

    def __init__(self, code: str, message: str, detail: str = "", element: str = "") -> None:
        self.code, self.message, self.detail, self.element = code, message, detail or message, element
        super().__init__(message)


def checked(entity: str, body: Json, taken: bool) -> None:
    """Raise Refused for what QuickBooks refuses. `taken`: somebody else has its name."""
    if entity != "Customer":
        return
    for name in body:
        if not _CUSTOMER.fullmatch(name):
            raise Refused("2010", "Request has invalid or unsupported property", f"Property Name:{name}", name)
    if not body.get("Id") and not any(body.get(name) for name in ("DisplayName", "GivenName", "FamilyName", "Title")):
        raise Refused(
            "2020", "Required param missing, need to supply the required value for the API", "", "DisplayName"
        )
    if ":" in str(body.get("DisplayName") or ""):
        raise Refused("2040", "Invalid character", "DisplayName can't hold a colon", "DisplayName")
    for path, most in _MOST.items():
        if len(str(_at(body, path) or "")) > most:
            raise Refused("2050", "String length is either shorter or longer than supported by specification", "", path)
    address = _at(body, "PrimaryEmailAddr.Address")
    if address and not _EMAIL.fullmatch(str(address)):
        raise Refused(
            "2210", "Email Address does not conform to the syntax rules of RFC 822.", "", "PrimaryEmailAddr.Address"
        )
    for path, words in _WORDS.items():
        if body.get(path) not in (None, "", *words):
            raise Refused("2030", "Invalid Enumeration", f"{path} is not a known value", path)
    if taken:
        told = "The name supplied already exists. : Another customer, vendor or employee is already using this name."
        raise Refused("6240", "Duplicate Name Exists Error", told)


def merged(before: Json, body: Json) -> Json:
    """The object after a write: what it names is replaced, what it empties is gone."""
    after = {name: value for name, value in before.items() if name != "sparse"} | {"sparse": False}
    for name, value in body.items():
        if name in ("Id", "SyncToken", "MetaData", "sparse"):
            continue
        kept = {leaf: one for leaf, one in value.items() if one not in (None, "")} if isinstance(value, dict) else value
        if kept in (None, "", {}):
            after.pop(name, None)
        else:
            after[name] = kept
    return after


def _at(body: Json, path: str) -> Any:
    group, _, leaf = path.partition(".")
    found = body.get(group)
    return (found.get(leaf) if isinstance(found, dict) else None) if leaf else found
