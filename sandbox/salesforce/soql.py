"""The part of SOQL that callers send: SELECT (with relationships and counts), WHERE, ORDER BY, LIMIT, OFFSET."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sandbox.state import Json

Value = Callable[[Json, str], Any]
"""(record, field path) → the field's value."""
Rule = Callable[[Json, Value], bool]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<moment>\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))?)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_][\w.]*)
    | (?P<sign>!=|<>|<=|>=|[=<>(),])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class BadQuery(ValueError):
    """A query Salesforce answers with 400; `code` is its error code."""

    def __init__(self, message: str, code: str = "MALFORMED_QUERY") -> None:
        self.code = code
        super().__init__(message)


@dataclass(slots=True)
class Query:
    """A query, parsed."""

    fields: list[str]
    resource: str
    count: str = ""  # the counted field; "*" for count()
    where: Rule | None = None
    named: list[str] = field(default_factory=list)  # the fields WHERE and ORDER BY use
    order: list[tuple[str, bool]] = field(default_factory=list)  # (field, descending)
    limit: int | None = None
    offset: int = 0


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self.named: list[str] = []

    def query(self) -> Query:
        self._need("SELECT")
        fields, count = self._select()
        self._need("FROM")
        query = Query(fields, self._word(), count, named=self.named)
        if self._take("WHERE"):
            query.where = self._any()
        if self._take("ORDER"):
            self._need("BY")
            query.order = self._order()
        if self._take("LIMIT"):
            query.limit = int(self._next()[1])
        if self._take("OFFSET"):
            query.offset = int(self._next()[1])
        if self._at < len(self._tokens):
            raise BadQuery(f"unexpected token: '{self._tokens[self._at][1]}'")
        return query

    def _select(self) -> tuple[list[str], str]:
        fields = [self._word()]
        if fields[0].lower() == "count" and self._take("("):
            counted = "*" if self._take(")") else self._word()
            if counted != "*":
                self._need(")")
            return [], counted
        while self._take(","):
            fields.append(self._word())
        return fields, ""

    def _order(self) -> list[tuple[str, bool]]:
        order = []
        while True:
            name = self._word()
            self.named.append(name)
            descending = self._take("DESC")
            if not descending:
                self._take("ASC")
            if self._take("NULLS"):
                self._word()
            order.append((name, descending))
            if not self._take(","):
                return order

    def _any(self) -> Rule:
        rules = [self._all()]
        while self._take("OR"):
            rules.append(self._all())
        return rules[0] if len(rules) == 1 else lambda record, value: any(rule(record, value) for rule in rules)

    def _all(self) -> Rule:
        rules = [self._one()]
        while self._take("AND"):
            rules.append(self._one())
        return rules[0] if len(rules) == 1 else lambda record, value: all(rule(record, value) for rule in rules)

    def _one(self) -> Rule:
        if self._take("NOT"):
            inner = self._one()
            return lambda record, value: not inner(record, value)
        if self._take("("):
            inner = self._any()
            self._need(")")
            return inner
        name = self._word()
        self.named.append(name)
        if self._take("NOT"):
            self._need("IN")
            wanted = self._list()
            return lambda record, value: all(not _equal(value(record, name), one) for one in wanted)
        if self._take("IN"):
            wanted = self._list()
            return lambda record, value: any(_equal(value(record, name), one) for one in wanted)
        if self._take("LIKE"):
            pattern = _like(str(self._literal()))
            return lambda record, value: pattern.fullmatch(str(value(record, name) or "")) is not None
        kind, sign = self._next()
        if kind != "sign" or sign not in _COMPARE:
            raise BadQuery(f"unexpected token: '{sign}'")
        compare, literal = (_COMPARE_IDS if name.endswith("Id") else _COMPARE)[sign], self._literal()
        return lambda record, value: compare(value(record, name), literal)

    def _list(self) -> list[Any]:
        self._need("(")
        found = [self._literal()]
        while self._take(","):
            found.append(self._literal())
        self._need(")")
        return found

    def _literal(self) -> Any:
        kind, text = self._next()
        match kind:
            case "string":
                return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text[1:-1])
            case "number":
                return float(text) if "." in text else int(text)
            case "moment":
                return comparable(text)
            case "word" if text.lower() in ("true", "false", "null"):
                return {"true": True, "false": False, "null": None}[text.lower()]
        raise BadQuery(f"unexpected token: '{text}'")

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise BadQuery("unexpected end of query")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, wanted: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][1].upper() == wanted:
            self._at += 1
            return True
        return False

    def _need(self, wanted: str) -> None:
        if not self._take(wanted):
            found = self._tokens[self._at][1] if self._at < len(self._tokens) else "<EOF>"
            raise BadQuery(f"unexpected token: '{found}', expected {wanted}")

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word":
            raise BadQuery(f"unexpected token: '{text}'")
        return text


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadQuery(f"unexpected token: '{text[at:].strip()[:1]}'")
        at = found.end()
        kind = str(found.lastgroup)
        yield kind, found[kind]


def comparable(value: Any) -> Any:
    """A stored or literal value in a form that compares: text folded, dates and times as such."""
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return date.fromisoformat(value)
    if re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", value):
        return datetime.fromisoformat(value).astimezone(UTC)
    return value.lower()


def _equal(have: Any, wanted: Any) -> bool:
    have, wanted = comparable(have), comparable(wanted)
    return bool(have == wanted) if type(have) is type(wanted) or isinstance(have, (int, float)) else have is wanted


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def rule(have: Any, wanted: Any) -> bool:
        have, wanted = comparable(have), comparable(wanted)
        try:
            return have is not None and wanted is not None and compare(have, wanted)
        except TypeError:
            raise BadQuery("filter criteria of a wrong type", "INVALID_FIELD") from None

    return rule


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": _equal,
    "!=": lambda have, wanted: not _equal(have, wanted),
    "<>": lambda have, wanted: not _equal(have, wanted),
    "<": _ordered(lambda have, wanted: have < wanted),
    "<=": _ordered(lambda have, wanted: have <= wanted),
    ">": _ordered(lambda have, wanted: have > wanted),
    ">=": _ordered(lambda have, wanted: have >= wanted),
}


# Ids keep their case: in comparisons, as in their order.
_COMPARE_IDS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda have, wanted: bool(have == wanted),
    "!=": lambda have, wanted: bool(have != wanted),
    "<>": lambda have, wanted: bool(have != wanted),
    "<": lambda have, wanted: have is not None and str(have) < str(wanted),
    "<=": lambda have, wanted: have is not None and str(have) <= str(wanted),
    ">": lambda have, wanted: have is not None and str(have) > str(wanted),
    ">=": lambda have, wanted: have is not None and str(have) >= str(wanted),
}


def _like(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace("%", ".*").replace("_", "."), re.IGNORECASE | re.DOTALL)


def parse(text: str) -> Query:
    """Raises BadQuery."""
    return _Parser(text).query()


def select(query: Query, records: Sequence[Json], value: Value) -> list[Json]:
    """The records a query finds, in its order."""
    found = [record for record in records if query.where is None or query.where(record, value)]
    for name, descending in reversed(query.order):
        found.sort(key=lambda record: _sort_key(value(record, name)), reverse=descending)  # noqa: B023 - used at once
    return found[query.offset : None if query.limit is None else query.offset + query.limit]


def _sort_key(value: Any) -> tuple[bool, str, float, str]:
    """Nulls first; ids and text by their characters (ids keep their case)."""
    if isinstance(value, (int, float)):
        return True, "", float(value), ""
    return value is not None, "", 0.0, str(value or "")
