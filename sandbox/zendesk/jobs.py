"""Asynchronous jobs: accepted at once, done a little later, remembered over restarts."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from sandbox.state import SECOND, Json, State
from sandbox.zendesk.objects import SINGLE, stamp
from sandbox.zendesk.rules import Invalid, Rules

_NAMES = {"create": "Create", "upsert": "Create", "update": "Update", "delete": "Delete"}


class Jobs:
    """Runs jobs when their time has come: whenever anybody asks for anything after `delay` seconds."""

    def __init__(self, state: State, rules: Rules, base_url: Callable[[], str]) -> None:
        self._state, self._rules, self._base_url = state, rules, base_url
        self.delay = 0.0

    def accept(self, verb: str, resource: str, items: list[Json]) -> Json:
        """A queued job."""
        id = f"V3-{uuid.uuid4().hex}"
        due = self._state.now() + int(self.delay * SECOND)
        job: Json = {"id": id, "verb": verb, "resource": resource, "items": items, "due": due, "results": None}
        self._state.put("_jobs", id, job)
        return self.told(job, "queued")

    def run_due(self) -> None:
        """Do what is due; called before every request."""
        now = self._state.now()
        for job in self._state.all("_jobs"):
            if job["results"] is None and job["due"] <= now:
                results = [self._one(job, n, item) for n, item in enumerate(job["items"])]
                self._state.put("_jobs", job["id"], {**job, "results": results, "done": stamp(now)})

    def get(self, id: str) -> Json | None:
        """A job's status."""
        job = self._state.get("_jobs", id)
        if job is None:
            return None
        return self.told(job, "completed" if job["results"] is not None else "working")

    def told(self, job: Json, status: str) -> Json:
        """A job as the API tells it."""
        total, done = len(job["items"]), status == "completed"
        noun = SINGLE[job["resource"]]
        progress = {"queued": None, "working": 0}.get(status, total)
        message = {"queued": None, "working": f"Working on {noun} #1"}.get(status, f"Completed at {job.get('done')}")
        return {
            "id": job["id"],
            "job_type": f"Bulk {_NAMES[job['verb']]} {noun.capitalize()}",
            "url": f"{self._base_url()}/api/v2/job_statuses/{job['id']}.json",
            "total": total,
            "progress": progress,
            "status": status,
            "message": message,
            "results": job["results"] if done else None,
        }

    def _one(self, job: Json, n: int, item: Json) -> Json:
        resource, verb = job["resource"], job["verb"]
        noun = SINGLE[resource].capitalize()
        try:
            if verb == "upsert":
                return self._made(resource, n, *self._rules.upsert(resource, item))
            if verb == "create":
                return self._made(resource, n, self._rules.create(resource, item), True)
            existing = self._state.get(resource, str(item.get("id")))
            if existing is None:
                return {"index": n, "id": item.get("id"), "error": f"{noun}NotFound", "details": "not found"}
            if verb == "update":
                made = self._rules.update(resource, existing, item)
                return {"action": "update", "id": made["id"], "status": "Updated", "success": True, **_at(resource, n)}
            self._rules.delete(resource, existing)
            return {"action": "delete", "id": existing["id"], "status": "Deleted", "success": True, **_at(resource, n)}
        except Invalid as error:
            what = "Update" if verb == "update" else "Create"
            failed: Json = {"index": n, "error": f"{noun}{what}Failed", "details": error.prose(), "status": "Failed"}
            return {**failed, "id": item["id"]} if item.get("id") else failed

    def _made(self, resource: str, n: int, made: Json, created: bool) -> Json:
        if resource == "tickets":
            return {"index": n, "id": made["id"], "account_id": 1}
        return {"status": "Created" if created else "Updated", "id": made["id"]}


def _at(resource: str, n: int) -> dict[str, Any]:
    return {"index": n} if resource == "tickets" else {}
