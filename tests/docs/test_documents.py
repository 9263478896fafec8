"""The documents name only what is there: links lead somewhere, verbs exist, decisions are numbered and listed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {".venv", ".throughline", "node_modules", "build"}
VERBS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


DOCUMENTS = [path for path in sorted(ROOT.rglob("*.md")) if SKIPPED.isdisjoint(path.relative_to(ROOT).parts)]


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", without_code(document.read_text(encoding="utf-8")))
    local = [
        target.split("#")[0] for target in targets if "://" not in target and not target.startswith(("#", "mailto:"))
    ]
    assert [target for target in local if target and not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_make_verbs_exist(document: Path) -> None:
    named = set(re.findall(r"(?:`|\n|\$ )make ([a-z]+)", document.read_text(encoding="utf-8")))
    assert named <= VERBS


def test_decisions_are_numbered_once_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [page[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    listed = re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == pages
    for page in pages:
        text = (folder / page).read_text(encoding="utf-8")
        assert text.startswith(f"# {page[:4]}: ")
        assert "\nStatus: " in text


def test_make_alone_lists_the_verbs() -> None:
    told = subprocess.run(["make", "-C", str(ROOT), "--no-print-directory"], capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  make ([a-z-]+)", told.stdout, re.MULTILINE)) == VERBS
    assert {"setup", "demo", "test", "check", "bench", "lock", "clean"} <= VERBS


def test_the_changelog_has_room_for_what_is_new() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
