"""The benchmark's contacts: made from their number, HubSpot-shaped, 25 properties each, no two alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

PAGE = 100
_FIRST = [
    "Ann",
    "Bo",
    "Carla",
    "Dmitri",
    "Elena",
    "Farid",
    "Grace",
    "Hugo",
    "Ines",
    "Jonas",
    "Keiko",
    "Liam",
    "Maya",
    "Noor",
    "Oskar",
    "Priya",
    "Quinn",
    "Rosa",
    "Sven",
    "Tara",
]
_LAST = [
    "Abbott",
    "Baker",
    "Castro",
    "Dietrich",
    "Evans",
    "Fischer",
    "Garcia",
    "Hansen",
    "Ito",
    "Jensen",
    "Kumar",
    "Lopez",
    "Meyer",
    "Novak",
    "Olsen",
    "Park",
]
_TITLES = ["Buyer", "Chief Financial Officer", "Developer", "Head of Operations", "Marketing Manager", "Office Manager"]
_STAGES = ["subscriber", "lead", "marketingqualifiedlead", "opportunity", "customer"]
_PLACES = [
    ("Boston", "MA", "USA", "+1 617-555-{:04d}", "(617) 555-{:04d}"),
    ("Austin", "TX", "United States", "+1 512-555-{:04d}", "512-555-{:04d}"),
    ("Berlin", "Berlin", "Germany", "+49 30 901{:05d}", "030 901{:05d}"),
    ("Leeds", "Yorkshire", "GB", "+44 113 496 {:04d}", "0113 496 {:04d}"),
]
_START = datetime(2025, 1, 1, tzinfo=UTC)


def stamp(moment: datetime) -> str:
    """HubSpot's own form of a time: milliseconds and a Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def modified(n: int) -> datetime:
    """When contact `n` was last changed before the benchmark began; no two in the same millisecond."""
    return _START + timedelta(milliseconds=n * 20)


def contact(n: int, changed_at: datetime | None = None) -> dict[str, Any]:
    """Contact `n` as HubSpot lists it; a changed one has another job title. Every fourth phone lacks its country code."""
    first, last = _FIRST[n % 20], f"{_LAST[n // 20 % 16]}{n // 320}"
    city, state, country, abroad, at_home = _PLACES[n % 4]
    phone = at_home if n % 16 < 4 else abroad
    company, domain = f"Company {n // 3}", f"company{n // 3}.example.com"
    made, at = stamp(modified(n) - timedelta(days=30)), stamp(changed_at or modified(n))
    title = _TITLES[n % 6]
    return {
        "id": str(100_000_000 + n),
        "properties": {
            "email": f"{first}.{last}@{domain}",
            "firstname": first,
            "lastname": last,
            "salutation": "Dr." if n % 10 == 0 else None,
            "phone": phone.format(n % 10_000),
            "mobilephone": abroad.format((n * 7 + 1) % 10_000) if n % 5 < 2 else None,
            "company": company,
            "jobtitle": f"Senior {title}" if changed_at else title,
            "website": f"https://www.{domain}",
            "address": f"{n % 900 + 1} Market Street",
            "city": city,
            "state": state,
            "zip": f"{n % 90_000 + 10_000}",
            "country": country,
            "lifecyclestage": _STAGES[n % 5],
            "hs_lead_status": "OPEN" if n % 3 else None,
            "hs_language": "en",
            "hs_additional_emails": f"{first}{n}@mail.example.org" if n % 10 == 0 else None,
            "hs_email_optout": None,
            "hubspot_owner_id": None,
            "associatedcompanyid": None,
            "throughline_key": None,
            "createdate": made,
            "lastmodifieddate": at,
            "hs_object_id": str(100_000_000 + n),
        },
        "createdAt": made,
        "updatedAt": at,
        "archived": False,
    }
