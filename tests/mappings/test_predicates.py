"""Predicates: each word, and that none of them can be made slow or made to raise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.predicates import When, compile_when, describe


def asks(raw: Any, **when: Any) -> bool:
    return compile_when(When.model_validate(when))(raw, raw)


@pytest.mark.parametrize(
    ("word", "value", "found", "expected"),
    [
        ("present", None, "x", True), ("present", None, " ", False), ("present", None, None, False), ("present", None, [], False),
        ("present", None, 0, True), ("absent", None, "", True), ("absent", None, False, False),
        ("equals", "a", "a", True), ("equals", "a", "A", False), ("equals", 5, "5", True), ("equals", True, "true", True),
        ("equals", True, 1, False), ("equals", "x", None, False), ("not_equals", "x", None, True), ("not_equals", 1, 1, False),
        ("in", ["a", 2], "2", True), ("in", ["a"], "b", False), ("not_in", ["a"], "b", True),
        ("matches", "*@acme.io", "Ann@ACME.io", True), ("matches", "a?c", "abc", True), ("matches", "a?c", "abbc", False),
        ("matches", "*", 5, False), ("contains", "cm", "Acme", True), ("contains", "vip", ["vip", "x"], True),
        ("contains", "vip", None, False), ("true", None, "TRUE", False), ("true", None, "true", True), ("true", None, True, True),
        ("false", None, 0, False), ("false", None, False, True),
        ("before", "2026-01-01", "2025-12-31T23:59:59Z", True), ("before", "2026-01-01", "2026-01-01T00:00:00Z", False),
        ("after", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+02:00", False), ("after", "2026-01-01", "soon", False),
        ("after", "2026-01-01", None, False),
    ],
)  # fmt: skip
def test_words(word: str, value: Any, found: Any, expected: bool) -> None:
    given_value = {} if value is None else {"value": value}
    assert asks({"a": {"b": found}}, path="a.b", **{"is": word}, **given_value) is expected


def test_epoch_times_and_jmespath() -> None:
    assert asks({"t": 1767225601}, path="t", unit="s", value="2026-01-01", **{"is": "after"})
    assert asks({"l": [{"k": 1}]}, jmespath="l[?k==`1`] | [0]", **{"is": "present"})


def test_groups() -> None:
    yes, no = {"path": "a", "is": "present"}, {"path": "b", "is": "present"}
    raw = {"a": 1}
    assert asks(raw, all=[yes]) is True
    assert asks(raw, all=[yes, no]) is False
    assert asks(raw, any=[no, yes]) is True
    assert asks(raw, **{"not": no}) is True
    told = describe(When.model_validate({"any": [yes, {"not": {"path": "c", "is": "in", "value": ["x"]}}]}))
    assert told == "a is present or not (c is in ['x'])"


def test_a_pattern_cannot_be_made_slow() -> None:
    # A backtracking pattern would take years here, not fail.
    assert not asks({"a": "a" * 100_000}, path="a", value="*a*a*a*a*a*a*a*a*b", **{"is": "matches"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_no_value_makes_a_predicate_raise(value: Any) -> None:
    for word in ("present", "absent", "true", "false"):
        asks({"a": value}, path="a", **{"is": word})
    for word in ("equals", "not_equals", "contains", "matches"):
        asks({"a": value}, path="a", value="x", **{"is": word})
    for word in ("before", "after"):
        asks({"a": value}, path="a", value="2026-01-01", unit="s", **{"is": word})
