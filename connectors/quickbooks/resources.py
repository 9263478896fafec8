"""QuickBooks' resources side by side, and how customers are written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from connectors.base import Deletes, Resource, WriteClass, WriteSpec
from kernel.records import Action

TIME = "MetaData.LastUpdatedTime"
KEY = "ThroughlineKey"
"""Where a record that was read shows our key, taken out of the Notes that hold it."""

ENTITIES: Mapping[str, str] = {
    "customers": "Customer",
    "items": "Item",
    "invoices": "Invoice",
    "payments": "Payment",
    "credit_memos": "CreditMemo",
    "refund_receipts": "RefundReceipt",
}
LISTS = frozenset({"customers", "items"})
"""Name lists: their entries are made inactive, never deleted."""

READ_ONLY = frozenset({"Id", "SyncToken", "MetaData", "FullyQualifiedName", "Balance", "BalanceWithJobs", "Level"})
MOST = {"DisplayName": 500, "Title": 16, "GivenName": 100, "MiddleName": 100, "FamilyName": 100, "Suffix": 16,
         "CompanyName": 100, "PrimaryEmailAddr.Address": 100, "PrimaryPhone.FreeFormNumber": 30,
         "Mobile.FreeFormNumber": 30, "WebAddr.URI": 1000, "BillAddr.Line1": 500, "BillAddr.Line2": 500,
         "BillAddr.City": 255, "BillAddr.CountrySubDivisionCode": 255, "BillAddr.PostalCode": 30,
         "BillAddr.Country": 255}  # fmt: skip
"""The longest text of a customer's field (from memory, not confirmed; QuickBooks itself refuses what is longer)."""

_CUSTOMERS = WriteSpec(
    write_class=WriteClass.CONFLICT,
    ext_field="Notes",
    batch_size=30,
    actions=frozenset({Action.UPSERT, Action.CLEAR, Action.ARCHIVE}),
    read_only=READ_ONLY,
    settle=timedelta(minutes=3),  # a request is given up after two minutes; lists have no known lag
    max_processing=timedelta(minutes=2),
)

RESOURCES: Mapping[str, Resource] = {
    name: Resource(
        name,
        id="Id",
        updated_at=TIME,
        lookback=timedelta(minutes=5),
        deletes=Deletes.NONE if name in LISTS else Deletes.IN_STREAM,
        # What a customer owes changes with each invoice; the rest with each touch.
        volatile=("SyncToken", "MetaData", *(("Balance", "BalanceWithJobs") if name in LISTS else ())),
        write=_CUSTOMERS if name == "customers" else None,
        backfill=True,
    )
    for name in ENTITIES
}
