"""The log: one JSON object per line, trace ids bound by context, nothing personal or secret in it.

A log line names things (ids, counts, fields, rules); it never holds a record. Redaction is the second fence: whatever
reaches a line, from us or from a library, passes through `redact` before it is written.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO
from uuid import UUID

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars, merge_contextvars

from kernel.errors import ThroughlineError

__all__ = [
    "bind_contextvars",
    "bound_contextvars",
    "clear_contextvars",
    "configure",
    "configured",
    "get",
    "redact",
    "scrub",
]

MASK = "[redacted]"

QUIET = ("httpx", "httpcore", "urllib3", "requests", "hubspot", "stripe", "simple_salesforce", "asyncio", "graphql")
"""Loggers of libraries that tell URLs and bodies at INFO and DEBUG: WARNING and up only, and redacted."""


def _traceback(exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> str:
    """Where it happened, and which errors. Only our own errors have messages that are known to hold no value."""
    error: BaseException | None = exc_info[1]
    told: list[str] = []
    while error is not None and len(told) < 8:
        ours = isinstance(error, ThroughlineError)
        message = str(error) if ours else (error.strerror or "") if isinstance(error, OSError) else ""
        frames = "".join(traceback.format_tb(error.__traceback__))
        told.append(
            f"Traceback (most recent call last):\n{frames}{type(error).__name__}" + (message and f": {message}")
        )
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(reversed(told))


_BEFORE: list[structlog.typing.Processor] = [
    merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.ExceptionRenderer(_traceback),
]


def configure(
    level: str = "INFO", *, json: bool = True, stream: TextIO | None = None, path: Path | str | None = None
) -> None:
    """Set up logging for the process, also for the libraries that use the standard one. Safe to call again.

    Writes to `path` when given, otherwise to `stream` (stderr unless given). `json=False` writes for a person's eyes.
    Raises ValueError for an unknown level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"unknown log level; allowed: {', '.join(logging.getLevelNamesMapping())}")
    handler = _RedactingHandler(path, stream)
    handler.setFormatter(_formatter(json=json))
    structlog.configure(
        processors=[*_BEFORE, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _RedactingHandler)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(number)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    logging.captureWarnings(capture=True)


def configured() -> bool:
    """Whether this process has set its log up. Without, structlog's default would print the variables of a traceback."""
    return structlog.is_configured()


def _formatter(*, json: bool) -> logging.Formatter:
    """Renders both our lines and the libraries'. Redaction comes last, so nothing is added after it."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=True, default=_unknown)
        if json
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_BEFORE],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, renderer],
    )


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger. Bind ids with `bind_contextvars(trace_id=…)` or `log.bind(…)`; facts go in as keywords, not as text."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


class _RedactingHandler(logging.StreamHandler[TextIO]):
    """Writes lines. One that cannot be rendered is dropped with a word on stderr, never with what it held."""

    def __init__(self, path: Path | str | None, stream: TextIO | None) -> None:
        self._own = open(path, "a", encoding="utf-8") if path is not None else None  # noqa: SIM115 - closed in close()
        super().__init__(self._own or stream or sys.stderr)

    def close(self) -> None:
        super().close()
        if self._own is not None:
            self._own.close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """The standard one prints the record's arguments, unredacted."""
        sys.stderr.write(f"a log line of {scrub(record.name)} could not be written\n")


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: masks what sensitive names hold at any depth and cleans every text."""
    return {
        scrub(str(name)): _clean_trace(value) if name in ("exception", "stack") else _named(str(name), value, 8)
        for name, value in event.items()
    }


def scrub(text: str) -> str:
    """Text on one line, without terminal codes, URL queries, credentials, e-mail addresses and phone numbers."""
    if len(text) > _MOST:
        text = f"{text[:_MOST]}… ({len(text) - _MOST} more)"
    text = _ANSI.sub("", text)
    text = _VALUES.sub(MASK, text)
    text = _HEADER.sub(lambda found: f"{found[1]}{MASK}", text)
    text = _URL.sub(_bare_url, text)
    text = _QUERY.sub("", text)
    text = _PAIR.sub(lambda found: f"{found[1]}{MASK}", text)
    for pattern in (_TOKEN, _EMAIL, _PHONE):
        text = pattern.sub(MASK, text)
    return _CONTROL.sub(_escaped, text)


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == 0 or isinstance(value, bytes | bytearray | memoryview):  # bytes are bodies
        return MASK
    if isinstance(value, Mapping):
        return {scrub(str(name)): _named(str(name), inner, depth - 1) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        if len(value) == 2 and isinstance(value, list | tuple) and isinstance(value[0], str):  # a header as a pair
            return [scrub(value[0]), _named(value[0], value[1], depth - 1)]
        return [_clean(inner, depth - 1) for inner in value]
    return scrub(str(value)) if isinstance(value, _PLAIN) else _unknown(value)


def _named(name: str, value: Any, depth: int) -> Any:
    """What a name holds: masked when the name is sensitive, unless it only counts something."""
    if value is None or isinstance(value, bool):
        return value
    words = _CAMEL.sub(r"\1 \2", name).lower()
    parts = _BETWEEN.split(words)
    if not _SECRET.isdisjoint(parts) or any(pair in _SECRET_PAIRS for pair in zip(parts, parts[1:], strict=False)):
        return MASK
    if not _PERSONAL.isdisjoint(parts) and not isinstance(value, int | float):
        return MASK
    return _clean(value, depth)


def _clean_trace(value: Any) -> str:
    """A traceback keeps its lines, each cleaned and indented, so that no message in it poses as a line of the log."""
    return "\n".join(f"    {scrub(line)}" for line in str(value).splitlines())


def _unknown(value: Any) -> str:
    return f"<{type(value).__name__}>"


def _bare_url(found: re.Match[str]) -> str:
    """Scheme, host and path of a URL: no user, password, query or fragment."""
    scheme, rest = found[0].split("://", 1)
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


_MOST = 4_000
_PLAIN = (BaseException, Path, Decimal, date, UUID)
_SECRET = frozenset(
    ("authorization", "auth", "token", "tokens", "secret", "secrets", "password", "passwd", "passphrase", "credential",
     "credentials", "cookie", "cookies", "bearer", "signature", "apikey", "jwt", "phone", "phones", "mobile", "ssn",
     "iban")
)  # fmt: skip
_SECRET_PAIRS = frozenset(
    (("api", "key"), ("access", "key"), ("private", "key"), ("vault", "key"), ("signing", "key"), ("first", "name"),
     ("last", "name"), ("full", "name"), ("given", "name"), ("family", "name"), ("customer", "name"))
)  # fmt: skip
_PERSONAL = frozenset(  # a number under such a name is a count
    ("email", "emails", "mail", "payload", "payloads", "raw", "body", "bodies", "data", "fields", "record", "records",
     "address", "addresses", "street", "birthdate", "headers", "params", "query", "content", "json", "html", "text",
     "image")
)  # fmt: skip
_CAMEL = re.compile(r"([a-z0-9])([A-Z])")
_BETWEEN = re.compile(r"[^a-z0-9]+")
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|\x9b[0-?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_VALUES = re.compile(  # what SQLAlchemy, pydantic and PostgreSQL tell of the values in their messages
    r"(?<=\[parameters: ).*|(?<=input_value=).*?(?=, input_type|$)|(?<=DETAIL:).*", re.DOTALL
)
_URL = re.compile(r"(?i)\b[a-z][a-z0-9+.-]{0,20}://[^\s\"'<>\\]+")
_QUERY = re.compile(r"\?[\w.%\[\]-]{1,80}=[^\s\"'<>]*")
_HEADER = re.compile(
    r"(?i)(\b(?:proxy-)?authorization\b\W{1,4}(?:(?:bearer|basic|token)\s+)?|\b(?:bearer|basic)\s+(?=\S{8}))[^\s,;\"'}]+"
)
_PAIR = re.compile(
    r"(?i)((?:token|secret|passw(?:or)?d|passphrase|api[_-]?key|private[_-]?key|signature|cookie|session[_-]?id)"
    r"[\w.-]{0,40}[\"']?\s{0,4}[=:]\s{0,4}[\"']?)[^\s,;&\"'}]+"
)
_TOKEN = re.compile(
    r"\b(?:(?:sk|rk|pk|whsec|shpat|shpss|shpca|pat|xox[abp]|ghp|tfp)[_-][A-Za-z0-9_-]{8,}"
    r"|eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,2}|00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]{20,})"
)
_EMAIL = re.compile(r"[^\s@\"'<>(),;:=/?&\[\]{}]{1,64}(?:@|%40)(?:[\w-]{1,63}\.){1,8}[\w-]{2,63}", re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![\w.:-])(?:\+|00)[1-9][0-9 ().\-/]{6,20}[0-9](?![\w:])"
    r"|(?<![\w.:-])\(?[2-9][0-9]{2}\)?[ .-][0-9]{3}[ .-][0-9]{4}(?![\w:-])"
)
