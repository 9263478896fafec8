"""Typeform's dialect: forms, responses newest first, signed webhooks. No recorded answers exist; built from facts."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.simulator import Simulator, answer
from sandbox.state import SECOND, Json

QUESTIONS: tuple[tuple[str, str, str], ...] = (
    ("name", "short_text", "What is your name?"),
    ("email", "email", "Which address may we write to?"),
    ("phone", "phone_number", "And your phone number?"),
    ("company", "short_text", "Where do you work?"),
    ("interest", "dropdown", "What are you interested in?"),
    ("newsletter", "yes_no", "May we send you our newsletter?"),
)
_CHOICES = ("Pricing", "A demo", "Support")
_ANSWER = {"short_text": "text", "long_text": "text", "email": "email", "phone_number": "phone_number"}
_ANSWER |= {"yes_no": "boolean", "number": "number", "date": "date", "dropdown": "choice", "legal": "boolean"}


class TypeformSimulator(Simulator):
    """One Typeform account."""

    system: ClassVar[str] = "typeform"
    files: ClassVar[Mapping[str, str]] = {"forms": "forms", "responses": "responses"}

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.api_lag = 0.0
        """Seconds by which the list trails the webhooks."""

    def routes(self) -> list[BaseRoute]:
        """Forms and their responses."""
        return [
            Route("/me", self._me, methods=["GET"]),
            Route("/forms", self._forms, methods=["GET"]),
            Route("/forms/{form}", self._form, methods=["GET"]),
            Route("/forms/{form}/responses", self._responses, methods=["GET", "DELETE"]),
            Route("/forms/{form}/webhooks", self._webhooks, methods=["GET"]),
        ]

    # seeding ----------------------------------------------------------------------------------------------------------
    def make(self, resource: str, **fields: Any) -> Json:
        """A form, or a response: `form_id`, `answers={ref: value}`, `hidden={…}`, `submitted_at` (epoch seconds)."""
        if resource == "forms":
            return self._made_form(fields)
        form_id = fields.get("form_id") or next(iter(self.state.ids("forms")), None) or self._made_form({})["id"]
        form = self.state.get("forms", form_id)
        if form is None:
            raise KeyError(form_id)
        token = (
            fields.get("token")
            or hashlib.md5(f"{form_id}{self.state.serial('responses')}".encode(), usedforsecurity=False).hexdigest()
        )
        submitted = int(fields.get("submitted_at", self.state.now() // SECOND))
        answers = [_answer(form, ref, value) for ref, value in (fields.get("answers") or {}).items()]
        response = {
            "landing_id": token,
            "token": token,
            "response_id": token,
            "response_type": fields.get("response_type", "completed"),
            "landed_at": _time(submitted - 95),
            "submitted_at": _time(submitted),
            "metadata": {
                "user_agent": "Mozilla/5.0",
                "platform": "other",
                "referer": f"https://form.typeform.com/to/{form_id}",
                "network_id": "sandbox",
                "browser": "default",
            },
            "hidden": fields.get("hidden") or {},
            "calculated": {"score": 0},
            "answers": answers,
        }
        self.state.put("responses", token, {**response, "_form": form_id})
        self._tell(form, response)
        return response

    def load_record(self, resource: str, record: Json) -> bool:
        """Recorded forms; the list's short form never replaces the full one."""
        known = self.state.get(resource, str(record.get("id")))
        if resource == "forms" and known is not None and "fields" in record and "fields" not in known:
            self.state.put(resource, record["id"], record)
            return True
        return super().load_record(resource, record)

    def sign(self, hook: Json, body: bytes) -> dict[str, str]:
        """`Typeform-Signature` with the webhook's secret."""
        mac = hmac.new(hook["secret"].encode(), body, hashlib.sha256).digest()
        return {"Typeform-Signature": "sha256=" + base64.b64encode(mac).decode()}

    def _made_form(self, fields: Json) -> Json:
        number = self.state.serial("forms")
        id = str(fields.get("id") or f"form{number:04d}")
        now = _time(self.state.now() // SECOND)
        questions = fields.get("questions") or QUESTIONS
        form = {
            "id": id,
            "type": "quiz",
            "title": fields.get("title") or f"Contact form {number}",
            "workspace": {"href": f"{self.base_url}/workspaces/sandbox"},
            "theme": {"href": f"{self.base_url}/themes/sandbox"},
            "settings": {"language": "en", "is_public": True, "is_trial": False},
            "hidden": ["utm_source", "utm_campaign", "customer_id"],
            "thankyou_screens": [],
            "fields": [_question(id, *question) for question in questions],
            "created_at": now,
            "last_updated_at": now,
            "_links": {
                "display": f"https://form.typeform.com/to/{id}",
                "responses": f"{self.base_url}/forms/{id}/responses",
            },
        }
        self.state.put("forms", id, form)
        return form

    def _tell(self, form: Json, response: Json) -> None:
        shown = {name: response[name] for name in ("token", "landed_at", "submitted_at", "hidden", "calculated")}
        definition = {"id": form["id"], "title": form["title"], "fields": form.get("fields", [])}
        told = {"form_id": form["id"], **shown, "definition": definition, "answers": response["answers"]}
        event = {"event_id": f"evt{self.state.serial('events'):08d}", "event_type": "form_response"}
        self.emit("form_response", {**event, "form_response": told})

    # answering --------------------------------------------------------------------------------------------------------
    def error(self, status: int, code: str = "", message: str = "") -> Response:
        """`{"code", "description"}`."""
        names = {401: "AUTHENTICATION_FAILED", 403: "FORBIDDEN", 404: "NOT_FOUND", 429: "TOO_MANY_REQUESTS"}
        told = {"code": code or names.get(status, "INTERNAL_ERROR"), "description": message or f"Simulated {status}"}
        return answer(told, status, self._budget())

    async def _me(self, request: Request) -> Response:
        return self._answer({"alias": "Sandbox", "email": "owner@example.com", "language": "en"})

    async def _forms(self, request: Request) -> Response:
        query = request.query_params
        page, size = int(query.get("page", 1)), int(query.get("page_size", 10))
        if not 1 <= size <= 200:
            return self.error(400, "VALIDATION_ERROR", "page_size must be between 1 and 200")
        newest = sorted(self.state.all("forms"), key=lambda form: str(form["last_updated_at"]))
        if query.get("order_by") != "asc":
            newest.reverse()
        shown = [self._short(form) for form in newest[(page - 1) * size : page * size]]
        return self._answer({"total_items": len(newest), "page_count": -(-len(newest) // size), "items": shown})

    async def _form(self, request: Request) -> Response:
        form = self.state.get("forms", request.path_params["form"])
        return self._answer(form) if form else self.error(404, "FORM_NOT_FOUND")

    async def _webhooks(self, request: Request) -> Response:
        return self._answer({"items": []})

    async def _responses(self, request: Request) -> Response:
        id, query = request.path_params["form"], request.query_params
        if self.state.get("forms", id) is None:
            return self.error(404, "FORM_NOT_FOUND")
        if request.method == "DELETE":
            for token in query.get("included_response_ids", "").split(","):
                self.state.delete("responses", token)
            return Response(None, 200, self._budget(), "application/octet-stream")
        size = query.get("page_size", "25")
        if not size.isdecimal() or not 1 <= int(size) <= 1000:
            return self.error(400, "VALIDATION_ERROR", "page_size must be between 1 and 1000")
        if "sort" in query and ("before" in query or "after" in query):
            return self.error(400, "VALIDATION_ERROR", "sort cannot be combined with before or after")
        found = [one for one in self.state.visible("responses", self.api_lag) if one["_form"] == id]
        found = [one for one in found if _passes(one, query)]
        found.sort(key=lambda one: (one["submitted_at"], one["token"]), reverse=True)
        total = len(found)
        for name in ("before", "after"):
            if name in query:
                place = next((n for n, one in enumerate(found) if one["token"] == query[name]), None)
                if place is None:
                    return self.error(400, "VALIDATION_ERROR", f"{name} is no known token")
                found = found[place + 1 :] if name == "before" else found[:place]
        hidden = ("_form", "response_type")
        shown = [{name: value for name, value in one.items() if name not in hidden} for one in found[: int(size)]]
        return self._answer({"items": shown, "total_items": total, "page_count": -(-total // int(size))})

    def _short(self, form: Json) -> Json:
        """A form as the list shows it."""
        names = ("id", "type", "title", "last_updated_at", "created_at", "theme", "_links")
        shown = {name: form[name] for name in names if name in form}
        settings = {name: form["settings"][name] for name in ("is_public", "is_trial")}
        return {**shown, "settings": settings, "self": {"href": f"{self.base_url}/forms/{form['id']}"}}

    def _answer(self, data: Any) -> Response:
        return answer(data, 200, self._budget())

    def _budget(self) -> dict[str, str]:
        reset = self.state.now() // SECOND + 60
        return {"x-ratelimit-limit": "200", "x-ratelimit-remaining": "150", "x-ratelimit-reset": str(reset)}


def _question(form: str, ref: str, kind: str, title: str) -> Json:
    id = hashlib.md5(f"{form}{ref}".encode(), usedforsecurity=False).hexdigest()[:12]
    properties: Json = {}
    if kind == "dropdown":
        properties["choices"] = [
            {"id": f"{id}{number}", "ref": f"{ref}_{number}", "label": label} for number, label in enumerate(_CHOICES)
        ]
    return {
        "id": id,
        "title": title,
        "ref": ref,
        "properties": properties,
        "validations": {"required": ref == "email"},
        "type": kind,
    }


def _answer(form: Json, ref: str, value: Any) -> Json:
    known = next((field for field in form.get("fields", []) if field["ref"] == ref), None)
    field = (
        {"id": known["id"], "type": known["type"], "ref": ref}
        if known
        else {"id": ref, "type": "short_text", "ref": ref}
    )
    kind = _ANSWER.get(str(field["type"]), "text")
    return {"field": field, "type": kind, kind: {"label": value} if kind == "choice" else value}


def _passes(response: Json, query: Mapping[str, str]) -> bool:
    wanted = query.get("included_response_ids")
    if wanted is not None and response["token"] not in wanted.split(","):
        return False
    if response["response_type"] not in query.get("response_type", "completed").split(","):
        return False
    at = datetime.fromisoformat(response["submitted_at"])
    return ("since" not in query or at >= _moment(query["since"])) and (
        "until" not in query or at <= _moment(query["until"])
    )


def _moment(told: str) -> datetime:
    return datetime.fromtimestamp(int(told), UTC) if told.isdecimal() else datetime.fromisoformat(told)


def _time(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
