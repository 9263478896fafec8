"""Every cause a connector may give stands in the catalogue, with a meaning and a fix."""

from __future__ import annotations

import re
from pathlib import Path

from kernel.causes import CAUSES
from tests.conftest import ROOT

_GIVEN = re.compile(r"""cause="([a-z_]+)"|Fate\.[A-Z_]+, "([a-z_]+)\"""")


def given() -> set[tuple[str, str]]:
    """(cause, file) of every cause written in connectors/."""
    found: set[tuple[str, str]] = set()
    for path in (ROOT / "connectors").rglob("*.py"):
        codes = (one or other for one, other in _GIVEN.findall(Path(path).read_text()))
        found |= {(code, path.name) for code in codes}
    return found


def test_every_cause_is_in_the_catalogue() -> None:
    assert {(code, file) for code, file in given() if code not in CAUSES} == set()
