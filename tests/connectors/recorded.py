"""Recorded exchanges beside simulated ones: the same request, and the shapes of both answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request and its answer."""

    name: str
    method: str
    path: str
    query: dict[str, Any]
    request_body: Any
    status: int
    headers: dict[str, str]
    response: Any


def exchanges(folder: Path) -> Iterator[Exchange]:
    """Every recorded exchange of a system's `http` folder."""
    for file in sorted((folder / "http").glob("*.json")):
        for number, told in enumerate(json.loads(file.read_bytes())["exchanges"]):
            yield Exchange(
                f"{file.stem}#{number}",
                told["method"],
                told["path"],
                told.get("query") or {},
                told.get("request_body"),
                told["status"],
                told.get("headers") or {},
                told.get("response"),
            )


def shape(value: Any, path: str = "") -> set[tuple[str, str]]:
    """(dotted path, type) of everything in a JSON value; list entries share `[]`."""
    if isinstance(value, dict):
        inner = {item for key, one in value.items() for item in shape(one, f"{path}.{key}" if path else key)}
        return inner | {(path, "object")}
    if isinstance(value, list):
        return {item for one in value for item in shape(one, f"{path}[]")} | {(path, "list")}
    kind = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}[type(value)]
    return {(path, kind)}


def differences(recorded: Any, simulated: Any) -> set[str]:
    """Paths that only one of the two has, and paths whose types cannot be the same field's. Null fits every type."""
    left, right = shape(recorded), shape(simulated)
    found = {path for path, _ in left} ^ {path for path, _ in right}
    for path in {path for path, _ in left} & {path for path, _ in right}:
        ours, theirs = ({kind for at, kind in one if at == path} - {"null"} for one in (right, left))
        if ours and theirs and not ours & theirs:
            found.add(path)
    return found
