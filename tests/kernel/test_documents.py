"""Stewards' files: what is read, what is refused, and that every refusal names its line."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from kernel import documents
from kernel.documents import BadDocuments, parse, read, read_folder
from kernel.errors import BadDocument


def test_plain_values_follow_yaml_1_2() -> None:
    document = parse(
        "country: NO\nflag: on\ntrue: true\nzip: 007\nday: 2026-01-01\nn: -12\nx: 1.5\n"
        "none: ~\nempty:\nq: '1'\nv: 1.0.0\n"
    )
    assert document.value == {
        "country": "NO",
        "flag": "on",
        "true": True,
        "zip": "007",
        "day": "2026-01-01",
        "n": -12,
        "x": 1.5,
        "none": None,
        "empty": None,
        "q": "1",
        "v": "1.0.0",
    }


def test_every_key_and_item_has_its_line() -> None:
    document = parse("a: 1\nlist:\n  - x\n  - {deep: {er: 1},\n     b: 2}\nmap:\n  k:\n    v\n")
    assert document.line(("a",)) == 1
    assert document.line(("list", 0)) == 3
    assert document.line(("list", 1, "deep", "er")) == 4
    assert document.line(("list", 1, "b")) == 5
    assert document.line(("map", "k")) == 7
    assert document.line(("map", "absent", "more")) == 6
    assert document.get(("list", 1, "deep", "er")) == 1
    assert document.get(("list", 9)) is None


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a' stands here twice, first on line 1"),
        ("a: &x 1\n", 1, "anchors"),
        ("a: {b: 1}\nc: *x\n", 2, "aliases"),
        ("a: 1\nc:\n  <<: {b: 1}\n", 3, "merge keys"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 1\nb:\t2\n", 2, "tab"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "tags"),
        ("a: 1\nb: [1, 2\n", 3, "is not YAML"),
        ("? [a]\n: 1\n", 1, "a key must be plain text"),
        ("a: 12345678901234567890\n", 1, "in quotes"),
        ("a: " + "[" * 40 + "]" * 40, 1, "deeper than 32"),
        ("a: " + "[" * 100_000, 1, "deeper than 32"),
    ],
)
def test_refusals_name_the_line(text: str, line: int, said: str) -> None:
    with pytest.raises(BadDocument) as caught:
        parse(text, file="x.yaml")
    assert said in str(caught.value)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"x.yaml:{line}: ")


def test_bytes_that_are_no_document() -> None:
    with pytest.raises(BadDocument, match=r"x\.yaml:2: is not UTF-8"):
        parse(b"a: 1\nb: \xff\n", file="x.yaml")
    with pytest.raises(BadDocument, match="larger than 256 KiB"):
        parse(b"a: " + b"x" * documents.MAX_BYTES)
    with pytest.raises(BadDocument, match="is not YAML"):
        parse("a: \x00")
    assert parse(b"\xef\xbb\xbfa: 1\n").value == {"a": 1}
    assert parse("").value is None


def test_a_billion_laughs_costs_nothing() -> None:
    text = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"
    with pytest.raises(BadDocument, match="anchors"):
        parse(text)


def test_revision_counts_content_only() -> None:
    assert parse("a: 1\nb: [x]\n").revision == parse("# told\nb: ['x']\na:   1\n").revision
    assert parse("a: 1").revision != parse("a: '1'").revision


def test_folder_reports_every_bad_file_and_refuses_yml(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.yaml").write_text("a: 1\na: 2\n")
    (tmp_path / "one.yaml").write_text("x: [\n")
    with pytest.raises(BadDocuments) as caught:
        read_folder(tmp_path)
    assert [Path(error.file).name for error in caught.value.errors] == ["two.yaml", "one.yaml"]
    assert all(Path(error.file).name in str(caught.value) for error in caught.value.errors)
    (tmp_path / "late.yml").write_text("a: 1\n")
    with pytest.raises(BadDocument, match=r"name it \.yaml"):
        read_folder(tmp_path)
    with pytest.raises(BadDocument, match="cannot be read"):
        read(tmp_path / "absent.yaml")


class _Field(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    type: Literal["email", "text"]
    since: str = "1"


class _Entity(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    entity: str
    fields: dict[str, _Field | str]


def test_a_model_s_faults_come_with_line_near_match_and_allowed_names() -> None:
    document = parse(
        "entty: contact\nfields:\n  email:\n    typ: email\n  phone:\n    type: emial\n"
        "  name:\n    type: text\n    since: 1\n",
        file="contact.yaml",
    )
    with pytest.raises(BadDocuments) as caught:
        document.fit(_Entity)
    told = str(caught.value)
    assert "contact.yaml:1: entty: unknown name 'entty' (did you mean 'entity'?); allowed: entity, fields" in told
    assert "'entity' is missing" in told
    assert "contact.yaml:4: fields.email.typ: unknown name 'typ' (did you mean 'type'?); allowed: type, since" in told
    assert "contact.yaml:6: fields.phone.type: 'emial' is not one of the allowed words (did you mean 'email'?)" in told
    assert "contact.yaml:9: fields.name.since: should be a valid string" in told


def test_a_good_document_fits() -> None:
    document = parse("wrap: {entity: contact, fields: {email: {type: email}, note: text}}")
    entity = document.fit(_Entity, ("wrap",))
    assert entity.fields["note"] == "text"


def test_dump_reads_back() -> None:
    value = {"b": ["NO", "007", None, True, 1.5], "a": {"é": "1"}}
    assert parse(documents.dump(value)).value == value
