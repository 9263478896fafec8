"""Paging styles, streams by change and one-by-one writing, against a server of a few lines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest

from connectors.batches import Indexed, Outcomes, one_by_one
from connectors.changes import Bounds, Listed, changes
from connectors.dotted import at
from connectors.http import Answer, Http
from connectors.paging import Below, ById, Paging
from connectors.verdicts import DEFAULT_VERDICTS, Verdict
from kernel.clock import SECOND
from kernel.errors import Fate, Park, Retry, RetryAt, Stop, ThroughlineError, Unknown
from kernel.records import Action, Json, SourceRecord, WriteItem, WriteOutcome
from tests.conftest import FakeClock

NOW = 1_800_000_000 * SECOND
Handler = Callable[[httpx.Request], httpx.Response]


def vendor(handler: Handler, **options: Any) -> Http:
    transport = httpx.MockTransport(handler)
    options = {"clock": FakeClock(NOW), "transport": transport, "attempts": 1, **options}
    return Http(connection="here", base_url="https://vendor.example", **options)


def told(pages: Any) -> list[Any]:
    return [(items, token) for items, token, _ in pages]


def test_a_token_in_the_body_is_followed_to_its_end() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("after", 0))
        assert request.url.params["limit"] == "2"
        more = {"next": {"after": number + 1}} if number < 2 else {}
        return httpx.Response(200, json={"rows": [number], "paging": more})

    style = Paging("after", ("limit", 2), told="paging.next.after", items="rows")
    assert told(style.pages(vendor(answer), "/things", {})) == [([0], 1), ([1], 2), ([2], None)]
    assert told(style.pages(vendor(answer), "/things", {}, 2)) == [([2], None)]


def test_numbered_pages_end_where_the_header_says() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("page", 1))
        return httpx.Response(200, json=[number], headers={"x-wp-totalpages": "3"})

    style = Paging("page", ("per_page", 100), total="x-wp-totalpages")
    assert told(style.pages(vendor(answer), "/things", {"status": "any"})) == [([1], 2), ([2], 3), ([3], None)]
    assert told(style.pages(vendor(answer), "/things", {}, 3)) == [([3], None)]


def test_numbered_pages_end_with_one_that_is_not_full() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        start = 2 * (int(request.url.params.get("page", 1)) - 1)
        return httpx.Response(200, json={"rows": [1, 2, 3, 4, 5][start : start + 2]})

    style = Paging("page", ("size", 2), items="rows", numbered=True)
    assert told(style.pages(vendor(answer), "/things", {})) == [([1, 2], 2), ([3, 4], 3), ([5], None)]
    assert told(style.pages(vendor(answer), "/things", {}, 3)) == [([5], None)]


def downwards(held: list[int], *, most: int = 100, counted: bool = True) -> Handler:
    """A list from its newest down; `most`: shorter pages than were asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        below = [n for n in sorted(held, reverse=True) if n < int(asked.get("before", 10**6))]
        rows = [{"token": n} for n in below[: min(int(asked["size"]), most)]]
        return httpx.Response(200, json={"rows": rows, **({"total": len(held)} if counted else {})})

    return answer


@pytest.mark.parametrize("many", [0, 1, 2, 3, 4, 7])
@pytest.mark.parametrize(("most", "counted"), [(100, True), (100, False), (1, True)])
def test_a_list_downwards_is_read_to_its_end_even_by_short_pages(many: int, most: int, counted: bool) -> None:
    style = Below("before", ("size", 2), told="token", total="total", items="rows")
    held = list(range(1, many + 1))
    pages = told(style.pages(vendor(downwards(held, most=most, counted=counted)), "/things", {}))
    assert [one["token"] for rows, _ in pages for one in rows] == held[::-1]
    assert pages[-1][1] is None


def test_a_list_downwards_whose_objects_have_no_token_is_no_end() -> None:
    style = Below("before", ("size", 1), told="token", items="rows")
    with pytest.raises(Retry):
        told(style.pages(vendor(lambda request: httpx.Response(200, json={"rows": [{}]})), "/things", {}))


@pytest.mark.parametrize(
    ("bounds", "since", "until"),
    [
        (Bounds("since", "until"), "2027-01-15T08:00:01Z", "2027-01-15T08:00:03Z"),
        (Bounds("since", "until", after=True, zone=""), "2027-01-15T08:00:00", "2027-01-15T08:00:03"),
    ],
)
def test_what_is_asked_for_in_whole_seconds_is_never_less_than_the_stretch(
    bounds: Bounds, since: str, until: str
) -> None:
    start, end = NOW + SECOND + 5, NOW + 2 * SECOND + 5
    assert bounds(start, end) == {"since": since, "until": until}
    assert bounds(NOW + SECOND, NOW + 3 * SECOND) == {"since": since, "until": until}
    assert bounds(start, None) == {"since": since}
    assert bounds(None, None) == {}


def shelf(held: list[int], *, counted: bool = True, most: int = 100) -> Handler:
    """A list by offset; `most`: shorter pages than were asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        assert (asked["orderby"], asked["order"]) == ("id", "asc")
        start, size = int(asked["offset"]), min(int(asked["per_page"]), most)
        headers = {"x-wp-total": str(len(held))} if counted else {}
        return httpx.Response(200, json=[{"id": id} for id in sorted(held)[start : start + size]], headers=headers)

    return answer


BY_ID = ById("offset", ("per_page", 20), total="x-wp-total")


def _counted(many: int, lost: bool = False) -> Handler:
    """A list of so many, from either end; `lost`: its first page says that it is the last."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked, order = request.url.params, 1
        rows = [{"id": n} for n in range(many)]
        if asked.get("direction") == "desc":
            order = -1
        start = int(asked.get("cursor", 0))
        page = rows[::order][start : start + int(asked["limit"])]
        more = start + len(page) if start + len(page) < many and not lost else None
        return httpx.Response(200, json={"rows": page, "next": more})

    return answer


BACKWARDS = Paging("cursor", ("limit", 2), told="next", items="rows", always=True, backwards={"direction": "desc"})


@pytest.mark.parametrize("many", [1, 2, 3, 4])
def test_a_full_page_may_be_the_last(many: int) -> None:
    pages = [*BACKWARDS.pages(vendor(_counted(many)), "/things", {})]
    assert [one["id"] for items, _, _ in pages for one in items] == list(range(many))


def test_a_full_page_that_says_it_is_the_last_and_is_not_is_noticed() -> None:
    with pytest.raises(Retry, match="does not"):
        list(BACKWARDS.pages(vendor(_counted(3, lost=True)), "/things", {}))


@pytest.mark.parametrize("more", [{"more": True}, {"more": False, "next": 2}, {"next": 2}, {}, {"more": "no"}])
def test_a_flag_and_a_token_that_disagree_are_no_end(more: Json) -> None:
    style = Paging("start", ("limit", 2), told="next", items="rows", more="more")
    with pytest.raises(Retry):
        list(style.pages(vendor(lambda _: httpx.Response(200, json={"rows": [], **more})), "/things", {}))


@pytest.mark.parametrize("many", [0, 1, 19, 20, 21, 100])
@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("most", [3, 100])
def test_pages_by_id_overlap_and_show_each_object_once(many: int, counted: bool, most: int) -> None:
    held = list(range(1, many + 1))
    pages = told(BY_ID.pages(vendor(shelf(held, counted=counted, most=most)), "/things", {}))
    assert [one["id"] for items, _ in pages for one in items] == held
    assert [token is None for _, token in pages] == [False] * (len(pages) - 1) + [True]


@pytest.mark.parametrize("gone", [1, 9, 10, 11, 25, 39])
def test_what_is_deleted_behind_a_list_by_id_hides_nothing(gone: int) -> None:
    held = list(range(1, 101))
    seen: list[int] = []
    for items, _, _ in BY_ID.pages(vendor(shelf(held)), "/things", {}):
        seen += [one["id"] for one in items]
        if len(held) == 100 and len(seen) >= 40:
            del held[:gone]
    assert seen == list(range(1, 101))


def test_a_list_by_id_goes_on_from_its_token_after_deletes() -> None:
    held = list(range(1, 101))
    first, token, _ = next(BY_ID.pages(vendor(shelf(held)), "/things", {}))
    del held[:15]
    rest = [one["id"] for items, _, _ in BY_ID.pages(vendor(shelf(held)), "/things", {}, token) for one in items]
    assert [one["id"] for one in first] + rest == list(range(1, 101))


@pytest.mark.parametrize("body", [{"rows": None}, {}, "text", {"rows": {}}])
def test_an_answer_without_a_list_is_not_taken_for_an_empty_one(body: Any) -> None:
    style = Paging("after", ("limit", 2), told="next", items="rows")
    with pytest.raises(Retry):
        told(style.pages(vendor(lambda request: httpx.Response(200, json=body)), "/things", {}))


def test_a_token_given_twice_ends_the_read() -> None:
    style = Paging("after", ("limit", 2), told="next", items="rows")
    http = vendor(lambda request: httpx.Response(200, json={"rows": [1], "next": "same"}))
    with pytest.raises(Stop, match="loops"):
        told(style.pages(http, "/things", {}))


def test_a_path_leads_to_nothing_or_to_what_stands_there() -> None:
    assert at({"a": {"b": 1}}, "a.b") == 1
    assert at({"a": None}, "a.b") is None
    assert at([1], "") == [1]


# changes -------------------------------------------------------------------------------------------------------------
STYLE = Paging("after", ("limit", 2), told="next", items="rows")
LISTS = (Listed("/live", STYLE), Listed("/gone", STYLE, {"kind": "gone"}, goes_on=True))


def record(raw: Json) -> SourceRecord:
    return SourceRecord(str(raw["id"]), raw, raw["at"])


def bounds(start: int | None, end: int | None) -> Json:
    return {name: value for name, value in (("from", start), ("to", end)) if value is not None}


def serving(rows: dict[str, list[int]], asked: list[tuple[str, dict[str, str]]]) -> Http:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.path, dict(request.url.params)))
        place = int(request.url.params.get("after", 0))
        found = [{"id": one, "at": one} for one in rows[request.url.path]]
        more = place + 2 if place + 2 < len(found) else None
        return httpx.Response(200, content=orjson.dumps({"rows": found[place : place + 2], "next": more}))

    return vendor(answer)


def test_a_first_read_takes_all_and_the_next_goes_on_before_where_it_began() -> None:
    asked: list[tuple[str, dict[str, str]]] = []
    http = serving({"/live": [1, 2, NOW + 5], "/gone": [7]}, asked)
    pages = list(changes(http, LISTS, None, record, asking=bounds, lookback=timedelta(seconds=1)))
    assert [[one.id for one in page.records] for page in pages] == [["1", "2"], [str(NOW + 5)]]
    assert [page.last for page in pages] == [False, True]
    assert pages[-1].cursor == {"since": NOW}  # what was newer than the read's own beginning comes again
    asked.clear()
    again = list(changes(http, LISTS, pages[-1].cursor, record, asking=bounds, lookback=timedelta(seconds=1)))
    assert {params["from"] for _, params in asked} == {str(NOW - SECOND)}
    assert [path for path, _ in asked] == ["/live", "/live", "/gone"]
    assert [page.last for page in again] == [False, False, True]


def test_a_read_goes_on_in_the_list_and_at_the_page_where_it_stood() -> None:
    asked: list[tuple[str, dict[str, str]]] = []
    http = serving({"/live": [1, 2, 3], "/gone": [7]}, asked)
    first, second, third = changes(http, LISTS, {"since": 1}, record, asking=bounds)
    for page, rest in ((first, ["3", "7"]), (second, ["7"])):
        found = list(changes(http, LISTS, page.cursor, record, asking=bounds))
        assert [one.id for each in found for one in each.records] == rest
        assert found[-1].cursor == third.cursor == {"since": 7}


def test_a_window_asks_for_its_bounds_and_for_no_deletes() -> None:
    asked: list[tuple[str, dict[str, str]]] = []
    pages = list(
        changes(serving({"/live": [1], "/gone": []}, asked), LISTS, None, record, asking=bounds, window=(5, 9))
    )
    assert asked == [("/live", {"limit": "2", "from": "5", "to": "9"})]
    assert pages[-1].last


def test_complete_lists_leave_no_cursor() -> None:
    pages = list(changes(serving({"/live": [1]}, []), LISTS[:1], None, record))
    assert [page.cursor for page in pages] == [{}]


# one by one -----------------------------------------------------------------------------------------------------------
def batch(count: int) -> list[WriteItem]:
    return [WriteItem(Action.UPSERT, f"k{n}", f"k{n}-g0", {}) for n in range(count)]


def failing(errors: dict[str, ThroughlineError]) -> Callable[[WriteItem], WriteOutcome]:
    def send(item: WriteItem) -> WriteOutcome:
        if item.ext_key in errors:
            raise errors[item.ext_key]
        return WriteOutcome(item.ext_key)

    return send


def test_each_failure_is_its_items_own() -> None:
    outcomes = one_by_one(batch(4), failing({"k0": Park("bad"), "k2": Unknown("lost")}))
    assert [outcome.vendor_id for outcome in outcomes] == [None, "k1", None, "k3"]
    assert [outcome.error.fate if outcome.error else None for outcome in outcomes] == [
        Fate.PARK,
        None,
        Fate.UNKNOWN,
        None,
    ]


@pytest.mark.parametrize("error", [RetryAt("spent", at=1), Stop("forbidden")])
def test_what_the_rest_would_meet_too_ends_the_batch(error: ThroughlineError) -> None:
    outcomes = one_by_one(batch(3), failing({"k1": error}))
    assert [outcome.vendor_id for outcome in outcomes] == ["k0", None, None]
    assert outcomes[1].error is error
    assert isinstance(outcomes[2].error, Retry)
    with pytest.raises(type(error)):
        one_by_one(batch(3), failing({"k0": error}))


def test_a_code_that_only_headers_tell_wins_over_the_status() -> None:
    verdicts = DEFAULT_VERDICTS.but(
        by_code={"DAY": Verdict(Fate.RETRY_AT, "daily_budget", 3600.0)},
        header_codes=lambda headers: ("DAY",) if headers.get("x-left") == "0" else (),
    )
    left = "0"
    http = vendor(lambda request: httpx.Response(429, json={}, headers={"x-left": left}), verdicts=verdicts)
    with pytest.raises(RetryAt) as spent:
        http.get("/things")
    assert spent.value.cause == "daily_budget"
    left = "1"
    with pytest.raises(Retry) as passing:
        http.get("/things")
    assert passing.value.cause == "rate_limited"
    good = Answer(200, httpx.Headers({"x-left": "0"}), b"{}")
    assert http.verdict(good) is None


def test_what_is_settled_stays_so_when_a_later_request_of_the_batch_fails() -> None:
    outcomes = Outcomes([WriteItem(Action.UPSERT, f"k{n}", f"k{n}-g0", {}) for n in range(3)])

    def send(items: Indexed) -> None:
        outcomes.settle(items[0][0], WriteOutcome("7"))
        raise Unknown("the second request's answer was lost", cause="timeout")

    outcomes.each(outcomes.items, send)
    assert [outcome.vendor_id for outcome in outcomes.in_order()] == ["7", None, None]
    assert [outcome.error is None for outcome in outcomes.in_order()] == [True, False, False]
