"""Plain web forms: posts to our own address, received and never asked for.

A post is url-encoded, multipart (without files) or JSON; `/forms/{form}` or any path whose last step names the form. It
is believed when its Standard-Webhooks signature is right (server-to-server senders) or, without secrets, when its
Origin is allowed. A filled honeypot field marks spam: the receipt stays, nothing is made of it. Double clicks and
reloads collapse: by `submission_id` (made by the page), else by content within a minute.
"""

from __future__ import annotations

import base64
import binascii
import email.parser
import email.policy
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from connectors.base import Connector, ConnectorSettings, Resource
from connectors.http import Http
from connectors.webhook import Secrets, matches_any, require, require_fresh, signature_base64
from kernel.clock import SECOND, iso
from kernel.errors import Park
from kernel.ids import content_hash, derived_id
from kernel.records import Check, Delivered, Json, SourceRecord, WebhookRequest

MAX_BODY, MAX_FIELDS, MAX_VALUE = 64 * 1024, 100, 5 * 1024
MINUTE = 60 * SECOND
_UTM = re.compile(r"utm_(source|medium|campaign|term|content)")
_ID = re.compile(r"[A-Za-z0-9._\-]{8,64}")


class WebFormSettings(ConnectorSettings):
    """The forms of one web site."""

    forms: tuple[str, ...] = ()  # accepted form keys; none: any
    origins: tuple[str, ...] = ()  # https://www.example.com; none: any
    honeypot: str = "website_url"  # a field people do not see
    webhook_secret: Secrets = ()  # Standard Webhooks secrets (whsec_ and base64): then every post must be signed


class WebForm(Connector):
    """Receives one web site's forms."""

    system: ClassVar[str] = "web_form"
    Settings = WebFormSettings
    resources: ClassVar[Mapping[str, Resource]] = {
        "submissions": Resource(
            "submissions",
            id="submission_id",
            updated_at="received_at",
            readable=False,
            incremental=False,
            volatile=("received_at", "user_agent", "referrer"),
        )
    }

    setup = (
        "Let the form post to `/forms/NAME` of the receiver, with an empty, hidden field named like `honeypot`.",
        "Name the site in `origins`; a server that posts signs instead, with a secret in `webhook_secret`.",
    )

    @classmethod
    def build_http(cls, settings: WebFormSettings, **options: Any) -> Http:
        """Reaches nobody."""
        return Http(base_url="", **options)

    def check(self) -> list[Check]:
        """Whether posts can be told from anybody's."""
        guarded = bool(self.settings.webhook_secret or self.settings.origins)
        fix = "" if guarded else "set origins (browser forms) or webhook_secret (server-to-server senders)"
        return [Check("posts are verified", guarded, fix=fix)]

    def webhook(self, request: WebhookRequest) -> Delivered:
        """One post as one record; a preflight gets its own answer."""
        origin = request.headers.get("origin", "")
        allowed = not self.settings.origins or origin in self.settings.origins
        if request.method == "OPTIONS":
            return Delivered(answer=(204, _cors(origin) if allowed and origin else {}, b""))
        path = urllib.parse.urlsplit(request.url).path
        form = urllib.parse.unquote(path.rstrip("/").rpartition("/")[2])
        require(not self.settings.forms or form in self.settings.forms, "its form is not one of ours")
        if self.settings.webhook_secret:
            self._verify(request)
        else:
            require(allowed, "its Origin is not allowed")
        fields = parsed(request)
        spam = bool(str(fields.pop(self.settings.honeypot, "") or ""))
        raw = _submission(form, fields, request)
        record = SourceRecord(raw["submission_id"], raw, request.received_at)
        return Delivered(records=[] if spam else [("submissions", record)], dedupe_key=f"{form}/{record.id}")

    def _verify(self, request: WebhookRequest) -> None:
        """Standard Webhooks: base64 HMAC-SHA256 of `id.timestamp.body`, five minutes either way."""
        id, stamp = (request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp"))
        require(stamp.isdecimal() and bool(id), "it is not signed")
        signed = f"{id}.{stamp}.".encode() + request.body
        keys = [_key(secret.get_secret_value()) for secret in self.settings.webhook_secret]
        expected = [signature_base64(key, signed) for key in keys]
        given = [part[3:] for part in request.headers.get("webhook-signature", "").split() if part.startswith("v1,")]
        require(matches_any(given, expected), "its signature does not match")
        require_fresh(int(stamp), request.received_at)


def parsed(request: WebhookRequest) -> Json:
    """The fields of a post: text, or a list where a name repeats. Raises Park(cause='bad_payload')."""
    if len(request.body) > MAX_BODY:
        raise Park(f"the post is larger than {MAX_BODY} bytes", cause="bad_payload")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        match kind:
            case "application/x-www-form-urlencoded":
                pairs = urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True)
            case "multipart/form-data":
                pairs = _multipart(request)
            case "application/json":
                told = orjson.loads(request.body)
                if not isinstance(told, dict):
                    raise ValueError("no object")
                pairs = [(str(name), value) for name, value in told.items()]
            case _:
                raise Park("the post's content type is not one of a form", cause="bad_payload")
    except ValueError:  # decoding, JSON and multipart errors are all ValueErrors
        raise Park("the post cannot be read", cause="bad_payload") from None
    return _bounded(pairs)


def _bounded(pairs: list[tuple[str, Any]]) -> Json:
    fields: Json = {}
    for name, value in pairs:
        value = value.strip() if isinstance(value, str) else value
        size = len(value) if isinstance(value, str) else len(orjson.dumps(value))
        if len(fields) >= MAX_FIELDS or size > MAX_VALUE:
            raise Park(f"more than {MAX_FIELDS} fields, or a value above {MAX_VALUE} bytes", cause="bad_payload")
        before = fields.get(name)
        fields[name] = value if name not in fields else [*(before if isinstance(before, list) else [before]), value]
    return fields


def _submission(form: str, fields: Json, request: WebhookRequest) -> Json:
    told, minute = str(fields.pop("submission_id", "") or ""), request.received_at // MINUTE
    id = told if _ID.fullmatch(told) else derived_id("submission", form, content_hash(fields), str(minute))
    utm = {name[4:]: fields[name] for name in fields if _UTM.fullmatch(name)}
    raw = {
        "submission_id": id,
        "form": form,
        "received_at": iso(request.received_at),
        "page_url": fields.pop("page_url", None),
        "referrer": request.headers.get("referer"),
        "user_agent": request.headers.get("user-agent"),
        "utm": utm,
        "fields": fields,
    }
    return {name: value for name, value in raw.items() if value not in (None, {})}


def _multipart(request: WebhookRequest) -> list[tuple[str, Any]]:
    """Text parts; files are left out."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    pairs: list[tuple[str, Any]] = []
    for part in message.iter_parts():
        name, payload = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if part.get_filename() is None and isinstance(name, str) and isinstance(payload, bytes):
            pairs.append((name, payload.decode().removesuffix("\r\n")))
    return pairs


def _key(secret: str) -> bytes:
    """A Standard Webhooks secret's bytes: base64 after `whsec_`."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return secret.encode()


def _cors(origin: str) -> Mapping[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Content-Type",
        "Vary": "Origin",
    }
