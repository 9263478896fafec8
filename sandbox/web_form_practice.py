"""Practising with a web site's forms: posts as a server-to-server sender signs them (Standard Webhooks)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from sandbox.practice import SECRET, Post, Practice
from sandbox.state import Json

URL = "https://hub.example/forms/contact"


class WebFormPractice(Practice):
    """One site that only sends."""

    system = "web_form"
    main = "submissions"
    scopes = False
    anonymous = True
    clock = 0
    """The instant the kit holds; set by it."""

    def settings(self) -> Json:
        """Signed posts."""
        return {"webhook_secret": f"{SECRET},whsec_b2xk"}

    def posts(self, resource: str) -> list[Post]:
        """Two posts of one form."""
        told = [{"email": f"made{n}@example.com", "message": "Hello"} for n in (1, 2)]
        bodies = [json.dumps(one).encode() for one in told]
        return [(URL, body, {"Content-Type": "application/json", **self.sign(URL, body)}) for body in bodies]

    def handshake(self) -> tuple[str, Post] | None:
        """A browser's preflight."""
        return "OPTIONS", (URL, b"", {"Origin": "https://www.example.com"})

    def sign(self, url: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
        """Base64 HMAC-SHA256 of id, time and body."""
        id, stamp = f"msg_{hashlib.sha256(body).hexdigest()[:24]}", str(self.clock // 1_000_000)
        key = base64.b64decode(secret.removeprefix("whsec_"))
        mac = hmac.new(key, f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        signature = "v1," + base64.b64encode(mac).decode()
        return {"Webhook-Id": id, "Webhook-Timestamp": stamp, "Webhook-Signature": signature}
