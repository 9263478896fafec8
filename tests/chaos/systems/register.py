"""A vendor that refuses a second create with a 409 that names the first: write class C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import SecretStr

from connectors.auth import BearerAuth
from connectors.base import Connector, ConnectorSettings, Resource, WriteClass, WriteSpec
from connectors.http import Answer, Http
from kernel.errors import ThroughlineError
from kernel.records import Action, Check, Json, SourceRecord, WriteItem, WriteOutcome


class CardSettings(ConnectorSettings):
    """One account."""

    base_url: str
    token: SecretStr


def cards(write_class: WriteClass) -> Mapping[str, Resource]:
    """The one resource of a vendor of this class."""
    spec = WriteSpec(
        write_class=write_class,
        ext_field="key",
        batch_size=20,
        actions=frozenset({Action.UPSERT, Action.CLEAR, Action.DELETE}),
        settle=timedelta(seconds=60),  # max_processing and the search's lag of 15 s, and room
        max_processing=timedelta(seconds=40),
    )
    return {"contacts": Resource("contacts", readable=False, incremental=False, write=spec)}


class Register(Connector):
    """One account of the register."""

    system: ClassVar[str] = "register"
    Settings = CardSettings
    resources: ClassVar[Mapping[str, Resource]] = cards(WriteClass.CONFLICT)

    @classmethod
    def build_http(cls, settings: CardSettings, **options: Any) -> Http:
        """Bearer token."""
        return Http(base_url=settings.base_url, auth=BearerAuth(settings.token), **options)

    def check(self) -> list[Check]:
        """Nothing to check."""
        return []

    def write(self, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """One request each; a conflict is the record itself, changed by its id."""
        if len(batch) == 1:
            return [self._one(resource, batch[0])]
        return [self._outcome(resource, item) for item in batch]

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By our key, one look-up each."""
        found: dict[str, list[SourceRecord]] = {}
        for key in ext_keys:
            rows = self.http.get(f"/{resource}", params={"key": key}).json()["found"]
            found[key] = [SourceRecord(row["id"], row) for row in rows]
        return found

    def _outcome(self, resource: str, item: WriteItem) -> WriteOutcome:
        try:
            return self._one(resource, item)
        except ThroughlineError as error:
            return WriteOutcome(error=error, status=error.status, request_id=error.request_id)

    def _one(self, resource: str, item: WriteItem) -> WriteOutcome:
        if item.action is Action.DELETE:
            self._send("DELETE", f"/{resource}/{item.vendor_id}", item, {})
            return WriteOutcome(vendor_id=item.vendor_id)
        body: Json = {**item.fields, "key": item.ext_key}
        if item.vendor_id is not None:
            return self._told(self._send("PATCH", f"/{resource}/{item.vendor_id}", item, body))
        made = self._send("POST", f"/{resource}", item, body, accept=(409,))
        if made.status == 409:
            there = made.json()["id"]
            return self._told(self._send("PATCH", f"/{resource}/{there}", item, body))
        return self._told(made, created=True)

    def _send(self, method: str, path: str, item: WriteItem, body: Json, accept: Sequence[int] = ()) -> Answer:
        return self.http.send(method, path, json=body, write=True, trace_id=item.trace_id, accept=accept)

    def _told(self, answer: Answer, created: bool = False) -> WriteOutcome:
        row = answer.json()
        if not isinstance(row, dict) or "id" not in row:
            raise answer.unreadable()
        return WriteOutcome(row["id"], SourceRecord(row["id"], row), created, status=answer.status)
