"""Mappings against the connector: what is drawn, written and drawn again is the same; nothing read-only is written."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import dictionary
import mappings
from connectors.base import Connector
from console.conformance.checks import check, expect, only_where, same
from console.conformance.ground import Ground
from kernel.errors import Park
from kernel.records import SourceRecord, WebhookRequest
from kernel.settings import Settings
from mappings import Mapping, Part


@check("mapping.draws", per="mapped")
def draws(g: Ground, resource: str) -> None:
    """What the connector reads, the mapping can draw: a usual record is not parked, and gives more than an empty one."""
    mapping = _mapping(g, resource)
    record = _some(g, resource)
    drawn = mapping.draw([record], connection="here")[0]
    expect(drawn.error is None, f"a usual record is parked: {drawn.error}")
    bare = mapping.draw([SourceRecord(record.id, {})], connection="here")[0]
    told, untold = ([part.data for part in each.parts] for each in (drawn, bare))
    expect(told != untold or drawn.filtered, "a usual record gives nothing")


@check("mapping.writes", per="writable")
def writes(g: Ground, resource: str) -> None:
    """The mapping's way out names only fields the connector may write, and references it knows."""
    mapping = _mapping(g, resource)
    spec = g.spec(resource)
    for entity in mapping.parts.values():
        target = mapping.target_part(entity.name)
        if target is None:
            continue
        named = set(target.canonical_fields) | {name.partition(".")[0] for name in target.canonical_fields}
        never = named & (spec.read_only | {spec.ext_field})
        expect(not never, f"{entity.name} writes {', '.join(sorted(never))}, which are never sent")
        unknown = set(target.references.values()) - set(spec.references)
        expect(
            not unknown, f"{entity.name} writes references the connector does not know: {', '.join(sorted(unknown))}"
        )


@check("mapping.round_trip", per="writable")
def round_trip(g: Ground, resource: str) -> None:
    """In, golden, out and in again: an object written back as it was drawn is the same object."""
    mapping = _mapping(g, resource)
    only_where(g.resources[resource].readable, "it cannot be read back")
    connector = g.ready()
    item, id = g.create(connector, resource)
    first = connector.fetch(resource, [id])[0]
    before, snapshot = _drawn(mapping, first), g.snapshot(resource)
    written = 0
    for part in before:
        target = mapping.target_part(part.entity)
        if target is None or target.name != part.name:
            continue
        try:
            fields = target.render(part.data)
        except Park as park:
            expect(False, f"what was drawn cannot be written: {park}")
            raise
        back = {name: value for name, value in fields.items() if name not in target.only_create}
        outcome = g.write(connector, resource, [g.item(resource, back, key=item.ext_key, vendor_id=id)])[0]
        expect(outcome.error is None, f"what was drawn is refused: {outcome.error}")
        second = connector.fetch(resource, [id])[0]
        held, sent = target.observe(second.raw), target.observe(first.raw)
        changed = [name for name in held if not target.same(name, held[name], sent.get(name), raw=second.raw)]
        expect(not changed, f"written back and not the same: {', '.join(changed)}")
        after = {one.name: one.data for one in _drawn(mapping, second)}
        same(after.get(part.name), part.data, f"{part.name} drawn again")
        written += 1
    only_where(written, "the mapping writes nothing here")
    again = _drawn(mapping, connector.fetch(resource, [id])[0])
    same([one.data for one in again], [one.data for one in before], "what is drawn after all was written back")
    same(set(g.snapshot(resource)), set(snapshot), "the objects there are")


def _mapping(g: Ground, resource: str) -> Mapping:
    found = _all().get(f"{g.system}.{resource}")
    only_where(found is not None, "nobody mapped it")
    assert found is not None
    return found


def _some(g: Ground, resource: str) -> SourceRecord:
    """A record as the connector reads it."""
    connector: Connector = g.ready()
    if not g.resources[resource].readable:
        only_where(g.practice.secret, "nothing is read or received")
        return _posted(g, connector)
    if resource in g.practice.written:
        _, id = g.create(connector, resource)
    else:
        id = g.make(resource)[0]
    return connector.fetch(resource, [id])[0]


def _posted(g: Ground, connector: Connector) -> SourceRecord:
    """A record as a webhook brings it."""
    url, body, headers = g.practice.posts(g.practice.main)[0]
    lower = {name.lower(): value for name, value in headers.items()}
    return connector.webhook(WebhookRequest("POST", url, lower, body, g.clock.now())).records[0][1]


def _drawn(mapping: Mapping, record: SourceRecord) -> list[Part]:
    drawn = mapping.draw([record], connection="here")[0]
    expect(drawn.error is None, f"a record is parked: {drawn.error}")
    return drawn.parts


def _all() -> mappings.Mappings:
    return _loaded(Settings.from_environment().config)


@lru_cache(maxsize=4)
def _loaded(config: Path) -> mappings.Mappings:
    return mappings.load(config / "mappings", dictionary.load(config / "dictionary/entities"))
