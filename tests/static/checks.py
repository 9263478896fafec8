"""What the checkers of others say about the tree, as one of three verdicts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.house.plan import ROOMS

BASELINE = ".secrets.baseline"
LOCK = "requirements.lock"
AUDIT_SECONDS = 180
_SCAN = ("scan", "--exclude-files", r"^\.secrets\.baseline$")
_UNREACHED = re.compile(
    r"could not be audited|not found on PyPI|ConnectionError|ConnectTimeout|Max retries|Temporary failure"
    r"|Name or service|ServiceError|timed? ?out|Connection refused|Network is unreachable|ProxyError|SSLError",
    re.IGNORECASE,
)


class Verdict(StrEnum):
    """How a check ended."""

    GREEN = "green"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True)
class Result:
    """A verdict, a word about it, and what was found."""

    verdict: Verdict
    why: str
    lines: tuple[str, ...] = ()


def tool(name: str) -> str:
    """A checker of the environment that runs this."""
    return str(Path(sys.executable).with_name(name))


def weaknesses(root: Path, bandit: str = "") -> Result:
    """bandit over every room, of medium severity and above; what is justified says so in its line (nosec, with a reason)."""
    rooms = [room for room in ROOMS if (root / room).is_dir()]
    ran = _run([bandit or tool("bandit"), "-q", "-ll", "-c", "pyproject.toml", "-f", "json", "-r", *rooms], root)
    told = _json(ran.stdout)
    if told is None or told.get("errors"):
        return Result(Verdict.FAILED, "it did not look at everything", _tail(ran.stderr))
    found = told["results"]
    lines = tuple(f"{each['filename']}:{each['line_number']}: {each['test_id']} {each['issue_text']}" for each in found)
    return Result(Verdict.FAILED if found else Verdict.GREEN, f"{len(found)} of medium severity or above", lines)


def secrets(root: Path, detect: str = "") -> Result:
    """detect-secrets over every file that git knows: what is not in the baseline is new, and fails."""
    try:
        known = _marks(json.loads((root / BASELINE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return Result(Verdict.FAILED, f"{BASELINE} is not there or not readable")
    ran = _run([detect or tool("detect-secrets"), *_SCAN], root)
    told = _json(ran.stdout)
    if ran.returncode or told is None:
        return Result(Verdict.FAILED, "it did not run", _tail(ran.stderr))
    new = sorted((file, line, kind) for (file, mark), (line, kind) in _marks(told).items() if (file, mark) not in known)
    lines = tuple(f"{file}:{line}: {kind}" for file, line, kind in new)
    return Result(Verdict.FAILED if new else Verdict.GREEN, f"{len(new)} that {BASELINE} does not know", lines)


def accepted(root: Path, detect: str = "") -> str:
    """The baseline of the tree as it is, without the moment it was made."""
    told = _json(_run([detect or tool("detect-secrets"), *_SCAN], root).stdout)
    assert told is not None, "detect-secrets did not run"
    told.pop("generated_at", None)
    return json.dumps(told, indent=2) + "\n"


def audited(root: Path, audit: str = "") -> Result:
    """pip-audit over the lock. Green only when every package was looked up: without its service it knows nothing."""
    command = [audit or tool("pip-audit"), "--strict", "-r", LOCK, "--disable-pip", "--require-hashes", "-f", "json"]
    try:
        ran = _run([*command, "--progress-spinner", "off"], root, AUDIT_SECONDS)
    except subprocess.TimeoutExpired:
        return Result(Verdict.SKIPPED, f"its service gave no answer in {AUDIT_SECONDS} s")
    told = _json(ran.stdout)
    packages = told.get("dependencies", []) if told is not None else []
    bad = tuple(f"{each['name']} {each['version']}: {v['id']}" for each in packages for v in each.get("vulns", ()))
    if bad:
        return Result(Verdict.FAILED, f"{len(bad)} known vulnerabilities", bad)
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    if skipped or _UNREACHED.search(ran.stderr):
        return Result(Verdict.SKIPPED, "its service does not know or did not answer", _tail(ran.stderr, 1))
    if ran.returncode == 0 and packages:
        return Result(Verdict.GREEN, f"{len(packages)} packages, no known vulnerability")
    return Result(Verdict.FAILED, f"it ended with {ran.returncode} and told nothing", _tail(ran.stderr))


def _run(command: Sequence[str], root: Path, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(command), cwd=root, capture_output=True, text=True, timeout=seconds, check=False)


def _json(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _marks(told: dict[str, Any]) -> dict[tuple[str, str], tuple[int, str]]:
    """(file, hash of the secret) → (line, kind); lines move, so they are no part of what is known."""
    listed = [(file, each) for file, found in told["results"].items() for each in found]
    return {(file, each["hashed_secret"]): (each["line_number"], each["type"]) for file, each in listed}


def _tail(text: str, lines: int = 5) -> tuple[str, ...]:
    return tuple(text.strip().splitlines()[-lines:])
