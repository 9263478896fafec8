"""The vendor: one HubSpot account's list, search and batch paths, its pages rendered before the clock starts.

It keeps nothing of what is written but the ids it gave, and is never part of a measurement.
"""

from __future__ import annotations

import argparse
import socket
from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.contacts import PAGE, contact, modified, stamp

Json = dict[str, Any]


class Account:
    """The contacts, and what was written."""

    def __init__(self, records: int) -> None:
        """`records`: how many contacts there are."""
        self.records = records
        self.pages = [self._page(start, {}) for start in range(0, records, PAGE)]
        self.changed: list[tuple[int, Json]] = []  # (ms, contact), in order of modification
        self.ids: dict[str, str] = {}  # unique key -> id of what was written
        self.writes = 0

    def touch(self, every: int) -> int:
        """Change every `every`-th contact now, a millisecond apart; how many were."""
        now = datetime.now(UTC).replace(microsecond=0)
        moments = {n: now + timedelta(milliseconds=k) for k, n in enumerate(range(0, self.records, every))}
        self.changed = [(_ms(moment), contact(n, moment)) for n, moment in moments.items()]
        for start in {n - n % PAGE for n in moments}:
            self.pages[start // PAGE] = self._page(start, moments)
        return len(moments)

    def search(self, body: Json) -> Json:
        """Contacts modified at or after the filter's time, oldest first."""
        rules = {rule["operator"]: rule["value"] for rule in body["filterGroups"][0]["filters"]}
        since = int(rules["GTE"])
        if self.records and since <= _ms(modified(self.records - 1)):
            raise ValueError("only contacts changed since the benchmark began can be searched for")
        offset = int(body.get("after") or 0)
        first = bisect_left(self.changed, since, key=lambda found: found[0]) + offset
        limit = int(body.get("limit", PAGE))
        found = [each for _, each in self.changed[first : first + limit]]
        more = first + limit < len(self.changed)
        paging = {"paging": {"next": {"after": str(offset + limit)}}} if more else {}
        return {"total": len(self.changed) - first + offset, "results": found} | paging

    def write(self, body: Json, *, upsert: bool) -> Json:
        """What a batch upsert (by unique key) or update (by id) answers: the records."""
        now = stamp(datetime.now(UTC))
        self.writes += len(body["inputs"])
        return {"status": "COMPLETE", "results": [self._written(one, now, upsert) for one in body["inputs"]]}

    def _written(self, one: Json, now: str, upsert: bool) -> Json:
        new = upsert and one["id"] not in self.ids
        given = self.ids.setdefault(one["id"], str(900_000_000 + len(self.ids))) if upsert else one["id"]
        own = {one["idProperty"]: one["id"]} if upsert else {}
        system = {"hs_object_id": given, "createdate": now, "lastmodifieddate": now}
        told = {"id": given, "properties": {**one["properties"], **own, **system}}
        mark = {"objectWriteTraceId": one["objectWriteTraceId"]} if "objectWriteTraceId" in one else {}
        return told | {"createdAt": now, "updatedAt": now, "archived": False, "new": new} | mark

    def _page(self, start: int, moments: Mapping[int, datetime]) -> bytes:
        end = min(start + PAGE, self.records)
        body: Json = {"results": [contact(n, moments.get(n)) for n in range(start, end)]}
        if end < self.records:
            body["paging"] = {"next": {"after": str(end)}}
        return orjson.dumps(body)


def app(account: Account) -> Starlette:
    """The account over HTTP."""

    async def listed(request: Request) -> Response:
        if request.query_params.get("archived") == "true" or not account.pages:
            return _json({"results": []})
        return _bytes(account.pages[int(request.query_params.get("after") or 0) // PAGE])

    async def searched(request: Request) -> Response:
        return _json(account.search(orjson.loads(await request.body())))

    async def written(request: Request) -> Response:
        return _json(account.write(orjson.loads(await request.body()), upsert=request.url.path.endswith("upsert")))

    async def associations(request: Request) -> Response:
        return _json({"status": "COMPLETE", "results": []})

    async def touched(request: Request) -> Response:
        return _json({"changed": account.touch(int(request.query_params["every"]))})

    async def counted(request: Request) -> Response:
        return _json({"records": account.records, "written": account.writes, "objects": len(account.ids)})

    contacts = "/crm/v3/objects/contacts"
    return Starlette(
        routes=[
            Route(contacts, listed),
            Route(f"{contacts}/search", searched, methods=["POST"]),
            Route(f"{contacts}/batch/upsert", written, methods=["POST"]),
            Route(f"{contacts}/batch/update", written, methods=["POST"]),
            Route("/crm/v4/associations/contacts/companies/batch/read", associations, methods=["POST"]),
            Route("/benchmark/touch", touched, methods=["POST"]),
            Route("/benchmark/counts", counted),
        ]
    )


def _json(body: Json) -> Response:
    return _bytes(orjson.dumps(body))


def _bytes(content: bytes) -> Response:
    return Response(content, media_type="application/json")


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def main() -> None:
    """Serve on a free port of loopback, printed as the only line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--records", type=int, required=True)
    account = Account(parser.parse_args().records)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        print(listening.getsockname()[1], flush=True)
        config = uvicorn.Config(app(account), log_level="error", access_log=False, lifespan="off")
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
