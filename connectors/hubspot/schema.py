"""HubSpot's objects as this connector knows them, and what its errors mean.

Sources: HubSpot's OpenAPI (crm objects v3, associations v4), its usage guidelines, and recorded exchanges.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.base import Deletes, Resource, WriteClass, WriteSpec
from connectors.budget import Left, left_in
from connectors.shapes import flag
from connectors.verdicts import DEFAULT_VERDICTS, LOCKED, RETRY_SOON, Verdict, Verdicts
from kernel.clock import instant
from kernel.errors import Fate
from kernel.records import Action, SourceRecord

BATCH = 100
KEY = "throughline_key"

_READ_BY_DEFAULT = {
    "contacts": """
        email firstname lastname salutation phone mobilephone company jobtitle website address city state zip country
        lifecyclestage hs_lead_status hs_language hs_additional_emails hs_email_optout hubspot_owner_id
        associatedcompanyid createdate""",
    "companies": """
        name domain website phone address address2 city state zip country industry description annualrevenue
        numberofemployees lifecyclestage type hubspot_owner_id createdate""",
    "deals": """
        dealname amount closedate dealstage pipeline dealtype description deal_currency_code hubspot_owner_id
        createdate""",
    "tickets": """
        subject content hs_pipeline hs_pipeline_stage hs_ticket_priority hs_ticket_category source_type closed_date
        hubspot_owner_id createdate""",
    "products": """
        name description hs_sku price hs_cost_of_goods_sold recurringbillingfrequency hs_recurring_billing_period
        hs_url createdate""",
    "line_items": """
        name description hs_sku hs_product_id price quantity amount hs_line_item_currency_code createdate""",
}
PROPERTIES: Mapping[str, tuple[str, ...]] = {name: tuple(text.split()) for name, text in _READ_BY_DEFAULT.items()}
"""The properties read by default; HubSpot leaves out, without an error, those an account does not have."""

ASSOCIATED: Mapping[str, tuple[str, ...]] = {
    "contacts": ("companies",),
    "deals": ("companies", "contacts"),
    "tickets": ("companies", "contacts"),
    "line_items": ("deals",),
}
"""The object types whose associations are read along."""

REFERENCES: Mapping[str, Mapping[str, str]] = {
    "contacts": {"company": "companies", "owner": "owners"},
    "companies": {"owner": "owners"},
    "deals": {"company": "companies", "contact": "contacts", "owner": "owners"},
    "tickets": {"company": "companies", "contact": "contacts", "owner": "owners"},
    "products": {},
    "line_items": {"deal": "deals", "product": "products"},
}
REFERENCE_PROPERTIES: Mapping[str, str] = {"owners": "hubspot_owner_id", "products": "hs_product_id"}
"""References that are a property; every other one is an association."""

SINGULAR: Mapping[str, str] = {
    "contacts": "contact",
    "companies": "company",
    "deals": "deal",
    "tickets": "ticket",
    "products": "product",
    "line_items": "line_item",
}
RESOURCE_OF: Mapping[str, str] = {
    **{one: many for many, one in SINGULAR.items()},
    "0-1": "contacts",
    "0-2": "companies",
    "0-3": "deals",
    "0-5": "tickets",
    "0-7": "products",
    "0-8": "line_items",
}
REQUIRED: Mapping[str, frozenset[str]] = {"tickets": frozenset({"hs_pipeline_stage"})}
READ_ONLY = frozenset(
    ("hs_object_id", "createdate", "lastmodifieddate", "hs_lastmodifieddate", "hs_createdate", "hs_email_optout")
)


def modified_property(resource: str) -> str:
    """The property that holds the last modification: contacts have their own."""
    return "lastmodifieddate" if resource == "contacts" else "hs_lastmodifieddate"


def _resource(name: str) -> Resource:
    return Resource(
        name=name,
        updated_at="updatedAt",
        lookback=timedelta(hours=1),  # the search index trails by up to an hour
        deletes=Deletes.IN_STREAM,  # every incremental read ends with the archived ones
        volatile=("updatedAt", f"properties.{modified_property(name)}"),
        write=WriteSpec(
            write_class=WriteClass.UPSERT,
            ext_field=KEY,
            batch_size=BATCH,
            actions=frozenset(
                {Action.UPSERT, Action.CLEAR, Action.DELETE, Action.ARCHIVE, Action.ASSOCIATE, Action.DISSOCIATE}
            ),
            references=REFERENCES[name],
            read_only=READ_ONLY,
        ),
        backfill=True,
    )


RESOURCES: Mapping[str, Resource] = {
    **{name: _resource(name) for name in PROPERTIES},
    "owners": Resource(
        name="owners", updated_at="updatedAt", incremental=False, deletes=Deletes.SWEEP, volatile=("updatedAt",)
    ),
}


def source_record(raw: dict[str, Any], *, deleted: bool = False) -> SourceRecord:
    """One object of HubSpot's JSON as we pass it on."""
    stamp = (raw.get("archivedAt") if deleted else None) or raw.get("updatedAt")
    when = instant(datetime.fromisoformat(stamp)) if stamp else None
    return SourceRecord(id=str(raw["id"]), raw=raw, updated_at=when, deleted=deleted or flag(raw.get("archived")))


_REFUSED = re.compile(r"Property values were not valid: (\[.*\])", re.DOTALL)
_QUOTED_PROPERTY = re.compile(r"[Pp]roperty \"?(\w+)\"? does not exist")


def refusals(body: Any) -> Iterator[tuple[str, str]]:
    """(field, code) of each value an error body refuses; HubSpot hides them as JSON inside the message."""
    message = str(body.get("message", "")) if isinstance(body, dict) else ""
    if found := _REFUSED.search(message):
        try:
            listed = json.loads(found[1])
        except ValueError:
            return
        for one in listed:
            yield str(one.get("name", "")), str(one.get("error", ""))
    elif missing := _QUOTED_PROPERTY.search(message):
        yield missing[1], "PROPERTY_DOESNT_EXIST"


def _codes(body: Any) -> Iterator[str]:
    if not isinstance(body, dict):
        return
    if body.get("category") == "RATE_LIMITS":
        daily = body.get("policyName") == "DAILY" or "daily" in str(body.get("message", "")).lower()
        yield "DAILY" if daily else "RATE_LIMITS"  # recorded 429s name their policy in the message only
    for _, code in refusals(body):
        yield code
    yield str(body.get("category", ""))


def _field(body: Any) -> str:
    return next((name for name, _ in refusals(body)), "")


_LEFT = left_in(  # of what the headers of any answer but a search's tell (HubSpot's usage guidelines)
    Left("short", "x-hubspot-ratelimit-remaining", most="x-hubspot-ratelimit-max"),
    Left("daily", "x-hubspot-ratelimit-daily-remaining", most="x-hubspot-ratelimit-daily"),
)

VERDICTS: Verdicts = DEFAULT_VERDICTS.but(
    left=_LEFT,
    statuses={
        423: Verdict(Fate.RETRY, "locked", seconds=2.0),
        477: Verdict(Fate.RETRY, "locked", seconds=60.0),  # the account is being moved; Retry-After says how long
    },
    by_code={
        "DAILY": Verdict(Fate.RETRY_AT, "daily_budget", seconds=3600.0),
        "RATE_LIMITS": RETRY_SOON,
        "CONFLICT": Verdict(Fate.PARK, "conflict"),
        "OBJECT_NOT_FOUND": Verdict(Fate.PARK, "not_found"),
        "MISSING_SCOPES": Verdict(Fate.STOP, "forbidden"),
        "LOCKED": LOCKED,
    },
    codes=_codes,
    field=_field,
    request_id=("x-hubspot-correlation-id", "x-request-id"),
)
