"""A firm whose every value and credential is a canary: real runs by the command line and by Prefect, through every kind of trouble."""

from __future__ import annotations

import csv
import logging
import os
import shutil
import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from console import simulated
from console.cli import app
from flows import Server, environment, run_flow, start_server, stop_server
from journey.connecting import OpenConnections
from journey.inbound import receiving
from journey.outbound import planning
from kernel import documents
from kernel.errors import ThroughlineError
from kernel.records import WebhookRequest
from kernel.settings import load_connections
from kernel.store import open_store, sqlite_url
from kernel.vault import open_vault
from sandbox import Box
from tests.canaries.looking import Canaries
from tests.conftest import ROOT

SYNC = """
sync: people
description: Customers of Stripe and accounts of a file, in HubSpot.
streams: [stripe.customers, files.accounts, hubspot.contacts]
routes:
  - {entity: account, to: hubspot.companies}
  - {entity: contact, to: hubspot.contacts}
"""
BUSY = 5
"""How often Prefect's server may be too busy to answer: it is not what is tested here."""
TROUBLE = ("401", "403", "429", "500", "reset", "html200", "truncated")


@dataclass
class Firm:
    """One home, its simulators, and everything that was ever shown."""

    home: Path
    config: Path
    box: Box
    canaries: Canaries
    shown: list[str] = field(default_factory=list)
    watching: sqlite3.Connection | None = None

    def watch(self) -> None:
        """Stay connected to the store, so that its write-ahead log is there to be looked at."""
        self.watching = sqlite3.connect(self.home / "throughline.db")
        self.watching.execute("SELECT count(*) FROM run").fetchall()

    def run(self, *arguments: str) -> None:
        """A verb, whatever it ends with."""
        result = CliRunner().invoke(app, list(arguments))
        self.shown += [result.output, repr(result.exception)]

    def customers(self, how_many: int) -> None:
        """People at Stripe, nothing of whom may be told."""
        c, stripe = self.canaries, self.box["stripe"]
        for n in range(how_many):
            address = {"line1": c.text(), "line2": c.text(), "city": c.text(), "postal_code": c.word(), "country": "DE"}
            phone = f"+49 {c.word()}" if n % 5 == 0 else "+4930901820"
            told = {"utm_source": c.word(), c.word(): c.word()} | ({"company_name": c.text()} if n % 2 else {})
            stripe.make(
                "customers", email=c.email() if n % 4 else f"@{c.word()}", name=f"{c.text()} {c.word()}", phone=phone,
                description=c.text(), address=address, metadata=told,
            )  # fmt: skip

    def people(self, how_many: int) -> None:
        """Contacts that HubSpot has already."""
        c, hubspot = self.canaries, self.box["hubspot"]
        for _ in range(how_many):
            hubspot.make("contacts", email=c.email(), firstname=c.word(), lastname=c.word(), jobtitle=c.text())

    def file(self, how_many: int) -> None:
        """Accounts of a file, every third row broken."""
        c = self.canaries
        with (self.config / "files/accounts.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["row", "account", "sector", "revenue", "office_location", "website"])
            for n in range(how_many):
                row = [str(n), c.text(), c.word(), c.word() if n % 4 else "1", c.word(), f"{c.word()}.example"]
                writer.writerow(row[:3] if n % 3 == 0 else row)

    def form(self) -> None:
        """A web form's post, with canaries in its address, its headers and its body."""
        c = self.canaries
        settings = load_connections(self.config / "connections.yaml")
        store = open_store(sqlite_url(self.home / "throughline.db"), open_vault(self.home, None))
        connections = OpenConnections(store, settings, os.environ)
        for system in ("stripe", "hubspot", "forms"):
            headers = {"cookie": c.word(), "authorization": f"Bearer {c.word()}", "content-type": "application/json"}
            signature = {"stripe-signature": f"t=1,v1={c.word()}"}
            body = f'{{"email": "{c.email()}", "name": "{c.word()}"'.encode()
            url = f"https://hub.example/hooks/{system}?token={c.word()}&secret={c.word()}"
            request = WebhookRequest("POST", url, headers | signature, body, store.clock.now())
            try:
                self.shown.append(repr(receiving.accept(store, connections, system, request)))
            except ThroughlineError as error:
                self.shown.append(f"{error!s} {error!r}")
        connections.close()
        store.close()

    def trouble(self, kind: str) -> None:
        """Every request to one vendor goes wrong for a while, and its message tells what it was sent."""
        for system in ("stripe", "hubspot"):
            self.box[system].faults.clear()
            options = {"message": self.canaries.text()} if kind.isdigit() else {}
            self.box[system].faults.add(kind, times=1, **options)

    def calm(self) -> None:
        """All is well again."""
        for system in ("stripe", "hubspot"):
            self.box[system].faults.clear()

    def backups(self) -> None:
        """The two ways in which SQLite is copied."""
        (self.home / "backups").mkdir(exist_ok=True)
        source = sqlite3.connect(self.home / "throughline.db")
        target = sqlite3.connect(self.home / "backups/copy.db")
        source.backup(target)
        target.close()
        source.execute("VACUUM INTO ?", (str(self.home / "backups/vacuum.db"),))
        source.close()


@contextmanager
def firms(folder: Path, seed: int) -> Iterator[Firm]:
    """A firm with its own variables and its own log, both as before afterwards."""
    root = logging.getLogger()
    handlers, level, before = list(root.handlers), root.level, dict(os.environ)
    try:
        with pytest.MonkeyPatch.context() as patch, Box(["stripe", "hubspot"]) as box:
            firm = _founded(folder, box, Canaries(seed), patch)
            try:
                yield firm
            finally:
                if firm.watching is not None:
                    firm.watching.close()
    finally:
        for handler in [each for each in root.handlers if each not in handlers]:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _founded(folder: Path, box: Box, canaries: Canaries, patch: pytest.MonkeyPatch) -> Firm:
    home, config = folder / "home", folder / "config"
    for name in ("dictionary/entities", "mappings", "dedup/rules"):
        shutil.copytree(ROOT / name, config / name, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (config / "flows/syncs").mkdir(parents=True)
    (config / "flows/syncs/people.yaml").write_text(SYNC)
    (config / "files").mkdir()
    for name in box.systems:
        box[name].token = f"sk_{canaries.word()}"
    told = simulated.connections({name: box.url(name) for name in box.systems})
    files = {"folder": str(config / "files"), "files": {"accounts": {"file": "accounts.csv", "id": "row"}}}
    told["connections"]["files"] = {"system": "csv", "settings": files}
    told["connections"]["forms"] = {"system": "web_form", "settings": {"token": {"env": "FORM_TOKEN"}}}
    told["connections"]["stripe"]["settings"]["webhook_secret"] = {"env": "HOOK_SECRET"}
    (config / "connections.yaml").write_text(documents.dump(told), encoding="utf-8")
    variables = simulated.environment({name: box[name].token for name in box.systems})
    variables |= {"HOOK_SECRET": f"whsec_{canaries.word()}", "FORM_TOKEN": canaries.word(), "OTHER": canaries.word()}
    variables |= {"THROUGHLINE_HOME": str(home), "THROUGHLINE_CONFIG": str(config), "THROUGHLINE_LOG_LEVEL": "DEBUG"}
    for name, value in variables.items():
        patch.setenv(name, value)
    for name in ("THROUGHLINE_KEY", "THROUGHLINE_DATABASE_URL", "PREFECT_API_URL"):
        patch.delenv(name, raising=False)
    return Firm(home, config, box, canaries)


def by_command_line(firm: Firm) -> None:
    """Everything a person may do, in good and in bad times."""
    firm.run("activate")
    firm.watch()
    firm.run("check", "hubspot", "--fix")
    firm.run("check")
    firm.run("sync", "run", "--all", "--no-flow")
    for kind in TROUBLE:
        firm.customers(2)
        firm.trouble(kind)
        firm.run("sync", "run", "--all", "--no-flow")
        firm.run("check")
    firm.calm()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "plan_sync", _raising(firm.canaries))
        firm.run("sync", "run", "--all", "--no-flow")
    firm.form()
    asked = next(
        row["email"] for row in firm.box["stripe"].state.all("customers") if "company_name" not in row["metadata"]
    )
    for verb in (["status"], ["dead-letters", "list"], ["dead-letters", "groups"], ["trace", asked]):
        firm.run(*verb)
        firm.run(*verb, "--json")


def by_prefect(firm: Firm) -> None:
    """The same as flows, on a server of its own."""
    server = start_server(firm.home)
    try:
        environment.prepare(Path(server.home), server.api)
        for kind in ("", "401", "500"):
            firm.customers(2)
            if kind:
                firm.trouble(kind)
            _ended(firm, server, "sync", {"sync": "people"})
        firm.calm()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(planning, "plan_sync", _raising(firm.canaries))
            _ended(firm, server, "sync", {"sync": "people"})
        for flow in ("receive", "reconcile", "publish"):
            _ended(firm, server, flow, {})
    finally:
        stop_server(firm.home)


def _ended(firm: Firm, server: Server, flow: str, parameters: dict[str, str]) -> None:
    """Run a flow to its end. A Prefect server that is too busy raises: that is shown as well, and then it is asked again."""
    while True:
        try:
            firm.shown.append(repr(run_flow(flow, server, parameters)))
        except Exception as error:
            firm.shown.append("".join(traceback.format_exception(error)))
            if sum(shown.startswith("Traceback") for shown in firm.shown) > BUSY:
                raise
        else:
            return


def _raising(canaries: Canaries) -> Any:
    def crash(*_: object) -> None:
        raise KeyError(canaries.text(), {"email": canaries.email()})

    return crash
