"""The Pipedrive simulator: paths, paging, writes, fields, search, budgets, webhooks.

Confirmed by recorded exchanges: envelopes, v1 lists of leads and users, a v2 deal, headers of both limits, deletes. From
pipedrive/client-nodejs: v2 parameters, fields, item search. From memory: error texts, prices in tokens, 410 for the gone.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from sandbox.pipedrive import objects
from sandbox.pipedrive.objects import FIELDS, KINDS, OWNER, blank, named, old_stamp, stamp
from sandbox.simulator import Simulator, answer
from sandbox.state import SECOND, Json, State

Handler = Callable[[Request], Awaitable[Response]]
LIST, SEARCH, WRITE, ONE = 10, 20, 5, 1
_CODES = {400: "ERR_SCHEMA_VALIDATION_FAILED", 404: "ERR_NOT_FOUND", 410: "ERR_GONE"}


class PipedriveSimulator(Simulator):
    """One Pipedrive company."""

    system: ClassVar[str] = "pipedrive"
    files: ClassVar[Mapping[str, str]] = {name: name for name in (*KINDS, "leads", "users")}

    def __init__(self, state: State | None = None) -> None:
        super().__init__(state)
        self.forbidden: set[str] = set()
        """Resources this token may not see (403)."""
        self.page = 500
        self.daily, self.left = 150_000, 150_000
        """The company's tokens for a day, and what is left of them."""
        self._day = self._today()
        self.refresh_token = "sandbox-pipedrive-refresh"
        if self.state.get("users", str(OWNER)) is None:
            self.state.put("users", str(OWNER), objects.user(OWNER, self.state.now()))

    def routes(self) -> list[BaseRoute]:
        """v2 and v1 under /api, and without it as older addresses have them."""
        paid = self._paid
        first: list[BaseRoute] = [
            Route("/leads", paid(LIST * 2, self._v1_list)),
            Route("/leads/archived", paid(LIST * 2, self._v1_list)),
            Route("/leads/{id}", paid(ONE * 2, self._v1_one), methods=["GET", "DELETE"]),
            Route("/users", paid(LIST * 2, self._v1_list)),
            Route("/users/me", paid(ONE * 2, self._me)),
            Route("/users/{id}", paid(ONE * 2, self._v1_one)),
        ]
        second: list[BaseRoute] = [Route("/itemSearch/field", paid(SEARCH, self._search))]
        second += [Route("/deals/archived", paid(LIST, self._list))]
        for many, one in KINDS.items():
            second += [
                Route(f"/{many}", paid(LIST, self._list), methods=["GET"]),
                Route(f"/{many}", paid(WRITE, self._create), methods=["POST"]),
                Route(f"/{many}/{{id}}", paid(ONE, self._get), methods=["GET"]),
                Route(f"/{many}/{{id}}", paid(WRITE, self._update), methods=["PATCH"]),
                Route(f"/{many}/{{id}}", paid(WRITE, self._delete), methods=["DELETE"]),
                Route(f"/{one}Fields", paid(LIST, self._fields), methods=["GET"]),
                Route(f"/{one}Fields", paid(WRITE, self._add_field), methods=["POST"]),
            ]
        versions = [(f"{api}/v{n}", routes) for api in ("/api", "") for n, routes in ((1, first), (2, second))]
        mounts: list[BaseRoute] = [Mount(path, routes=routes) for path, routes in versions]
        return [*mounts, Route("/oauth/token", self._token, methods=["POST"])]

    def authorize(self, request: Request) -> Response | None:
        """The token in its own header or as a bearer token; never in the query, where logs would keep it."""
        if request.url.path.endswith("/oauth/token"):
            return None
        given = request.headers.get("x-api-token") or request.headers.get("authorization", "").removeprefix("Bearer ")
        return None if given == self.token else self.error(401, "", "unauthorized access")

    def error(self, status: int, code: str = "", message: str = "") -> Response:
        """Pipedrive's envelope with the reason in `error`."""
        told = {"success": False, "error": message or f"simulated {status}", "error_info": "see the documentation"}
        code = code or _CODES.get(status, "")
        return answer({**told, **({"code": code} if code else {}), "data": None}, status, self._headers())

    def sign(self, hook: Json, body: bytes) -> dict[str, str]:
        """HTTP Basic with the hook's `user:password`; the body is not covered."""
        return {"Authorization": "Basic " + base64.b64encode(hook["secret"].encode()).decode()}

    # what people do ---------------------------------------------------------------------------------------------------
    def make(self, resource: str, **fields: Any) -> Json:
        """An object as if made in Pipedrive's own screens."""
        now, n = self.state.now(), self.state.serial(resource)
        if resource in KINDS:
            made = blank(resource, int(fields.pop("id", n)), now)
            label = {named(resource): fields.get(named(resource)) or f"{KINDS[resource].capitalize()} {n}"}
            made = {**objects.written(resource, made, {**label, **fields}, now), "update_time": made["update_time"]}
        elif resource == "leads":
            made = {**objects.lead(str(uuid.UUID(int=n)), now), "title": f"Lead {n}", **fields}
        else:
            made = {**objects.user(1000 + n, now), **fields}
        return self._put(resource, made, "create", None)

    def change(self, resource: str, id: str, **fields: Any) -> Json:
        """Edit an object as a person would."""
        held, now = self.state.get(resource, id), self.state.now()
        assert held is not None, f"no {resource} {id}"
        if resource in KINDS:
            after = objects.written(resource, held, fields, now)
        else:
            time = {"modified": old_stamp(now)} if resource == "users" else {"update_time": stamp(now)}
            after = {**held, **fields, **time}
        return self._put(resource, after, "change", held)

    def remove(self, resource: str, id: str) -> None:
        """Delete an object as a person would; users can only be deactivated."""
        held = self.state.get(resource, id)
        if resource == "users":
            raise NotImplementedError("users are deactivated, not deleted")
        if held is not None and resource == "leads":
            self.state.delete(resource, id)
        elif held is not None:
            after = {**held, "is_deleted": True, "update_time": stamp(self.state.now())}
            after |= {"status": "deleted"} if resource == "deals" else {}
            self.state.put(resource, id, after)
        self._tell(resource, "delete", None, held)

    def load_record(self, resource: str, record: Json) -> bool:
        """A recorded object, of v1 mostly; an answer to a delete (an id and nothing else) is none."""
        if len(record) < 3 or not record.get("id") or self.state.get(resource, str(record["id"])) is not None:
            return False
        made = objects.from_v1(resource, record, int(record["id"])) if resource in KINDS else record
        self.state.put(resource, str(made["id"]), made)
        return True

    def define(self, resource: str, name: str, kind: str = "varchar", options: Sequence[str] = ()) -> Json:
        """A custom field, named by a hash as in every account."""
        n = self.state.serial("_fields")
        code = hashlib.sha1(f"{resource}{name}{n}".encode(), usedforsecurity=False).hexdigest()
        choices = [{"id": 100 * n + place, "label": label} for place, label in enumerate(options)]
        told = {"_of": resource, **_field(name, code, kind, custom=True), "options": choices or None}
        self.state.put("_fields", code, told)
        return told

    def custom(self, resource: str) -> dict[str, Json]:
        """The account's own fields of a resource, by hash."""
        return {str(one["field_code"]): one for one in self.state.all("_fields") if one["_of"] == resource}

    # requests ---------------------------------------------------------------------------------------------------------
    def _paid(self, price: int, handler: Handler) -> Handler:
        async def paid(request: Request) -> Response:
            resource = request.url.path.split("/v1/")[-1].split("/v2/")[-1].split("/")[0]
            if resource in self.forbidden:
                return self.error(403, "", "Scope and URL mismatch")
            if self._day != (today := self._today()):
                self._day, self.left = today, self.daily
            if self.left < price:
                self.left = 0
                return self.error(429, "", "Daily API token budget is exceeded")
            self.left -= price
            found = await handler(request)
            found.headers.update(self._headers())
            return found

        return paid

    def _today(self) -> int:
        """Midnight of the data centre fills the budget again; taken as UTC's (from memory)."""
        return self.state.now() // (86_400 * SECOND)

    def _headers(self) -> dict[str, str]:
        burst = {"x-ratelimit-limit": "80", "x-ratelimit-remaining": "79", "x-ratelimit-reset": "2"}
        daily = {"x-daily-ratelimit-token-limit": str(self.daily), "x-daily-ratelimit-token-remaining": str(self.left)}
        return {**burst, **daily, "x-correlation-id": str(uuid.uuid4())}

    async def _list(self, request: Request) -> Response:
        asked, resource = request.query_params, _resource(request)
        for bound in ("updated_since", "updated_until"):
            if "." in asked.get(bound, ""):  # verified live by others: fractions of a second are refused
                return self.error(400, "", f"Validation failed: {bound}: not a valid datetime")
            if resource == "products" and bound in asked:
                return self.error(400, "", f"Validation failed: {bound}: unknown parameter")
        order = asked.get("sort_by", "id")
        rows = [one for one in self.state.all(resource) if self._wanted(one, asked, request)]
        rows.sort(key=lambda one: (one[order] if order == "update_time" else "", one["id"]))
        if asked.get("sort_direction") == "desc":  # no cursor goes backwards here: nobody asks for one
            rows.reverse()
        if (wanted := asked.get("ids")) is not None:
            rows = [one for one in rows if str(one["id"]) in wanted.split(",")]
        size = min(int(asked.get("limit", 100)), self.page)
        after = _opened(asked.get("cursor", ""))
        rest = [one for one in rows if after is None or [one[order], one["id"]] > after]
        more = _sealed([rest[size - 1][order], rest[size - 1]["id"]]) if len(rest) > size else None
        return answer({"success": True, "data": rest[:size], "additional_data": {"next_cursor": more}})

    def _wanted(self, one: Json, asked: Mapping[str, str], request: Request) -> bool:
        if one["is_deleted"] != (asked.get("status") == "deleted"):
            return False
        if bool(one.get("is_archived")) != request.url.path.endswith("/archived") and not one["is_deleted"]:
            return False
        since, until = asked.get("updated_since", ""), asked.get("updated_until", "9")
        return bool(since <= one["update_time"] < until)

    async def _get(self, request: Request) -> Response:
        held = self.state.get(_resource(request), request.path_params["id"])
        if held is None:
            return self.error(404, "", "not found")
        return answer({"success": True, "data": held})

    async def _create(self, request: Request) -> Response:
        resource, fields = _resource(request), orjson.loads(await request.body())
        if not fields.get(named(resource)):
            return self.error(400, "", f"Validation failed: {named(resource)}: is required")
        return self._write(resource, blank(resource, self._next_id(resource), self.state.now()), fields, "create")

    async def _update(self, request: Request) -> Response:
        resource = _resource(request)
        held = self.state.get(resource, request.path_params["id"])
        if held is None or held["is_deleted"]:
            return self.error(404 if held is None else 410, "", "is deleted or was never there")
        return self._write(resource, held, orjson.loads(await request.body()), "change")

    def _write(self, resource: str, held: Json, fields: Json, action: str) -> Response:
        told = objects.fault(resource, fields, self.custom(resource)) or self._missing(fields)
        if told:
            return self.error(400, "", told)
        after = objects.written(resource, held, fields, self.state.now())
        if action == "create" or after != held:
            self._put(resource, after, action, held)
        return answer({"success": True, "data": after}, 201 if action == "create" else 200)

    def _missing(self, fields: Json) -> str:
        for name, other in (("org_id", "organizations"), ("person_id", "persons")):
            there = self.state.get(other, str(fields.get(name)))
            if fields.get(name) is not None and (there is None or there["is_deleted"]):
                return f"Validation failed: {name}: there is no such object"
        return ""

    async def _delete(self, request: Request) -> Response:
        resource, id = _resource(request), request.path_params["id"]
        held = self.state.get(resource, id)
        if held is None or held["is_deleted"]:
            return self.error(404 if held is None else 410, "", "is deleted or was never there")
        self.remove(resource, id)
        return answer({"success": True, "data": {"id": held["id"]}})

    async def _search(self, request: Request) -> Response:
        asked = request.query_params
        resource = next((many for many, one in KINDS.items() if one == asked.get("entity_type")), "")
        if not resource or asked.get("match", "exact") != "exact" or not asked.get("term"):
            return self.error(400, "", "Validation failed: entity_type: is not searched here")
        rows = [one for one in self.state.visible(resource) if not one["is_deleted"]]
        field, term = asked.get("field", ""), asked["term"]
        hits = [one for one in rows if {**one, **one["custom_fields"]}.get(field) == term]
        data = [{"id": one["id"], field: term} for one in hits]
        return answer({"success": True, "data": data, "additional_data": {"next_cursor": None}})

    async def _fields(self, request: Request) -> Response:
        resource = _fields_of(request)
        kinds = {**FIELDS[resource], "id": "int", "owner_id": "user", "add_time": "date", "update_time": "date"}
        own = [{name: value for name, value in one.items() if name != "_of"} for one in self.custom(resource).values()]
        data = [_field(code.replace("_", " ").capitalize(), code, kind, custom=False) for code, kind in kinds.items()]
        return answer({"success": True, "data": [*data, *own], "additional_data": {"next_cursor": None}})

    async def _add_field(self, request: Request) -> Response:
        asked = orjson.loads(await request.body())
        made = self.define(_fields_of(request), asked["field_name"], asked["field_type"])
        return answer({"success": True, "data": {name: value for name, value in made.items() if name != "_of"}}, 201)

    async def _v1_list(self, request: Request) -> Response:
        asked, resource = request.query_params, "users" if "users" in request.url.path else "leads"
        rows = self.state.all(resource)
        if resource == "users":
            return answer({"success": True, "data": rows, "additional_data": {"company_id": 15043420}})
        rows = [one for one in rows if one["is_archived"] == request.url.path.endswith("/archived")]
        start, size = int(asked.get("start", 0)), min(int(asked.get("limit", 100)), self.page)
        more = start + size < len(rows)
        paging = {"start": start, "limit": size, "more_items_in_collection": more}
        told = {"pagination": {**paging, **({"next_start": start + size} if more else {})}}
        return answer({"success": True, "data": rows[start : start + size], "additional_data": told})

    async def _v1_one(self, request: Request) -> Response:
        resource = "users" if "users" in request.url.path else "leads"
        held = self.state.get(resource, request.path_params["id"])
        if held is None:
            return self.error(404, "", "not found")
        if request.method == "DELETE":
            self.remove(resource, str(held["id"]))
            return answer({"success": True, "data": {"id": held["id"]}})
        company = {"additional_data": {"company_id": 15043420}} if resource == "users" else {}
        return answer({"success": True, "data": held, **company})

    async def _me(self, request: Request) -> Response:
        return answer(
            {"success": True, "data": {**(self.state.get("users", str(OWNER)) or {}), "company_id": 15043420}}
        )

    async def _token(self, request: Request) -> Response:
        form = (await request.body()).decode()
        if f"refresh_token={self.refresh_token}" not in form:
            return answer({"success": False, "error": "invalid_grant"}, 400)
        told = {"access_token": self.token, "token_type": "Bearer", "expires_in": 3599, "scope": "base contacts:full"}
        return answer({**told, "refresh_token": self.refresh_token, "api_domain": self.base_url})

    # storing and telling ----------------------------------------------------------------------------------------------
    def _next_id(self, resource: str) -> int:
        return max(self.state.serial(resource), 1 + max((int(id) for id in self.state.ids(resource)), default=0))

    def _put(self, resource: str, made: Json, action: str, before: Json | None) -> Json:
        key = next((str(one) for one in (made.get("custom_fields") or {}).values() if one), "")
        self.state.put(resource, str(made["id"]), made, key=key)
        self._tell(resource, action, made, before)
        return made

    def _tell(self, resource: str, action: str, after: Json | None, before: Json | None) -> None:
        entity, about = KINDS.get(resource, resource[:-1]), after or before or {}
        meta = {
            "action": action,
            "entity": entity,
            "entity_id": about.get("id"),
            "company_id": "15043420",
            "correlation_id": str(uuid.uuid4()),
            "id": str(uuid.uuid4()),
            "timestamp": stamp(self.state.now()),
            "type": "general",
            "user_id": str(OWNER),
            "version": "2.0",
            "attempt": 1,
        }
        previous = before if action != "create" else None
        self.emit(f"{action}.{entity}", {"meta": meta, "data": after, "previous": previous})


def _resource(request: Request) -> str:
    return str(request.url.path.rpartition("/v2/")[2].split("/")[0])


def _fields_of(request: Request) -> str:
    one = request.url.path.rpartition("/")[2].removesuffix("Fields")
    return next(many for many, single in KINDS.items() if single == one)


def _field(name: str, code: str, kind: str, *, custom: bool) -> Json:
    told = {"field_name": name, "field_code": code, "field_type": kind, "options": None, "subfields": None}
    return {**told, "is_custom_field": custom, "is_optional_response_field": False}


def _sealed(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode()


def _opened(cursor: str) -> list[Any] | None:
    return orjson.loads(base64.urlsafe_b64decode(cursor)) if cursor else None
