"""Stripe's HTTP dialect: the SDK over our layer, the verdict table, lists."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import stripe

from connectors.http import Answer, Http, PageGuard
from connectors.sdk import Bridge
from connectors.verdicts import DEFAULT_VERDICTS, LOCKED, MAYBE_APPLIED, RETRY_SOON, Verdict, Verdicts
from kernel.errors import Fate, Park, Retry
from kernel.records import Json

# The SDK logs request bodies at DEBUG and URLs at INFO.
logging.getLogger("stripe").setLevel(logging.WARNING)
# The report of this machine, and the id for it that the SDK would keep in the home of whoever runs us.
stripe.enable_telemetry = False

PAGE = 100
_TELLING = ("x-stripe-client-user-agent", "x-stripe-client-telemetry", "user-agent")


def _error(body: Any) -> Mapping[str, Any]:
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


VERDICTS: Verdicts = DEFAULT_VERDICTS.but(
    statuses={409: LOCKED, 424: MAYBE_APPLIED},  # 409: another request holds the object or the idempotency key
    by_code={
        "rate_limit": RETRY_SOON,
        "lock_timeout": LOCKED,
        "idempotency_key_in_use": LOCKED,
        # A key reused with another body is a defect of ours, never a reason to send again.
        "idempotency_error": Verdict(Fate.STOP, "idempotency_mismatch"),
        "resource_missing": Verdict(Fate.PARK, "not_found"),
    },
    codes=lambda body: (_error(body).get("code"), _error(body).get("type")),
    field=lambda body: str(_error(body).get("param") or ""),
    request_id=("request-id",),
)


class Transport(stripe.HTTPClient):
    """The SDK's HTTP client: our layer. Its retries are off, its machine report is not sent.

    The SDK gets an empty object in place of the answer, which `Bridge.answer` keeps: it would only parse it once more.
    """

    name = "throughline"

    def __init__(self, http: Http) -> None:
        super().__init__()
        self.bridge = Bridge(http)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """One request of the SDK; only good answers come back, the rest is raised with its fate."""
        sent = {name: value for name, value in (headers or {}).items() if name.lower() not in _TELLING}
        answer = self.bridge.call(method, url, sent, post_data)
        answer.json()  # a rubbish answer gets our fate before the SDK's own error
        return "{}", answer.status, answer.headers

    def close(self) -> None:
        """The Http belongs to the connector."""


class Moved(Retry):
    """The object to continue a list below is gone; the list must be read again."""


def object_path(path: str, id: str) -> str:
    """The path of one object; product ids are the account's choice and may need quoting."""
    return f"{path}/{quote(id, safe='')}"


@dataclass(slots=True)
class ListPage:
    """One page of a list, newest object first."""

    objects: list[Json]
    more: bool
    sent_at: int


class Api:
    """Calls through `stripe.StripeClient.raw_request`; bodies are parsed once, by us."""

    def __init__(self, http: Http, *, api_key: str, version: str, account: str | None) -> None:
        self.http = http
        self._transport = Transport(http)
        base = str(http.base_url).rstrip("/")
        self._client = stripe.StripeClient(
            api_key,
            stripe_version=version,
            stripe_account=account,
            base_addresses={"api": base},
            http_client=self._transport,
            max_network_retries=0,
        )

    def call(
        self, method: str, path: str, params: Mapping[str, Any], *, idempotency_key: str = "", trace_id: str = ""
    ) -> Answer:
        """One request; `params` nest as Stripe's do (`{"created": {"gte": 1}}`)."""
        options: dict[str, Any] = {"idempotency_key": idempotency_key} if idempotency_key else {}
        self._transport.bridge.trace_id = trace_id
        self._client.raw_request(method, path, **params, **options)
        return self._transport.bridge.answer

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Json:
        """Read one object."""
        answer = self.call("get", path, params or {})
        body = answer.json()
        if not isinstance(body, dict):
            raise answer.unreadable("the answer is no object")
        return body

    def find(self, path: str, id: str) -> Json | None:
        """One object by id; None when Stripe knows none."""
        try:
            return self.get(object_path(path, id))
        except Park as error:
            if error.status == 404:
                return None
            raise

    def pages(self, path: str, params: Mapping[str, Any], after: str | None = None) -> Iterator[ListPage]:
        """A list from its newest object (or from below the object `after`) to its end."""
        guard = PageGuard(self.http.connection)
        while True:
            asked = {**params, "limit": PAGE, **({"starting_after": after} if after else {})}
            try:
                answer = self.call("get", path, asked)
            except Park as error:
                if error.field != "starting_after":
                    raise
                raise Moved("the list changed while it was read", status=error.status) from None
            body = answer.json()
            objects, more = (body.get("data"), body.get("has_more")) if isinstance(body, dict) else (None, None)
            if not isinstance(objects, list) or not isinstance(more, bool) or (more and not objects):
                raise answer.unreadable("the answer is no list")
            yield ListPage(objects, more, answer.sent_at)
            if not more:
                return
            after = str(objects[-1]["id"])
            guard.advance(after)

    def complete(self, obj: Json, nested: tuple[str, ...]) -> Json:
        """The object with its embedded lists whole: Stripe cuts them at ten entries."""
        for name in nested:
            part = obj.get(name)
            if isinstance(part, dict) and part.get("has_more") and part.get("data"):
                entries = list(part["data"])
                path, _, query = str(part["url"]).partition("?")
                params = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)
                for page in self.pages(path, params, after=str(entries[-1]["id"])):
                    entries += page.objects
                obj[name] = {**part, "data": entries, "has_more": False}
        return obj
