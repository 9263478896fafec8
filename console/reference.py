"""`python -m console.reference`: writes docs/reference from the program itself, so that the pages cannot drift from it."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import typer.main

import dictionary
from connectors import find_connectors
from connectors.base import ConnectorSettings
from console.cli import app
from console.exits import MEANINGS
from console.verbs.connector import described
from kernel.causes import CAUSES
from kernel.settings import CHECKOUT, VARIABLES
from mappings.transforms import TRANSFORMS

REFERENCE = CHECKOUT / "docs/reference"
PIPE = "\\|"
_COMMENT = re.compile(r"^    (\w+): .*?  # (.+)$", re.MULTILINE)
_WRITTEN = "Written by `python -m console.reference`; change the program, not this page.\n"


def main() -> int:
    """Write every page; 1 where one had been another before."""
    changed = False
    for name, render in PAGES.items():
        path = REFERENCE / name
        page = render()
        if not path.exists() or path.read_text(encoding="utf-8") != page:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(CHECKOUT)}\n")
            changed = True
    return int(changed)


def cli() -> str:
    """The command line: every verb with its arguments and options, and the exit codes."""
    root = typer.main.get_command(app)
    codes = [[str(int(code)), meaning] for code, meaning in MEANINGS.items()]
    head = f"# Command line\n\n{_WRITTEN}\n## Exit codes\n\n{_table(['code', 'meaning'], codes)}\n"
    told = (
        "Answers go to standard output, everything else to standard error. With `--json` standard output holds one JSON "
        'document and nothing else, also where a verb fails (`{"error": …}`). Personal values are masked unless '
        "`--show-values` is given, which goes on record.\n"
    )
    return head + told + "".join(_verbs(root, "throughline"))


def _verbs(command: Any, path: str) -> Iterator[str]:
    for name, each in command.commands.items():
        full = f"{path} {name}"
        if hasattr(each, "commands"):
            yield f"\n## {full}\n\n{_sentences(each.help)}\n"
            yield from _verbs(each, full)
        else:
            yield _verb(each, full)


def _verb(command: Any, path: str) -> str:
    shown = [each for each in command.params if not getattr(each, "hidden", False) and each.name != "help"]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    options = [each for each in shown if each.param_type_name == "option"]
    usage = " ".join([path, *(_name(each) for each in arguments), "[OPTIONS]" if options else ""])
    told = f"\n### {path}\n\n`{usage.strip()}`\n\n{_sentences(command.help)}\n"
    if arguments:
        rows = [[f"`{_name(each)}`", each.help or ""] for each in arguments]
        told += f"\n{_table(['argument', 'meaning'], rows)}"
    if options:
        told += f"\n{_table(['option', 'meaning'], [[_option(each), each.help or ''] for each in options])}"
    return told


def _name(argument: Any) -> str:
    """An argument as the usage line has it."""
    name = argument.metavar or argument.name.upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _option(option: Any) -> str:
    names = [*option.opts, *option.secondary_opts]
    return ", ".join(f"`{name}`" for name in names)


def _sentences(text: str | None) -> str:
    return "\n".join(line.strip() for line in (text or "").strip().splitlines())


def settings() -> str:
    """The variables, and the settings of every connector."""
    variables = [[f"`{each.name}`", each.meaning, each.default] for each in VARIABLES]
    told = f"# Settings\n\n{_WRITTEN}\n## Variables\n\n{_table(['variable', 'meaning', 'default'], variables)}\n"
    told += (
        "## Connections\n\n`connections.yaml` below THROUGHLINE_CONFIG names the accounts; `connections.example.yaml` shows "
        "one of each system. A secret is never written in it: `{env: NAME}` names an environment variable, `{secret: name}` "
        "a Prefect Secret block (flows only).\n"
    )
    shared = dict(_COMMENT.findall(inspect.getsource(ConnectorSettings)))
    defaults = {name: str(field.default) for name, field in ConnectorSettings.model_fields.items()}
    told += "\n### Every connection\n\n"
    told += _table(
        ["setting", "meaning", "default"], [[f"`{n}`", shared.get(n, ""), f"`{defaults[n]}`"] for n in defaults]
    )
    for cls in find_connectors().values():
        facts = described(cls)
        meanings = dict(_COMMENT.findall(inspect.getsource(cls.Settings)))
        rows = [
            [f"`{each['name']}`", _need(each), meanings.get(each["name"], ""), _default(each)]
            for each in facts["settings"]
            if each["name"] not in defaults
        ]
        told += f"\n### {facts['system']}\n\n{_sentences(facts['about'])}\n\n"
        told += _table(["setting", "", "meaning", "default"], rows)
    return told


def _need(setting: dict[str, Any]) -> str:
    kinds = ["required"] if setting["required"] else []
    return ", ".join([*kinds, *(["secret"] if setting["secret"] else [])])


def _default(setting: dict[str, Any]) -> str:
    value = setting["default"]
    return "" if value in (None, "", (), {}) else f"`{value}`"


def causes() -> str:
    """The catalogue of causes, by stage."""
    told = f"# Causes\n\nWhy a record or a write needs a person: the causes of dead letters. {_WRITTEN}"
    for stage in dict.fromkeys(cause.stage for cause in CAUSES.values()):
        rows = [[f"`{c.code}`", c.meaning, c.fix] for c in CAUSES.values() if c.stage == stage]
        told += f"\n## {stage}\n\n{_table(['cause', 'meaning', 'usual fix'], rows)}"
    return told


def words() -> str:
    """The data dictionary."""
    return dictionary.render_markdown(dictionary.load(CHECKOUT / "dictionary/entities"))


def transforms() -> str:
    """The named transforms of mappings, with their parameters."""
    rows = [
        [f"`{each.name}`", each.told, _parameters(each.params), "yes" if each.invertible else "no"]
        for each in TRANSFORMS.values()
    ]
    told = "What a mapping may do to a value; there is no other, and no expression language. "
    columns = ["transform", "what it does", "parameters", "both ways"]
    return f"# Transforms\n\n{told}{_WRITTEN}\n{_table(columns, rows)}"


def _parameters(model: Any) -> str:
    fields = model.model_fields
    if "root" in fields:
        return "a table: vendor's value → dictionary's value"
    return ", ".join(f"`{field.alias or name}`{'' if field.is_required() else '?'}" for name, field in fields.items())


def connectors() -> str:
    """Every connector's resources: how each is read and written."""
    told = f"# Connectors\n\n{_WRITTEN}"
    for cls in find_connectors().values():
        facts = described(cls)
        rows = [
            [f"`{r['resource']}`", r["reads"], r["writes"], ", ".join(r["actions"]), r["deletes"].replace("_", " ")]
            for r in facts["resources"]
        ]
        told += f"\n## {facts['system']}\n\n"
        told += (
            _table(["resource", "read", "written", "actions", "deletes"], rows)
            if rows
            else "Its resources are named by each connection: files, or tables and queries.\n"
        )
    return told


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(
        f"| {' | '.join(' '.join(str(cell).split()).replace('|', PIPE) for cell in line)} |\n" for line in lines
    )


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli,
    "settings.md": settings,
    "causes.md": causes,
    "dictionary.md": words,
    "transforms.md": transforms,
    "connectors.md": connectors,
}
"""Page -> what renders it."""

if __name__ == "__main__":
    sys.exit(main())
