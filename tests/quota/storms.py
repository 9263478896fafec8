"""Storms of 429 in virtual time: the whole HTTP layer, eight workers, one account; what did each record cost?"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import httpx

from connectors.http import Http
from kernel.clock import SECOND
from kernel.errors import RetryAt, ThroughlineError
from kernel.quota import Limit, Purse
from tests.quota.room import OffClock, Room, RoomTill


@dataclass(frozen=True)
class Storm:
    """What came of it."""

    calls: int
    records: int
    lost: int

    @property
    def per_record(self) -> float:
        """Calls made for each record that got through."""
        return self.calls / max(1, self.records)


def storm(*, seed: int, tells: bool, workers: int = 8, minutes: int = 4) -> Storm:
    """Ten seconds of every minute the vendor refuses everybody; `tells`: it says until when."""
    room, limits = Room(seed), [Limit(100, 10.0)]
    kept: dict[str, object] = {}
    calls, records = [0], [0]

    def answer(_: httpx.Request) -> httpx.Response:
        room.sleep(room.random.random() * 0.1)
        calls[0] += 1
        into = room.at % (60 * SECOND) / SECOND
        if into >= 10:
            return httpx.Response(200, json={})
        return httpx.Response(429, headers={"Retry-After": f"{10 - into:.3f}"} if tells else {})

    def life() -> None:
        clock = OffClock(room, 0)
        purse = Purse(RoomTill(room, limits, clock, kept), limits, "shop")
        transport = httpx.MockTransport(answer)
        http = Http(connection="shop", base_url="https://vendor.test", clock=clock, budget=purse, transport=transport)
        while True:
            record_done = False
            while not record_done:
                try:
                    http.send("POST", "/records", json={}, write=True)
                    record_done = True
                except RetryAt as later:
                    room.sleep((later.at - clock.now()) / SECOND)
                except ThroughlineError:
                    room.sleep(2.0)  # the engine's own first wait
            records[0] += 1

    for _ in range(workers):
        room.start(life, at=Random(seed).randint(0, SECOND))  # noqa: S311
    room.run(minutes * 60 * SECOND)
    return Storm(calls[0], records[0], 0)
