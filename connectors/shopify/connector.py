"""The Shopify connector: what it declares, and its verbs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from connectors.auth import HeaderAuth
from connectors.base import Bulk, Connector, Deletes, Resource, WriteClass, WriteSpec
from connectors.http import Http, PageGuard
from connectors.jobs import JobLost
from connectors.shopify import documents, hooks
from connectors.shopify.bulk import BulkRead
from connectors.shopify.checking import check, define_key, fields_of, lacking
from connectors.shopify.documents import SHAPES, Shape
from connectors.shopify.graph import VERDICTS, Graph
from connectors.shopify.settings import ShopifySettings
from connectors.shopify.shaping import goes_on, nodes_of, record_of, records_of
from connectors.shopify.writing import Writer
from kernel.clock import SECOND, iso
from kernel.errors import Park, Stop
from kernel.records import (
    Action,
    Check,
    Cursor,
    Delivered,
    FieldInfo,
    Json,
    Page,
    SourceRecord,
    WebhookRequest,
    WriteItem,
    WriteOutcome,
)

BULK = Bulk(threshold=10_000, batch_size=2_000)  # a shop counts no further; about as many lie in a piece of the file
_LAG, _LOOKBACK = timedelta(seconds=60), timedelta(minutes=10)


def _resource(name: str, write: WriteSpec | None) -> Resource:
    return Resource(
        name=name,
        updated_at="updatedAt",
        safety_lag=_LAG,
        lookback=_LOOKBACK,
        deletes=Deletes.SWEEP,
        volatile=("updatedAt",),
        write=write,
        backfill=True,
        bulk=BULK,
        page=50,
    )


def _spec(read_only: Sequence[str], *actions: Action) -> WriteSpec:
    """By custom id, readable at once: nothing has to settle but a request still under way."""
    return WriteSpec(
        write_class=WriteClass.UPSERT,
        ext_field="metafields.throughline.ext_key",
        batch_size=20,  # some 30 points each, of the 1,000 one document may cost
        actions=frozenset({Action.UPSERT, Action.CLEAR, Action.DELETE, *actions}),
        read_only=frozenset({"id", "legacyResourceId", "createdAt", "updatedAt", *read_only}),
        settle=timedelta(seconds=60),
    )


class Shopify(Connector):
    """Customers and products both ways, orders (with lines and refunds) as a source."""

    system = "shopify"
    setup = (
        "Settings → Apps and sales channels → Develop apps: an app with the scopes below; take its Admin API token.",
        "`throughline check --fix`, or Settings → Custom data: for customers and products, a definition `throughline.ext_key` of type ID.",
        "For webhooks: the app's client secret, and subscriptions to the topics of what is read.",
    )
    permissions = tuple(dict.fromkeys(scope for shape in SHAPES.values() for scope in shape.scopes))
    Settings = ShopifySettings
    resources: ClassVar = {
        "customers": _resource(
            "customers",
            _spec(("state", "displayName", "numberOfOrders", "amountSpent", "verifiedEmail", "defaultEmailAddress")),
        ),
        "products": _resource("products", _spec(("publishedAt", "totalInventory", "isGiftCard"), Action.ARCHIVE)),
        "orders": _resource("orders", None),
    }

    def __init__(self, settings: ShopifySettings, http: Http) -> None:
        super().__init__(settings, http)
        self._settings = settings
        self._graph = Graph(http, f"admin/api/{settings.api_version}/graphql.json")
        self._writer = Writer(self._graph, settings.key_namespace, settings.key_name)
        self._page_size = settings.page_size

    @classmethod
    def build_http(cls, settings: ShopifySettings, **options: Any) -> Http:
        """No request limit of its own: Shopify counts points, which `Graph` watches."""
        return Http(
            base_url=settings.base_url or f"https://{settings.domain}",
            auth=HeaderAuth("X-Shopify-Access-Token", settings.token),
            verdicts=VERDICTS,
            **options,
        )

    def check(self) -> list[Check]:
        """Credential, API version, clock, scopes, and the metafield definitions that hold our key."""
        return check(self._graph, self._settings)

    def discover(self, resource: str) -> list[FieldInfo]:
        """From introspection and the shop's metafield definitions."""
        return fields_of(self._graph, self._shape(resource))

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """Cursor: {"high": newest update seen} between reads, and where to go on ({"from", "after", …}) within one.

        A complete read of many objects is a bulk operation ({"job", …}); where that is lost, it begins again.
        """
        if since is not None and "job" in since:
            try:
                yield from self._by_job(resource, since)
            except JobLost:
                yield from self._by_pages(resource, None, None, bulk=False)
        else:
            yield from self._by_pages(resource, since, window, bulk=not since and window is None)

    def _by_job(self, resource: str, at: Cursor) -> Iterator[Page]:
        most = at["began"] - int(_LAG.total_seconds() * SECOND)
        for page in BulkRead(self._graph, self._shape(resource)).pages(at):
            yield replace(page, cursor=_at_rest(page.cursor["high"], None, most)) if page.last else page

    def _by_pages(
        self, resource: str, since: Cursor | None, window: tuple[int, int] | None, *, bulk: bool
    ) -> Iterator[Page]:
        shape, cursor = self._shape(resource), dict(since or {})
        began = cursor.get("began") or self.http.clock.now()
        low = cursor.get("from", window[0] if window else self._low(resource, cursor.get("high")))
        high, after = cursor.get("high"), cursor.get("after")
        rest = cursor.get("rest") if after else high
        guard = PageGuard(self.http.connection)
        while True:
            nodes, info, sent_at, count = self._page(shape, low, after, counted=bulk)
            if count >= self.settings.bulk_from:
                job = BulkRead(self._graph, shape).begin(began)
                if job is not None:
                    yield Page([], job, job["asked"])
                    yield from self.read(resource, job)
                    return
            bulk = False
            seen = [record.updated_at for node in nodes if (record := record_of(node)).updated_at is not None]
            beyond = window is not None and bool(seen) and max(seen) >= window[1]
            last = beyond or not goes_on(info)
            high = max([*seen, *([high] if high is not None else [])], default=None)
            if last:
                cursor = _at_rest(high, rest, began - int(_LAG.total_seconds() * SECOND))
            else:
                after = info["endCursor"]
                guard.advance(after)
                cursor = {"from": low, "after": after, "high": high, "began": began, "rest": rest}
            records = [record for record in records_of(self._graph, shape, nodes) if _inside(record, window)]
            yield Page(records=records, cursor=cursor, started_at=sent_at, last=last)
            if last:
                return

    def key_path(self, resource: str) -> tuple[str, ...]:
        """Where an object that was read carries our key."""
        return ("metafields", self.settings.key_namespace, self.settings.key_name)

    def holds_back(self, resource: str) -> str:
        """Without the scope read_all_orders, orders older than 60 days are not shown, by id neither."""
        missing = lacking(self._graph, self._shape(resource))
        return f"the app lacks {', '.join(missing)}" if missing else ""

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """By global id, whatever the search index holds."""
        shape = self._shape(resource)
        return [record for n in range(0, len(ids), 20) for record in self._fetch(shape, list(ids[n : n + 20]))]

    def send(self, resource: str, items: Sequence[WriteItem]) -> list[WriteOutcome]:
        """customerSet or productSet by custom id, or by id once that is known; customerDelete, productDelete."""
        return self._writer.write(self._shape(resource), items)

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By custom id."""
        shape, found = self._shape(resource), dict[str, list[SourceRecord]]()
        if not shape.by_identifier:
            raise Stop(f"shopify cannot find {resource} by our key")
        for start in range(0, len(ext_keys), 20):
            for key, nodes in self._writer.find(shape, ext_keys[start : start + 20]).items():
                found[key] = records_of(self._graph, shape, nodes)
        return found

    def ensure_key(self, resource: str) -> bool:
        """Make the metafield definition of type `id`, whose values are unique; False when it is there already."""
        shape = self._shape(resource)
        if not shape.setter:
            return super().ensure_key(resource)
        return define_key(self._graph, shape, self._settings)

    def webhook(self, request: WebhookRequest) -> Delivered:
        """Hints: the payloads are REST-shaped, so objects are read again by id; one that is gone then shows as a tombstone."""
        return hooks.delivered(request, self.opened(request, "webhook_secrets"), self._settings.domain)

    def _shape(self, resource: str) -> Shape:
        if resource not in SHAPES:
            raise Stop(f"shopify has no resource {resource}; there are: {', '.join(SHAPES)}")
        return SHAPES[resource]

    def _fetch(self, shape: Shape, ids: list[str]) -> list[SourceRecord]:
        try:
            data, answer = self._graph.send(documents.by_ids(shape), {"ids": ids})
        except Park as error:
            if error.cause != "too_large" or len(ids) == 1:
                raise Stop(error.message, cause=error.cause, request_id=error.request_id) from None
            half = len(ids) // 2
            return self._fetch(shape, ids[:half]) + self._fetch(shape, ids[half:])
        nodes = data.get("nodes")
        if not isinstance(nodes, list) or len(nodes) != len(ids):
            raise answer.unreadable("not one node per id")
        there = {record.id: record for record in records_of(self._graph, shape, [node for node in nodes if node])}
        return [there.get(id_) or SourceRecord(id=id_, raw={"id": id_}, deleted=True) for id_ in ids]

    def _low(self, resource: str, high: int | None) -> int | None:
        return None if high is None else high - int(self.resources[resource].lookback.total_seconds() * SECOND)

    def _page(
        self, shape: Shape, low: int | None, after: str | None, *, counted: bool = False
    ) -> tuple[list[Json], Json, int, int]:
        """One page, and if `counted` how many objects there are (else 0); where its cost is over the cap, the same with fewer objects, from then on."""
        while True:
            variables = {"first": self._page_size, "after": after, "query": None if low is None else _since(low)}
            try:
                data, answer = self._graph.send(documents.page(shape, counted=counted), variables)
            except Park as error:
                if error.cause != "too_large" or self._page_size == 1:
                    raise Stop(error.message, cause=error.cause, request_id=error.request_id) from None
                self._page_size = max(1, self._page_size // 2)
                continue
            connection = data.get(shape.root)
            if not isinstance(connection, dict):
                raise answer.unreadable(f"no {shape.root} in the answer")
            count = int((data.get("count") or {}).get("count") or 0)
            return nodes_of(connection), connection["pageInfo"], answer.sent_at, count


def _since(low: int) -> str:
    """The search filter; whole seconds, as Shopify's times are."""
    return f"updated_at:>='{iso(low - low % SECOND)}'"


def _at_rest(high: int | None, before: int | None, most: int) -> Cursor:
    """Where the next read starts: never past what the index surely held, never behind where this one started."""
    if high is None:
        return {}
    return {"high": max(min(high, most), before if before is not None else min(high, most))}


def _inside(record: SourceRecord, window: tuple[int, int] | None) -> bool:
    return window is None or record.updated_at is None or window[0] <= record.updated_at < window[1]
