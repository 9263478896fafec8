"""Secrets and values: canaries in credentials and records, looked for in everything that is shown, raised or logged."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, SecretStr

from connectors.base import Connector
from console.conformance.checks import check, expect, only_where
from console.conformance.ground import Ground
from kernel.errors import BadSetting, ThroughlineError

CANARY = "canary-5e1f-never-tell"
PERSON = "canary-person-77"


@check("secret.settings")
def settings(g: Ground, resource: str) -> None:
    """Credentials are marked as secrets, and neither settings nor connector nor a refusal of settings shows them."""
    told, opened = g.practice.settings(), g.open()
    secrets, auth = list(_secrets(opened.settings)), opened.http.auth
    if g.practice.simulated:
        expect(g.sim.token in secrets, f"the credential in `{g.practice.credential}` is no SecretStr")
    shown = [repr(opened), repr(opened.settings), str(opened.settings), repr(opened.http), repr(auth)]
    shown += [repr(vars(auth))] if auth is not None else []
    for secret in secrets:
        expect(not any(secret in text for text in shown), "a secret stands in a repr")
    wrongs = [("no_such_setting", CANARY), *((name, {"x": CANARY}) for name in told)]
    for name, wrong in wrongs:
        try:
            g.but(name, wrong)
        except BadSetting as error:
            expect(CANARY not in f"{error!s}{error!r}", f"the refusal of {name} tells its value")


@check("secret.errors")
def errors(g: Ground, resource: str) -> None:
    """In every kind of trouble no error, traceback, check or log line tells a credential or a record's value."""
    only_where(g.practice.simulated, "no vendor")
    g.sim.token = CANARY
    shown: list[str] = []
    with _logged(shown):
        connector = g.ready()
        for kind in ("", "401", "403", "429", "500", "reset", "html200", "truncated"):
            g.sim.faults.clear()
            if kind:
                g.sim.faults.add(kind, times=None, retry_after=3_600)
            shown += [f"{one.name} {one.detail} {one.fix}" for one in connector.check()]
            shown += _raised(connector, g.practice.main)
            shown += _written(g, connector)
        shown += _raised(g.but(g.practice.address, "http://127.0.0.1:9"), g.practice.main)
    for place, text in enumerate(shown):
        expect(CANARY not in text, f"a credential is told: {text.replace(CANARY, '…')[:200]}")
        expect(PERSON not in text, f"a record's value is told: {text.replace(PERSON, '…')[:200]}")
        expect("api_key=" not in text and "access_token=" not in text, f"a query with a credential is told ({place})")


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _secrets(one)


def _raised(connector: Connector, resource: str) -> list[str]:
    try:
        for _ in connector.read(resource, None):
            pass
    except ThroughlineError as error:
        return [f"{error!s} {error!r} {error.field}", *traceback.format_exception(error, chain=True)]
    return []


def _written(g: Ground, connector: Connector) -> list[str]:
    told = []
    for resource, facts in g.practice.written.items():
        for bad in (facts.refused, facts.unknown_choice, facts.too_long):
            canaries = {name: PERSON if isinstance(value, str) else value for name, value in bad.items() if value}
            error = g.write(connector, resource, [g.item(resource, {**facts.fields, **canaries})])[0].error
            told += [f"{error!s} {error!r} {error.field}"] if error is not None and canaries else []
        if g.sim.faults.switches:
            break
    return told


@contextlib.contextmanager
def _logged(lines: list[str]) -> Iterator[None]:
    """Every log line of any library, at its own level."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    root, handler = logging.getLogger(), Keep(logging.DEBUG)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
