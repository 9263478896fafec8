"""How long a vendor asks us to wait, in every form that was seen, and in none that makes sense."""

from __future__ import annotations

import math

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http import Http
from connectors.retry import LONGEST, reset_at, reset_in, retry_after
from kernel.clock import SECOND
from kernel.errors import RetryAt
from tests.conftest import FakeClock

NOW = 1_790_000_000 * SECOND  # 2026-09-21T14:13:20Z


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 7 "}, 7.0),
        ({"Retry-After": "0.25"}, 0.25),
        ({"Retry-After": "1e1"}, 10.0),
        ({"Retry-After": "Mon, 21 Sep 2026 14:13:50 GMT"}, 30.0),
        ({"Retry-After": "Monday, 21-Sep-26 14:13:50 GMT"}, 30.0),
        ({"Retry-After": "Mon, 21 Sep 2026 14:13:00 GMT"}, 0.0),  # over
        ({"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}, LONGEST),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "Retry-After": "60"}, 1.5),
        ({"retry-after-ms": "soon", "Retry-After": "60"}, 60.0),
        ({"Retry-After": "1790000030"}, 30.0),  # an epoch
        ({"Retry-After": "1790000030000"}, 30.0),  # … in milliseconds
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "1000000000000"}, LONGEST),
        ({"Retry-After": "1000000000"}, LONGEST),
        ({"Retry-After": "1e400"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "-inf"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "Mon, 99 Foo 2026 99:99:99 GMT"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_every_form(headers: dict[str, str], seconds: float | None) -> None:
    told = retry_after(httpx.Headers(headers), NOW)
    assert told == (None if seconds is None else pytest.approx(seconds))


@given(
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])) | st.floats().map(str) | st.integers().map(str)
)
def test_whatever_is_told_is_a_wait_that_ends(told: str) -> None:
    headers = httpx.Headers({"retry-after": told.encode("latin-1"), "reset": told.encode("latin-1")})  # type: ignore[dict-item]
    for read in (retry_after, reset_at("reset"), reset_in("reset", unit=0.001)):
        seconds = read(headers, NOW)
        assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= LONGEST)


@pytest.mark.parametrize("told", ["120", "Fri, 01 Jan 2100 00:00:00 GMT", "1000000000000"])
def test_a_long_wait_parks_the_work_and_not_the_worker(clock: FakeClock, told: str) -> None:
    answers = httpx.MockTransport(lambda _: httpx.Response(429, headers={"Retry-After": told}))
    http = Http(connection="shop", base_url="https://vendor.test", clock=clock, transport=answers)
    with pytest.raises(RetryAt) as caught:
        http.get("/x")
    assert 100 * SECOND < caught.value.at - clock.now() <= LONGEST * SECOND
    assert clock.slept == []
