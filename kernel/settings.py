"""Settings from THROUGHLINE_* variables, and connections.yaml: which accounts there are and where their secrets come from."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kernel import documents
from kernel.errors import BadDocument, BadSetting
from kernel.store import sqlite_url

CHECKOUT = Path(__file__).resolve().parent.parent
DEMO = "demo"
"""The folder in HOME with which the demo marks it as its own."""
PERSONAL = ("omitted", "hashed", "plain")
"""What the warehouse may show personal data as."""
SecretReader = Callable[[str], str]
"""Gives the value of a Prefect Secret block by name; only `flows` has one to offer."""


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that is read, for the reference page."""

    name: str
    meaning: str
    default: str


VARIABLES = (
    Variable(
        "THROUGHLINE_HOME",
        "Where data lives: the store, the key file, logs, the Prefect server's data.",
        "`.throughline/` in the checkout",
    ),
    Variable(
        "THROUGHLINE_CONFIG",
        "Where the stewards' folders (`dictionary/`, `mappings/`, `dedup/`, `flows/syncs/`) and `connections.yaml` are.",
        "the checkout",
    ),
    Variable(
        "THROUGHLINE_DATABASE_URL",
        "The store, as an SQLAlchemy URL; `postgresql+psycopg://…` when one machine is outgrown.",
        "SQLite: `throughline.db` in THROUGHLINE_HOME",
    ),
    Variable(
        "THROUGHLINE_KEY",
        "The vault's keys: 64 hex digits each, newest first, separated by commas.",
        "the file `key` in THROUGHLINE_HOME, made at first use, mode 0600",
    ),
    Variable(
        "THROUGHLINE_PUBLIC_URL",
        "How webhook senders reach the receiver's `/`, where a proxy stands before it: HubSpot and Twilio sign the address.",
        "what the request says",
    ),
    Variable(
        "THROUGHLINE_WAREHOUSE",
        "The DuckDB file that `warehouse snapshot` replaces each night.",
        "`warehouse.duckdb` in THROUGHLINE_HOME",
    ),
    Variable(
        "THROUGHLINE_WAREHOUSE_PERSONAL",
        "What personal data the warehouse holds: `omitted` (only fields with `pii: none`), `hashed` (indirect ones too, direct"
        " ones as keyed hashes), `plain` (everything).",
        "`hashed`",
    ),
    Variable(
        "THROUGHLINE_REAL",
        "Recordings for tests and trials; tests that need them are skipped without.",
        "`../shared/real` beside the checkout",
    ),
    Variable(
        "PREFECT_API_URL",
        "A Prefect server to use instead of starting one.",
        "the local server that `throughline up` starts",
    ),
)
"""Every variable that is read."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are. See docs/reference/settings.md."""

    home: Path  # THROUGHLINE_HOME: data
    config: Path  # THROUGHLINE_CONFIG: the stewards' folders and connections.yaml
    database_url: str  # THROUGHLINE_DATABASE_URL
    key: str | None  # THROUGHLINE_KEY: the vault's keys
    real: Path  # THROUGHLINE_REAL: recordings for tests and trials
    warehouse: Path = Path("warehouse.duckdb")  # THROUGHLINE_WAREHOUSE
    warehouse_personal: str = "hashed"  # THROUGHLINE_WAREHOUSE_PERSONAL: omitted, hashed, plain
    public_url: str = (
        ""  # THROUGHLINE_PUBLIC_URL: how webhook senders reach the receiver, where a proxy stands before it
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The variables, or their defaults."""
        env = os.environ if environment is None else environment
        home = Path(env.get("THROUGHLINE_HOME") or CHECKOUT / ".throughline").absolute()
        personal = env.get("THROUGHLINE_WAREHOUSE_PERSONAL") or "hashed"
        if personal not in PERSONAL:
            name, allowed = "THROUGHLINE_WAREHOUSE_PERSONAL", ", ".join(PERSONAL)
            raise BadSetting(f"{name} is none of: {allowed}", field=name)
        return cls(
            home=home,
            config=Path(env.get("THROUGHLINE_CONFIG") or CHECKOUT).absolute(),
            database_url=env.get("THROUGHLINE_DATABASE_URL") or sqlite_url(home / "throughline.db"),
            key=env.get("THROUGHLINE_KEY") or None,
            real=Path(env.get("THROUGHLINE_REAL") or CHECKOUT / "../shared/real").absolute(),
            warehouse=Path(env.get("THROUGHLINE_WAREHOUSE") or home / "warehouse.duckdb").absolute(),
            warehouse_personal=personal,
            public_url=env.get("THROUGHLINE_PUBLIC_URL") or "",
        )

    @property
    def is_demo(self) -> bool:
        """This HOME holds the demo's invented customers; nothing but its simulators may be reached from it."""
        return (self.home / DEMO / "connections.yaml").exists()

    @property
    def connections_file(self) -> Path:
        """connections.yaml of CONFIG; in the demo's HOME the demo's own, whatever CONFIG holds."""
        return (self.home / DEMO if self.is_demo else self.config) / "connections.yaml"

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What connections may name: the given variables, and in the demo's HOME its simulators' credentials."""
        written = self.home / DEMO / "environment"
        if not self.is_demo or not written.exists():
            return dict(environment)
        lines = (line.partition("=") for line in written.read_text(encoding="utf-8").splitlines())
        return {**environment, **{name: value for name, equals, value in lines if equals}}


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """One account as connections.yaml describes it, its secrets still named, not read."""

    name: str
    system: str
    written: Mapping[str, Any]
    file: str
    line: int

    def resolved(self, environment: Mapping[str, str], secret: SecretReader | None = None) -> dict[str, Any]:
        """The settings with every {env: NAME} and {secret: NAME} replaced by what it names."""
        return {name: self._resolve(name, value, environment, secret) for name, value in self.written.items()}

    def _resolve(self, name: str, value: Any, environment: Mapping[str, str], secret: SecretReader | None) -> Any:
        if isinstance(value, list):
            return [self._resolve(f"{name}[{n}]", inner, environment, secret) for n, inner in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if set(value) == {"env"}:
            found = environment.get(str(value["env"]))
            if found is None:
                raise BadSetting(
                    f"{self.file}:{self.line}: {self.name}.{name}: the variable {value['env']} is not set", field=name
                )
            return found
        if set(value) == {"secret"}:
            if secret is None:
                raise BadSetting(
                    f"{self.file}:{self.line}: {self.name}.{name}: Secret blocks can be read inside a flow run only"
                )
            return secret(str(value["secret"]))
        return {key: self._resolve(f"{name}.{key}", inner, environment, secret) for key, inner in value.items()}


class _Connection(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    system: str
    settings: dict[str, Any] = {}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    connections: dict[str, _Connection] = Field(min_length=1)


_SECRET_NAMES = ("key", "token", "secret", "password")
_WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")


def load_connections(path: Path) -> dict[str, ConnectionSettings]:
    """The connections of a connections.yaml. A secret written out in it is refused."""
    document = documents.read(path)
    written = document.fit(_File)
    errors: list[BadDocument] = []
    found: dict[str, ConnectionSettings] = {}
    for name, connection in written.connections.items():
        where = ("connections", name)
        if not name.replace("_", "").isalnum() or not name[0].isalpha():
            errors.append(document.error(where, "a connection's name is letters, digits and _"))
        for setting, value in connection.settings.items():
            if isinstance(value, str) and (
                setting.split("_")[-1] in _SECRET_NAMES or _WITH_PASSWORD.search(value) is not None
            ):
                message = "a secret is not written here; name where it is: {env: NAME} or {secret: NAME}"
                errors.append(document.error((*where, "settings", setting), message))
        found[name] = ConnectionSettings(name, connection.system, connection.settings, str(path), document.line(where))
    if errors:
        raise documents.gather(errors)
    return found
