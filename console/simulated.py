"""connections.yaml for the simulators: their addresses, and their credentials by the names of variables, as for real accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def connections(urls: Mapping[str, str], ending: str = "") -> dict[str, Any]:
    """What connections.yaml says of simulators at these addresses; each connection is named like its system, and `ending`."""
    return {
        "connections": {
            f"{system}{ending}": {"system": system, "settings": settings(system, url)} for system, url in urls.items()
        }
    }


def settings(system: str, url: str) -> dict[str, Any]:
    """The settings of one simulated account; its practice knows the names of address and credential."""
    from sandbox.practice import find_practices

    practice = find_practices()[system]
    return {practice.address: url, **practice.besides, practice.credential: {"env": variable(system)}}


def variable(system: str) -> str:
    """The environment variable that holds the simulator's credential."""
    return f"SANDBOX_{system.upper()}_TOKEN"


def environment(tokens: Mapping[str, str]) -> dict[str, str]:
    """The variables that `settings` names, from system -> credential."""
    return {variable(system): token for system, token in tokens.items()}
