"""Reaching an account: what `check` and `discover` tell, when all is well and when it is not."""

from __future__ import annotations

from connectors.base import Connector
from console.conformance.checks import NotHere, check, expect, only_where, same
from console.conformance.ground import Ground
from kernel.errors import Fate, Stop, ThroughlineError
from kernel.records import Check as Looked

WRONG = "not-the-credential-of-anybody"
TYPES = frozenset({"string", "number", "boolean", "date", "datetime", "picklist", "reference", "json"})


@check("reach.good")
def good(g: Ground, resource: str) -> None:
    """With everything in place every check is good and none asks for anything."""
    looked = _looked(g.ready())
    bad = [f"{one.name}: {one.detail}" for one in looked if not one.ok]
    expect(not bad, f"a good account is told bad: {'; '.join(bad)}")
    expect(looked, "nothing was looked at")


@check("reach.bad_credential")
def bad_credential(g: Ground, resource: str) -> None:
    """A refused credential is told with what to do about it; reading stops and says `unauthorized`."""
    _only_asked(g)
    connector = g.but(g.practice.credential, WRONG)
    _told_bad(_looked(connector), WRONG)
    before = len(g.calls())
    error = _stopped(connector, g.practice.main)
    expect(error.fate is Fate.STOP, f"a refused credential must stop the stream, not {error.fate}")
    expect(error.cause == "unauthorized", f"the cause is '{error.cause}', not 'unauthorized'")
    expect(len(g.calls()) - before <= 2, "a refused credential is tried again and again")


@check("reach.wrong_host")
def wrong_host(g: Ground, resource: str) -> None:
    """Nobody at the address, or somebody else: told, never raised."""
    _only_asked(g)
    nobody = g.but(g.practice.address, "http://127.0.0.1:9")
    _told_bad(_looked(nobody), "")
    g.sim.faults.add("html200", times=None)
    _told_bad(_looked(g.open()), "")


@check("reach.missing_permission", per="readable")
def missing_permission(g: Ground, resource: str) -> None:
    """One permission is missing: told for that resource alone, with what to grant; reading it stops."""
    only_where(g.practice.simulated and g.practice.scopes, "no single permissions")
    connector = g.ready()
    try:
        g.practice.deny(resource)
    except (NotImplementedError, AttributeError):
        raise NotHere("no permission of its own") from None
    looked = _looked(connector)
    bad = [one for one in looked if not one.ok]
    only_where(bad or any(resource.rstrip("s").lower() in one.name.lower() for one in looked), "not looked at")
    expect(bad, f"nothing is told to be wrong without the permission for {resource}")
    expect(all(one.fix for one in bad), f"{bad[0].name}: it is not told what to grant")
    expect(len(g.resources) == 1 or any(one.ok for one in looked), "all is told bad though one permission is missing")
    if _enforced(g):
        error = _stopped(connector, resource)
        expect(error.fate is Fate.STOP, f"reading without permission must stop, not {error.fate} ({error.cause})")


@check("reach.unknown_resource")
def unknown_resource(g: Ground, resource: str) -> None:
    """A resource that there is not: a Stop that names it, for every verb."""
    connector = g.open()
    for verb in (lambda: list(connector.read("no_such_things", None)), lambda: connector.discover("no_such_things")):
        try:
            verb()
        except Stop:
            continue
        except Exception as error:
            expect(False, f"an unknown resource raises {type(error).__name__}, not Stop")
        expect(False, "an unknown resource is accepted")


@check("discover.fields", per="readable")
def fields(g: Ground, resource: str) -> None:
    """Live fields: named once, of a known type, picklists with their values, what is never written marked so."""
    connector = g.ready()
    g.make(resource)
    try:
        found = connector.discover(resource)
    except Stop:
        raise NotHere("it does not say which fields there are") from None
    names = [field.name for field in found]
    expect(names, "no fields are found")
    same(len(names), len(set(names)), "a field stands twice")
    strange = {field.type for field in found} - TYPES
    expect(not strange, f"types nobody knows: {', '.join(sorted(strange))}")
    spec = g.resources[resource].write
    if spec is not None:
        offered = {field.name for field in found if not field.read_only} & spec.read_only
        expect(not offered, f"declared read-only and offered for writing: {', '.join(sorted(offered))}")
        unknown = {
            name for name in g.written(resource).fields if name not in names and name.partition(".")[0] not in names
        }
        expect(not unknown, f"written and not discovered: {', '.join(sorted(unknown))}")


@check("discover.live", per="readable")
def live(g: Ground, resource: str) -> None:
    """A field that an admin adds is found at once, with its type and choices."""
    connector = g.ready()
    name, kind, choices = g.practice.add_field(resource)
    only_where(name, "nobody can add a field")
    found = {field.name: field for field in connector.discover(resource)}.get(name)
    expect(found is not None, f"the new field {name} is not found")
    if found is not None:
        same(found.type, kind, f"the type of {name}")
        same(set(found.values), set(choices), f"the choices of {name}")


def _only_asked(g: Ground) -> None:
    asked = g.practice.simulated and g.resources[g.practice.main].readable
    only_where(asked, "nobody is asked anything")


def _looked(connector: Connector) -> list[Looked]:
    try:
        return connector.check()
    except Exception as error:
        expect(False, f"check() raises {type(error).__name__} instead of telling")
        raise


def _told_bad(looked: list[Looked], secret: str) -> None:
    bad = [one for one in looked if not one.ok]
    expect(bad, "nothing is told to be wrong")
    expect(all(one.fix for one in bad), f"{bad[0].name}: it is not told what to do")
    expect(all(one.detail for one in bad), f"{bad[0].name}: it is not told what is wrong")
    expect(not secret or not any(secret in f"{one.detail}{one.fix}" for one in bad), "the credential is told")


def _stopped(connector: Connector, resource: str) -> ThroughlineError:
    try:
        for _ in connector.read(resource, None):
            pass
    except ThroughlineError as error:
        return error
    expect(False, "the read goes through")
    raise AssertionError


def _enforced(g: Ground) -> bool:
    """Whether the simulator keeps to its permissions; some are only told."""
    return not hasattr(g.sim, "scopes")
