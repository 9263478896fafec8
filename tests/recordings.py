"""Recorded exchanges and vendor contracts: reading them in place, and comparing JSON by shape."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jsonschema


@dataclass(frozen=True)
class Exchange:
    """One recorded request and its answer."""

    name: str  # file stem and place in it
    method: str
    path: str
    query: dict[str, Any]
    body: Any
    status: int
    response: Any

    @property
    def content(self) -> bytes:
        """The answer's body as bytes."""
        return b"" if self.response is None else json.dumps(self.response).encode()


def exchanges(folder: Path) -> Iterator[Exchange]:
    """Every exchange below `<system>/http`."""
    for file in sorted((folder / "http").glob("*.json")):
        for place, one in enumerate(json.loads(file.read_text())["exchanges"]):
            path, _, query = one["path"].partition("?")
            body = one.get("request_body")
            if isinstance(body, str) and body[:1] in ("{", "["):
                with contextlib.suppress(ValueError):  # some are lines of JSON, or CSV
                    body = json.loads(body)
            told = one.get("query") or {}
            asked = {**dict(parse_qsl(query)), **(dict(parse_qsl(told)) if isinstance(told, str) else told)}
            yield Exchange(
                f"{file.stem}[{place}]", one["method"], path, asked, body, one["status"], one.get("response")
            )


def differences(recorded: Any, simulated: Any, at: str = "$") -> Iterator[str]:
    """Where two JSON values differ in shape: keys that only one has, types that differ. Null fits anything."""
    if recorded is None or simulated is None:
        return
    if type(recorded) is not type(simulated):
        yield f"{at}: {type(recorded).__name__} recorded, {type(simulated).__name__} simulated"
    elif isinstance(recorded, dict):
        for key in sorted(recorded.keys() | simulated.keys()):
            if key not in simulated:
                yield f"{at}.{key}: only recorded"
            elif key not in recorded:
                yield f"{at}.{key}: only simulated"
            else:
                yield from differences(recorded[key], simulated[key], f"{at}.{key}")
    elif isinstance(recorded, list) and recorded and simulated:
        yield from differences(merged(recorded), merged(simulated), f"{at}[]")


def merged(items: list[Any]) -> Any:
    """One value that has every key any of the items has."""
    if not all(isinstance(item, dict) for item in items):
        return items[0]
    keys = {key: [item[key] for item in items if item.get(key) is not None] for item in items for key in item}
    return {key: (merged(found) if found else None) for key, found in keys.items()}


class OpenApi:
    """A vendor's OpenAPI 3.0 file as JSON Schemas of its requests and answers."""

    def __init__(self, file: Path) -> None:
        self._spec = json.loads(file.read_text())
        self._components = _with_nulls(copy.deepcopy(self._spec["components"]))
        paths = self._spec["paths"]
        self._paths = {path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "/?$") for path in paths}

    def operation(self, method: str, path: str) -> Mapping[str, Any] | None:
        """The operation a request is one of; a literal path wins over one with parameters."""
        found = [name for name, pattern in self._paths.items() if pattern.match(path)]
        for name in sorted(found, key=lambda name: name.count("{")):
            operation: Mapping[str, Any] | None = self._spec["paths"][name].get(method.lower())
            if operation is not None:
                return operation
        return None

    def request_faults(self, method: str, path: str, body: Any) -> list[str]:
        """What is wrong with a request body."""
        operation = self.operation(method, path)
        assert operation is not None, f"{method} {path} is not in the contract"
        return self._faults(operation.get("requestBody"), body)

    def answer_faults(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """What is wrong with an answer's body."""
        operation = self.operation(method, path)
        assert operation is not None, f"{method} {path} is not in the contract"
        responses = operation["responses"]
        return self._faults(responses.get(str(status), responses.get("default")), body)

    def _faults(self, holder: Mapping[str, Any] | None, body: Any) -> list[str]:
        content = (holder or {}).get("content", {})
        schema = next((part["schema"] for kind, part in content.items() if "json" in kind or kind == "*/*"), None)
        if schema is None:
            return []
        whole = {**schema, "components": self._components}
        errors = jsonschema.Draft202012Validator(whole).iter_errors(body)
        return [f"{error.json_path}: {error.message}"[:200] for error in errors]


def _with_nulls(schema: Any) -> Any:
    """The files say a property's value is a string where the vendor also sends null (recordings show it)."""
    if isinstance(schema, dict):
        values = schema.get("additionalProperties")
        if isinstance(values, dict) and values.get("type") == "string":
            schema["additionalProperties"] = {"type": ["string", "null"]}
        for value in schema.values():
            _with_nulls(value)
    elif isinstance(schema, list):
        for value in schema:
            _with_nulls(value)
    return schema
