"""A small company: Stripe and two CSV files in, HubSpot out, on simulators, SQLite and the real stewards' files, met through the CLI."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from console import simulated
from console.cli import app
from kernel import documents
from kernel.store import Store, open_store, sqlite_url
from kernel.vault import open_vault
from sandbox import Box
from tests.conftest import ROOT

SYNCS = {
    "people": """
        sync: people
        description: Customers of Stripe and people of the files, in HubSpot.
        schedule: "*/15 * * * *"
        streams: [stripe.customers, files.accounts, hubspot.contacts]
        routes:
          - {entity: account, to: hubspot.companies}
          - {entity: contact, to: hubspot.contacts}
        """,
    "deals": """
        sync: deals
        description: Deals of the files, in HubSpot.
        streams: [files.deals]
        routes:
          - {entity: opportunity, to: hubspot.deals}
        """,
}
ACCOUNTS = "account,sector,revenue,office_location\nAcme,software,12.5,United States\nGlobex,medical,,Germany\n"
DEALS = (
    "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value\n"
    "D1,Moses,,Acme,Won,2026-01-02,2026-02-03,1054\n"
    "D2,Moses,,,Won,2026-01-02,2026-02-03,10\n"
)


@dataclass
class Company:
    """One THROUGHLINE_HOME and CONFIG, the simulators, and the command line."""

    home: Path
    config: Path
    box: Box

    def run(self, *arguments: str, code: int | None = 0, input: str | None = None) -> Result:
        """A verb; its exit code is as expected (None: any), and never a traceback."""
        result = CliRunner().invoke(app, list(arguments), input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert code is None or result.exit_code == code, f"{arguments}: {result.exit_code}\n{result.output}"
        assert "Traceback" not in result.output
        return result

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        """A verb's JSON document: one line of standard output, nothing else there."""
        result = self.run(*arguments, "--json", code=code)
        assert result.stdout.endswith("\n")
        assert "\n" not in result.stdout[:-1]
        return json.loads(result.stdout)

    def store(self) -> Store:
        """The store behind it, for looking; close it."""
        return open_store(sqlite_url(self.home / "throughline.db"), open_vault(self.home, None))

    def letters(self) -> list[dict[str, Any]]:
        """The open letters."""
        found: list[dict[str, Any]] = self.json("dead-letters", "list", code=None)["dead_letters"]
        return found

    def edit(self, path: str, old: str, new: str) -> None:
        """Change a steward's file."""
        file = self.config / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")


Found = Callable[[Path], Company]


def _configured(config: Path, box: Box) -> None:
    for folder in ("dictionary/entities", "mappings", "dedup/rules"):
        shutil.copytree(ROOT / folder, config / folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (config / "flows/syncs").mkdir(parents=True)
    for name, text in SYNCS.items():
        lines = [line[8:] for line in text.strip("\n").splitlines()]
        (config / f"flows/syncs/{name}.yaml").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    files = config / "files"
    files.mkdir()
    (files / "accounts.csv").write_text(ACCOUNTS, encoding="utf-8")
    (files / "deals.csv").write_text(DEALS, encoding="utf-8")
    told = simulated.connections({name: box.url(name) for name in box.systems})
    listed = {
        "accounts": {"file": "accounts.csv", "id": "account"},
        "deals": {"file": "deals.csv", "id": "opportunity_id"},
    }
    told["connections"]["files"] = {"system": "csv", "settings": {"folder": str(files), "files": listed}}
    (config / "connections.yaml").write_text(documents.dump(told), encoding="utf-8")


def _founded(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Company]:
    home, config = folder / "home", folder / "config"
    with Box(["stripe", "hubspot"], None) as box:
        config.mkdir()
        _configured(config, box)
        patch.setenv("THROUGHLINE_HOME", str(home))
        patch.setenv("THROUGHLINE_CONFIG", str(config))
        patch.delenv("THROUGHLINE_KEY", raising=False)
        patch.delenv("THROUGHLINE_DATABASE_URL", raising=False)
        for name, token in simulated.environment({name: box[name].token for name in box.systems}).items():
            patch.setenv(name, token)
        yield Company(home, config, box)


def seed(company: Company) -> None:
    """Three customers, two of whom are one person to their e-mail."""
    stripe = company.box["stripe"]
    stripe.make("customers", email="ada@acme.io", name="Ada Lovelace", phone="+442079460000")
    stripe.make("customers", email="ADA@acme.io ", name="Ada King Lovelace")
    stripe.make("customers", email="bob@globex.de", name="Bob Fox")


def _start(company: Company) -> None:
    company.run("activate")
    company.run("check", "hubspot", "--fix", code=None)  # our key field, which a fresh account lacks
    company.run("sync", "run", "--all", "--no-flow", code=1)


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """An empty company: nothing is active."""
    yield from _founded(tmp_path, monkeypatch)


@pytest.fixture
def running(company: Company) -> Company:
    """A company whose syncs ran once; one deal is parked."""
    seed(company)
    _start(company)
    return company


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The same, shared by tests that only look."""
    with pytest.MonkeyPatch.context() as patch:
        for company in _founded(tmp_path_factory.mktemp("company"), patch):
            seed(company)
            _start(company)
            yield company
