"""Plain web forms: posts to our own address, received and never asked for.

A post is url-encoded, multipart (without files) or JSON; `/forms/{form}` or any path whose last step names the form. It
is believed when its Standard-Webhooks signature is right (server-to-server senders) or, without secrets, when its
Origin is allowed. A filled honeypot field marks spam: the receipt stays, nothing is made of it. Double clicks and
reloads collapse: by `submission_id` (made by the page), else by content within a minute.
"""

from __future__ import annotations

import email.parser
import email.policy
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from connectors.base import Connector, ConnectorSettings, Resource
from connectors.http import Http
from connectors.proofs import Keyring
from connectors.signatures import admit
from connectors.webhook import Secrets, require, revealed
from kernel import strict_json
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
    thanks_url: str = ""  # where a browser goes after its post; none: it gets an empty page
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
        delivery = ""
        if self.settings.webhook_secret:
            secrets = revealed(self.settings.webhook_secret, self.http.connection)
            delivery = admit("standard", request, Keyring(secrets), request.received_at).dedupe_key
        else:
            require(allowed, "its Origin is not allowed")
        fields = parsed(request)
        spam = bool(str(fields.pop(self.settings.honeypot, "") or ""))
        raw = _submission(form, fields, request, delivery)
        record = SourceRecord(raw["submission_id"], raw, request.received_at)
        return Delivered(
            records=[] if spam else [("submissions", record)],
            dedupe_key=f"{form}/{record.id}",
            reply=self._reply(request, origin),
        )

    def _reply(self, request: WebhookRequest, origin: str) -> tuple[int, Mapping[str, str], bytes]:
        """A browser's form goes on to the page that says thanks; a script of the page may read that all is well."""
        headers = _cors(origin) if origin else {}
        if self.settings.thanks_url and not request.headers.get("content-type", "").startswith("application/json"):
            return 303, {**headers, "Location": self.settings.thanks_url}, b""
        return 200, headers, b""


def parsed(request: WebhookRequest) -> Json:
    """The fields of a post: text, or a list where a name repeats. Raises Park(cause='bad_payload')."""
    if len(request.body) > MAX_BODY:
        raise Park(f"the post is larger than {MAX_BODY} bytes", cause="bad_payload")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        match kind:
            case "application/x-www-form-urlencoded":
                text = request.body.decode()
                pairs = urllib.parse.parse_qsl(text, keep_blank_values=True, max_num_fields=10 * MAX_FIELDS)
            case "multipart/form-data":
                pairs = _multipart(request)
            case "application/json":
                told = strict_json.loads(request.body)
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


def _submission(form: str, fields: Json, request: WebhookRequest, delivery: str) -> Json:
    told, minute = str(fields.pop("submission_id", "") or ""), request.received_at // MINUTE
    same = (delivery,) if delivery else (content_hash(fields), str(minute))
    id = told if _ID.fullmatch(told) else derived_id("submission", form, *same)
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
    pairs: list[tuple[str, Any]] = []
    try:
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
        for part in message.iter_parts():
            name, payload = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
            if part.get_filename() is None and isinstance(name, str) and isinstance(payload, bytes):
                pairs.append((name, payload.decode().removesuffix("\r\n")))
    except Exception:  # the standard parser meets hostile headers and nestings with errors of every kind
        raise ValueError("no multipart form") from None
    return pairs


def _cors(origin: str) -> Mapping[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Content-Type",
        "Vary": "Origin",
    }
