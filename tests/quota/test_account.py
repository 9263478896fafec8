"""The arithmetic: never above a limit in any window wherever it begins, nearly all of it used, and who goes first."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernel.clock import SECOND, instant, iso, moment
from kernel.quota import Kind, Limit, Priority, Told
from kernel.quota.account import SLOT_TERM, Account, Ask, Granted, Later, Report, account_of
from kernel.quota.standing import standings, time_for
from tests.quota.figures import SATURATED, figures
from tests.quota.room import START, saturate


def grant(
    account: Account, now: int, calls: int = 1, who: Priority = Priority.RUNS, worker: str = "w"
) -> Granted | Later:
    """Ask for calls of every limit."""
    amounts = {limit.called: calls for limit in account.limits}
    return account.grant(worker, Ask(amounts, amounts, who), f"{worker}{now}", now)


def spend(account: Account, now: int, calls: int) -> None:
    """Make calls, block by block, each answered at once."""
    for n in range(calls):
        granted = grant(account, now, worker=f"s{n}")
        assert isinstance(granted, Granted), granted
        account.report(Report(f"s{n}", granted.slice, granted.amounts), now)


@settings(max_examples=60)
@given(
    calls=st.integers(1, 60),
    per=st.sampled_from([1.0, 2.0, 10.0, 60.0]),
    workers=st.integers(1, 12),
    latency=st.floats(0.0, 0.1),
    deaths=st.sampled_from([0.0, 0.01, 0.05]),
    seed=st.integers(0, 10_000),
)
@example(calls=1, per=1.0, workers=12, latency=0.1, deaths=0.05, seed=1)
def test_no_window_ever_holds_more_than_the_limit(
    calls: int, per: float, workers: int, latency: float, deaths: float, seed: int
) -> None:
    """Workers' clocks are off by up to ten minutes, some die with a block unspent, the vendor counts by its own."""
    limits = [Limit(calls, per)]
    came = saturate(limits, seed=seed, workers=workers, latency=latency, deaths=deaths, windows=5)
    assert came.over <= 1.0


@pytest.mark.parametrize(("limits", "latency"), SATURATED, ids=lambda value: str(value)[:40])
def test_what_is_allowed_is_used(limits: list[Limit], latency: float) -> None:
    came = saturate(limits, seed=3, latency=latency)
    assert came.over <= 1.0
    assert came.used >= 0.85


def test_a_slow_answer_never_makes_a_window_too_full() -> None:
    came = saturate([Limit(25, 1.0)], seed=5, latency=2.0, workers=40)
    assert came.over <= 1.0


def test_a_block_may_be_spent_for_longer_while_most_of_the_limit_is_free() -> None:
    account = Account(limits=(Limit(25, 1.0), Limit(1000, kind=Kind.DAY)))
    calm = grant(account, START)
    spend(account, START, 12)
    busy = grant(account, START)
    assert isinstance(calm, Granted)
    assert isinstance(busy, Granted)
    assert (calm.term, busy.term) == (SECOND // 2, SECOND // 20)


def test_no_more_at_once_than_allowed() -> None:
    limits = [Limit(1000, 10.0), Limit(5, kind=Kind.CONCURRENT)]
    came = saturate(limits, seed=1, windows=3, workers=12, latency=0.3)
    assert came.most_at_once == 5
    dead = saturate(limits, seed=2, windows=30, workers=12, latency=0.3, deaths=0.01)
    assert dead.most_at_once <= 5


def test_a_dead_workers_places_come_back() -> None:
    account = Account(limits=(Limit(2, kind=Kind.CONCURRENT),))
    assert isinstance(grant(account, START, worker="a", calls=2), Granted)
    assert isinstance(grant(account, START, worker="b"), Later)
    account.report(Report("b"), START + SLOT_TERM)
    assert isinstance(grant(account, START + SLOT_TERM, worker="b"), Granted)


def test_shares_are_kept_for_people_and_webhooks() -> None:
    account = Account(limits=(Limit(1000, kind=Kind.DAY),))
    left = {who: next(iter(standings(account, START, who))).left for who in Priority}
    assert left == {Priority.PEOPLE: 1000, Priority.WEBHOOKS: 950, Priority.RUNS: 900, Priority.BACKFILLS: 860}
    spend(account, START, 900)
    assert isinstance(grant(account, START), Later)
    assert isinstance(grant(account, START, who=Priority.BACKFILLS), Later)
    assert isinstance(grant(account, START, who=Priority.WEBHOOKS), Granted)
    assert isinstance(grant(account, START, who=Priority.PEOPLE), Granted)


def test_a_person_who_waits_goes_before_a_backfill_that_came_first() -> None:
    account = Account(limits=(Limit(10, 10.0),))
    spend(account, START, 10)
    assert isinstance(grant(account, START, who=Priority.BACKFILLS, worker="b"), Later)
    later = grant(account, START, who=Priority.PEOPLE, worker="p")
    assert isinstance(later, Later)
    at = START + later.wait
    account.report(Report("b"), at)
    account.spent["short"] = {START + 60 * SECOND: 9}  # one is free
    assert isinstance(grant(account, at, who=Priority.BACKFILLS, worker="b"), Later)
    assert isinstance(grant(account, at, who=Priority.PEOPLE, worker="p"), Granted)


def test_a_day_is_full_again_at_the_vendors_midnight_in_summer_and_winter() -> None:
    limit = Limit(10, kind=Kind.DAY, zone="Europe/Berlin")
    for noon, midnight in (
        ("2026-06-01T10:00:00Z", "2026-06-01T22:01:00Z"),
        ("2026-12-01T11:00:00Z", "2026-12-01T23:01:00Z"),
    ):
        at = instant(moment(0).fromisoformat(noon))
        assert iso(limit.frees_at(at)) == midnight  # a minute late: their clock is not ours
    beside = instant(moment(0).fromisoformat("2026-06-01T21:59:30Z"))
    assert iso(limit.frees_at(beside)) == "2026-06-02T22:01:00Z"  # may count to either day: it counts to both


def test_the_vendors_word_lowers_what_is_left_and_never_raises_it() -> None:
    account = Account(limits=(Limit(100, 10.0),))
    spend(account, START, 10)
    account.report(Report("w", told=[Told("short", 20, 5.0)]), START)
    (standing,) = standings(account, START, Priority.PEOPLE)
    assert standing.left == 20  # somebody else uses the account, too
    account.report(Report("w", told=[Told("short", 99_999, most=5_000)]), START)
    (standing,) = standings(account, START, Priority.PEOPLE)
    assert (standing.limit.calls, standing.left) == (100, 90)
    account.report(Report("w", told=[Told("short", 30, most=50)]), START)
    (standing,) = standings(account, START, Priority.PEOPLE)
    assert (standing.limit.calls, standing.left) == (50, 30)


def test_a_refusal_holds_everybody_back_for_as_long_as_told_and_longer_each_time_where_nothing_is_told() -> None:
    account = Account(limits=(Limit(100, 1.0),))
    account.report(Report("a", refused=(7 * SECOND, "rate_limited")), START)
    assert grant(account, START, worker="b") == Later(7 * SECOND, "rate_limited")
    waits = []
    at = START + 8 * SECOND
    for _ in range(3):
        account.report(Report("a", refused=(None, "rate_limited")), at)
        later = grant(account, at, worker="b")
        assert isinstance(later, Later)
        waits.append(later.wait // SECOND)
        at += later.wait
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]


def test_only_a_person_may_try_while_the_day_is_over() -> None:
    account = Account(limits=(Limit(100, 1.0),))
    account.report(Report("a", refused=(3600 * SECOND, "daily_budget")), START)
    assert isinstance(grant(account, START), Later)
    granted = grant(account, START, who=Priority.PEOPLE)
    assert isinstance(granted, Granted)
    assert granted.blocked
    account.report(Report("a", lifted=True), START)
    assert isinstance(grant(account, START), Granted)


def test_a_block_lasts_as_long_as_the_limits_it_holds_something_of_allow() -> None:
    limits = (Limit(100, 10.0), Limit(4, 1.0, name="search", only="/search$"))
    account = Account(limits=limits)
    short, search = (limit.called for limit in limits)
    plain = account.grant("w", Ask({short: 1, search: 0}, {short: 8, search: 0}, Priority.RUNS), "one", START)
    both = account.grant("w", Ask({short: 1, search: 1}, {short: 8, search: 8}, Priority.RUNS), "two", START)
    assert isinstance(plain, Granted)
    assert isinstance(both, Granted)
    assert (plain.term, both.term) == (SECOND, SECOND // 2)  # nothing is used yet: half a window, at most a second


def test_an_account_is_read_back_as_it_was_written() -> None:
    account = Account(limits=(Limit(5, 10.0), Limit(9, kind=Kind.CONCURRENT, name="c")))
    spend(account, START, 2)
    grant(account, START)
    for n in range(4):
        grant(account, START, worker=f"x{n}")
    account.report(Report("w", told=[Told("short", 0, most=4)], failures=12, refused=(None, "rate_limited")), START)
    kept = account.as_json()
    assert account_of(kept).as_json() == kept


def test_how_long_work_takes_is_told_by_the_tightest_limit() -> None:
    account = Account(limits=(Limit(100, 10.0), Limit(10_000, kind=Kind.DAY, zone="UTC")))
    assert time_for(account, 50, START) == 0
    assert time_for(account, 96 + 96 * 6, START) == 60 * SECOND
    days = time_for(account, 9_000 * 3, START) // (86_400 * SECOND)
    assert days in (1, 2)


def test_the_figures_keep_to_their_bounds() -> None:
    told = figures(seeds=2, processes=False)
    print(told)  # noqa: T201 - shown by -rP
    assert told["quota_max_over_limit"] <= 1.0
    assert told["quota_utilisation"] >= 0.85
    assert told["calls_per_record_429"] <= 1.2
