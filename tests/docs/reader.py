"""A reader with a fresh checkout: runs a page's commands one after the other in one shell, and notes what came of each block."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT
from tests.docs import quick
from tests.docs.pages import Block, blocks

LEFT_OUT = shutil.ignore_patterns(
    ".git",
    ".venv*",
    ".throughline",
    "__pycache__",
    "*.egg-info",
    "build",
    ".*_cache",
    ".hypothesis",
    "connections.yaml",
)
_ACTIVATE = 'PATH="{bin}:$PATH"; export PATH\n'
_PYTHON = '#!/bin/sh\nPYTHONPATH="{checkout}" exec "{python}" "$@"\n'
_MARK = re.compile(r"^@@ (\d+)$", re.MULTILINE)
PATIENCE = 400  # seconds for one page; an upper bound for a machine that is busy with something else


@dataclass
class Told:
    """What a page's run told: the output of each block, by its line, and the commands that failed."""

    outputs: dict[int, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


class Reader:
    """A checkout of its own, set up, and a home folder with nothing in it."""

    def __init__(self, folder: Path) -> None:
        """Copies the checkout and makes a `.venv` there that leads to the libraries of this one."""
        self.home, self.checkout = folder / "home", folder / "home/throughline"
        self.home.mkdir(parents=True)
        shutil.copytree(ROOT, self.checkout, ignore=LEFT_OUT)
        self._socket = tempfile.mkdtemp(prefix="throughline-") + "/quick"  # a socket's path may not be long
        self._set_up(self.checkout / ".venv/bin")
        self._quick = subprocess.Popen(
            [sys.executable, "-m", "tests.docs.quick", self._socket],
            cwd=self.checkout, env=self.environment | {"PYTHONPATH": str(self.checkout)}, start_new_session=True,
        )  # fmt: skip
        until = time.monotonic() + PATIENCE
        while not Path(self._socket).exists():
            assert self._quick.poll() is None, "the command line could not be imported"
            assert time.monotonic() < until
            time.sleep(0.02)

    def _set_up(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "python").write_text(_PYTHON.format(checkout=self.checkout, python=sys.executable))
        (folder / "python").chmod(0o755)
        (folder / "activate").write_text(_ACTIVATE.format(bin=folder))
        for name in ("prefect", "pytest", "ruff"):
            (folder / name).write_text(f'#!/bin/sh\nexec "{folder}/python" -m {name} "$@"\n')
            (folder / name).chmod(0o755)
        quick.write_client(folder / "throughline", self._socket)
        ready = 'touch ".venv/.ready-$(pwd | cksum | cut -d" " -f1)"'  # what `make setup` leaves
        subprocess.run(["sh", "-c", ready], cwd=self.checkout, check=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a login shell has, and no setting of ours."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "THROUGHLINE_REAL") if name in os.environ}
        return {**kept, "HOME": str(self.home), "USER": "reader", "LOGNAME": "reader", "LC_ALL": "C.UTF-8"}

    def read(self, page: Path, given: Mapping[str, str] | None = None) -> Told:
        """Run the page's shell blocks in order. `given`: variables that a block which is not run would have set."""
        running = [block for block in blocks(page) if block.runs]
        script, failures = self.home / "page.sh", self.home / "failed"
        failures.write_text("")
        script.write_text(_script(running, failures), encoding="utf-8")
        process = subprocess.Popen(
            ["bash", str(script)], cwd=self.checkout, env=self.environment | dict(given or {}), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            output = process.communicate(timeout=PATIENCE)[0]
        finally:
            _end(process)
        parts = _MARK.split(output)
        told = Told(dict(zip(map(int, parts[1::2]), parts[2::2], strict=True)))
        told.failed = [line for line in failures.read_text().splitlines() if not _is_finding(line)]
        return told

    def close(self) -> None:
        """End whatever the pages left running."""
        self.run("throughline demo --stop")
        _end(self._quick)
        shutil.rmtree(Path(self._socket).parent, ignore_errors=True)

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """One line in the checkout, `.venv` activated."""
        script = f". .venv/bin/activate\n{line}\n"
        return subprocess.run(
            ["bash", "-c", script], cwd=self.checkout, env=self.environment, text=True, capture_output=True,
            stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False,
        )  # fmt: skip


def _script(running: list[Block], failures: Path) -> str:
    """The blocks as one shell, each announced, every command that fails written down."""
    lines = [". .venv/bin/activate", f"trap 'echo \"$? $BASH_COMMAND\" | head -1 >> {failures}' ERR"]
    for block in running:
        lines += [f"echo; echo '@@ {block.line}'", block.text]
    return "\n".join([*lines, "trap - ERR", "kill $(jobs -p) 2>/dev/null", "wait", ""])


def _is_finding(line: str) -> bool:
    """Exit code 1 of a verb says that there is something to look at; it is no failure."""
    code, _, command = line.partition(" ")
    return code == "1" and "throughline " in command


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
