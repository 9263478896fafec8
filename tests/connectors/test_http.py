"""The HTTP layer: what is repeated, what is not, and which fate every trouble has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from pydantic import SecretStr

import sandbox.server
from connectors.auth import BasicAuth, BearerAuth, HeaderAuth, Token, TokenAuth
from connectors.budget import Limit, Windows
from connectors.http import Http, PageGuard
from connectors.retry import first_of, reset_at, reset_in, retry_after
from connectors.sdk import RequestsAdapter, RestClient
from connectors.verdicts import DEFAULT_VERDICTS, STATUSES, Verdict, Verdicts
from kernel.errors import BadSetting, Fate, Park, Retry, RetryAt, Stop, ThroughlineError, Unknown
from sandbox import Box
from tests.conftest import FakeClock
from tests.sandbox.toy import Toy

Script = Callable[[httpx.Request], httpx.Response]


class Vendor:
    """A vendor that answers by script, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception | Script) -> None:
        self.answers, self.asked = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)


def http_to(vendor: Vendor, clock: FakeClock, **options: Any) -> Http:
    options.setdefault("base_url", "https://vendor.test/v1")
    return Http(connection="shop", clock=clock, transport=httpx.MockTransport(vendor), **options)


def ok(body: Any = None, **options: Any) -> httpx.Response:
    return httpx.Response(200, json={"ok": True} if body is None else body, **options)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Toy]:
    monkeypatch.setattr(sandbox.server, "find_simulators", lambda: {"toy": Toy})
    with Box(["toy"]) as box:
        yield box["toy"]  # type: ignore[misc]


@pytest.fixture
def http(toy: Toy, clock: FakeClock) -> Iterator[Http]:
    http = Http(
        connection="toys", base_url=toy.base_url, auth=BearerAuth(SecretStr(toy.token)), clock=clock, timeout=0.3
    )
    yield http
    http.close()


# what is repeated -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["timeout", "reset", "truncated", "dropped", "html200", "empty200", 500, 503, 429])
def test_a_read_is_repeated_whatever_went_wrong(toy: Toy, http: Http, kind: str | int) -> None:
    toy.make("things", name="x" * 500)
    toy.faults.add(kind, seconds=0.6)
    assert http.get("/things").json()["data"][0]["id"] == "t1"
    assert len(toy.calls) == 2


@pytest.mark.parametrize("kind", ["timeout", "reset", "dropped", 500, 502, 503, 504])
@pytest.mark.parametrize("apply", [True, False])
def test_a_write_is_never_repeated_when_it_may_have_been_applied(
    toy: Toy, http: Http, kind: str | int, apply: bool
) -> None:
    toy.faults.add(kind, seconds=0.6, apply=apply)
    with pytest.raises(Unknown) as caught:
        http.send("POST", "/things", json={"name": "n" * 3000}, write=True, trace_id="t" * 32)
    assert caught.value.trace_id == "t" * 32
    assert len(toy.calls) == 1


@pytest.mark.parametrize("kind", ["truncated", "html200", "empty200"])
def test_a_write_answered_with_rubbish_is_unknown_once_its_body_is_asked_for(toy: Toy, http: Http, kind: str) -> None:
    toy.faults.add(kind)
    answer = http.send("POST", "/things", json={"name": "x"}, write=True)
    with pytest.raises(Unknown) as caught:
        answer.json()
    assert caught.value.cause == "bad_answer"
    assert len(toy.calls) == 1


def test_the_timeout_holds_from_the_moment_it_is_set(toy: Toy, http: Http) -> None:
    http.get("/things")
    http.timeout, http.attempts = 0.1, 1
    toy.faults.add("timeout", seconds=0.25)
    with pytest.raises(Retry) as caught:
        http.get("/things")
    assert caught.value.cause == "timeout"


def test_a_refused_connection_proves_that_a_write_was_not_applied(clock: FakeClock) -> None:
    vendor = Vendor(httpx.ConnectError("no"), httpx.ConnectTimeout("slow"), ok())
    assert http_to(vendor, clock).send("POST", "/x", json={}, write=True).status == 200
    assert len(vendor.asked) == 3
    assert len(clock.slept) == 2


@pytest.mark.parametrize(
    "trouble", [httpx.ReadTimeout("slow"), httpx.ReadError("cut"), httpx.ConnectError("no")], ids=repr
)
@pytest.mark.parametrize("write", [True, False])
def test_no_error_tells_the_address(clock: FakeClock, trouble: Exception, write: bool) -> None:
    vendor = Vendor(*[trouble] * 9)
    with pytest.raises(ThroughlineError) as caught:
        http_to(vendor, clock).send("POST", "/find", params={"email": "canary@acme.io"}, write=write)
    assert "canary" not in f"{caught.value} {caught.value!r}"


def test_retries_end_with_the_last_error(clock: FakeClock) -> None:
    vendor = Vendor(httpx.Response(500))
    with pytest.raises(Retry) as caught:
        http_to(vendor, clock).get("/x")
    assert (caught.value.cause, caught.value.status, len(vendor.asked)) == ("server_error", 500, 5)
    assert clock.slept == sorted(clock.slept)


# waiting --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("write", [True, False])
def test_retry_after_is_honoured(clock: FakeClock, write: bool) -> None:
    vendor = Vendor(httpx.Response(429, headers={"Retry-After": "7"}), ok())
    http_to(vendor, clock).send("POST", "/x", write=write)
    assert clock.slept == [7.0]


def test_a_long_wait_goes_back_to_the_engine(clock: FakeClock) -> None:
    vendor = Vendor(httpx.Response(429, headers={"Retry-After": "3600"}))
    start = clock.now()
    with pytest.raises(RetryAt) as caught:
        http_to(vendor, clock).get("/x")
    assert caught.value.at == start + 3_600_000_000
    assert len(vendor.asked) == 1


def test_how_long_the_headers_ask_to_wait() -> None:
    now = 1_790_000_000_000_000
    date = {"Retry-After": "Mon, 21 Sep 2026 14:13:30 GMT"}
    assert retry_after(httpx.Headers(date), now) == 10.0
    assert retry_after(httpx.Headers({"Retry-After": "soon"}), now) is None
    assert retry_after(httpx.Headers({"Retry-After": "-3"}), now) == 0.0
    reader = first_of(retry_after, reset_at("X-Reset"), reset_in("X-In", unit=0.001))
    assert reader(httpx.Headers({"x-reset": "1790000005"}), now) == 5.0
    assert reader(httpx.Headers({"x-in": "1500"}), now) == 1.5
    assert reader(httpx.Headers({"x-in": "x"}), now) is None


def test_limits_are_kept_before_the_vendor_has_to_say_so(clock: FakeClock) -> None:
    vendor = Vendor(ok())
    http = http_to(vendor, clock, limits=[Limit(2, 1.0), Limit(3, 10.0, name="ten")])
    for _ in range(4):
        http.get("/x")
    assert clock.slept == [1.0, 9.0]
    long = Windows([Limit(1, 3600.0)], clock)
    long.take()
    with pytest.raises(RetryAt):
        long.take()


# credentials ----------------------------------------------------------------------------------------------------------
def test_a_refused_credential_is_renewed_once_and_then_stops(clock: FakeClock) -> None:
    tokens = iter(["old", "new", "newer"])
    auth = TokenAuth(lambda: Token(next(tokens)), clock=clock)
    vendor = Vendor(
        lambda request: ok() if request.headers["authorization"] == "Bearer new" else httpx.Response(401),
    )
    http = http_to(vendor, clock, auth=auth)
    assert http.send("POST", "/x", write=True).status == 200
    assert [request.headers["authorization"] for request in vendor.asked] == ["Bearer old", "Bearer new"]
    vendor.answers = [httpx.Response(401)]
    with pytest.raises(Stop) as caught:
        http.get("/x")
    assert "throughline check shop" in str(caught.value)
    assert len(vendor.asked) == 4
    assert clock.slept == [0.0, 0.0]


def test_a_fixed_credential_is_not_asked_twice(clock: FakeClock) -> None:
    vendor = Vendor(httpx.Response(401))
    with pytest.raises(Stop, match="shop"):
        http_to(vendor, clock, auth=BearerAuth(SecretStr("x"))).get("/x", check=False)
    assert len(vendor.asked) == 1


def test_one_token_is_fetched_however_many_threads_were_refused(clock: FakeClock) -> None:
    fetched: list[str] = []

    def fetch() -> Token:
        fetched.append("x")
        return Token(f"token{len(fetched)}", expires_at=clock.now() + 3_600_000_000)

    auth = TokenAuth(fetch, clock=clock)
    auth.apply({})
    threads = [threading.Thread(target=auth.refresh, args=("Bearer token1",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 2
    clock.sleep(3550)
    headers: dict[str, str] = {}
    auth.apply(headers)
    assert headers == {"Authorization": "Bearer token3"}


def test_header_credentials() -> None:
    headers: dict[str, str] = {}
    BasicAuth("a", SecretStr("b")).apply(headers)
    HeaderAuth("X-Token", SecretStr("t")).apply(headers)
    assert headers == {"Authorization": "Basic YTpi", "X-Token": "t"}
    assert "t" not in repr(Token("t")).replace("Token", "").replace("connectors.auth", "").replace("object at", "")


# where requests go ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "link",
    ["https://evil.test/v1/x", "http://vendor.test/v1/x", "https://vendor.test:444/x", "https://vendor.test.evil/x"],
)
def test_a_link_to_another_host_stops_the_stream(clock: FakeClock, link: str) -> None:
    vendor = Vendor(ok())
    with pytest.raises(Stop) as caught:
        http_to(vendor, clock).follow(link)
    assert (caught.value.cause, vendor.asked) == ("foreign_host", [])


def test_urls_keep_their_path_prefix_query_and_quoting(clock: FakeClock) -> None:
    vendor = Vendor(ok())
    http = http_to(vendor, clock)
    http.get("/a%2Fb?c=%20d", params={"e": "f"})
    http.get("x?y=1", params={})
    http.follow("https://vendor.test/other?page=2")
    http.get("/b", params=[("z[]", "ä&1"), ("z[]", "2")])
    http.get("/c?d=1", params={"d": 2})
    assert [str(request.url) for request in vendor.asked] == [
        "https://vendor.test/v1/a%2Fb?c=+d&e=f",
        "https://vendor.test/v1/x?y=1",
        "https://vendor.test/other?page=2",
        "https://vendor.test/v1/b?z%5B%5D=%C3%A4%261&z%5B%5D=2",
        "https://vendor.test/v1/c?d=2",
    ]


def test_nothing_of_an_answer_travels_with_the_next_request(clock: FakeClock) -> None:
    vendor = Vendor(ok(headers={"Set-Cookie": "session=1; Path=/"}))
    http = http_to(vendor, clock)
    http.get("/x")
    http.send("POST", "/x", json={}, write=True)
    assert "cookie" not in vendor.asked[1].headers


def test_redirects_are_not_followed(clock: FakeClock) -> None:
    vendor = Vendor(httpx.Response(302, headers={"Location": "https://evil.test"}))
    with pytest.raises(Stop) as caught:
        http_to(vendor, clock).get("/x")
    assert (caught.value.cause, len(vendor.asked)) == ("redirected", 1)


@pytest.mark.parametrize("base", ["http://vendor.test", "ftp://vendor.test", "https://user:pw@vendor.test"])
def test_a_base_url_must_be_https_and_bare(base: str) -> None:
    with pytest.raises(BadSetting):
        Http(connection="c", base_url=base)


def test_a_connection_without_a_base_url_only_receives() -> None:
    with pytest.raises(Stop, match="only receives"):
        Http(connection="form", base_url="").get("/x")


def test_an_answer_larger_than_the_cap_is_no_answer(clock: FakeClock) -> None:
    vendor = Vendor(httpx.Response(200, content=b"[" + b"1," * 4000 + b"1]"))
    with pytest.raises(Retry):
        http_to(vendor, clock, max_answer=1000).get("/x")
    with pytest.raises(Unknown):
        http_to(vendor, clock, max_answer=1000).send("POST", "/x", write=True)


def test_paging_loops_are_refused() -> None:
    guard = PageGuard("shop")
    guard.advance("a")
    guard.advance("b")
    with pytest.raises(Stop):
        guard.advance("a")


# verdicts -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", sorted(STATUSES))
def test_every_named_status_has_a_fate(clock: FakeClock, status: int) -> None:
    fate = STATUSES[status].fate
    for write in (True, False):
        vendor = Vendor(httpx.Response(status))
        with pytest.raises(ThroughlineError) as caught:
            http_to(vendor, clock).send("POST", "/x", write=write)
        expected = {
            Fate.UNKNOWN: Fate.UNKNOWN if write else Fate.RETRY,
            Fate.REAUTHENTICATE: Fate.STOP,
        }.get(fate, fate)
        assert caught.value.fate is expected
        assert caught.value.status == status
        repeated = expected is Fate.RETRY
        assert len(vendor.asked) == (5 if repeated else 1)


def test_a_status_nobody_named_stops(clock: FakeClock) -> None:
    with pytest.raises(Stop) as caught:
        http_to(Vendor(httpx.Response(418)), clock).get("/x")
    assert caught.value.cause == "unexpected_status"


CODED = Verdicts(
    by_code={"DAILY": Verdict(Fate.RETRY_AT, "daily_budget", 60.0), "LOCK": Verdict(Fate.RETRY, "locked")},
    codes=lambda body: [error.get("code") for error in body.get("errors", [])],
    field=lambda body: body["errors"][0].get("field", "") if body.get("errors") else "",
    inside_success=True,
)


def test_body_codes_win_over_statuses_even_inside_a_success(clock: FakeClock) -> None:
    body = {"errors": [{"code": "ODD"}, {"code": "DAILY", "message": "jane@example.com"}]}
    for status in (200, 400, 403):
        with pytest.raises(RetryAt) as caught:
            http_to(Vendor(httpx.Response(status, json=body)), clock, verdicts=CODED).send("POST", "/x", write=True)
        assert "jane" not in str(caught.value)
        assert caught.value.at == clock.now() + 60_000_000
    vendor = Vendor(httpx.Response(400, json={"errors": [{"code": "LOCK"}]}), ok({}))
    assert http_to(vendor, clock, verdicts=CODED).send("POST", "/x", write=True).json() == {}


def test_a_refusal_names_code_and_field_and_request(clock: FakeClock) -> None:
    body = {"errors": [{"code": "BAD <b>", "field": "email"}]}
    refused = httpx.Response(422, json=body, headers={"X-Request-Id": "r1"})
    with pytest.raises(Park) as caught:
        http_to(Vendor(refused), clock, verdicts=CODED).send("POST", "/x", write=True)
    error = caught.value
    assert (error.field, error.status, error.request_id, error.cause) == ("email", 422, "r1", "refused")
    assert "BAD b" in str(error)


def test_unchecked_and_accepted_answers_come_back(clock: FakeClock) -> None:
    http = http_to(Vendor(httpx.Response(404, json={})), clock)
    assert http.get("/x", accept=(404,)).status == 404
    answer = http.get("/x", check=False)
    error = http.verdict(answer)
    assert isinstance(error, Park)
    assert error.cause == "not_found"
    spent = http_to(Vendor(httpx.Response(500)), clock).send("POST", "/x", write=True, check=False)
    assert isinstance(http.verdict(spent), Unknown)
    assert isinstance(http.verdict(spent, write=False), Retry)
    changed = DEFAULT_VERDICTS.but({404: Verdict(Fate.STOP, "gone")})
    assert changed.judge(404, None)[0] == Verdict(Fate.STOP, "gone")


# the SDK bridges ------------------------------------------------------------------------------------------------------
def test_requests_sessions_go_through_the_same_layer(clock: FakeClock) -> None:
    vendor = Vendor(httpx.Response(503), ok({"a": 1}), httpx.Response(500))
    http = http_to(vendor, clock, auth=BearerAuth(SecretStr("ours")))
    session = requests.Session()
    session.mount("https://", RequestsAdapter(http))
    got = session.get("https://vendor.test/v1/q", params={"a": "b c"}, headers={"Authorization": "Bearer theirs"})
    assert got.json() == {"a": 1}
    assert str(vendor.asked[1].url) == "https://vendor.test/v1/q?a=b+c"
    assert vendor.asked[1].headers["authorization"] == "Bearer ours"
    with pytest.raises(Unknown):
        session.patch("https://vendor.test/v1/q", json={"b": 2})
    assert vendor.asked[2].content == b'{"b": 2}'
    assert len(vendor.asked) == 3


def test_an_sdk_that_insists_on_https_reaches_loopback(toy: Toy, http: Http) -> None:
    session = requests.Session()
    session.mount("https://", RequestsAdapter(http))
    assert session.get(toy.base_url.replace("http:", "https:") + "/things").json() == {"data": []}


def test_generated_rest_clients_go_through_the_same_layer(clock: FakeClock) -> None:
    vendor = Vendor(ok({"a": 1}, headers={"X-A": "1"}))
    http = http_to(vendor, clock)
    client = RestClient(http, is_write=lambda method, url: not url.endswith("/search"))
    answer = client.POST("https://vendor.test/v1/search", body={"q": 1}, query_params=[("archived", False)])
    assert (answer.status, answer.data, answer.getheader("X-A"), answer.getheader("X-B")) == (
        200,
        b'{"a":1}',
        "1",
        None,
    )
    assert str(vendor.asked[0].url) == "https://vendor.test/v1/search?archived=False"
    vendor.answers = [httpx.Response(500)]
    client.bridge.trace_id = "f" * 32
    with pytest.raises(Unknown) as caught:
        client.PUT("https://vendor.test/v1/x", body={})
    assert caught.value.trace_id == "f" * 32
    with pytest.raises(AttributeError):
        client.nothing  # noqa: B018
