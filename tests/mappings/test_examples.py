"""Every example in every mapping comes out as written, and the check that says so can fail."""

from __future__ import annotations

import pytest

from mappings.preview import check_example, preview, run_examples
from tests.mappings.ground import our_mappings, ours


def test_every_example_comes_out_as_written() -> None:
    assert [str(failure) for failure in run_examples(our_mappings())] == []


def test_every_mapping_has_an_example() -> None:
    assert [one.resource for one in our_mappings() if not our_mappings().examples(one.resource)] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"expect": {"person": {"email": "b@x.io"}}}, "person: email is 'a@x.io', not 'b@x.io'"),
        ({"expect": {"person": {"phone": None}}}, "person: phone is ABSENT, not None"),
        ({"expect": {"person": None}}, "person is drawn"),
        ({"expect_filtered": True}, "is drawn, not filtered"),
        ({"expect_parked": "no_id"}, "is drawn, not parked (no_id)"),
        ({"expect_write": {"person": {"email": "x"}}}, "person writes: email is 'a@x.io', not 'x'"),
    ],
)
def test_a_wrong_example_is_told(change: dict[str, object], told: str) -> None:
    example = our_mappings().examples("hubspot.contacts")[0]
    wrong = {"given": {"id": "1", "properties": {"email": "a@x.io"}}, "expect": {}, "expect_write": {}, **change}
    assert check_example(ours("hubspot.contacts"), example.model_copy(update=wrong)) == [told]


def test_a_parked_example_tells_the_reason() -> None:
    example = our_mappings().examples("hubspot.companies")[0].model_copy(update={"given": {"properties": {}}})
    assert check_example(ours("hubspot.companies"), example) == [
        "is parked (missing_required): company.name is required, not drawn"
    ]


def test_preview_shows_parts_references_writes_and_warnings() -> None:
    raw = {"Id": "1", "LastName": "Fox", "Email": "nope", "AccountId": "9"}
    shown = preview(ours("salesforce.Contact"), raw)
    assert shown["state"] == "drawn"
    part = shown["parts"][0]
    assert part["references"] == {"account": {"object": "9", "resource": "Account"}}
    assert part["writes"]["LastName"] == "Fox"
    assert shown["warnings"] == [{"field": "person.email", "rule": "must be an e-mail address", "allowed": []}]
    assert preview(ours("salesforce.Account"), {})["error"]["cause"] == "missing_required"
