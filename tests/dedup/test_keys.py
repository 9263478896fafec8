"""Two spellings of one thing are one key; what identifies nobody is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup import normalise
from dedup.keys import MOST_VALUES
from tests.dedup.ground import rules

RULES = rules()


def kinds(**data: Any) -> list[tuple[str, str]]:
    return [(key.kind, key.value) for key in RULES.keys(data)]


@pytest.mark.parametrize(
    ("transform", "same", "other"),
    [
        (normalise.email, [" Ann@X.io", "ann@x.io"], "ann@y.io"),
        (normalise.email, ["a@bücher.example", "A@xn--bcher-kva.example"], "a@bucher.example"),
        (normalise.domain, ["https://www.Acme.com:443/x?y", "acme.com", "sales@acme.com", "acme.com."], "acme.co"),
        (normalise.identifier, ["DE 123.456-7", "de1234567", "DE1234567"], "DE1234568"),
        (normalise.code, [" BT-01 ", "bt-01"], "BT01"),
        (normalise.organisation, ["Acme, Inc.", "ACME inc", "Acme"], "Acme Labs"),
        (normalise.organisation, ["Müller GmbH & Co. KG", "muller"], "Muller Bau"),
    ],
)
def test_spellings_of_one_thing(transform: Any, same: list[str], other: str) -> None:
    assert len({transform(value) for value in same}) == 1
    assert transform(same[0]) is not None
    assert transform(other) != transform(same[0])


@pytest.mark.parametrize(
    ("transform", "same", "other"),
    [
        (normalise.person, [("Ann", "O’Brien"), ("Dr. Ann", "OBRIEN"), ("O'Brien,", "Ann")], ("Anna", "OBrien")),
        (normalise.person, [("Zoë", "Sørensen"), ("zoe", "sorensen")], ("Zoe", "Soren")),
        (normalise.address, [("12 Main Street", "94110"), ("12, main st.", "94110")], ("12 Main St", "94111")),
    ],
)
def test_spellings_of_several_fields(transform: Any, same: list[tuple[str, ...]], other: tuple[str, ...]) -> None:
    assert len({transform(values) for values in same}) == 1
    assert transform(same[0]) is not None
    assert transform(other) != transform(same[0])


@pytest.mark.parametrize(
    "value",
    ["", "   ", "@", "a@b", "a b@x.io", "@x.io", "a@", "a@@x.io", "a@-x.io", None, 7, True, [], {}],
)
def test_what_is_no_address_is_no_key(value: Any) -> None:
    assert normalise.email(value) is None


def test_what_names_no_one_in_particular() -> None:
    assert normalise.person(["Ann"]) is None
    assert normalise.person(["Mr", "Ann"]) is None
    assert normalise.address(["Main Street", "Ulm"]) is None
    assert normalise.phone("0151 123456") is None
    assert normalise.phone("+4915112345678;ext=12") == "+4915112345678;ext=12"


@given(st.one_of(st.text(), st.integers(), st.none(), st.booleans(), st.lists(st.text())))
def test_every_transform_takes_anything_and_settles_at_once(value: Any) -> None:
    for transform in normalise.TRANSFORMS.values():
        if transform.each is not None:
            once = transform.each(value)
            assert once is None or transform.each(once) == once
        else:
            assert transform.together is not None
            once = transform.together([value, value])
            assert once is None or transform.together([once]) == once


def test_keys_of_a_record() -> None:
    found = kinds(
        email="Ann@X.io",
        emails=["ann@x.io", "a2@x.io"],
        phone="+14155550123",
        first_name="Ann",
        last_name="Lee",
        addresses=[
            {"kind": "main", "street": "9 Elm St", "postal_code": "1"},
            {"kind": "shipping", "street": "1 Oak Avenue", "postal_code": "2"},
            {"kind": "shipping", "street": "no code 7"},
        ],
        device_id="d1",
    )
    assert found == [
        ("email", "ann@x.io"),
        ("email", "a2@x.io"),
        ("phone_name", "+14155550123\x1fann lee"),
        ("address_name", "1 oak ave 2\x1fann lee"),
        ("device", "d1"),
    ]


def test_a_composite_needs_all_its_pieces() -> None:
    assert kinds(phone="+14155550123", first_name="Ann") == []
    assert kinds(first_name="Ann", last_name="Lee") == []


@pytest.mark.parametrize(
    "email", ["test@test.com", "TEST@Test.com ", "info@acme.com", "no-reply@acme.com", "noreply@x.io"]
)
def test_blocked_values_are_no_keys(email: str) -> None:
    assert kinds(email=email) == []
    assert kinds(email=email, emails=["ann@x.io"]) == [("email", "ann@x.io")]


@pytest.mark.parametrize("device", ["0", "000-000", "-1", "null", "Anonymous", "unknown"])
def test_values_that_mean_nothing_are_blocked_everywhere(device: str) -> None:
    assert kinds(device_id=device) == []


def test_a_part_with_a_whole_list_of_addresses_is_nobody() -> None:
    crowd = [f"n{number}@x.io" for number in range(MOST_VALUES + 1)]
    assert kinds(emails=crowd) == []
    assert len(kinds(emails=crowd[1:])) == MOST_VALUES
