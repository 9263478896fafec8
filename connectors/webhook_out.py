"""Outgoing webhooks: contacts and accounts to one address of a customer's own (Zapier, Workato, MuleSoft, anyone).

Signed by Standard Webhooks 1.0.0 (webhook-id, webhook-timestamp, webhook-signature), retried on its schedule. Delivered at
least once: `webhook-id` is our idempotency key, the same on every retry with the same body, so that the receiver can drop
what it has. Every delivery tells the whole record. A redirect is a failure; 410 (Zapier: the Zap is off) and 404 stop the
address until a person looks. The address may itself be a secret (Zapier's is): it never stands in a message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import httpx
import orjson
from pydantic import SecretStr, field_validator

from connectors.base import Connector, ConnectorSettings, Resource, WriteClass, WriteSpec
from connectors.http import Http
from connectors.proofs import standard_key
from connectors.verdicts import DEFAULT_VERDICTS, Verdict, Verdicts
from connectors.webhook import Secrets, revealed, signature_base64
from kernel.clock import SECOND, iso
from kernel.errors import Fate, Park, ThroughlineError
from kernel.records import Action, Check, Json, WriteItem, WriteOutcome

MOST = 256 * 1024
"""Bytes of one delivery; the standard advises 20 KB."""

SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
"""Standard Webhooks, "retry schedule": the waits between ten attempts, 75 h 35 min in all."""

_NOUNS = {"contacts": "contact", "accounts": "account"}
_GONE = (Action.DELETE, Action.ARCHIVE)
_LATER = Verdict(Fate.RETRY, "server_error")
_OVER = Verdict(Fate.STOP, "unsubscribed")

VERDICTS: Verdicts = DEFAULT_VERDICTS.but(
    # A receiver that answers 5xx has not taken it; had it, it would know the webhook-id. Only silence leaves a doubt.
    {**dict.fromkeys(range(500, 600), _LATER), 404: _OVER, 410: _OVER}
)


class WebhookOutSettings(ConnectorSettings):
    """One receiving address."""

    url: SecretStr
    webhook_secret: Secrets  # whsec_…; the newest first: while it is being rotated, all of them sign
    timeout: float = 20.0  # seconds; the standard advises 15 to 30

    @field_validator("url")
    @classmethod
    def _plain(cls, url: SecretStr) -> SecretStr:
        try:
            parsed = httpx.URL(url.get_secret_value())
        except httpx.InvalidURL:
            raise ValueError("not an address") from None
        if not parsed.host or parsed.userinfo or parsed.fragment:
            raise ValueError("an address such as https://hooks.example.com/in, without user and fragment")
        return url


def _resource(name: str, references: Mapping[str, str]) -> Resource:
    spec = WriteSpec(
        write_class=WriteClass.APPEND_ONLY,
        ext_field="id",
        actions=frozenset({Action.UPSERT, Action.CLEAR, Action.ASSOCIATE, *_GONE}),
        references=references,
        whole=True,
        schedule=SCHEDULE,
    )
    return Resource(name, readable=False, incremental=False, write=spec)


class WebhookOut(Connector):
    """One receiving address of somebody else."""

    system: ClassVar[str] = "webhook_out"
    setup = (
        "Take the receiver's https address (Zapier: Catch Hook; Workato: webhook trigger; MuleSoft: an HTTP listener).",
        "Make a secret: `whsec_` and 24 to 64 random bytes as base64; give it to the receiver, which verifies by Standard Webhooks.",
        "Drop what comes twice by `webhook-id`; answer 2xx within 20 seconds; 410 ends the subscription.",
    )
    Settings = WebhookOutSettings
    resources: ClassVar[Mapping[str, Resource]] = {
        "accounts": _resource("accounts", {}),
        "contacts": _resource("contacts", {"account": "accounts"}),
    }

    setup = (
        "At the receiver (Zapier, Workato, MuleSoft, your own): a webhook trigger; take its address.",
        "Agree on a signing secret: whsec_ and base64 of at least 24 random bytes, both sides the same.",
    )

    def __init__(self, settings: WebhookOutSettings, http: Http) -> None:
        super().__init__(settings, http)
        self._secrets = revealed(settings.webhook_secret, http.connection)
        self._path = httpx.URL(settings.url.get_secret_value()).raw_path.decode("ascii")

    @classmethod
    def build_http(cls, settings: WebhookOutSettings, **options: Any) -> Http:
        """One attempt a call: the waits between them are hours, and the engine's."""
        url = httpx.URL(settings.url.get_secret_value())
        origin = str(url.copy_with(raw_path=b"/"))
        return Http(base_url=origin, verdicts=VERDICTS, timeout=settings.timeout, attempts=1, **options)

    def check(self) -> list[Check]:
        """Whether we can sign; an address is only tried by a delivery."""
        try:
            self._signatures("check", "0", b"")
        except ThroughlineError as error:
            return [Check("sign deliveries", False, error.message, "set webhook_secret to whsec_ and base64")]
        return [Check("sign deliveries", True, f"{len(self._secrets)} secrets")]

    def write(self, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """One POST each; what the receiver knows the record by is our own key."""
        if len(batch) == 1:
            return [self._post(resource, batch[0])]
        return [self._outcome(resource, item) for item in batch]

    def _outcome(self, resource: str, item: WriteItem) -> WriteOutcome:
        try:
            return self._post(resource, item)
        except ThroughlineError as error:
            return WriteOutcome(error=error, status=error.status, request_id=error.request_id)

    def _post(self, resource: str, item: WriteItem) -> WriteOutcome:
        body = _body(resource, item)
        if len(body) > MOST:
            raise Park(f"the delivery is larger than {MOST} bytes", cause="too_large", trace_id=item.trace_id)
        stamp = str(self.http.clock.now() // SECOND)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": item.idempotency_key,
            "webhook-timestamp": stamp,
            "webhook-signature": self._signatures(item.idempotency_key, stamp, body),
            "X-Workato-Dedup": item.idempotency_key,  # Workato drops what carries the same one
        }
        answer = self.http.send(
            "POST", self._path, content=body, headers=headers, write=True, trace_id=item.trace_id, raw=True
        )
        return WriteOutcome(vendor_id=item.ext_key, status=answer.status, request_id=answer.request_id)

    def _signatures(self, id: str, stamp: str, body: bytes) -> str:
        signed = f"{id}.{stamp}.".encode() + body
        return " ".join(f"v1,{signature_base64(standard_key(secret), signed)}" for secret in self._secrets)


def _body(resource: str, item: WriteItem) -> bytes:
    """The same bytes on every attempt: nothing of the clock is in them."""
    happened = "deleted" if item.action in _GONE else "updated" if item.vendor_id else "created"
    data: Json = {"id": item.ext_key, **({} if item.action in _GONE else item.fields)}
    data |= {f"{name}_id": vendor_id for name, (_, vendor_id) in item.refs.items()}
    told: Json = {"type": f"{_NOUNS[resource]}.{happened}", "data": data}
    if (when := _changed_at(item.trace_id)) is not None:
        told["timestamp"] = when
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)


def _changed_at(trace_id: str) -> str | None:
    """When the version that caused it was seen: its trace id is a UUIDv7, which begins with milliseconds."""
    if len(trace_id) != 32 or trace_id[12] != "7":
        return None
    return iso(int(trace_id[:12], 16) * 1000)
