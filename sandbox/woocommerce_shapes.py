"""What WooCommerce's objects look like when nobody filled anything in, and the schema a site gives of them."""

from __future__ import annotations

from sandbox.state import Json

_STREET = dict.fromkeys(
    ("first_name", "last_name", "company", "address_1", "address_2", "city", "postcode", "country", "state", "phone"),
    "",
)
_LINKS = {"self": [{"href": "", "targetHints": {"allow": ["GET"]}}], "collection": [{"href": ""}]}
_CUSTOMER: Json = {
    "id": 0, "date_created": None, "date_created_gmt": None, "date_modified": None, "date_modified_gmt": None, "email": "",
    "first_name": "", "last_name": "", "role": "customer", "username": "", "billing": {**_STREET, "email": ""},
    "shipping": _STREET, "is_paying_customer": False, "avatar_url": "", "meta_data": [], "_links": _LINKS,
}  # fmt: skip
LINE: Json = {
    "id": 1, "name": "", "product_id": 0, "variation_id": 0, "quantity": 1, "tax_class": "", "subtotal": "0.00",
    "subtotal_tax": "0.00", "total": "0.00", "total_tax": "0.00", "taxes": [], "meta_data": [], "sku": "",
    "global_unique_id": "", "price": 0.5, "image": {"id": "", "src": ""}, "parent_name": None,
}  # fmt: skip
"""A line of an order."""
_ORDER: Json = {
    "id": 0, "parent_id": 0, "status": "pending", "currency": "EUR", "version": "10.7.0", "prices_include_tax": False,
    "date_created": None, "date_modified": None, "discount_total": "0.00", "discount_tax": "0.00", "shipping_total": "0.00",
    "shipping_tax": "0.00", "cart_tax": "0.00", "total": "0.00", "total_tax": "0.00", "customer_id": 0, "order_key": "",
    "billing": {**_STREET, "email": ""}, "shipping": _STREET, "payment_method": "", "payment_method_title": "",
    "transaction_id": "", "customer_ip_address": "", "customer_user_agent": "", "created_via": "checkout",
    "customer_note": "", "date_completed": None, "date_paid": None, "cart_hash": "", "number": "", "meta_data": [],
    "line_items": [], "tax_lines": [], "shipping_lines": [], "fee_lines": [], "coupon_lines": [], "refunds": [],
    "payment_url": "", "is_editable": True, "needs_payment": True, "needs_processing": True, "date_created_gmt": None,
    "date_modified_gmt": None, "date_completed_gmt": None, "date_paid_gmt": None, "currency_symbol": "", "_links": {
        **_LINKS, "email_templates": [{"embeddable": True, "href": ""}], "customer": [{"href": ""}]},
}  # fmt: skip
_PRODUCT: Json = {
    "id": 0, "name": "", "slug": "", "permalink": "", "date_created": None, "date_created_gmt": None, "date_modified": None,
    "date_modified_gmt": None, "type": "simple", "status": "publish", "featured": False, "catalog_visibility": "visible",
    "description": "", "short_description": "", "sku": "", "price": "", "regular_price": "", "sale_price": "",
    "date_on_sale_from": None, "date_on_sale_from_gmt": None, "date_on_sale_to": None, "date_on_sale_to_gmt": None,
    "on_sale": False, "purchasable": True, "total_sales": 0, "virtual": False, "downloadable": False, "downloads": [],
    "download_limit": -1, "download_expiry": -1, "external_url": "", "button_text": "", "tax_status": "taxable",
    "tax_class": "", "manage_stock": False, "stock_quantity": None, "backorders": "no", "backorders_allowed": False,
    "backordered": False, "low_stock_amount": None, "sold_individually": False, "weight": "",
    "dimensions": {"length": "", "width": "", "height": ""}, "shipping_required": True, "shipping_taxable": True,
    "shipping_class": "", "shipping_class_id": 0, "reviews_allowed": True, "average_rating": "0.00", "rating_count": 0,
    "upsell_ids": [], "cross_sell_ids": [], "parent_id": 0, "purchase_note": "",
    "categories": [{"id": 15, "name": "Uncategorized", "slug": "uncategorized"}], "brands": [], "tags": [], "images": [],
    "attributes": [], "default_attributes": [], "variations": [], "grouped_products": [], "menu_order": 0, "price_html": "",
    "related_ids": [], "meta_data": [], "stock_status": "instock", "has_options": False, "post_password": "",
    "global_unique_id": "", "_links": _LINKS,
}  # fmt: skip
SHAPES: dict[str, Json] = {"customers": _CUSTOMER, "orders": _ORDER, "products": _PRODUCT}
"""By resource."""

_CHOICES = {
    ("orders", "status"): ["pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed"],
    ("products", "status"): ["draft", "pending", "private", "publish"],
    ("products", "type"): ["simple", "grouped", "external", "variable"],
}
_NEVER = {"id", "role", "is_paying_customer", "avatar_url", "number", "order_key", "permalink", "total", "price"}
_KINDS = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


def schema(resource: str) -> Json:
    """The JSON schema that OPTIONS gives: types, choices, what is read-only."""
    told = {name: _property(resource, name, value) for name, value in SHAPES[resource].items() if name != "_links"}
    if resource == "customers":
        told["password"] = {"type": "string", "context": ["edit"]}
    return {"title": resource[:-1], "type": "object", "properties": told}


def _property(resource: str, name: str, value: object) -> Json:
    told: Json = {"description": name.replace("_", " ").capitalize(), "type": _KINDS.get(type(value), "string")}
    if name.startswith("date_"):
        told = {**told, "type": ["null", "string"], "format": "date-time"}
    if isinstance(value, dict):
        told["properties"] = {key: _property(resource, key, each) for key, each in value.items()}
    if (resource, name) in _CHOICES:
        told["enum"] = _CHOICES[resource, name]
    return {**told, "readonly": True} if name in _NEVER or name.startswith("date_") else told
