"""Salesforce's objects as this connector knows them, and what its errors mean.

Sources: Salesforce's REST API guide (error codes, sObject collections), describes of a live org, recorded exchanges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connectors.base import Bulk, Deletes, Resource, WriteClass, WriteSpec
from connectors.shapes import flag
from connectors.verdicts import DEFAULT_VERDICTS, LOCKED, REFUSED, REFUSED_CREDENTIAL, Verdict, Verdicts
from kernel.clock import instant
from kernel.errors import Fate
from kernel.records import Action, SourceRecord

BATCH = 200
KEY = "Throughline_Key__c"
BULK_WRITE = Bulk(threshold=2_000, batch_size=10_000)  # from where Salesforce advises it; what it processes as one
BULK_READ = Bulk(threshold=50_000, batch_size=5_000)  # a job takes minutes; 25 pages of a query do not

_READ_BY_DEFAULT = {
    "Account": """
        Name Type ParentId Phone Fax Website Industry AnnualRevenue NumberOfEmployees AccountNumber AccountSource Rating
        Description BillingStreet BillingCity BillingState BillingPostalCode BillingCountry ShippingStreet ShippingCity
        ShippingState ShippingPostalCode ShippingCountry OwnerId MasterRecordId CreatedDate LastModifiedDate""",
    "Contact": """
        FirstName LastName Salutation Email Phone MobilePhone HomePhone Title Department Birthdate AccountId ReportsToId
        LeadSource Description MailingStreet MailingCity MailingState MailingPostalCode MailingCountry DoNotCall
        HasOptedOutOfEmail HasOptedOutOfFax OwnerId MasterRecordId CreatedDate LastModifiedDate""",
    "Lead": """
        FirstName LastName Salutation Company Title Email Phone MobilePhone Website Status LeadSource Industry Rating
        AnnualRevenue NumberOfEmployees Description Street City State PostalCode Country DoNotCall HasOptedOutOfEmail
        HasOptedOutOfFax IsConverted ConvertedDate ConvertedAccountId ConvertedContactId ConvertedOpportunityId OwnerId
        MasterRecordId CreatedDate LastModifiedDate""",
    "Opportunity": """
        Name AccountId StageName Amount Probability CloseDate Type LeadSource NextStep Description IsClosed IsWon
        ForecastCategoryName CurrencyIsoCode CampaignId OwnerId CreatedDate LastModifiedDate""",
    "Case": """
        CaseNumber Subject Description Status Priority Origin Reason Type AccountId ContactId SuppliedName SuppliedEmail
        SuppliedPhone SuppliedCompany IsClosed ClosedDate IsEscalated OwnerId CreatedDate LastModifiedDate""",
    "Product2": """
        Name ProductCode StockKeepingUnit Description Family IsActive QuantityUnitOfMeasure CreatedDate
        LastModifiedDate""",
    "Task": """
        Subject Status Priority ActivityDate Description TaskSubtype CallType CallDurationInSeconds CompletedDateTime
        WhoId WhatId OwnerId IsClosed CreatedDate LastModifiedDate""",
    "User": """
        Username Name FirstName LastName Email IsActive Title Department TimeZoneSidKey CreatedDate LastModifiedDate""",
}
FIELDS: Mapping[str, tuple[str, ...]] = {name: tuple(text.split()) for name, text in _READ_BY_DEFAULT.items()}
"""The fields read by default, where the org has them."""

LOOKUPS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Account": {"parent": ("Account", "ParentId"), "owner": ("User", "OwnerId")},
    "Contact": {
        "account": ("Account", "AccountId"),
        "owner": ("User", "OwnerId"),
        "manager": ("Contact", "ReportsToId"),
    },
    "Lead": {"owner": ("User", "OwnerId")},
    "Opportunity": {"account": ("Account", "AccountId"), "owner": ("User", "OwnerId")},
    "Case": {"account": ("Account", "AccountId"), "contact": ("Contact", "ContactId"), "owner": ("User", "OwnerId")},
    "Product2": {},
    "Task": {
        "contact": ("Contact", "WhoId"),
        "lead": ("Lead", "WhoId"),
        "account": ("Account", "WhatId"),
        "opportunity": ("Opportunity", "WhatId"),
        "case": ("Case", "WhatId"),
        "owner": ("User", "OwnerId"),
    },
}
"""Reference name → (resource it points to, lookup field), per resource."""

READ_ONLY = frozenset(
    (
        "Id",
        "IsDeleted",
        "SystemModstamp",
        "CreatedDate",
        "LastModifiedDate",
        "MasterRecordId",
        "IsConverted",
        "CaseNumber",
    )
    + (
        "IsClosed",
        "IsWon",
        "ClosedDate",
        "ConvertedDate",
        "ConvertedAccountId",
        "ConvertedContactId",
        "ConvertedOpportunityId",
    )
)


def _resource(name: str, bulk_write: Bulk) -> Resource:
    writes = WriteSpec(
        write_class=WriteClass.UPSERT,
        ext_field=KEY,
        batch_size=BATCH,
        actions=frozenset({Action.UPSERT, Action.CLEAR, Action.DELETE, Action.ASSOCIATE, Action.DISSOCIATE}),
        references={reference: target for reference, (target, _) in LOOKUPS.get(name, {}).items()},
        read_only=READ_ONLY,
        bulk=bulk_write,
    )
    return Resource(
        name=name,
        id="Id",
        updated_at="SystemModstamp",
        lookback=timedelta(minutes=5),  # the feed is eventually consistent
        deletes=Deletes.IN_STREAM,  # queryAll shows the recycle bin, about 15 days
        volatile=("attributes", "SystemModstamp", "LastModifiedDate"),
        write=writes if name in LOOKUPS else None,
        backfill=True,
        bulk=BULK_READ,
        page=2000,
    )


def resources_from(bulk_write_from: int) -> Mapping[str, Resource]:
    """What there is, where so many writes go by a bulk job."""
    return {name: _resource(name, replace(BULK_WRITE, threshold=bulk_write_from)) for name in FIELDS}


RESOURCES = resources_from(BULK_WRITE.threshold)


def source_record(raw: dict[str, Any]) -> SourceRecord:
    """One record of Salesforce's JSON as we pass it on."""
    stamp = raw.get("SystemModstamp")
    when = instant(datetime.fromisoformat(stamp)) if stamp else None
    return SourceRecord(id=str(raw["Id"]), raw=raw, updated_at=when, deleted=flag(raw.get("IsDeleted")))


def _codes(body: Any) -> Iterator[str]:
    for error in _errors(body):
        yield str(error.get("errorCode") or error.get("statusCode") or error.get("error") or "")


def _errors(body: Any) -> list[dict[str, Any]]:
    found = body.get("errors", [body]) if isinstance(body, dict) else body
    return [error for error in found if isinstance(error, dict)] if isinstance(found, list) else []


def _field(body: Any) -> str:
    return next((str(name) for error in _errors(body) for name in error.get("fields") or []), "")


_HOURS = Verdict(Fate.RETRY_AT, "daily_budget", seconds=3600.0)
_GONE = Verdict(Fate.PARK, "not_found")
_TAKEN = Verdict(Fate.PARK, "conflict")
_BUSY = Verdict(Fate.UNKNOWN, "server_error")

VERDICTS: Verdicts = DEFAULT_VERDICTS.but(
    statuses={300: Verdict(Fate.PARK, "ambiguous")},  # the external id matches several records; nothing was written
    by_code={
        "INVALID_SESSION_ID": REFUSED_CREDENTIAL,
        "REQUEST_LIMIT_EXCEEDED": _HOURS,  # a 403 that means hours
        "UNABLE_TO_LOCK_ROW": LOCKED,
        "SERVER_UNAVAILABLE": _BUSY,
        "QUERY_TIMEOUT": _BUSY,
        "DUPLICATES_DETECTED": _TAKEN,  # a duplicate rule of the org
        "DUPLICATE_VALUE": _TAKEN,
        "DUPLICATE_EXTERNAL_ID": Verdict(Fate.PARK, "ambiguous"),
        "ENTITY_IS_DELETED": _GONE,
        "INVALID_CROSS_REFERENCE_KEY": _GONE,
        "NOT_FOUND": _GONE,
        "CANNOT_UPDATE_CONVERTED_LEAD": Verdict(Fate.PARK, "converted"),
        "INVALID_TYPE": Verdict(Fate.STOP, "wrong_request"),
        "MALFORMED_QUERY": Verdict(Fate.STOP, "wrong_request"),
        "INVALID_QUERY_LOCATOR": Verdict(Fate.PARK, "expired_page"),
        "UNSUPPORTED_API_VERSION": Verdict(Fate.STOP, "wrong_request"),
        "FIELD_CUSTOM_VALIDATION_EXCEPTION": REFUSED,
        "invalid_grant": REFUSED,
    },
    codes=_codes,
    field=_field,
    request_id=("x-request-id", "x-sfdc-request-id"),
)
