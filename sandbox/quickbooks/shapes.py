"""What QuickBooks' objects and webhooks look like, as recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.state import SECOND, Json

ENTITIES = {
    "customers": "Customer",
    "items": "Item",
    "invoices": "Invoice",
    "payments": "Payment",
    "credit_memos": "CreditMemo",
    "refund_receipts": "RefundReceipt",
}
RESOURCES = {entity: name for name, entity in ENTITIES.items()}
BY_PATH = {entity.lower(): entity for entity in RESOURCES}
LISTS = frozenset({"customers", "items"})
REALM = "9341450000000001"
ZONE = "America/Los_Angeles"
_USD = {"value": "USD", "name": "United States Dollar"}
_PAST = {"Create": "created", "Update": "updated", "Delete": "deleted", "Merge": "merged", "Void": "voided"}


def time(at: int, *, zone: str = ZONE, milliseconds: bool = False) -> str:
    """An instant as QuickBooks writes it."""
    moment = datetime.fromtimestamp(at // SECOND, UTC).replace(microsecond=at % SECOND)
    text = moment.astimezone(ZoneInfo(zone)).isoformat(timespec="milliseconds" if milliseconds else "seconds")
    return text.replace("+00:00", "Z") if zone == "UTC" else text


def derived(entity: str, fields: Json) -> Json:
    """What QuickBooks fills in by itself."""
    if entity != "Customer":
        return fields
    parts = ("Title", "GivenName", "MiddleName", "FamilyName", "Suffix")
    name = fields.get("DisplayName") or " ".join(str(fields[part]) for part in parts if fields.get(part))
    return {
        **fields,
        "DisplayName": name,
        "FullyQualifiedName": name,
        "PrintOnCheckName": fields.get("CompanyName") or name,
    }


def blank(resource: str, number: int) -> Json:
    """A realistic object of a kind."""
    own: Json = _KINDS[resource](number)
    return {"domain": "QBO", "sparse": False, **own}


def _customer(number: int) -> Json:
    name = f"Customer {number}"
    own: Json = {"DisplayName": name, "FullyQualifiedName": name, "PrintOnCheckName": name}
    flags: Json = {"Taxable": True, "Job": False, "BillWithParent": False, "IsProject": False, "Active": True}
    sums: Json = {"Balance": 0, "BalanceWithJobs": 0, "CurrencyRef": dict(_USD), "PreferredDeliveryMethod": "Print"}
    return {**flags, **sums, **own, "ClientEntityId": "0", "V4IDPseudonym": f"{number:038x}"}


def _item(number: int) -> Json:
    name = f"Item {number}"
    return {
        "Name": name,
        "FullyQualifiedName": name,
        "Active": True,
        "Taxable": False,
        "UnitPrice": 12,
        "Type": "Service",
        "IncomeAccountRef": {"value": "79", "name": "Sales of Product Income"},
        "PurchaseCost": 0,
        "TrackQtyOnHand": False,
    }


def _lines(amount: int) -> list[Json]:
    detail: Json = {"ItemRef": {"value": "1", "name": "Services"}, "UnitPrice": amount, "Qty": 1}
    line = {"Id": "1", "LineNum": 1, "Description": "Work", "Amount": amount, "DetailType": "SalesItemLineDetail"}
    total = {"Amount": amount, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}
    return [{**line, "SalesItemLineDetail": {**detail, "TaxCodeRef": {"value": "NON"}}}, total]


def _sale(number: int) -> Json:
    return {
        "DocNumber": str(1000 + number),
        "TxnDate": "2026-04-08",
        "CurrencyRef": dict(_USD),
        "Line": _lines(100),
        "TxnTaxDetail": {"TotalTax": 0},
        "CustomerRef": {"value": "1", "name": "Customer 1"},
        "TotalAmt": 100,
        "ApplyTaxAfterDiscount": False,
        "PrintStatus": "NeedToPrint",
        "EmailStatus": "NotSet",
        "Balance": 100,
    }


def _payment(number: int) -> Json:
    return {
        "CustomerRef": {"value": "1", "name": "Customer 1"},
        "TotalAmt": 100,
        "UnappliedAmt": 100,
        "ProcessPayment": False,
        "TxnDate": "2026-05-05",
        "CurrencyRef": dict(_USD),
        "PaymentRefNum": str(number),
        "Line": [],
    }


_KINDS: dict[str, Any] = {
    "customers": _customer,
    "items": _item,
    "invoices": lambda number: {**_sale(number), "DueDate": "2026-05-08", "AllowOnlineCreditCardPayment": True},
    "payments": _payment,
    "credit_memos": lambda number: {**_sale(number), "RemainingCredit": 100},
    "refund_receipts": lambda number: {**_sale(number), "DepositToAccountRef": {"value": "35", "name": "Checking"}},
}


def cloud_event(realm: str, entity: str, id: str, operation: str, now: str, number: int, gone: str) -> list[Json]:
    """A webhook's body since 2026."""
    return [
        {
            "specversion": "1.0",
            "id": f"00000000-0000-4000-8000-{number:012x}",
            "source": "intuit.sandbox=",
            "type": f"qbo.{entity.lower()}.{_PAST[operation]}.v1",
            "datacontenttype": "application/json",
            "time": now,
            "intuitentityid": id,
            "intuitaccountid": realm,
            "data": {"deletedId": gone} if gone else {},
        }
    ]


def notification(realm: str, entity: str, id: str, operation: str, now: str, number: int, gone: str) -> Json:
    """A webhook's body as it was before."""
    told = {"name": entity, "id": id, "operation": operation, "lastUpdated": now} | (
        {"deletedId": gone} if gone else {}
    )
    return {"eventNotifications": [{"realmId": realm, "dataChangeEvent": {"entities": [told]}}]}
