"""WooCommerce, REST v3: customers both ways; orders with their refunds, and products, to read.

Facts, by source. [doc] the vendor's REST documentation; [src] its own PHP (woocommerce/woocommerce, REST controllers and
WP_User_Query); [rec] recorded exchanges; [M] memory, not confirmed.
* Lists end by X-WP-Total; 100 on a page at most [doc]. They shift while they are read, so they go by id and overlap.
* `modified_after` and `_before` are exclusive, and only orders and products know them (since 5.8) [doc]. With
  `dates_are_gmt` a time must come without a zone: one with a zone is turned into the site's own first [src].
* No list tells what was deleted. A trashed order is shown by `status=any,trash` [doc]; trashed products are not.
* No upsert: class C. A customer's e-mail and username are unique, a second create is refused [src]. The username of those
  we make is our key, which can be searched; it stands in `meta_data` too, which cannot, and alone for those we adopted.
* A batch takes 100 objects; each may fail inside the 200; it is not all-or-nothing [doc]. A customer made by API is sent
  the mail for new accounts unless the site has it switched off [src]. null leaves a field as it is, "" empties it [src].
* Basic over https; over plain http only OAuth 1.0a, which also helps where a host strips Authorization [doc, src].
* Nothing limits requests but the host [M]; a firewall answers with a page of HTML, PHP prints notices before JSON [M].
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import Field, SecretStr

from connectors.auth import Auth, BasicAuth, OAuth1
from connectors.base import ConnectorSettings, Deletes, Limit, Resource, WriteClass, WriteSpec, named
from connectors.batches import Indexed, Outcomes, applied, failed, ids_of, inside, untold
from connectors.budget import Kind
from connectors.changes import Bounds, Listed
from connectors.described import fields_in
from connectors.dotted import at, nested, nulled
from connectors.http import Answer, Http
from connectors.looks import looked
from connectors.paging import ById
from connectors.rest import Rest
from connectors.shapes import as_asked, by_key, held, parts, time_of
from connectors.verdicts import DEFAULT_VERDICTS, FORBIDDEN, Verdict, Verdicts
from connectors.webhook import Secrets
from kernel import records as r
from kernel.errors import Fate, Park
from kernel.records import Action, Json, SourceRecord, WriteItem, WriteOutcome

KEY = "throughline_key"
_V3 = "/wp-json/wc/v3"
_ALL = {"customers": {"role": "all"}, "orders": {"status": "any,trash"}, "products": {}}
_LISTED = {**_ALL, "customers": {}}  # role=customer, the vendor's default: not the people who run the shop
_SEEN = ("date_modified", "date_modified_gmt", "meta_data", "_links")
_READ_ONLY = frozenset({
    "id", "date_created", "date_created_gmt", "date_modified", "date_modified_gmt", "role", "username", "password",
    "is_paying_customer", "avatar_url", "meta_data", "_links", f"meta.{KEY}",
})  # fmt: skip
_NOISE = re.compile(r"wc_last_active|session_tokens|_edit_lock|_woocommerce_persistent_cart")
_PHP = re.compile(rb"\A(?:\xef\xbb\xbf|\s|<br ?/?>\s*<b>(?:Warning|Notice|Deprecated)</b>:.*?<br ?/?>)+", re.DOTALL)
_TAKEN = ("registration-error-email-exists", "registration-error-username-exists")
_GONE = ("wc_user_invalid_id", "woocommerce_rest_invalid_id")


def _codes(body: Any) -> Iterable[str]:
    """`woocommerce_rest_cannot_…` is a missing permission with 403; with 401 it means that nobody is logged in."""
    code = str(at(body, "code") or "")
    refused = code.startswith("woocommerce_rest_cannot_") and at(body, "data.status") == 403
    return (code, "cannot") if refused else (code,)


def _field(body: Any) -> str:
    told, code = at(body, "data.params"), str(at(body, "code"))
    return next(iter(told), "") if told else next((one for one in ("email", "username") if one in code), "")


_BLOCKED = Verdict(Fate.UNKNOWN, "bad_answer")  # by a firewall; its rules come and go
VERDICTS: Verdicts = DEFAULT_VERDICTS.but(
    {403: _BLOCKED, 404: Verdict(Fate.STOP, "wrong_request")},  # 404: no WooCommerce there, or no permalinks
    by_code={
        "cannot": FORBIDDEN,
        **dict.fromkeys((*_TAKEN, "woocommerce_rest_customer_invalid_email"), Verdict(Fate.PARK, "conflict")),
        **dict.fromkeys(_GONE, Verdict(Fate.PARK, "not_found")),
    },
    codes=_codes,
    field=_field,
)


class WoocommerceSettings(ConnectorSettings):
    """A shop, and a REST key of a user who may manage it."""

    base_url: str  # of the site: https://shop.example, or https://example.com/shop
    consumer_key: str
    consumer_secret: SecretStr
    oauth1: bool = False  # sign requests over https too: for hosts that strip the Authorization header
    plain_http: bool = False  # the site has no TLS: requests are signed, and everybody on the way reads what they hold
    page_size: Annotated[int, Field(ge=2, le=100)] = 100  # less where the host is too slow for 100 objects
    webhook_secret: Secrets = ()


_LISTING = Resource(
    "", updated_at="date_modified_gmt", lookback=timedelta(minutes=5), deletes=Deletes.SWEEP, backfill=True
)


class Woocommerce(Rest):
    """One shop."""

    system: ClassVar[str] = "woocommerce"
    Settings = WoocommerceSettings
    resources: ClassVar[Mapping[str, Resource]] = named(
        customers=Resource(
            "", updated_at="date_modified_gmt", incremental=False, deletes=Deletes.SWEEP, volatile=(*_SEEN, "avatar_url"),
            write=WriteSpec(
                WriteClass.CONFLICT, f"meta.{KEY}", batch_size=100, read_only=_READ_ONLY,
                actions=frozenset({Action.UPSERT, Action.CLEAR, Action.DELETE}),
                settle=timedelta(seconds=150), max_processing=timedelta(seconds=120),
            ),
        ),
        orders=replace(
            _LISTING, volatile=(*_SEEN, "payment_url", "is_editable", "needs_payment", "needs_processing")
        ),
        products=replace(
            _LISTING, volatile=(*_SEEN, "price_html", "related_ids", "total_sales", "average_rating", "rating_count")
        ),
    )  # fmt: skip
    asking = Bounds("modified_after", "modified_before", after=True, zone="", also={"dates_are_gmt": "true"})
    see = "give a valid key of a user who may see {}; if it is valid: compare the clocks, or set oauth1"
    limits: ClassVar[Sequence[Limit]] = (Limit(4, kind=Kind.CONCURRENT),)  # the host's, not the vendor's: a guess
    setup = (
        "Settings → Permalinks: anything but plain; the REST API has no address else.",
        "WooCommerce → Settings → Advanced → REST API: a key of a shop manager with Read/Write.",
        "WooCommerce → Settings → Accounts: let passwords be generated. → Emails: switch `New account` off unless customers shall get it.",
        "For webhooks: → Advanced → Webhooks, one each for customer, order and product, created, updated and deleted, with one secret.",
    )
    permissions = ("Read/Write", "manage_woocommerce", "list_users", "create_users", "edit_users")

    @classmethod
    def build_http(cls, settings: WoocommerceSettings, **options: Any) -> Http:
        """Basic over https; a signature over http, and where it is asked for."""
        auth: Auth = BasicAuth(settings.consumer_key, settings.consumer_secret)
        if settings.oauth1 or settings.base_url.startswith("http://"):
            auth = OAuth1(settings.consumer_key, settings.consumer_secret, clock=options.get("clock"))
        told: Json = {"clean": _clean, "plain": settings.plain_http, **options}
        return Http(base_url=settings.base_url, auth=auth, verdicts=VERDICTS, **told)

    def __init__(self, settings: Any, http: Http) -> None:
        """See `connectors.open_connector`."""
        super().__init__(settings, http)
        self._currency = ""

    def listed(self, resource: str) -> Sequence[Listed]:
        """One list each; pages are as long as the host bears."""
        paging = ById("offset", ("per_page", self.settings.page_size), total="x-wp-total")
        return [Listed(f"{_V3}/{resource}", paging, _LISTED[resource])]

    def record(self, resource: str, raw: Json) -> SourceRecord:
        """As the vendor tells it, with `meta` by key, and what it leaves to be computed; plugins may have bent it."""
        if resource == "products":
            self._currency = self._currency or self.http.get(f"{_V3}/data/currencies/current").json().get("code", "")
            raw["currency"] = self._currency
        try:
            if resource == "orders":
                _order(raw)
            return _shaped(raw)
        except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
            return SourceRecord(str(raw.get("id") or ""), raw, fault=f"it has another shape ({type(error).__name__})")

    def check(self) -> list[r.Check]:
        """Each resource: whether the key may read it; and whether it may write: a batch of nothing."""
        found = super().check()
        nothing = partial(self.http.send, "POST", f"{_V3}/customers/batch", json={}, write=True)
        return [*found, looked("customers: write", nothing, "give the key Read/Write")] if found[0].ok else found

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """A page of them in one request; what the list does not show is gone."""
        spec, found, size = self.declared(resource), list[SourceRecord](), self.settings.page_size
        for some in parts([id for id in ids if id.isdecimal()], size):
            asked = {**_ALL[resource], "include": ",".join(some), "per_page": size}
            found += [self.record(resource, raw) for raw in self._found(resource, asked)]
        return as_asked(spec, ids, found)

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By username; a key that is none may be in a customer we adopted, so then all are looked through."""
        found = {key: self._ours(key) for key in ext_keys}
        if missing := [key for key, hits in found.items() if not hits]:
            paging = self.listed(resource)[0].paging
            pages = paging.pages(self.http, f"{_V3}/{resource}", _ALL[resource])
            found |= by_key(missing, (_shaped(raw) for raws, _, _ in pages for raw in raws), f"meta.{KEY}")
        return found

    def send(self, resource: str, items: Sequence[WriteItem]) -> list[WriteOutcome]:
        """One batch request; what is refused because the address or our name is taken is looked up, and adopted if free."""
        outcomes = Outcomes(items)
        post = partial(self._post, outcomes)
        deletes = [one for one in outcomes.items if one[1].action is Action.DELETE]
        there = outcomes.named(deletes, lambda keys: ids_of(self.find(resource, keys)))
        outcomes.each([one for one in outcomes.items if one not in deletes] + there, post)
        outcomes.again(outcomes.taken(self._free), post)
        return outcomes.in_order()

    def _post(self, outcomes: Outcomes, items: Indexed) -> None:
        sorts: dict[str, Indexed] = {"create": [], "update": [], "delete": []}
        for place, item in items:
            sort = "delete" if item.action is Action.DELETE else "update" if item.vendor_id else "create"
            sorts[sort].append((place, item))
        body = {sort: [_body(sort, item) for _, item in rows] for sort, rows in sorts.items() if rows}
        answer = self.http.send("POST", f"{_V3}/customers/batch", json=body, write=True)
        for sort, rows in sorts.items():
            told = at(answer.json(), sort)
            if isinstance(told, list) and len(told) == len(rows):  # else nobody knows whose result is whose
                for (place, item), result in zip(rows, told, strict=True):
                    outcomes.settle(place, self._outcome(sort, item, result, answer))

    def _outcome(self, sort: str, item: WriteItem, told: Any, answer: Answer) -> WriteOutcome:
        code = at(told, "error.code")
        if sort == "delete" and (not code or code in _GONE):
            return WriteOutcome(item.vendor_id, status=answer.status)
        if code:
            return inside(self.http, answer, at(told, "error.data.status") or 400, told["error"], item)
        record = _shaped(told if isinstance(told, dict) else {})
        if at(record.raw, f"meta.{KEY}") != item.ext_key or item.vendor_id not in (None, record.id):
            return failed(untold(item))
        return applied(answer, record, created=sort == "create")

    def _free(self, item: WriteItem) -> SourceRecord | None:
        """The buyer who has the address (or our name) already: ours, unless it carries another key of ours."""
        asked = {**_ALL["customers"], "email": item.fields.get("email") or "-"}
        hits = [_shaped(raw) for raw in self._found("customers", asked)] or self._ours(item.ext_key)
        if len(hits) != 1:
            return None
        key, role = at(hits[0].raw, f"meta.{KEY}"), hits[0].raw.get("role")
        return hits[0] if key == item.ext_key or (not key and role in ("customer", "subscriber")) else None

    def discover(self, resource: str) -> list[r.FieldInfo]:
        """The live fields, from the schema the site gives of itself; `meta` is `meta_data` by key."""
        self.declared(resource)
        schema = at(self.http.send("OPTIONS", f"{_V3}/{resource}").json(), "schema") or {}
        return [*fields_in(schema, _READ_ONLY), r.FieldInfo("meta", "json", "by key")]

    def webhook(self, request: r.WebhookRequest) -> r.Delivered:
        """The object is read again: the signature does not cover the topic, and payloads have four versions."""
        opened, name = self.opened(request), request.headers.get("x-wc-webhook-resource", "")
        if opened.answer is None and not isinstance(opened.told, dict):
            raise Park("the webhook names no object", cause="bad_payload")
        id = str(at(opened.told, "id") or at(opened.told, f"{name}.id"))  # the oldest version wraps it
        ours = f"{name}s" in self.resources and id.isdecimal()
        return opened.naming([(f"{name}s", id)] if ours else [])

    def _found(self, resource: str, asked: Json) -> list[Json]:
        return [
            one for one in held(self.http.get(f"{_V3}/{resource}", params=asked), kind=list) if isinstance(one, dict)
        ]

    def _ours(self, key: str) -> list[SourceRecord]:
        hits = self._found("customers", {**_ALL["customers"], "search": key, "per_page": 100})
        return by_key([key], map(_shaped, hits), f"meta.{KEY}")[key]


def _shaped(told: Json) -> SourceRecord:
    """Any of them as a record: null for each empty text, since WooCommerce has no other word for nothing; `meta` by key."""
    raw = nulled(told, "billing", "shipping", "line_items", "refunds")
    id, metas = str(raw.get("id") or ""), raw.get("meta_data") or ()
    raw["meta"] = {str(one.get("key")): one.get("value") for one in metas if not _NOISE.match(str(one.get("key")))}
    stamp = time_of(raw.get("date_modified_gmt")) or time_of(raw.get("date_created_gmt"))
    if raw.get("status") == "trash":
        return SourceRecord(id, {"id": id}, stamp, deleted=True)
    return SourceRecord(id, raw, stamp, fault="" if id else "it has no id")


def _order(raw: Json) -> None:
    """`customer` (none for a guest), `payment_status`, `refunded_total`, and of each line `unit_price` and `discount`."""
    raw["customer"] = str(raw.get("customer_id") or "") or None
    refunded = -sum((_number(one.get("total")) for one in raw.get("refunds") or ()), Decimal())
    raw["refunded_total"] = str(refunded) if refunded else None
    status, paid = raw.get("status"), raw.get("date_paid_gmt") or raw.get("status") == "completed"
    back = "refunded" if status == "refunded" or refunded >= _number(raw.get("total")) else "partially_refunded"
    unpaid = "voided" if status in ("cancelled", "failed") else "pending"
    raw["payment_status"] = back if refunded or status == "refunded" else "paid" if paid else unpaid
    for line in (*(raw.get("line_items") or ()), *(raw.get("refunds") or ())):
        line["currency"] = raw.get("currency")
    for line in raw.get("line_items") or ():
        before, many = _number(line.get("subtotal")), _number(line.get("quantity")) or Decimal(1)
        line["unit_price"] = str((before / many).quantize(Decimal("0.0001")))
        line["discount"] = str(before - _number(line.get("total")))


def _number(told: Any) -> Decimal:
    return Decimal(str(told or 0))


def _body(sort: str, item: WriteItem) -> Any:
    """The fields as WooCommerce takes them: nested, meta by key, and "" for nothing."""
    if sort == "delete":
        return int(item.vendor_id or 0)
    body: Json = {"id": int(item.vendor_id or 0)} if sort == "update" else {"username": item.ext_key}
    body |= nested({name: value for name, value in item.fields.items() if not name.startswith("meta.")}, nothing="")
    metas = {name[5:]: value for name, value in item.fields.items() if name.startswith("meta.")}  # a key may hold dots
    body["meta_data"] = [
        {"key": name, "value": "" if value is None else value} for name, value in {KEY: item.ext_key, **metas}.items()
    ]
    return body


def _clean(content: bytes) -> bytes:
    """An answer without the mark and the notices that PHP may print before its JSON; other HTML stays, and is refused."""
    return _PHP.sub(b"", content, count=1) if content[:1] not in (b"[", b"{") else content
