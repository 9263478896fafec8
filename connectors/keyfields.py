"""The field that holds our key, where each account names it in its own way: an id or a hash that must be looked up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from connectors.looks import looked
from kernel.errors import Stop
from kernel.records import Check


class KeyFields:
    """The account's names of one field, by resource: each looked up once, and again when it is needed and was not there."""

    def __init__(self, connection: str, label: str, look_up: Callable[[str], str], make: Callable[[str], str]) -> None:
        """`label`: what a person calls the field. `look_up` and `make` give a resource's own name of it; "" is none."""
        self._connection, self._label, self._look_up, self._make = connection, label, look_up, make
        self._names: dict[str, str] = {}

    def name(self, resource: str) -> str:
        """The account's name of the field; "" where it has none."""
        if resource not in self._names:
            self._names[resource] = self._look_up(resource)
        return self._names[resource]

    def needed(self, resource: str) -> str:
        """The same. Raises Stop where the account has none."""
        name = self.name(resource) or self._again(resource)
        if not name:
            told = f"{self._connection}: {resource} have no field '{self._label}'; run: throughline check --fix"
            raise Stop(told, cause="not_writable")
        return name

    def ensure(self, resource: str) -> bool:
        """Make the field; False where it is there."""
        if self._again(resource):
            return False
        self._names[resource] = self._make(resource)
        return True

    def look(self, resource: str) -> Check:
        """Whether the field is there, for `check`."""
        fix = f"add a text field '{self._label}' to {resource}, or: throughline check --fix"
        return looked(f"{resource}: key", partial(self.needed, resource), fix)

    def _again(self, resource: str) -> str:
        self._names.pop(resource, None)
        return self.name(resource)
