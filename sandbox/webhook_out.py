"""A receiver of outgoing webhooks, as a careful customer would write it: Standard Webhooks checked, repeats dropped.

`token` is the signing secret. Every distinct `webhook-id` has one effect: the object as told, or its removal. What came
again is counted, and a second body under a known id is an error. `unsubscribed = True` answers 410 from then on.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, ClassVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.simulator import Simulator, answer
from sandbox.state import SECOND, Json

WINDOW = 300
"""Seconds a timestamp may be off."""


class WebhookOutSimulator(Simulator):
    """One receiving address."""

    system: ClassVar[str] = "webhook_out"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.unsubscribed = False
        self.repeats = 0
        """Deliveries that came again."""
        self.conflicts = 0
        """Deliveries that came again with another body: never ours."""

    def routes(self) -> list[BaseRoute]:
        """Any path takes deliveries."""
        return [Route("/{path:path}", self._receive, methods=["POST"])]

    def make(self, resource: str, **fields: Any) -> Json:
        """Nothing is made at a receiver but by deliveries."""
        raise NotImplementedError("a receiver only receives")

    def authorize(self, request: Request) -> Response | None:
        """The signature covers the body: it is checked where that is known."""
        return None

    def effects(self) -> list[str]:
        """The webhook-ids that had an effect, in order."""
        return self.state.ids("_deliveries")

    async def _receive(self, request: Request) -> Response:
        body = await request.body()
        id, stamp = (request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp"))
        if not self._is_signed(id, stamp, body, request.headers.get("webhook-signature", "")):
            return self.error(401, "bad_signature")
        if self.unsubscribed:
            return self.error(410, "gone")
        known = self.state.get("_deliveries", id)
        told = hashlib.sha256(body).hexdigest()
        if known is not None:
            self.repeats += 1
            self.conflicts += known["body"] != told
            return answer({"received": id, "again": True})
        event = orjson.loads(body)
        self.state.put("_deliveries", id, {"id": id, "body": told, "type": event["type"]})
        self._apply(event)
        return answer({"received": id})

    def _apply(self, event: Json) -> None:
        noun, _, happened = event["type"].partition(".")
        id = event["data"]["id"]
        if happened == "deleted":
            if self.state.get(f"{noun}s", id) is not None:
                self.state.delete(f"{noun}s", id)
        else:
            self.state.put(f"{noun}s", id, event["data"])

    def _is_signed(self, id: str, stamp: str, body: bytes, signatures: str) -> bool:
        if not (id and stamp.isdecimal()) or abs(self.state.now() // SECOND - int(stamp)) > WINDOW:
            return False
        expected = base64.b64encode(
            hmac.new(_key(self.token), f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        )
        given = [each.removeprefix("v1,").encode() for each in signatures.split(" ") if each.startswith("v1,")]
        return any(hmac.compare_digest(expected, each) for each in given)


def _key(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_"))
    return secret.encode()
