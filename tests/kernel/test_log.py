"""What is personal or secret never reaches a line, in whatever shape it was handed over."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kernel import log
from kernel.errors import Stop

MAIL = "canary.person@example.org"
PHONE = "+14155550123"
SECRET = "sk_" + "test_canary0123456789"
BEARER = "Bearer canary-0123456789abcdef"
CANARIES = (MAIL, "canary.person", PHONE, "4155550123", "canary0123456789", "canary-0123456789abcdef", "canary-value")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The log, configured for a test and put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in log.QUIET}
    stream = io.StringIO()
    log.configure("DEBUG", stream=stream)
    log.clear_contextvars()
    yield stream
    log.clear_contextvars()
    logging.captureWarnings(capture=False)
    for handler in [each for each in root.handlers if each not in handlers]:
        root.removeHandler(handler)
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)


def clean(text: str) -> None:
    assert text
    found = [canary for canary in CANARIES if canary in text]
    assert found == []


SHAPES: list[dict[str, Any]] = [
    {"event": f"wrote {MAIL}"},
    {"event": f"GET https://user:canary-value@api.example.com/v1/x?email={MAIL}&key=canary-value#canary-value 200"},
    {"event": f"GET /v1/contacts/{MAIL}?q=canary-value"},
    {"event": "GET /v1/contacts/canary.person%40example.org"},
    {"event": f"Authorization: {BEARER}"},
    {"event": f"{{'authorization': '{BEARER}', 'x': 1}}"},
    {"event": "password=canary-value; token: canary-value, api_key='canary-value'"},
    {"event": f"call {PHONE} or (415) 555-0123, 415-555-0123, +1 415 555 0123"},
    {"event": f"key {SECRET} used"},
    {"event": "jwt eyJhbGciOiJIcanary-value.eyJzdWIiOiJcanary-value.sig"},
    {"email": MAIL},
    {"Email": [MAIL]},
    {"customerEmail": MAIL, "phone_number": 4155550123, "X-Api-Key": "canary-value"},
    {"payload": {"anything": "canary-value"}},
    {"raw": "canary-value", "body": b"canary-value", "data": ["canary-value"], "records": [{"x": "canary-value"}]},
    {"first_name": "canary-value", "LastName": "canary-value"},
    {"deep": {"list": [{"deeper": ({"secret": "canary-value"}, f"to {MAIL}")}]}},
    {"deep": {MAIL: 1}},
    {"chunk": b"canary-value"},
    {"pairs": [("authorization", "canary-value"), ["Set-Cookie", "canary-value"]]},
    {"thing": SecretStr("canary-value")},
    {"thing": object.__new__(type("Holder", (), {"__repr__": lambda self: "canary-value"}))},
    {"error": ValueError(f"bad {MAIL}")},
    {"error": "(sqlite3.IntegrityError) UNIQUE [SQL: INSERT INTO x] [parameters: ('canary-value', 1)]"},
    {"error": "1 validation error: input_value='canary-value', input_type=str"},
    {"error": "duplicate key value DETAIL:  Key (email)=(canary-value) already exists."},
    {"path": Path("/tmp/export?email=canary-value")},
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: next(iter(shape)))
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
def test_no_canary_comes_through(lines: io.StringIO, shape: dict[str, Any], as_json: bool) -> None:
    log.configure("DEBUG", json=as_json, stream=lines)
    log.get("journey").info(**{"event": "said", **shape})
    clean(lines.getvalue())


def test_no_canary_comes_through_the_standard_library(lines: io.StringIO) -> None:
    logger = logging.getLogger("some.library")
    logger.warning("sent to %s with %r", MAIL, {"token": "canary-value"})
    logger.warning("extra", extra={"authorization": BEARER, "payload": {"x": "canary-value"}})
    try:
        raise RuntimeError(f"refused {MAIL}\nforged line {SECRET}")
    except RuntimeError:
        logger.exception("failed for %s", PHONE)
        log.get("ours").exception("failed", email=MAIL)
    clean(lines.getvalue())
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [line["event"] for line in told] == [
        f"sent to {log.MASK} with {{'token': '{log.MASK}'}}",
        "extra",
        f"failed for {log.MASK}",
        "failed",
    ]
    assert all("test_log.py" in line["exception"] and "RuntimeError" in line["exception"] for line in told[2:])


def test_a_traceback_tells_our_own_errors_and_of_others_their_kind(lines: io.StringIO) -> None:
    try:
        try:
            raise KeyError("canary-value")
        except KeyError as error:
            raise Stop("the stream stops") from error
    except Stop:
        log.get("ours").exception("failed")
    told = json.loads(lines.getvalue())["exception"]
    assert "Stop: the stream stops" in told
    assert "KeyError" in told
    assert "KeyError:" not in told


def test_a_line_is_one_json_object_with_its_trace_id(lines: io.StringIO) -> None:
    with log.bound_contextvars(trace_id="0af7651916cd43dd8448eb211c80319c", run="r1"):
        log.get("journey.inbound").info("page landed", landed=3, records=500, fresh=True, stream=None, seconds=0.5)
    logging.getLogger("other").error("outside")
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert first["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert (first["landed"], first["records"], first["fresh"], first["stream"]) == (3, 500, True, None)
    assert (first["logger"], first["level"]) == ("journey.inbound", "info")
    assert first["timestamp"].endswith("Z")
    assert "trace_id" not in second


def test_nothing_can_forge_a_line_or_paint_the_terminal(lines: io.StringIO) -> None:
    log.configure("DEBUG", json=False, stream=lines)
    log.get("x").info('a\r\n{"level": "info"}\x1b[2J\x1b]0;title\x07\x9b31m\u2028b', name="c\nd\x00")
    logging.getLogger("y").warning("e\n2026-01-01 forged")
    written = lines.getvalue()
    assert len(written.splitlines()) == 2
    assert not {"\x1b", "\r", "\x00", "\x9b", "\u2028"} & set(written)


def test_a_traceback_keeps_its_lines_but_cannot_pose_as_one_of_ours(lines: io.StringIO) -> None:
    log.configure("DEBUG", json=False, stream=lines)
    try:
        raise RuntimeError("x\n2026-01-01T00:00:00Z [info] forged")
    except RuntimeError:
        log.get("x").exception("failed")
    assert [line for line in lines.getvalue().splitlines() if line.startswith("2026-01-01")] == []


@pytest.mark.parametrize(
    "text",
    [
        "run 0197a3c2b4d57e0f8a1b2c3d4e5f6a7b read 1200 records in 3.25 s",
        "cursor passed 2026-01-01T00:00:00+02:00",
        "stripe_eu.customers: landed=10 unchanged=2",
        "lease 1735689600000000 until 1735689660000000",
        "https://api.example.com/v1/customers answered 429",
        "what? nothing = well",
        "trace 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ],
)
def test_what_is_neither_personal_nor_secret_stays(text: str) -> None:
    assert log.scrub(text) == text


def test_libraries_that_tell_urls_stay_quiet(lines: io.StringIO) -> None:
    for name in log.QUIET:
        logging.getLogger(name).info("GET https://x?canary-value")
        logging.getLogger(name).warning("retry https://x/?q=canary-value")
    clean(lines.getvalue())
    assert len(lines.getvalue().splitlines()) == len(log.QUIET)
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    with httpx.Client(transport=transport) as client:
        client.get("https://x.example/?email=canary-value")
    clean(lines.getvalue())


def test_warnings_are_lines_too(lines: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn(f"about {MAIL}", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "UserWarning" in lines.getvalue()
    clean(lines.getvalue())


def test_a_line_that_cannot_be_rendered_is_not_spilled(lines: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    (ours,) = [each for each in logging.getLogger().handlers if getattr(each, "stream", None) is lines]
    ours.handle(logging.LogRecord("broken", logging.WARNING, __file__, 1, "wants %d", (MAIL,), None))
    assert lines.getvalue() == ""
    told = capsys.readouterr().err
    assert told == "a log line of broken could not be written\n"


def test_configuring_again_replaces_and_does_not_double(lines: io.StringIO, tmp_path: Path) -> None:
    file = tmp_path / "throughline.log"
    log.configure("INFO", path=file)
    log.get("x").info("once")
    log.get("x").debug("never")
    log.configure("INFO", stream=lines)
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == ["once"]
    with pytest.raises(ValueError, match="unknown log level"):
        log.configure("LOUD")


@given(st.text())
def test_any_text_becomes_one_line_and_settles(text: str) -> None:
    once = log.scrub(text)
    assert len(once.splitlines()) <= 1
    assert log.scrub(once) == once


def test_a_huge_text_is_cut_before_it_is_searched() -> None:
    for part in ("a", "token", "a@", "/?a=", "+1 ", "https://"):
        assert len(log.scrub(part * 200_000)) < 10_000
