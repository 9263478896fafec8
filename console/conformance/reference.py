"""The reference page of a connector, drawn from what it declares: it cannot say anything else than the code does."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from connectors.base import Connector, ConnectorSettings, Deletes, Resource
from connectors.budget import Kind, Limit
from console.conformance.checks import check, expect, only_where, same
from console.conformance.ground import Ground, grounds
from kernel.settings import CHECKOUT

FOLDER = CHECKOUT / "docs" / "reference" / "connectors"
_DELETES = {
    Deletes.NONE: "not told",
    Deletes.IN_STREAM: "told by each read",
    Deletes.SWEEP: "found by a complete read",
}
_COMMENT = re.compile(r"^    (\w+): .*?  # (.+)$", re.MULTILINE)
_HEAD = "<!-- Drawn from the connector; after a change of it: throughline connector page {system} -->"


@check("page.current")
def current(g: Ground, resource: str) -> None:
    """The reference page says what the connector declares, with the setup steps and permissions a person needs."""
    connector = g.open()
    expect(connector.setup, "the connector does not say how an account is set up (`setup`)")
    path = FOLDER / f"{g.system}.md"
    only_where(FOLDER.is_dir(), "no docs folder here")
    expect(path.is_file(), f"there is no {path.name}; draw it: throughline connector page {g.system}")
    same(
        path.read_text(encoding="utf-8"),
        page(connector),
        f"{path.name} (draw it: throughline connector page {g.system})",
    )


def draw(system: str, folder: Path = FOLDER) -> Path:
    """Write the page of a system; its path."""
    with grounds(system) as ground:
        text = page(ground.open())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{system}.md"
    path.write_text(text, encoding="utf-8")
    return path


def page(connector: Connector) -> str:
    """The page of a connector, as Markdown."""
    parts = [
        [f"# {connector.system}", _HEAD.format(system=connector.system), _sentence(type(connector))],
        ["## Connect an account", *_setup(connector)],
        ["## What is read and written", *_resources(connector)],
        ["## Limits", *_limits(connector)],
        ["## Webhooks", _webhooks(connector)],
        ["## What its answers mean", *_answers(connector)],
        ["## Try it without an account", *_sandbox(connector)],
    ]
    return "\n\n".join(block for part in parts for block in part if block) + "\n"


def _sentence(cls: type[Connector]) -> str:
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


def _setup(connector: Connector) -> Iterator[str]:
    yield "\n".join(f"{n}. {step}" for n, step in enumerate(connector.setup, 1))
    if connector.permissions:
        yield "Permissions to grant: " + ", ".join(f"`{one}`" for one in connector.permissions) + "."
    told = _comments(connector.Settings)
    rows = [
        [
            f"`{name}`",
            "yes" if field.is_required() else "",
            "yes" if "Secret" in str(field.annotation) else "",
            told.get(name, ""),
        ]
        for name, field in connector.Settings.model_fields.items()
        if name not in ConnectorSettings.model_fields  # every connection's own: docs/reference/settings.md
    ]
    yield _table(["setting", "required", "secret", "meaning"], rows)
    yield f"Then `throughline check CONNECTION` tells what is still missing. {_sentence_of(connector.Settings)}".strip()


def _sentence_of(settings: type) -> str:
    return " ".join((inspect.getdoc(settings) or "").split())


def _comments(settings: type) -> dict[str, str]:
    """What stands behind each setting in the source."""
    owners = [one for one in reversed(settings.__mro__) if one.__module__.startswith("connectors.")]
    found = [pair for one in owners for pair in _COMMENT.findall(inspect.getsource(one))]
    return {name: text.replace("|", "\\|") for name, text in found}


def _resources(connector: Connector) -> Iterator[str]:
    rows = [
        [f"`{one.name}`", _reads(one), _DELETES[one.deletes], _writes(one), _actions(one)]
        for one in connector.resources.values()
    ]
    yield _table(["resource", "read", "deletes", "written", "actions"], rows)
    links = {
        f"`{one.name}.{name}` → `{to}`"
        for one in connector.resources.values()
        if one.write
        for name, to in one.write.references.items()
    }
    if links:
        yield "References that can be written: " + ", ".join(sorted(links)) + "."
    keys = sorted({f"`{one.write.ext_field}`" for one in connector.resources.values() if one.write})
    if keys:
        yield f"Our key is held in {', '.join(keys)}."


def _reads(one: Resource) -> str:
    if not one.readable:
        return "only received"
    told = "by change" if one.incremental else "whole"
    if one.lookback:
        told += f", looking back {_time(one.lookback)}"
    if one.safety_lag:
        told += f", {_time(one.safety_lag)} behind"
    if one.bulk:
        told += f"; from {one.bulk.threshold:,} on by a bulk job"
    return told


def _writes(one: Resource) -> str:
    if one.write is None:
        return ""
    spec = one.write
    told = f"class {spec.write_class} ({spec.write_class.name.lower().replace('_', ' ')}), {spec.batch_size} at a time"
    told += f", keys hold {_time(spec.key_window)}" if spec.key_window else f", settles in {_time(spec.settle)}"
    bulk = spec.bulk
    return told + (f"; from {bulk.threshold:,} on by bulk jobs of {bulk.batch_size:,}" if bulk else "")


def _actions(one: Resource) -> str:
    return ", ".join(sorted(str(action) for action in one.write.actions)) if one.write else ""


def _limits(connector: Connector) -> Iterator[str]:
    if not connector.limits:
        yield "None of ours: the vendor's answers say when to wait."
        return
    yield "Kept to by all workers together; the setting `limits` says by these names what the account really has."
    yield _table(["name", "limit", "of"], [[f"`{one.called}`", _limit(one), _of(one)] for one in connector.limits])


def _limit(limit: Limit) -> str:
    what = "tokens" if limit.costed else "requests"
    if limit.kind is Kind.CONCURRENT:
        return f"{limit.calls} at once"
    if limit.kind is Kind.DAY:
        return f"{limit.calls:,} {what} a day"
    return f"{limit.calls:,} {what} in {_time(timedelta(seconds=limit.per))}"


def _of(limit: Limit) -> str:
    return f"calls that match `{limit.only}`".replace("|", "\\|") if limit.only else "all calls"


def _webhooks(connector: Connector) -> str:
    heard = type(connector).webhook is not Connector.webhook
    return " ".join((inspect.getdoc(type(connector).webhook) or "").split()) if heard else "None."


def _answers(connector: Connector) -> Iterator[str]:
    by_code = connector.http.verdicts.by_code
    if not by_code:
        yield "The statuses every vendor means alike; no codes of its own."
        return
    rows = [
        [f"`{code}`", str(verdict.fate).replace("_", " "), f"`{verdict.cause}`"]
        for code, verdict in sorted(by_code.items())
    ]
    yield _table(["code", "what happens", "cause"], rows)


def _sandbox(connector: Connector) -> Iterator[str]:
    if connector.http.base_url is not None:
        yield f"A simulator speaks its dialect on loopback: `throughline sandbox --systems {connector.system}`."
    yield f"What this connector was held to: `throughline connector test {connector.system}`."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _time(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
