"""Shopify's objects as the simulator stores them: the schema's own names, connections as plain lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pycountry

from sandbox.state import Json

TYPES = {"customers": "Customer", "products": "Product", "orders": "Order"}
RESOURCES = {kind: resource for resource, kind in TYPES.items()}
_COUNTRIES: Any = pycountry.countries
_PROVINCES: Any = pycountry.subdivisions
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def gid(kind: str, number: int | str) -> str:
    """A global id."""
    return f"gid://shopify/{kind}/{number}"


def good_email(text: str) -> bool:
    """Whether Shopify takes it as an address."""
    return _EMAIL.fullmatch(text) is not None


def phone_of(text: str) -> str | None:
    """E.164 as Shopify keeps it; None when it refuses the number."""
    digits = re.sub(r"[^\d+]", "", text)
    return digits if re.fullmatch(r"\+[1-9]\d{7,14}", digits) else None


def money(amount: Any, currency: str) -> Json:
    """MoneyV2."""
    return {"amount": f"{Decimal(str(amount)):.2f}", "currencyCode": currency}


def bag(amount: Any, currency: str) -> Json:
    """MoneyBag: the shop's and the buyer's money, here the same."""
    return {"shopMoney": money(amount, currency), "presentmentMoney": money(amount, currency)}


def email_address(email: str | None, before: Json | None = None) -> Json | None:
    """CustomerEmailAddress; consent stays when the address changes."""
    if not email:
        return None
    consent = {"marketingState": "NOT_SUBSCRIBED", "marketingOptInLevel": None, "marketingUpdatedAt": None}
    return {**consent, **(before or {}), "emailAddress": email.strip().lower(), "validFormat": True}


def phone_number(phone: str | None, before: Json | None = None) -> Json | None:
    """CustomerPhoneNumber."""
    if not phone:
        return None
    consent = {"state": "NEVER_SUBSCRIBED", "optInLevel": None, "updatedAt": None}
    return {"smsMarketingConsent": consent, **(before or {}), "phoneNumber": phone}


def address(given: Mapping[str, Any], id: str) -> Json:
    """MailingAddress with names for the codes it was given."""
    code = given.get("countryCode") or given.get("countryCodeV2")
    country = _COUNTRIES.get(alpha_2=code) if code else None
    province = _PROVINCES.get(code=f"{code}-{given['provinceCode']}") if given.get("provinceCode") else None
    names = ("firstName", "lastName", "company", "address1", "address2", "city", "zip", "phone", "provinceCode")
    name = " ".join(str(given[part]) for part in ("firstName", "lastName") if given.get(part))
    return {
        "id": id,
        **{field: given.get(field) for field in names},
        "name": name or None,
        "countryCodeV2": code,
        "country": given.get("country") or (country.name if country else None),
        "province": given.get("province") or (province.name if province else None),
    }


def customer(id: str, now: str, fields: Mapping[str, Any]) -> Json:
    """A customer; `email`, `phone` and `consent` (an email marketing state) are short for the nested objects."""
    plain = dict(fields)
    email, phone, consent = plain.pop("email", None), plain.pop("phone", None), plain.pop("consent", None)
    addresses = plain.pop("addresses", plain.pop("addressesV2", []))
    made: Json = {
        "id": id,
        "createdAt": now,
        "updatedAt": now,
        "firstName": None,
        "lastName": None,
        "state": "DISABLED",
        "note": None,
        "locale": "en",
        "tags": [],
        "taxExempt": False,
        "verifiedEmail": True,
        "numberOfOrders": "0",
        "amountSpent": money(0, "EUR"),
        "defaultEmailAddress": email_address(email),
        "defaultPhoneNumber": phone_number(phone),
        "addressesV2": [],
        "metafields": [],
        **plain,
    }
    if consent and made["defaultEmailAddress"]:
        made["defaultEmailAddress"] |= {"marketingState": consent, "marketingUpdatedAt": now}
        made["defaultEmailAddress"]["marketingOptInLevel"] = "SINGLE_OPT_IN"
    number = id.rsplit("/", 1)[1]
    made["addressesV2"] = [
        one if "id" in one else address(one, gid("MailingAddress", f"{number}{n}")) for n, one in enumerate(addresses)
    ]
    return named(made)


def named(made: Json) -> Json:
    """The parts of a customer that follow from others."""
    name = " ".join(str(made[part]) for part in ("firstName", "lastName") if made.get(part))
    email = (made.get("defaultEmailAddress") or {}).get("emailAddress")
    phone = (made.get("defaultPhoneNumber") or {}).get("phoneNumber")
    made["displayName"] = name or email or phone or ""
    made["defaultAddress"] = made["addressesV2"][0] if made["addressesV2"] else None
    return made


def product(id: str, now: str, fields: Mapping[str, Any], currency: str = "EUR") -> Json:
    """A product; `variants` may be short: {sku, price, title}."""
    plain, number = dict(fields), id.rsplit("/", 1)[1]
    given = plain.pop("variants", [{"price": plain.pop("price", "10.00"), "sku": plain.pop("sku", None)}])
    title = plain.get("title") or f"Product {number}"
    made: Json = {
        "id": id,
        "createdAt": now,
        "updatedAt": now,
        "publishedAt": now,
        "title": title,
        "handle": re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-"),
        "descriptionHtml": "",
        "vendor": "Sandbox",
        "productType": "",
        "status": "ACTIVE",
        "tags": [],
        "isGiftCard": False,
        "category": None,
        "seo": {"title": None, "description": None},
        "options": [{"id": gid("ProductOption", number), "name": "Title", "position": 1, "values": ["Default Title"]}],
        "metafields": [],
        **plain,
    }
    made["variants"] = [variant(one, n, number, now) for n, one in enumerate(given)]
    made["totalInventory"] = sum(one.get("inventoryQuantity") or 0 for one in made["variants"])
    made.setdefault("description", re.sub(r"<[^>]*>", "", made["descriptionHtml"]))
    return made


def variant(given: Mapping[str, Any], n: int, number: str, now: str) -> Json:
    """A product variant."""
    return {
        "id": gid("ProductVariant", f"{number}{n:02d}"),
        "title": "Default Title",
        "sku": None,
        "barcode": None,
        "price": "0.00",
        "compareAtPrice": None,
        "inventoryQuantity": 0,
        "position": n + 1,
        "taxable": True,
        "createdAt": now,
        "updatedAt": now,
        "selectedOptions": [{"name": "Title", "value": given.get("title") or "Default Title"}],
        **given,
    }


def order(id: str, now: str, number: int, fields: Mapping[str, Any]) -> Json:
    """An order. Short forms: `customer` (a customer or its id), `currency`, `lineItems` [{title, quantity, price,
    sku}], `refunds` [{amount, note}], `shipping`, `tax`.
    """
    plain, key = dict(fields), id.rsplit("/", 1)[1]
    currency = plain.pop("currency", plain.get("currencyCode", "EUR"))
    held = plain.pop("customer", None)
    lines = [line_item(one, n, key, currency) for n, one in enumerate(plain.pop("lineItems", [{"title": "Item"}]))]
    refunds = [refund(one, n, key, currency, now, lines) for n, one in enumerate(plain.pop("refunds", []))]
    shipping, tax = Decimal(str(plain.pop("shipping", 0))), Decimal(str(plain.pop("tax", 0)))
    subtotal = sum((Decimal(one["originalTotalSet"]["shopMoney"]["amount"]) for one in lines), Decimal(0))
    back = sum((Decimal(one["totalRefundedSet"]["shopMoney"]["amount"]) for one in refunds), Decimal(0))
    total = subtotal + shipping + tax
    state = "PAID" if not back else "REFUNDED" if back >= total else "PARTIALLY_REFUNDED"
    return {
        "id": id,
        "name": f"#{number}",
        "createdAt": now,
        "updatedAt": now,
        "processedAt": now,
        **dict.fromkeys(("email", "phone", "cancelledAt", "cancelReason", "closedAt", "note", "poNumber")),
        **dict.fromkeys(("sourceIdentifier", "customerLocale", "billingAddress", "shippingAddress")),
        "customerJourneySummary": None,
        "sourceName": "web",
        "confirmed": True,
        "test": False,
        "taxesIncluded": False,
        "tags": [],
        "discountCodes": [],
        "metafields": [],
        "currencyCode": currency,
        "presentmentCurrencyCode": currency,
        "displayFinancialStatus": state,
        "displayFulfillmentStatus": "UNFULFILLED",
        "customer": {"id": held["id"] if isinstance(held, dict) else held} if held else None,
        "lineItems": lines,
        "refunds": refunds,
        "subtotalPriceSet": bag(subtotal, currency),
        "totalShippingPriceSet": bag(shipping, currency),
        "totalTaxSet": bag(tax, currency),
        "totalDiscountsSet": bag(0, currency),
        "totalPriceSet": bag(total, currency),
        "currentTotalPriceSet": bag(total - back, currency),
        "totalRefundedSet": bag(back, currency),
        **plain,
    }


def line_item(given: Mapping[str, Any], n: int, key: str, currency: str) -> Json:
    """A line item from {title, quantity, price, sku, product, variant}."""
    plain = dict(given)
    quantity, price = int(plain.pop("quantity", 1)), Decimal(str(plain.pop("price", "10.00")))
    held = {name: ({"id": plain[name]} if plain.get(name) else None) for name in ("product", "variant")}
    title = plain.get("title") or "Item"
    return {
        "id": gid("LineItem", f"{key}{n:02d}"),
        "title": title,
        "name": title,
        "sku": None,
        "vendor": None,
        "variantTitle": None,
        "quantity": quantity,
        "currentQuantity": quantity,
        "requiresShipping": True,
        "taxable": True,
        "isGiftCard": False,
        "originalUnitPriceSet": bag(price, currency),
        "originalTotalSet": bag(price * quantity, currency),
        "discountedTotalSet": bag(price * quantity, currency),
        "totalDiscountSet": bag(0, currency),
        **plain,
        **held,
    }


def refund(given: Mapping[str, Any], n: int, key: str, currency: str, now: str, lines: Sequence[Json]) -> Json:
    """A refund of `amount`, of the order's first line unless `lines` names [{line, quantity, subtotal}]."""
    amount = Decimal(str(given.get("amount", 0)))
    wanted = given.get("lines", [{"line": 0, "quantity": 1, "subtotal": amount}] if lines else [])
    return {
        "id": gid("Refund", f"{key}{n:02d}"),
        "createdAt": given.get("createdAt", now),
        "note": given.get("note"),
        "totalRefundedSet": bag(amount, currency),
        "refundLineItems": [
            {
                "id": gid("RefundLineItem", f"{key}{n:02d}{m}"),
                "quantity": one.get("quantity", 1),
                "restockType": "NO_RESTOCK",
                "lineItem": lines[one.get("line", 0)],
                "subtotalSet": bag(one.get("subtotal", 0), currency),
                "totalTaxSet": bag(0, currency),
            }
            for m, one in enumerate(wanted)
        ],
    }


def metafield(namespace: str, key: str, value: str, type: str, number: int, now: str) -> Json:
    """A metafield."""
    return {
        "id": gid("Metafield", number),
        "namespace": namespace,
        "key": key,
        "value": value,
        "type": type,
        "createdAt": now,
        "updatedAt": now,
    }
