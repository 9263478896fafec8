"""Shopify's older REST shapes: what webhooks carry, and what recorded REST examples are read from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.shopify.objects import TYPES, bag, customer, gid, money, order, phone_of, product
from sandbox.state import Json

_ADDRESS = {
    "firstName": "first_name",
    "lastName": "last_name",
    "company": "company",
    "address1": "address1",
    "address2": "address2",
    "city": "city",
    "province": "province",
    "provinceCode": "province_code",
    "country": "country",
    "zip": "zip",
    "phone": "phone",
}


def payload(resource: str, obj: Json) -> Json:
    """A webhook's body for one object (the fields a receiver can rely on)."""
    number = int(obj["id"].rsplit("/", 1)[1])
    body: Json = {"id": number, "admin_graphql_api_id": obj["id"]}
    body |= {"created_at": obj["createdAt"], "updated_at": obj["updatedAt"], "tags": ", ".join(obj["tags"])}
    if resource == "customers":
        email, phone = obj["defaultEmailAddress"] or {}, obj["defaultPhoneNumber"] or {}
        body |= {"email": email.get("emailAddress"), "phone": phone.get("phoneNumber"), "note": obj["note"]}
        body |= {"first_name": obj["firstName"], "last_name": obj["lastName"], "state": obj["state"].lower()}
        body |= {"verified_email": obj["verifiedEmail"], "tax_exempt": obj["taxExempt"]}
        body["addresses"] = [_rest_address(one) for one in obj["addressesV2"]]
        body["default_address"] = _rest_address(obj["defaultAddress"]) if obj["defaultAddress"] else None
    elif resource == "orders":
        body |= {"name": obj["name"], "email": obj["email"], "currency": obj["currencyCode"], "note": obj["note"]}
        body |= {"financial_status": str(obj["displayFinancialStatus"]).lower(), "test": obj["test"]}
        body |= {"total_price": obj["totalPriceSet"]["shopMoney"]["amount"], "processed_at": obj["processedAt"]}
        body["customer"] = {"id": int(obj["customer"]["id"].rsplit("/", 1)[1])} if obj["customer"] else None
    else:
        body |= {
            "title": obj["title"],
            "handle": obj["handle"],
            "vendor": obj["vendor"],
            "status": obj["status"].lower(),
        }
    return body


def recorded(resource: str, record: Json) -> Json | None:
    """A recorded record (GraphQL or REST) as a stored object; None when it is none of `resource`."""
    id = record.get("id")
    if isinstance(id, str) and id.startswith(f"gid://shopify/{TYPES[resource]}/"):
        return _from_graphql(resource, record)
    if isinstance(id, int):
        made = {"customers": _customer, "orders": _order, "products": _product}[resource](record)
        made |= {"createdAt": _utc(record.get("created_at")), "updatedAt": _utc(record.get("updated_at"))}
        return made
    return None


def _from_graphql(resource: str, record: Json) -> Json:
    plain: Json = {
        name: [edge["node"] for edge in value["edges"]] if isinstance(value, dict) and "edges" in value else value
        for name, value in record.items()
        if name not in ("id", "legacyResourceId")
    }
    for n, option in enumerate(plain.get("options") or ()):
        option.setdefault("position", n + 1)
    if plain.get("category"):
        plain["category"] = {"fullName": plain["category"].get("name"), **plain["category"]}
    now = str(plain.get("createdAt") or _utc(None))
    if resource == "products":
        return product(record["id"], now, plain)
    return customer(record["id"], now, plain) if resource == "customers" else order(record["id"], now, 1, plain)


def _customer(record: Json) -> Json:
    fields: Json = {"firstName": record.get("first_name"), "lastName": record.get("last_name")}
    fields |= {"email": record.get("email"), "phone": phone_of(record.get("phone") or ""), "note": record.get("note")}
    fields |= {"state": str(record.get("state") or "disabled").upper(), "tags": _tags(record)}
    fields |= {"taxExempt": bool(record.get("tax_exempt")), "verifiedEmail": bool(record.get("verified_email"))}
    fields["numberOfOrders"] = str(record.get("orders_count") or 0)
    fields["amountSpent"] = money(record.get("total_spent") or 0, record.get("currency") or "USD")
    if record.get("accepts_marketing"):
        fields["consent"] = "SUBSCRIBED"
    fields["addresses"] = [_address(one) for one in record.get("addresses") or ()]
    return customer(gid("Customer", record["id"]), _utc(record.get("created_at")), fields)


def _product(record: Json) -> Json:
    fields: Json = {name: record[name] for name in ("title", "handle", "vendor") if record.get(name)}
    fields |= {"descriptionHtml": record.get("body_html") or "", "productType": record.get("product_type") or ""}
    fields |= {"tags": _tags(record), "publishedAt": _utc(record.get("published_at"))}
    fields["variants"] = [
        {
            "id": gid("ProductVariant", one["id"]),
            "title": one.get("title") or "Default Title",
            "sku": one.get("sku"),
            "price": one.get("price") or "0.00",
            "inventoryQuantity": one.get("inventory_quantity") or 0,
        }
        for one in record.get("variants") or ()
    ]
    return product(gid("Product", record["id"]), _utc(record.get("created_at")), fields)


def _order(record: Json) -> Json:
    currency = record.get("currency") or "USD"
    fields: Json = {name: record.get(name) for name in ("name", "email", "phone", "note", "test") if record.get(name)}
    fields |= {"tags": _tags(record), "currency": currency, "confirmed": bool(record.get("confirmed"))}
    fields |= {"sourceName": record.get("source_name"), "sourceIdentifier": record.get("source_identifier")}
    fields |= {"displayFinancialStatus": str(record.get("financial_status") or "pending").upper()}
    fields["processedAt"] = _utc(record.get("processed_at") or record.get("created_at"))
    fields["discountCodes"] = [one["code"] for one in record.get("discount_codes") or () if one.get("code")]
    if (record.get("customer") or {}).get("id"):
        fields["customer"] = gid("Customer", record["customer"]["id"])
    for name, theirs in (("billingAddress", "billing_address"), ("shippingAddress", "shipping_address")):
        fields[name] = {**_address(record[theirs]), "id": gid("MailingAddress", 0)} if record.get(theirs) else None
    fields["lineItems"] = [
        {
            "title": one.get("title"),
            "sku": one.get("sku"),
            "quantity": one.get("quantity") or 1,
            "price": one.get("price") or 0,
            "vendor": one.get("vendor"),
            "product": gid("Product", one["product_id"]) if one.get("product_id") else None,
        }
        for one in record.get("line_items") or ()
    ]
    for name, theirs in (
        ("totalPriceSet", "total_price"),
        ("totalTaxSet", "total_tax"),
        ("subtotalPriceSet", "subtotal_price"),
    ):
        fields[name] = bag(record.get(theirs) or 0, currency)
    fields["currentTotalPriceSet"] = fields["totalPriceSet"]
    fields["totalDiscountsSet"] = bag(record.get("total_discounts") or 0, currency)
    return order(gid("Order", record["id"]), _utc(record.get("created_at")), int(record.get("number") or 1), fields)


def _address(given: Json) -> Json:
    return (
        {mine: given.get(theirs) for mine, theirs in _ADDRESS.items()}
        | {"countryCodeV2": given.get("country_code")}
        | {"id": gid("MailingAddress", given.get("id") or 0)}
    )


def _rest_address(obj: Json) -> Json:
    return {theirs: obj.get(mine) for mine, theirs in _ADDRESS.items()} | {"country_code": obj.get("countryCodeV2")}


def _tags(record: Json) -> list[str]:
    return [tag.strip() for tag in str(record.get("tags") or "").split(",") if tag.strip()]


def _utc(text: Any) -> str:
    when = datetime.fromisoformat(text) if text else datetime(2026, 1, 1, tzinfo=UTC)
    return when.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
