"""Quickbooks: the connector against its simulator, the mapping against its examples."""

from __future__ import annotations

from collections.abc import Callable

import dictionary
import mappings
from connectors import connector_for, open_connector
from connectors.base import Connector
from kernel.records import Action, WriteItem
from mappings.preview import run_examples
from sandbox import Box
from tests.conftest import ROOT

Serve = Callable[..., Box]


def opened(box: Box) -> Connector:
    settings = {"token": box["quickbooks"].token, "base_url": box.url("quickbooks")}
    return open_connector(connector_for("quickbooks"), settings, connection="here")


def item(key: str, **fields: object) -> WriteItem:
    return WriteItem(Action.UPSERT, key, f"{key}-g0", dict(fields))


def test_reads_everything_once_and_then_only_what_changed(serve: Serve) -> None:
    box = serve("quickbooks")
    made = [box["quickbooks"].make("records") for _ in range(150)]
    connector = opened(box)
    pages = list(connector.read("records", None))
    assert sorted(record.id for page in pages for record in page.records) == sorted(each["id"] for each in made)
    assert pages[-1].last
    again = [record.id for page in connector.read("records", pages[-1].cursor) for record in page.records]
    assert set(again) <= {made[-1]["id"]}
    connector.close()


def test_writing_twice_makes_one_record(serve: Serve) -> None:
    box = serve("quickbooks")
    connector = opened(box)
    first, second = (connector.write("records", [item("k1", email="a@example.com")])[0] for _ in range(2))
    assert first.created is True
    assert second.created is False
    assert first.vendor_id == second.vendor_id
    assert [record.id for record in connector.find("records", ["k1"])["k1"]] == [first.vendor_id]
    connector.close()


def test_a_missing_record_is_a_tombstone(serve: Serve) -> None:
    connector = opened(serve("quickbooks"))
    (gone,) = connector.fetch("records", ["nobody"])
    assert gone.deleted
    connector.close()


def test_a_refused_token_is_told_with_its_fix(serve: Serve) -> None:
    box = serve("quickbooks")
    connector = opened(box)
    box["quickbooks"].token = "another"
    (check,) = connector.check()
    assert not check.ok
    assert check.fix
    connector.close()


def test_the_examples_of_its_mapping_come_out_as_written() -> None:
    words = dictionary.load(ROOT / "dictionary/entities")
    assert [each for each in run_examples(mappings.load(ROOT / "mappings", words)) if "quickbooks" in each.resource] == []
