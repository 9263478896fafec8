"""The reference pages are what the program would write now, and they leave nothing out."""

from __future__ import annotations

import pytest

from console import reference
from kernel.causes import CAUSES


@pytest.mark.parametrize("name", reference.PAGES)
def test_writing_a_page_again_changes_nothing(name: str) -> None:
    page = reference.REFERENCE / name
    assert page.exists(), "run: python -m console.reference"
    assert page.read_text(encoding="utf-8") == reference.PAGES[name](), "run: python -m console.reference"


def test_every_verb_option_cause_and_setting_has_its_line() -> None:
    cli = (reference.REFERENCE / "cli.md").read_text(encoding="utf-8")
    for verb in (
        "demo",
        "up",
        "check",
        "activate",
        "status",
        "trace",
        "sandbox",
        "sync run",
        "sync plan",
        "identity merge",
    ):
        assert f"### throughline {verb}\n" in cli
    for verb in ("list", "groups", "show", "edit", "replay", "discard"):
        assert f"### throughline dead-letters {verb}\n" in cli
    assert "--debug" not in cli
    causes = (reference.REFERENCE / "causes.md").read_text(encoding="utf-8")
    assert [code for code in CAUSES if f"| `{code}` |" not in causes] == []
    assert "| `api_key` | required, secret |" in (reference.REFERENCE / "settings.md").read_text(encoding="utf-8")


def test_every_page_is_listed() -> None:
    listed = (reference.REFERENCE / "README.md").read_text(encoding="utf-8")
    assert [name for name in reference.PAGES if f"]({name})" not in listed] == []
