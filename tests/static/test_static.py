"""The wrapper tells green from failed from not looked at, and each checker bites."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest

from tests.static.checks import BASELINE, Verdict, accepted, audited, secrets, weaknesses

GOOD = {"dependencies": [{"name": "httpx", "version": "1", "vulns": []}], "fixes": []}
BAD = {"dependencies": [{"name": "httpx", "version": "1", "vulns": [{"id": "PYSEC-1"}]}], "fixes": []}
LEFT_OUT = {"dependencies": [{"name": "httpx", "skip_reason": "could not be looked up"}], "fixes": []}


def stand_in(folder: Path, out: str, err: str, code: int) -> str:
    """A program that says this and ends so."""
    (folder / "out").write_text(out)
    (folder / "err").write_text(err)
    program = folder / "pip-audit"
    program.write_text(f"#!/bin/sh\ncat '{folder}/out'\ncat '{folder}/err' >&2\nexit {code}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


@pytest.mark.parametrize(
    ("out", "err", "code", "verdict"),
    [
        (json.dumps(GOOD), "No known vulnerabilities found", 0, Verdict.GREEN),
        (json.dumps(BAD), "Found 1 known vulnerability in 1 package", 1, Verdict.FAILED),
        (json.dumps(LEFT_OUT), "No known vulnerabilities found", 0, Verdict.SKIPPED),
        (json.dumps({"dependencies": []}), "No known vulnerabilities found", 0, Verdict.FAILED),
        (
            "",
            "ERROR:pip_audit._cli:x: Dependency not found on PyPI and could not be audited: x (1)",
            1,
            Verdict.SKIPPED,
        ),
        ("", "requests.exceptions.ConnectionError: Max retries exceeded", 1, Verdict.SKIPPED),
        ("", "usage: pip-audit [-h]", 2, Verdict.FAILED),
    ],
    ids=["good", "bad", "left out", "nothing looked at", "unknown", "unreachable", "broken"],
)
def test_an_audit_that_did_not_look_is_not_green(
    tmp_path: Path, out: str, err: str, code: int, verdict: Verdict
) -> None:
    assert audited(tmp_path, stand_in(tmp_path, out, err, code)).verdict is verdict


def test_a_new_secret_fails_and_an_accepted_one_does_not(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "a.py").write_text("x = 1\n")
    subprocess.run(["git", "-C", str(tmp_path), "add", "."], check=True)
    assert secrets(tmp_path).verdict is Verdict.FAILED  # no baseline is no answer
    (tmp_path / BASELINE).write_text(accepted(tmp_path))
    assert secrets(tmp_path).verdict is Verdict.GREEN
    (tmp_path / "a.py").write_text("y = 2\naws = 'AKIA" + "QYLPMN5HHHFPZAM2'\n")
    found = secrets(tmp_path)
    assert (found.verdict, [line.split(":")[:2] for line in found.lines]) == (Verdict.FAILED, [["a.py", "2"]])
    (tmp_path / BASELINE).write_text(accepted(tmp_path))
    (tmp_path / "a.py").write_text("\n\ny = 2\naws = 'AKIA" + "QYLPMN5HHHFPZAM2'\n")
    assert secrets(tmp_path).verdict is Verdict.GREEN  # it moved, and is the same


def test_a_weakness_fails(tmp_path: Path) -> None:
    (tmp_path / "kernel").mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.bandit]\n")
    (tmp_path / "kernel/a.py").write_text("x = 1\n")
    assert weaknesses(tmp_path).verdict is Verdict.GREEN
    (tmp_path / "kernel/a.py").write_text("import yaml\nx = yaml.load(open('a'))\n")
    found = weaknesses(tmp_path)
    assert found.verdict is Verdict.FAILED
    assert found.lines[0].startswith("kernel/a.py:2: B506")
    (tmp_path / "kernel/a.py").write_text("x = (\n")
    assert weaknesses(tmp_path).verdict is Verdict.FAILED  # what cannot be read was not looked at
