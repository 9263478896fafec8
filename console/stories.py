"""A record's story as trees: what came in, who it is, what went out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text
from rich.tree import Tree

from console.rendering import short

Told = dict[str, Any]
_GOOD = ("landed", "APPLIED", "applied", "created", "active", "primary", "resolved", "completed")
_BAD = ("parked", "DEAD", "CONFLICT", "refused", "failed", "open", "gone")


def trees(story: Told) -> list[Tree]:
    """In the order of the journey: objects and their versions, golden records, deliveries, letters, runs."""
    focus = story["focus"]
    places = _places(story)
    parts = [
        _tree("read", [_object(each, focus) for each in story["objects"]]),
        _tree("golden records", [_golden(each, places) for each in story["goldens"]]),
        _tree("written", [_delivery(each, focus) for each in story["deliveries"]]),
        _tree("dead letters", [_letter(each) for each in story["dead_letters"]]),
        _tree("runs", [_leaf(_run(each)) for each in story["runs"]]),
    ]
    head = Tree(_line(("found as ", "dim"), (story["found_as"], "bold")))
    return [head, *(part for part in parts if part.children)]


def _tree(title: str, children: Iterable[Tree]) -> Tree:
    tree = Tree(Text(title, style="bold"))
    tree.children.extend(children)
    return tree


def _leaf(line: Text) -> Tree:
    return Tree(line)


def _line(*parts: tuple[Any, str]) -> Text:
    line = Text()
    for text, style in parts:
        line.append("" if text is None else str(text), style=style)
    return line


def _state(state: Any) -> tuple[str, str]:
    text = str(state)
    return text, "green" if text in _GOOD else "red" if text in _BAD else "yellow"


def _object(told: Told, focus: str) -> Tree:
    gone = ("  deleted there", "red") if told["deleted"] else ("", "")
    tree = Tree(_line((f"{told['connection']}.{told['resource']} ", ""), (told["vendor_id"], "bold"), gone))
    for version in told["versions"]:
        here = (" ◀", "bold cyan") if version["trace_id"] == focus else ("", "")
        rule = (f" ({version['rule']})", "dim") if version["rule"] else ("", "")
        line = _line(("version ", "dim"), (version["trace_id"], "cyan"), ("  ", ""), _state(version["state"]), rule)
        line.append_text(_line((f"  read {version['read_at']}  run {version['run']}", "dim"), here))
        branch = tree.add(line)
        if version["mapping"]:
            branch.add(_mapping(version["mapping"]))
    return tree


def _mapping(told: Told) -> Text:
    since = f", activated {told['activated_at']} by {told['activated_by']}" if "activated_at" in told else ""
    now = "" if told.get("active", True) else "; another is active now"
    return _line((f"mapped by {told['path']} @ {told['revision'][:12]}{since}{now}", "dim"))


def _places(story: Told) -> dict[str, str]:
    """Member id -> where a person finds it: connection, resource and vendor id."""
    ids = {each["id"]: each["vendor_id"] for each in story["objects"]}
    return {
        member["id"]: f"{member['connection']}.{member['resource']} {ids.get(member['object'], member['id'])}"
        for golden in story["goldens"]
        for member in golden["members"]
    }


def _golden(told: Told, places: Mapping[str, str]) -> Tree:
    state = _state(told["state"])
    into = (f" into {told['merged_into']}", "") if told["merged_into"] else ("", "")
    tree = Tree(
        _line((f"{told['entity']} ", ""), (told["id"], "bold"), (f"  version {told['version']}  ", ""), state, into)
    )
    tree.add(_line((f"caused by version {told['caused_by']}, {told['updated_at']}", "dim")))
    for member in told["members"]:
        tree.add(_member(member, places))
    said: dict[tuple[str, ...], list[Told]] = {}
    for each in told["decisions"]:
        said.setdefault((each["kind"], each["why"], each["by"], each["at"]), []).append(each)
    for decisions in said.values():
        tree.add(_decision(decisions))
    for name, each in told["fields"].items():
        source = f"  from {places.get(each['from'], each['from'])}" if each["from"] else ""
        tree.add(_line((f"{name} = ", ""), (short(each["value"]), "bold"), (source, "dim")))
    for field, to, end in dict.fromkeys((each["field"], each["to"], each["golden"]) for each in told["links"]):
        tree.add(_line((f"{field} → {to} ", ""), (end or "not arrived yet", "bold")))
    for seat in told["bindings"]:
        tree.add(_seat(seat))
    return tree


def _member(told: Told, places: Mapping[str, str]) -> Text:
    why = f"  shares {', '.join(told['shares'])}" if told["shares"] else ""
    gone = ("", "") if told["active"] else ("  no longer there", "red")
    return _line(("member ", "dim"), (places[told["id"]], ""), (why, "green"), gone, (f"  {told['id']}", "dim"))


def _decision(told: list[Told]) -> Text:
    """One step of one person, or of the matching: often many pairs at once."""
    first = told[0]
    about = f"{first['a']} and {first['b']}" if len(told) == 1 else f"{len(told)} pairs of members"
    return _line(
        (f"{first['kind']} ", "magenta"),
        (f"{about}: {first['why']}", ""),
        (f"  {first['by']}, {first['at']}", "dim"),
    )


def _seat(told: Told) -> Text:
    where = f"{told['connection']}.{told['resource']}"
    return _line(
        ("bound to ", "dim"),
        (f"{where} ", ""),
        (told["vendor_id"] or "no vendor id yet", "bold"),
        ("  ", ""),
        _state(told["slot"]),
        (f"  key {told['ext_key']}", "dim"),
    )


def _delivery(told: Told, focus: str) -> Tree:
    here = (" ◀", "bold cyan") if focus in (told["id"], told["trace_id"]) else ("", "")
    cause = (f" ({told['cause']})", "dim") if told["cause"] else ("", "")
    head = _line((f"{told['action']} → {told['connection']}.{told['resource']} ", ""), (told["vendor_id"], "bold"))
    head.append_text(_line(("  ", ""), _state(told["state"]), cause, here))
    tree = Tree(head)
    tree.add(
        _line(
            (f"delivery {told['id']}  of golden version {told['golden_version']}, planned {told['planned_at']}", "dim"),
            (f"  trace {told['trace_id']}", "dim"),
        )
    )
    if told["approval"]:
        said = f": {told['error']}" if told["error"] else f"; see: throughline approvals show {told['approval']}"
        tree.add(_line((f"{'waits for' if told['state'] == 'HELD' else 'decided by'} a person{said}", "yellow")))
    for attempt in told["attempts"]:
        tree.add(_attempt(attempt))
    return tree


def _attempt(told: Told) -> Text:
    status = f" {told['status']}" if told["status"] else ""
    request = f"  request {told['request_id']}" if told["request_id"] else ""
    error = f"  {told['error']}" if told["error"] else ""
    line = _line((f"attempt {told['n']} {told['sent_at']}  ", "dim"), _state(told["outcome"]))
    return line.append_text(_line((status, ""), (request, "dim"), (error, "red")))


def _letter(told: Told) -> Tree:
    tree = Tree(_line((f"{told['id']} ", "bold"), (f"{told['cause']} at {told['stage']}  ", ""), _state(told["state"])))
    tree.add(_line((told["message"], "")))
    if told["state"] == "open":
        tree.add(_line((f"see: throughline dead-letters show {told['id']}", "dim")))
    return tree


def _run(told: Told) -> Text:
    flow = f"  flow run {told['flow_run']}" if told["flow_run"] else ""
    return _line(
        (f"{told['kind']} {told['sync'] or ''} ", ""),
        (told["id"], "bold"),
        ("  ", ""),
        _state(told["state"]),
        (flow, "dim"),
    )
