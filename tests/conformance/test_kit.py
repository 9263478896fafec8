"""The kit itself: every connector has its practice and its subscription, and the verb says what it found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from connectors import find_connectors
from connectors.base import Resource
from console.cli import app
from console.conformance.checks import CHECKS, Case, Report, Result, Unmet, expect, same
from console.conformance.ground import grounds
from console.conformance.running import cases
from sandbox.practice import find_practices

HERE = Path(__file__).parent
WITHOUT = {
    "webhook_out": "its other side is anybody's: nothing can be read, found or checked there; tests/connectors and tests/webhooks hold it",
}
"""Systems that the kit has nothing to hold to, and why."""
SYSTEMS = sorted(set(find_connectors()) - set(WITHOUT))


def declared(system: str) -> Mapping[str, Resource]:
    """What a system's connection declares; of files and tables the class knows nothing."""
    found = find_connectors()[system].resources
    if found:
        return found
    with grounds(system) as ground:
        return ground.resources


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_connector_is_practised_and_subscribed(system: str) -> None:
    practice = find_practices()[system]
    resources = declared(system)
    writable = {name for name, one in resources.items() if one.write is not None}
    assert set(practice.written) == writable, "a writable resource is not practised"
    assert (HERE / f"test_{system}.py").is_file(), "one line subscribes it"


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_check_is_made_of_every_system(system: str) -> None:
    resources = declared(system)
    wanted = {
        name
        for name, check in CHECKS.items()
        if check.per in ("system", "mapped")
        or (check.per == "readable" and (not resources or any(one.readable for one in resources.values())))
        or (check.per == "writable" and any(one.write for one in resources.values()))
    }
    assert {case.check for case in cases(system)} == wanted


def test_every_check_says_what_it_checks() -> None:
    assert [name for name, check in CHECKS.items() if not check.about.endswith(".")] == []


def test_the_verb_tells_results_and_ends_well() -> None:
    result = CliRunner().invoke(app, ["connector", "test", "csv", "--only", "read.", "--json"])
    assert result.exit_code == 0, result.output
    told = orjson.loads(result.stdout)
    assert (told["system"], told["ok"], told["failed"]) == ("csv", True, 0)
    assert {one["state"] for one in told["checks"]} == {"passed", "not here"}


def test_the_verb_ends_with_one_when_a_check_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def stubborn(ground: object, resource: str) -> None:
        expect(False, "it never passes")

    monkeypatch.setitem(CHECKS, "reach.good", type(CHECKS["reach.good"])("reach.good", "About.", "system", stubborn))
    result = CliRunner().invoke(app, ["connector", "test", "web_form", "--only", "reach.good"])
    assert result.exit_code == 1
    assert "reach.good" in result.stdout


def test_an_unknown_system_is_named() -> None:
    result = CliRunner().invoke(app, ["connector", "test", "nobody"])
    assert result.exit_code == 4


def test_nothing_checked_is_no_pass() -> None:
    assert not Report("x", [Result(Case("x", "reach.good"), "not here", "why")]).ok


def test_differences_are_told_short() -> None:
    with pytest.raises(Unmet, match=r"things: 2 missing \(a, b\); 1 too many \(c\)"):
        same({"c"}, {"a", "b"}, "things")
