"""Connectors: one module per system, found by scanning this folder; there is no registry to edit."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import ValidationError

from connectors.base import Connector
from connectors.budget import BudgetFor, Windows
from connectors.oauth import TokenStore
from kernel.clock import Clock, SystemClock
from kernel.errors import BadSetting

__all__ = ["connector_for", "find_connectors", "open_connector"]


def find_connectors() -> dict[str, type[Connector]]:
    """Every system's connector class, by system, in alphabetical order. Imports every module of the folder."""
    found: dict[str, type[Connector]] = {}
    for module in pkgutil.iter_modules(__path__):
        found.update(_connectors_of(f"{__name__}.{module.name}"))
    return dict(sorted(found.items()))


def connector_for(system: str) -> type[Connector]:
    """One system's connector class; imports only its own module when that is named like the system."""
    if system.isidentifier() and any(module.name == system for module in pkgutil.iter_modules(__path__)):
        found = _connectors_of(f"{__name__}.{system}")
        if system in found:
            return found[system]
    everything = find_connectors()
    if system not in everything:
        raise BadSetting(f"no connector for the system '{system}'; there are: {', '.join(everything)}", field="system")
    return everything[system]


def open_connector(
    cls: type[Connector],
    settings: Mapping[str, Any],
    *,
    connection: str,
    clock: Clock | None = None,
    budget: BudgetFor | None = None,
    transport: httpx.BaseTransport | None = None,
    tokens: TokenStore | None = None,
) -> Connector:
    """A connection's connector, its settings checked. Raises BadSetting naming the wrong settings, not their values.

    `tokens`: where a connector that `rotates` keeps its credential; without it, in this process only.
    `budget`: who keeps its limits; without one they are kept in this process alone.
    """
    try:
        checked = cls.Settings.model_validate(dict(settings))
    except ValidationError as error:
        faults = error.errors(include_input=False)
        wrong = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
        allowed = ", ".join(cls.Settings.model_fields)
        raise BadSetting(f"{connection}: {wrong}; the settings of {cls.system} are: {allowed}") from None
    time = clock or SystemClock()
    limits = cls.limits_with(checked, connection)
    kept = budget(limits) if budget is not None else Windows(limits, time)
    options: dict[str, Any] = {"connection": connection, "clock": time, "budget": kept, "transport": transport}
    if cls.rotates:
        options["tokens"] = tokens
    return cls(checked, cls.build_http(checked, **options))


def _connectors_of(module_name: str) -> dict[str, type[Connector]]:
    module = importlib.import_module(module_name)
    return {
        item.system: item
        for item in vars(module).values()
        if inspect.isclass(item)
        and issubclass(item, Connector)
        and item.__module__.startswith(module_name)
        and isinstance(getattr(item, "system", None), str)
    }
