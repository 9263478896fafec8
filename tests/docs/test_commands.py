"""Every command of the tutorial and the how-to pages is run, in order, by a reader with a fresh checkout and no network."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel import documents
from tests.conftest import ROOT
from tests.docs.pages import DOCS, blocks, expected, missing, pages
from tests.docs.reader import Reader

pytestmark = [
    pytest.mark.xdist_group("documents"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("bash") is None, reason="the commands are run by bash"),
]
WITH_PREFECT = [page for page in pages("how-to") if "throughline up\n" in page.read_text(encoding="utf-8")]
RUN = pages("tutorial") + WITH_PREFECT + [page for page in pages("how-to") if page not in WITH_PREFECT]
SHOWN = [page for page in sorted(DOCS.rglob("*.md")) if "decisions" not in page.parts] + [ROOT / "README.md"]
DEMO = re.compile(r"^You need: .*`make demo`", re.MULTILINE)
"""How a page says that it goes on where the demo ended."""


def named(page: Path) -> str:
    """A page in a test's name."""
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """One checkout for all pages: the tutorial starts the demo, and others go on from there."""
    found = Reader(tmp_path_factory.mktemp("reader"))
    yield found
    found.close()


@pytest.mark.parametrize("page", RUN, ids=named)
def test_the_commands_of_a_page_work(page: Path, reader: Reader, request: pytest.FixtureRequest) -> None:
    if DEMO.search(page.read_text(encoding="utf-8")) and not (reader.checkout / ".throughline").exists():
        demo = reader.run("make demo")
        assert demo.returncode in (0, 1), demo.stderr
    if page.parent.name == "how-to" and page not in WITH_PREFECT:
        reader.run("throughline up --stop")  # syncs run in their own process then, which takes a third of the time
    given = {}
    if "postgresql" in page.name:
        given["THROUGHLINE_DATABASE_URL"] = request.getfixturevalue("postgres_url")
    told = reader.read(page, given)
    everything = "\n".join(told.outputs.values())
    assert told.failed == [], everything
    assert list(told.outputs) == [block.line for block in blocks(page) if block.runs], everything
    for line, wanted in expected(page).items():
        assert missing(wanted.text, told.outputs[line]) == [], f"{wanted.place}: it said\n{told.outputs[line]}"


def test_what_is_not_run_says_why() -> None:
    told = [block for page in RUN for block in blocks(page) if block.language == "sh" and block.said]
    assert [block.place for block in told if not re.fullmatch(r"not-run: \w.{5,}", block.said)] == []


def test_every_block_says_what_it_is() -> None:
    known = {"sh", "text", "yaml", "python", "json", "toml", "csv"}
    assert [block.place for page in SHOWN for block in blocks(page) if block.language not in known] == []


def test_python_that_is_shown_compiles() -> None:
    for page in SHOWN:
        for block in blocks(page):
            if block.language == "python":
                compile(block.text, block.place, "exec")


def test_yaml_that_is_shown_is_yaml(tmp_path: Path) -> None:
    for page in SHOWN:
        for block in blocks(page):
            if block.language == "yaml":
                file = tmp_path / f"{page.stem}-{block.line}.yaml"
                file.write_text(block.text, encoding="utf-8")
                assert documents.read(file).value, block.place


def test_shell_that_is_shown_is_shell() -> None:
    for page in SHOWN:
        for block in blocks(page):
            if block.language == "sh":
                told = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True, check=False)
                assert told.returncode == 0, f"{block.place}: {told.stderr}"


def test_a_line_that_is_not_told_is_missed() -> None:
    told = "sync  state      read\n people  completed  7\n\nAll is well.\n"
    assert missing("people … 7\nAll is well.", told) == []
    assert missing("All is well.\npeople completed 7", told) == ["people completed 7"]
    assert missing("people completed 8", told) == ["people completed 8"]
