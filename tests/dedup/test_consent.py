"""Consent between systems: the strictest word stands until the person's own later one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.consent import RESTRICTIVE_FIRST, Statement, settle


def test_examples() -> None:
    imported, refusal = Statement("a", "granted", 9), Statement("b", "denied", 5)
    assert settle([imported, refusal]) is refusal
    yes = Statement("c", "granted", 6, explicit=True)
    assert settle([imported, refusal, yes]) is yes
    assert settle([yes, Statement("d", "withdrawn", 6)]).status == "withdrawn"
    assert settle([Statement("e", "unknown", 9), imported]) is imported
    assert settle([Statement("e", "unknown", 9)]).status == "unknown"
    assert settle([Statement("f", "never heard of", 1), imported]).status == "never heard of"
    with pytest.raises(ValueError, match="no consent statement"):
        settle([])


statements = st.lists(
    st.builds(
        Statement,
        st.text("abcdef", min_size=1, max_size=3),
        st.sampled_from((*RESTRICTIVE_FIRST, "unknown", "strange")),
        st.integers(0, 5),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda said: said.id,
)


@given(statements, st.data())
def test_order_does_not_matter_and_nothing_but_the_persons_word_widens(
    said: list[Statement], data: st.DataObject
) -> None:
    found = settle(said)
    assert settle(data.draw(st.permutations(said))) == found
    rank = {status: place for place, status in enumerate(("strange", *RESTRICTIVE_FIRST, "unknown"))}
    stricter = [one for one in said if rank[one.status] < rank[found.status]]
    if stricter:
        assert found.explicit
        assert all(one.at < found.at for one in stricter)


@given(statements, statements)
def test_more_imported_statements_never_widen(said: list[Statement], more: list[Statement]) -> None:
    rank = {status: place for place, status in enumerate(("strange", *RESTRICTIVE_FIRST, "unknown"))}
    imported = [Statement(f"x{one.id}", one.status, one.at) for one in more if one.status != "unknown"]
    assert rank[settle([*said, *imported]).status] <= rank[settle(said).status]
