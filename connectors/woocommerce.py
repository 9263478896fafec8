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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import Field, SecretStr

from connectors.auth import Auth, BasicAuth, OAuth1
from connectors.base import Connector, ConnectorSettings, Deletes, Limit, Resource, WriteClass, WriteSpec, looked
from connectors.batches import Indexed, Outcomes, failed, inside, refusing, untold
from connectors.budget import Kind
from connectors.changes import Listed, changes
from connectors.http import Answer, Http
from connectors.paging import ById, at
from connectors.proofs import Keyring
from connectors.signatures import admit
from connectors.verdicts import DEFAULT_VERDICTS, FORBIDDEN, Verdict, Verdicts
from connectors.webhook import Secrets, revealed
from kernel import records as r
from kernel.clock import SECOND, instant_of, iso
from kernel.errors import Fate, Park, ThroughlineError
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
_TYPES = {"integer": "number", "number": "number", "boolean": "boolean", "array": "json", "object": "json"}


def _codes(body: Any) -> Iterable[str]:
    """`woocommerce_rest_cannot_…` is a missing permission with 403; with 401 it means that nobody is logged in."""
    code = str(at(body, "code") or "")
    return (
        (code, "cannot") if code.startswith("woocommerce_rest_cannot_") and at(body, "data.status") == 403 else (code,)
    )


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


class Woocommerce(Connector):
    """One shop."""

    system: ClassVar[str] = "woocommerce"
    Settings = WoocommerceSettings
    resources: ClassVar[Mapping[str, Resource]] = {
        "customers": Resource(
            "customers",
            updated_at="date_modified_gmt",
            incremental=False,
            deletes=Deletes.SWEEP,
            volatile=(*_SEEN, "avatar_url"),
            write=WriteSpec(
                WriteClass.CONFLICT, f"meta.{KEY}", batch_size=100,
                actions=frozenset({Action.UPSERT, Action.CLEAR, Action.DELETE}),
                read_only=_READ_ONLY, settle=timedelta(seconds=150), max_processing=timedelta(seconds=120),
            ),  # fmt: skip
        ),
        **{
            name: Resource(
                name, updated_at="date_modified_gmt", lookback=timedelta(minutes=5), deletes=Deletes.SWEEP,
                backfill=True, volatile=(*_SEEN, *noise),
            )
            for name, noise in {
                "orders": ("payment_url", "is_editable", "needs_payment", "needs_processing"),
                "products": ("price_html", "related_ids", "total_sales", "average_rating", "rating_count"),
            }.items()
        },
    }  # fmt: skip
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

    def check(self) -> list[r.Check]:
        """Each resource: whether the key may read it; and whether it may write: a batch of nothing."""
        fix = "give a valid key of a user who may see {}; if it is valid: compare the clocks, or set oauth1"
        asked = {name: partial(self.http.get, f"{_V3}/{name}", params={"per_page": 1}) for name in self.resources}
        nothing = partial(self.http.send, "POST", f"{_V3}/customers/batch", json={}, write=True)
        found = [looked(name, call, fix.format(name)) for name, call in asked.items()]
        return [*found, looked("customers: write", nothing, "give the key Read/Write")] if found[0].ok else found

    def read(self, resource: str, since: r.Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[r.Page]:
        """What was changed since, in order of id; customers whole."""
        spec = self.declared(resource)
        lists = [Listed(f"{_V3}/{resource}", self._paging(), _LISTED[resource])]
        asking, record = _asking if spec.incremental else None, partial(self._record, resource)
        return changes(self.http, lists, since, record, asking=asking, lookback=spec.lookback, window=window)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """A page of them in one request; what the list does not show is gone."""
        self.declared(resource)
        plain, found, size = [id for id in ids if id.isdecimal()], dict[str, SourceRecord](), self.settings.page_size
        for start in range(0, len(plain), size):
            asked = {**_ALL[resource], "include": ",".join(plain[start : start + size]), "per_page": size}
            found |= {one.id: one for one in map(partial(self._record, resource), self._listed(resource, asked))}
        return [found.get(id) or SourceRecord(id, {"id": id}, deleted=True) for id in ids]

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By username; a key that is none may be in a customer we adopted, so then all are looked through."""
        found = {key: self._ours(key) for key in ext_keys}
        missing = {key for key, hits in found.items() if not hits}
        for items, _, _ in self._paging().pages(self.http, f"{_V3}/{resource}", _ALL[resource]) if missing else ():
            for one in map(_customer, items):
                if (key := at(one.raw, f"meta.{KEY}")) in missing:
                    found[key].append(one)
        return found

    def write(self, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """One batch request; what is refused because the address or our name is taken is looked up, and adopted if free."""
        if self.declared(resource).write is None:
            return super().write(resource, batch)

        def send(items: Sequence[WriteItem]) -> list[WriteOutcome]:
            outcomes = Outcomes(items)
            outcomes.each(outcomes.items, partial(self._send, outcomes))
            return outcomes.in_order()

        return refusing(_READ_ONLY, batch, send)

    def _send(self, outcomes: Outcomes, items: Indexed) -> None:
        parts: dict[str, Indexed] = {"create": [], "update": [], "delete": []}
        for place, item in items:
            id = item.vendor_id
            if item.action is Action.DELETE and id is None:
                id = next((one.id for one in self.find("customers", [item.ext_key])[item.ext_key]), None)
            if item.action is Action.DELETE and id is None:
                outcomes.fail([(place, item)], Park("it is not there", cause="not_found", trace_id=item.trace_id))
            else:
                kind = "delete" if item.action is Action.DELETE else "update" if id else "create"
                parts[kind].append((place, replace(item, vendor_id=id)))
        body = {kind: [_body(kind, item) for _, item in rows] for kind, rows in parts.items() if rows}
        if not body:
            return
        taken: Indexed = []
        answer = self.http.send("POST", f"{_V3}/customers/batch", json=body, write=True)
        for kind, rows in parts.items():
            told = at(answer.json(), kind)
            if isinstance(told, list) and len(told) == len(rows):  # else nobody knows whose result is whose
                for (place, item), result in zip(rows, told, strict=True):
                    if kind == "create" and at(result, "error.code") in _TAKEN:
                        taken.append((place, item))
                    outcomes.settle(place, self._outcome(kind, item, result, answer))
        self._adopt(outcomes, taken)

    def _outcome(self, kind: str, item: WriteItem, told: Any, answer: Answer) -> WriteOutcome:
        code = at(told, "error.code")
        if kind == "delete" and (not code or code in _GONE):
            return WriteOutcome(item.vendor_id, status=answer.status)
        if code:
            return inside(self.http, answer, at(told, "error.data.status") or 400, told["error"], item)
        record = _customer(told if isinstance(told, dict) else {})
        if at(record.raw, f"meta.{KEY}") != item.ext_key or item.vendor_id not in (None, record.id):
            return failed(untold(item))
        return WriteOutcome(record.id, record, kind == "create", None, answer.status, answer.request_id)

    def _adopt(self, outcomes: Outcomes, taken: Indexed) -> None:
        """The buyers who have the address (or our name) already: ours, unless they carry another key of ours."""
        free: Indexed = []
        for place, item in taken:
            try:
                asked = {**_ALL["customers"], "email": item.fields.get("email") or "-"}
                hits = [*map(_customer, self._listed("customers", asked))] or self._ours(item.ext_key)
                held, role = (at(hits[0].raw, f"meta.{KEY}"), hits[0].raw.get("role")) if len(hits) == 1 else ("?", "")
                if held == item.ext_key or (not held and role in ("customer", "subscriber")):
                    free.append((place, replace(item, vendor_id=hits[0].id)))
            except ThroughlineError as error:
                outcomes.fail([(place, item)], error)
        try:
            self._send(outcomes, free)
        except ThroughlineError as error:
            outcomes.fail(free, error)

    def discover(self, resource: str) -> list[r.FieldInfo]:
        """The live fields, from the schema the site gives of itself; `meta` is `meta_data` by key."""
        self.declared(resource)
        told = at(self.http.send("OPTIONS", f"{_V3}/{resource}").json(), "schema.properties") or {}
        flat = [(f"{top}.{name}", one) for top, whole in told.items() for name, one in _parts(whole).items()]
        plain = [(name, one) for name, one in told.items() if not _parts(one)]
        return [_info(name, one) for name, one in (*plain, *flat)] + [r.FieldInfo("meta", "json", "by key")]

    def webhook(self, request: r.WebhookRequest) -> r.Delivered:
        """The object is read again: the signature does not cover the topic, and payloads have four versions."""
        keys = Keyring(revealed(self.settings.webhook_secret, self.http.connection))
        opened = admit("woocommerce", request, keys, request.received_at or self.http.clock.now())
        name = request.headers.get("x-wc-webhook-resource", "")
        id = at(opened.told, "id") or at(opened.told, f"{name}.id")  # the oldest version wraps it
        if opened.answer is None and not isinstance(opened.told, dict):
            raise Park("the webhook names no object", cause="bad_payload")
        hints = [(f"{name}s", str(id))] if f"{name}s" in self.resources and str(id).isdecimal() else []
        return r.Delivered(hints=hints, dedupe_key=opened.dedupe_key, answer=opened.answer)

    def _paging(self) -> ById:
        return ById("offset", ("per_page", self.settings.page_size), total="x-wp-total")

    def _listed(self, resource: str, asked: Json) -> list[Json]:
        answer = self.http.get(f"{_V3}/{resource}", params=asked)
        if not isinstance(answer.json(), list):
            raise answer.unreadable("the answer holds no list")
        return [one for one in answer.json() if isinstance(one, dict)]

    def _ours(self, key: str) -> list[SourceRecord]:
        hits = self._listed("customers", {**_ALL["customers"], "search": key, "per_page": 100})
        return [one for one in map(_customer, hits) if at(one.raw, f"meta.{KEY}") == key]

    def _record(self, resource: str, raw: Json) -> SourceRecord:
        """As the vendor tells it, with `meta` by key, and what it leaves to be computed; plugins may have bent it."""
        if resource == "products":
            self._currency = self._currency or self.http.get(f"{_V3}/data/currencies/current").json().get("code", "")
            raw["currency"] = self._currency
        try:
            if resource == "orders":
                _order(raw)
            return _customer(raw)
        except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
            return SourceRecord(str(raw.get("id") or ""), raw, fault=f"it has another shape ({type(error).__name__})")


def _customer(told: Json) -> SourceRecord:
    raw = _told(told)
    id, metas = str(raw.get("id") or ""), raw.get("meta_data") or ()
    raw["meta"] = {str(one.get("key")): one.get("value") for one in metas if not _NOISE.match(str(one.get("key")))}
    stamp = _instant(raw.get("date_modified_gmt")) or _instant(raw.get("date_created_gmt"))
    if raw.get("status") == "trash":
        return SourceRecord(id, {"id": id}, stamp, deleted=True)
    return SourceRecord(id, raw, stamp, fault="" if id else "it has no id")


def _told(raw: Json) -> Json:
    """The object with null for each empty text: WooCommerce has no other word for nothing."""
    plain = _nulls(raw)
    plain |= {name: _nulls(raw[name]) for name in ("billing", "shipping") if isinstance(raw.get(name), dict)}
    return plain | {name: [_nulls(one) for one in raw[name]] for name in ("line_items", "refunds") if raw.get(name)}


def _nulls(told: Json) -> Json:
    return {name: None if value == "" else value for name, value in told.items()}


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


def _instant(told: Any) -> int | None:
    """A `…_gmt` time, which tells no zone; None for none, and for what plugins leave there."""
    try:
        return instant_of(str(told))
    except ValueError:
        return None


def _asking(start: int | None, end: int | None) -> Json:
    """Bounds in whole seconds of GMT, both exclusive at the vendor, and without a zone: see above."""
    bounds = {"modified_after": start and start - SECOND, "modified_before": end and end + SECOND - 1}
    told = {name: iso(at - at % SECOND).rstrip("Z") for name, at in bounds.items() if at}
    return {**told, "dates_are_gmt": "true"} if told else {}


def _body(kind: str, item: WriteItem) -> Any:
    """The fields as WooCommerce takes them: nested, meta by key, and "" for nothing."""
    if kind == "delete":
        return int(item.vendor_id or 0)
    body: Json = {"id": int(item.vendor_id or 0)} if kind == "update" else {"username": item.ext_key}
    body["meta_data"] = [{"key": KEY, "value": item.ext_key}]
    for name, told in item.fields.items():
        top, _, rest = name.partition(".")
        value = "" if told is None else told
        if top == "meta":
            body["meta_data"].append({"key": rest, "value": value})
        elif rest:
            body.setdefault(top, {})[rest] = value
        else:
            body[top] = value
    return body


def _parts(told: Json) -> Json:
    return dict(told.get("properties") or {})


def _info(name: str, told: Json) -> r.FieldInfo:
    kind = told.get("type")
    kind = kind[0] if isinstance(kind, list) else str(kind)
    choices = tuple(str(one) for one in told.get("enum") or ())
    type = "picklist" if choices else "datetime" if told.get("format") == "date-time" else _TYPES.get(kind, "string")
    never = bool(told.get("readonly")) or name in _READ_ONLY or kind == "date-time"
    return r.FieldInfo(name, type, str(told.get("description") or ""), read_only=never, values=choices)


def _clean(content: bytes) -> bytes:
    """An answer without the mark and the notices that PHP may print before its JSON; other HTML stays, and is refused."""
    return _PHP.sub(b"", content, count=1) if content[:1] not in (b"[", b"{") else content
