"""Zendesk Support, simulated: one account's users, organizations and tickets.

Not simulated: comments beyond the first, audits, triggers, views, macros, search.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.simulator import Simulator, answer
from sandbox.state import SECOND, Json, State
from sandbox.zendesk import exports, objects
from sandbox.zendesk.exports import TooRecent
from sandbox.zendesk.jobs import Jobs
from sandbox.zendesk.objects import SINGLE, stamp
from sandbox.zendesk.rules import Invalid, Rules, gone

MOST = 100
_MANY = {
    ("POST", "create_many"): "create",
    ("POST", "create_or_update_many"): "upsert",
    ("PUT", "update_many"): "update",
    ("DELETE", "destroy_many"): "delete",
}
KEY_LIFE = 2 * 3600 * SECOND


class Zendesk(Simulator):
    """An account. Seeded objects are an hour old unless told otherwise: exports leave the last minute out."""

    system = "zendesk"
    email = "admin@sandbox.example"
    files: ClassVar = {
        "users": "users",
        "organizations": "organizations",
        "tickets": "tickets",
        "user_fields": "_user_fields",
        "organization_fields": "_organization_fields",
    }

    def __init__(self, state: State | None = None) -> None:
        super().__init__(state)
        self.page_size = 1000
        self.role = "admin"
        self.export_limit: int | None = None
        """Exports a minute before a 429; None: no limit."""
        self._exports: dict[str, list[int]] = {}
        self.rules = Rules(self.state, lambda: self.base_url, self._announce)
        self.jobs = Jobs(self.state, self.rules, lambda: self.base_url)

    def routes(self) -> list[BaseRoute]:
        """Everything below /api/v2, `.json` or not."""
        return [Route("/api/v2/{path:path}", self._dispatch, methods=["GET", "POST", "PUT", "DELETE"])]

    def authorize(self, request: Request) -> Response | None:
        """An OAuth bearer, or the API token's Basic form."""
        basic = base64.b64encode(f"{self.email}/token:{self.token}".encode()).decode()
        given = request.headers.get("authorization")
        return None if given in (f"Bearer {self.token}", f"Basic {basic}") else self.error(401)

    def error(self, status: int, code: str = "", message: str = "") -> Response:
        """JSON, but for the plain text of a 429."""
        if status == 429:
            return PlainTextResponse(message or "Number of allowed API requests per minute exceeded", 429)
        if status == 401:
            return answer({"error": "Couldn't authenticate you"}, 401)
        return answer({"error": code or "InternalError", "description": message or f"simulated {status}"}, status)

    def make(self, resource: str, **fields: Any) -> Json:
        """As made in Zendesk's own screens, an hour ago; `id`, `created_at`, `updated_at` may be given."""
        past = stamp(self.state.now() - 3600 * SECOND)
        when = fields.get("updated_at") or fields.get("created_at") or past
        id = fields.pop("id", None) or self.rules.new_id(resource)
        if resource == "tickets":
            fields.setdefault("generated_timestamp", objects.epoch(when))
            fields.setdefault("description", "Help, please")
        made = objects.new(
            resource, id, self.base_url, fields.get("created_at") or when, {**fields, "updated_at": when}
        )
        self.state.put(resource, str(id), made, key=str(made["external_id"] or ""))
        self._announce(SINGLE[resource], "created", made)
        return made

    def change(self, resource: str, id: int, **fields: Any) -> Json:
        """Edit an object as an agent would, now."""
        return self.rules.update(resource, self.state.get(resource, str(id)) or {}, fields)

    def remove(self, resource: str, id: int) -> Json:
        """Delete an object as an agent would, now."""
        return self.rules.delete(resource, self.state.get(resource, str(id)) or {})

    def define(self, resource: str, key: str, type: str, choices: list[str] | None = None) -> Json:
        """A custom field of users, organizations or tickets."""
        single = SINGLE[resource]
        id = 80_000_000_000_000 + self.state.serial("field")
        made: Json = {"id": id, "type": type, "title": key.title(), "active": True, "required": False}
        made |= {"url": f"{self.base_url}/api/v2/{single}_fields/{id}.json", "created_at": stamp(self.state.now())}
        if resource != "tickets":
            made["key"] = key
        if choices:
            made["custom_field_options"] = [{"id": n, "name": c.title(), "value": c} for n, c in enumerate(choices)]
        self.state.put(f"_{single}_fields", str(id), made)
        return made

    def load_record(self, resource: str, record: Json) -> bool:
        """Older records lack what was added since; Zendesk shows it on old objects too."""
        if resource in SINGLE and record.get("id"):
            record = {**objects.new(resource, record["id"], self.base_url, record["created_at"], {}), **record}
        return super().load_record(resource, record)

    def sign(self, hook: Json, body: bytes) -> dict[str, str]:
        """Base64 HMAC of the timestamp and the raw body."""
        when = stamp(self.state.now())
        digest = hmac.new(hook["secret"].encode(), when.encode() + body, hashlib.sha256).digest()
        return {
            "X-Zendesk-Account-Id": "1",
            "X-Zendesk-Webhook-Id": hook.get("id", ""),
            "X-Zendesk-Webhook-Invocation-Id": uuid.uuid4().hex,
            "X-Zendesk-Webhook-Signature": base64.b64encode(digest).decode(),
            "X-Zendesk-Webhook-Signature-Timestamp": when,
        }

    async def _dispatch(self, request: Request) -> Response:
        path = request.path_params["path"].removesuffix(".json")
        body = orjson.loads(raw) if (raw := await request.body()) else {}
        with self.state.lock:
            self.jobs.run_due()
            try:
                found = self._route(request, path, body)
            except Invalid as error:
                found = answer(error.body(), 422)
            except TooRecent:
                told = "Too recent start_time. Use a start_time older than 60 seconds"
                found = self.error(422, "StartTimeTooRecent", told)
        for name, value in (
            ("x-zendesk-api-version", "v2"),
            ("x-rate-limit", "400"),
            ("x-rate-limit-remaining", "399"),
        ):
            found.headers.setdefault(name, value)
        found.headers.setdefault("x-request-id", uuid.uuid4().hex[:16] + "-SBX")
        return found

    def _route(self, request: Request, path: str, body: Json) -> Response:
        query, method = dict(request.query_params), request.method
        if matched := re.fullmatch(r"incremental/(users|organizations|tickets)(/cursor)?", path):
            return self._export(matched[1], bool(matched[2]), path, query)
        if matched := re.fullmatch(r"job_statuses/([\w-]+)", path):
            job = self.jobs.get(matched[1])
            return answer({"job_status": job}) if job else self._missing()
        if matched := re.fullmatch(r"(user|organization|ticket)_fields", path):
            rows = self.state.all(f"_{path}")
            return answer({path: rows, "next_page": None, "previous_page": None, "count": len(rows)})
        if path == "users/me":
            return answer({"user": {"id": 1, "name": "Admin", "email": self.email, "role": self.role, "active": True}})
        if matched := re.fullmatch(r"users/(\d+)/identities(?:/(\d+)/make_primary)?", path):
            return self._identities(matched[1], matched[2])
        if matched := re.fullmatch(r"(users|organizations|tickets)(?:/(\w+))?", path):
            return self._object(method, matched[1], matched[2] or "", query, body, request)
        return self.error(404, "InvalidEndpoint", "Not found")

    def _object(
        self, method: str, resource: str, rest: str, query: dict[str, str], body: Json, request: Request
    ) -> Response:
        if (method, rest) in _MANY:
            return self._many(_MANY[method, rest], resource, query, body)
        if rest == "show_many":
            return self._show_many(resource, query)
        if rest == "create_or_update" and method == "POST":
            made, created = self.rules.upsert(resource, body[SINGLE[resource]])
            return self._single(resource, made, 201 if created else 200)
        if not rest:
            if method == "GET":
                return answer(self._list(resource, query))
            return self._create(resource, body[SINGLE[resource]], request)
        existing = self.state.get(resource, rest)
        if existing is None or (resource != "users" and gone(resource, existing)):
            return self._missing()
        if method == "PUT":
            return self._single(resource, self.rules.update(resource, existing, body[SINGLE[resource]]), 200)
        if method == "DELETE":
            made = self.rules.delete(resource, existing)
            return self._single(resource, made, 200) if resource == "users" else Response(status_code=204)
        return answer({SINGLE[resource]: exports.shown(resource, existing, "single")})

    def _list(self, resource: str, query: dict[str, str]) -> Json:
        url = f"{self.base_url}/api/v2/{resource}.json"
        rows = self.rules.find(resource, query["external_id"]) if "external_id" in query else None
        return exports.listed(self.state, resource, url, query, rows)

    def _show_many(self, resource: str, query: dict[str, str]) -> Response:
        keys = (query.get("ids") or query.get("external_ids") or "").split(",")
        if len(keys) > MOST:
            return self.error(400, "TooManyValues", "Parameter ids cannot specify more than 100 values")
        if "external_ids" in query:
            rows = [obj for key in keys for obj in self.rules.find(resource, key)]
        else:
            rows = [obj for key in keys if (obj := self.state.get(resource, key)) is not None]
            rows = [obj for obj in rows if resource == "users" or not gone(resource, obj)]
        seen = [exports.shown(resource, obj, "list") for obj in rows]
        return answer({resource: seen, "next_page": None, "previous_page": None, "count": len(rows)})

    def _create(self, resource: str, given: Json, request: Request) -> Response:
        key = request.headers.get("idempotency-key") if resource == "tickets" else None
        if key is None:
            return self._single(resource, self.rules.create(resource, given), 201)
        name, digest = f"key:{key}", hashlib.sha256(orjson.dumps(given)).hexdigest()
        kept = self.state.recall(name)
        if kept is not None and kept["at"] + KEY_LIFE > self.state.now():
            if kept["digest"] != digest:
                told = "The idempotency key was used with other parameters"
                return answer({"error": "IdempotentRequestError", "description": told}, 400)
            made, status = self.state.get(resource, kept["id"]) or kept["made"], "hit"
        else:
            made, status = self.rules.create(resource, given), "miss"
            self.state.remember(name, {"digest": digest, "id": str(made["id"]), "made": made, "at": self.state.now()})
        found = self._single(resource, made, 201)
        found.headers["x-idempotency-lookup"] = status
        return found

    def _single(self, resource: str, made: Json, status: int) -> Response:
        body: Json = {SINGLE[resource]: exports.shown(resource, made, "single")}
        if resource == "tickets":
            body["audit"] = objects.audit(made)
        if resource == "users" and status == 201:
            body["user"] = {**made, "last_active": made["created_at"][:10]}
        return answer(body, status, {"Location": made["url"]} if status == 201 else None)

    def _many(self, verb: str, resource: str, query: dict[str, str], body: Json) -> Response:
        items = (
            [{"id": int(id)} for id in query.get("ids", "").split(",") if id] if verb == "delete" else body[resource]
        )
        if len(items) > MOST:
            if resource == "users":
                return self.error(400, "TooManyValues", "Maximum 100 users may be created per call")
            told = {"description": "Parameter  cannot specify more than 100 values", "max_count": MOST}
            return answer({"error": "TooManyValues", **told}, 400)
        return answer({"job_status": self.jobs.accept(verb, resource, items)})

    def _identities(self, user_id: str, identity_id: str | None) -> Response:
        user = self.state.get("users", user_id)
        if user is None:
            return self._missing()
        rows = self.rules.make_primary(user, int(identity_id)) if identity_id else self.rules.identities(user)
        return answer({"identities": rows, "next_page": None, "previous_page": None, "count": len(rows)})

    def _export(self, resource: str, cursor: bool, path: str, query: dict[str, str]) -> Response:
        kind = "incremental-exports-cursor" if cursor else "incremental-exports"
        now, total = self.state.now(), self.export_limit or (20 if cursor else 10)
        recent = [at for at in self._exports.get(kind, []) if at > now - 60 * SECOND]
        if self.export_limit is not None and len(recent) >= total:
            found = self.error(429)
            found.headers["Retry-After"] = str((recent[0] + 60 * SECOND - now) // SECOND + 1)
            return found
        self._exports[kind] = [*recent, now]
        page: Callable[..., Json] = exports.by_cursor if cursor else exports.by_time
        found = answer(page(self.state, resource, f"{self.base_url}/api/v2/{path}", query, self.page_size))
        left = max(0, total - len(recent) - 1) if self.export_limit is not None else total - 1
        found.headers[f"zendesk-ratelimit-{kind}"] = f"total={total}; remaining={left}; resets=60"
        return found

    def _missing(self) -> Response:
        return answer({"error": "RecordNotFound", "description": "Not found"}, 404)

    def _announce(self, noun: str, event: str, obj: Json) -> None:
        type_ = f"zen:event-type:{noun}.{event}"
        detail = {name: str(obj[name]) for name in ("id", "external_id", "created_at", "updated_at") if obj.get(name)}
        payload = {"account_id": 1, "id": uuid.uuid4().hex, "subject": f"zen:{noun}:{obj['id']}", "type": type_}
        told = {"time": stamp(self.state.now()), "zendesk_event_version": "2022-11-06"}
        self.emit(type_, {**payload, **told, "detail": detail, "event": {}})
