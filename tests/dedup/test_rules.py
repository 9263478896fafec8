"""Rules files: the stewards' own load against the dictionary, wrong ones are told by line with the right names."""

from __future__ import annotations

from pathlib import Path

import pytest

import dedup
import dictionary
from dedup.rules import Rules, compile_rules, load_rules
from kernel.documents import parse
from kernel.errors import BadDocument, BadSetting
from tests.dedup import ground

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ours() -> Rules:
    return load_rules(ROOT / "dedup" / "rules", dictionary.load(ROOT / "dictionary"))


def wrong(old: str, new: str) -> str:
    text = ground.RULES.format(max_cluster=50, hot_after=20, limit=3)
    assert old in text
    with pytest.raises(BadDocument) as caught:
        compile_rules(parse(text.replace(old, new), file="contact.yaml"), ground.dictionary(contact=ground.FIELDS))
    return str(caught.value)


def test_every_master_has_rules(ours: Rules) -> None:
    masters = {
        name for name, entity in dictionary.load(ROOT / "dictionary").entities.items() if entity.kind == "master"
    }
    assert set(ours.entities) == masters
    assert len(ours.revision) == 32


def test_every_strong_identifier_of_the_dictionary_is_in_a_key(ours: Rules) -> None:
    for name, entity in dictionary.load(ROOT / "dictionary").entities.items():
        if entity.kind == "master":
            used = {
                path[0] for rule in ours.for_entity(name).key_rules for piece in rule.pieces for path in piece.paths
            }
            assert {field for field, mark in entity.identifiers.items() if mark.strength == "strong"} <= used


@pytest.mark.parametrize(
    "mailbox",
    [
        "info",
        "no-reply",
        "noreply",
        "do-not-reply",
        "noreply+orders",
        "support",
        "sales",
        "billing",
        "webmaster",
        "hello",
    ],
)
def test_role_mailboxes_are_not_people(ours: Rules, mailbox: str) -> None:
    assert ours.for_entity("contact").keys({"email": f"{mailbox}@acme.com"}) == []
    assert ours.for_entity("contact").keys({"email": f"{mailbox}smith@acme.com"}) or mailbox.endswith(
        ("reply", "orders")
    )


def test_free_mail_is_no_company(ours: Rules) -> None:
    account = ours.for_entity("account")
    assert account.keys({"domain": "gmail.com"}) == []
    assert [key.kind for key in account.keys({"domain": "acme.com"})] == ["domain"]


def test_a_product_name_alone_joins_nothing(ours: Rules) -> None:
    assert ours.for_entity("product").keys({"name": "Blue T-Shirt"}) == []


def test_a_change_of_content_is_a_new_revision_and_a_comment_is_not() -> None:
    text = ground.RULES.format(max_cluster=50, hot_after=20, limit=3)
    names = ground.dictionary(contact=ground.FIELDS)
    base = compile_rules(parse(text), names).revision
    assert compile_rules(parse(text + "# said aside\n"), names).revision == base
    assert compile_rules(parse(text.replace("max_cluster: 50", "max_cluster: 51")), names).revision != base


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "entity: contact",
            "entity: contract",
            "contact.yaml:2: entity: 'contract' is no master entity (did you mean 'contact'?)",
        ),
        ("fields: [device_id]", "fields: [devise_id]", "unknown field (did you mean 'device_id'?)"),
        (
            'postal_code"], transform',
            'postcode"], transform',
            "unknown field inside 'addresses' (did you mean 'postal_code'?)",
        ),
        ("transform: code", "transform: codes", "unknown transform (did you mean 'code'?)"),
        ("[kind=shipping].street", "[kind=shipping]..street", "is not a field, field.name or field[name=value].name"),
        ("name: device", "name: binding", "'binding' is taken"),
        ("strength: support", "strength: weak", "'weak' is not one of the allowed words"),
        ("^[0-]*$", "^[0-", "is no regular expression"),
        ("transform: email, exact", "transform: mail, exact", "unknown transform"),
        ("hot_after: 20", "hot_after: 1", "hot_after"),
        ("    first_touch: {", "    first_tuch: {", "survivorship.fields.first_tuch: unknown field"),
        ("lifecycle: {by: [recent]}", "lifecycle: {union: true}", "only a list can be united"),
        ("evidence: opt_in_evidence", "evidence: proof", "unknown field"),
        ("[street, city", "[lifecycle, city", "'lifecycle' has another rule already"),
        ("earliest: visit_at", "earliest: visit_at, latest: visit_at", "not by both"),
        (
            "strength: support, priority: 90, from: [{",
            "strength: strong, priority: 90, from: [{",
            "marks none of the key's fields",
        ),
        ("      - {fields: [phone], transform: phone}\n", "", "a composite key needs two parts or more"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, told: str) -> None:
    message = wrong(old, new)
    assert told in message
    assert "contact.yaml:" in message


def test_a_transaction_has_no_rules() -> None:
    text = ground.RULES.format(max_cluster=50, hot_after=20, limit=3)
    with pytest.raises(BadDocument, match="is no master entity"):
        compile_rules(parse(text), ground.dictionary(kind="transaction", contact=ground.FIELDS))


def test_an_entity_without_rules_is_said_so(ours: Rules) -> None:
    with pytest.raises(BadSetting, match="there are: account, contact, product"):
        ours.for_entity("order")


def test_two_files_for_one_entity_are_refused(tmp_path: Path) -> None:
    text = ground.RULES.format(max_cluster=50, hot_after=20, limit=3)
    for name in ("contact.yaml", "people.yaml"):
        (tmp_path / name).write_text(text)
    with pytest.raises(BadDocument, match=r"people.yaml:2: entity: 'contact' has rules in another file"):
        load_rules(tmp_path, ground.dictionary(contact=ground.FIELDS))


def test_the_face_of_the_room() -> None:
    assert all(getattr(dedup, name) is not None for name in dedup.__all__)
    assert {"load_rules", "resolve", "survive", "merging", "unmerging", "settle"} <= set(dedup.__all__)
