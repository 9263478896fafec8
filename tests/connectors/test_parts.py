"""The parts that connectors share: objects as records, writes by what is declared, looks, credentials, fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import httpx
import orjson
import pytest
from pydantic import SecretStr, ValidationError

from connectors import open_connector
from connectors.apps import AppSettings, granted, refreshing
from connectors.base import Connector, ConnectorSettings, Resource, WriteClass, WriteSpec, named
from connectors.batches import Indexed, Outcomes
from connectors.budget import Left, Told, left_in
from connectors.changes import Bounds, Listed
from connectors.described import fields_in, fields_shown
from connectors.dotted import at, nested, nulled
from connectors.http import Answer, Http
from connectors.keyfields import KeyFields
from connectors.looks import clock, first_look, looked
from connectors.paging import Paging
from connectors.rest import Rest
from connectors.shapes import as_asked, by_key, flag, held, parts, record_of, time_of
from connectors.verdicts import DEFAULT_VERDICTS, codes_at
from kernel.clock import SECOND, iso
from kernel.errors import Park, Retry, Stop
from kernel.records import Action, Check, FieldInfo, Json, SourceRecord, WriteItem, WriteOutcome
from tests.conftest import FakeClock

NOW = 1_800_000_000 * SECOND
SPEC = Resource("members", id="Id", updated_at="meta.changed")


def item(key: str, vendor_id: str | None = None, action: Action = Action.UPSERT, **fields: Any) -> WriteItem:
    return WriteItem(action, key, f"{key}-g0", fields, vendor_id)


def answer(body: Any, **headers: str) -> Answer:
    return Answer(200, httpx.Headers(headers), orjson.dumps(body), sent_at=NOW)


# objects ---------------------------------------------------------------------------------------------------------------
def test_dotted_names_make_an_object_and_find_in_it() -> None:
    fields = {"name": "Ann", "home.city": "Ulm", "home.geo.lat": 1, "note": None, "title": ""}
    made = nested(fields, nothing="-")
    assert made == {"name": "Ann", "home": {"city": "Ulm", "geo": {"lat": 1}}, "note": "-", "title": "-"}
    assert at(made, "home.geo.lat") == 1
    assert at(made, "home.street") is None


def test_a_group_that_is_replaced_whole_keeps_what_it_held_and_the_held_one_is_left_alone() -> None:
    there = {"home": {"city": "Ulm", "geo": {"lat": 1}}, "work": {"city": "Bonn"}}
    assert nested({"home.geo.lon": 2}, held=there) == {"home": {"city": "Ulm", "geo": {"lat": 1, "lon": 2}}}
    assert there["home"] == {"city": "Ulm", "geo": {"lat": 1}}


def test_empty_texts_become_null_only_where_that_is_asked() -> None:
    told = {"a": "", "b": 0, "one": {"x": ""}, "many": [{"x": ""}], "other": {"x": ""}}
    assert nulled(told, "one", "many") == {
        "a": None, "b": 0, "one": {"x": None}, "many": [{"x": None}], "other": {"x": ""},
    }  # fmt: skip


def test_an_object_is_a_record_by_what_its_resource_declares() -> None:
    raw = {"Id": 7, "meta": {"changed": "2027-01-15T08:00:00Z"}}
    assert record_of(SPEC, raw) == SourceRecord("7", raw, NOW)
    gone = record_of(SPEC, raw, deleted=True)
    assert (gone.id, gone.raw, gone.deleted) == ("7", {"Id": 7}, True)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"meta": {"changed": "2027-01-15T08:00:00Z"}}, "it has no id"),
        ({"Id": ""}, "it has no id"),
        ({"Id": 1, "meta": {"changed": "yesterday"}}, "its meta.changed is no time"),
        ({"Id": 1, "meta": {"changed": 12}}, "its meta.changed is no time"),
        ({"Id": 1, "meta": {}}, ""),
        ({"Id": 0}, ""),
    ],
)
def test_what_cannot_be_read_as_a_record_is_told_and_not_lost(raw: Json, fault: str) -> None:
    assert record_of(SPEC, raw).fault == fault


def test_objects_come_in_the_order_asked_and_a_survivor_of_a_merge_last() -> None:
    found = [SourceRecord("b", {}), SourceRecord("z", {})]
    told = as_asked(SPEC, ["a", "b", "a"], found)
    assert [(one.id, one.deleted) for one in told] == [("a", True), ("b", False), ("a", True), ("z", False)]
    assert told[0].raw == {"Id": "a"}


def test_by_our_key_each_object_counts_once_and_nothing_that_is_gone() -> None:
    old, new = SourceRecord("1", {"k": "ours"}), SourceRecord("1", {"k": "ours", "v": 2})
    others = [SourceRecord("2", {"k": ["ours"]}), SourceRecord("3", {"k": "ours"}, deleted=True), SourceRecord("4", {})]
    assert by_key(["ours", "none"], [old, new, *others], "k") == {"ours": [new], "none": []}


def test_an_answer_without_what_it_should_hold_says_nothing() -> None:
    assert held(answer({"data": [1]}), "data", list) == [1]
    for body in ({}, {"data": None}, {"data": {}}, []):
        with pytest.raises(Retry):
            held(answer(body), "data", list)


def test_small_shapes() -> None:
    assert [list(part) for part in parts("abcde", 2)] == [["a", "b"], ["c", "d"], ["e"]]
    assert time_of("2027-01-15T08:00:00") == time_of("2027-01-15T09:00:00+01:00") == NOW
    assert [time_of(told) for told in (None, "", "soon", 7)] == [None] * 4
    assert [flag(told) for told in (None, False, True)] == [False, False, True]
    with pytest.raises(TypeError):
        flag("false")


def test_codes_and_what_is_left_are_read_by_their_places() -> None:
    verdicts = DEFAULT_VERDICTS.but(
        codes=codes_at("error.code", "status"), by_code={"busy": DEFAULT_VERDICTS.statuses[429]}
    )
    assert verdicts.judge(400, {"error": {"code": "odd"}, "status": "busy"})[1] == "busy"
    assert verdicts.judge(400, ["odd"]) == (DEFAULT_VERDICTS.statuses[400], "")
    left = left_in(Left("short", "x-left", most="x-all"), Left("daily", "x-day", cost=10))
    assert left(httpx.Headers({"x-left": "3", "x-all": "9", "x-day": "45"})) == [
        Told("short", 3, most=9),
        Told("daily", 4),
    ]
    assert left(httpx.Headers({"x-left": "many"})) == []


# a connector of plain lists --------------------------------------------------------------------------------------------
class ClubSettings(ConnectorSettings):
    """A club."""

    base_url: str = "https://club.example"


class Club(Rest):
    """Members, and fees that are only read."""

    system: ClassVar[str] = "club"
    Settings = ClubSettings
    resources: ClassVar[Mapping[str, Resource]] = named(
        members=Resource(
            "",
            updated_at="changed",
            write=WriteSpec(WriteClass.SEARCH_FIRST, "key", read_only=frozenset({"id"}), actions=frozenset(Action)),
        ),
        fees=Resource("", incremental=False),
    )
    lists: ClassVar[Mapping[str, Sequence[Listed]]] = {
        name: [Listed(f"/{name}", Paging("page", ("size", 2), items="rows", numbered=True))] for name in resources
    }
    asking = Bounds("since", "until")
    holds = "row"

    @classmethod
    def build_http(cls, settings: ClubSettings, **options: Any) -> Http:
        return Http(base_url=settings.base_url, attempts=1, **options)

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        return by_key(ext_keys, self.lately(resource, 600), "key")

    def body(self, resource: str, item: WriteItem, id: str | None) -> Json:
        return {**item.fields, "key": item.ext_key}


class Desk:
    """The club's own server: rows by id, and what it was asked."""

    def __init__(self, *rows: Json) -> None:
        self.rows = {str(row["id"]): row for row in rows}
        self.asked: list[str] = []
        self.refusing: set[str] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.raw_path.decode()}")
        _, kind, *rest = request.url.path.split("/")
        if kind in self.refusing:
            return httpx.Response(403)
        if request.method == "GET" and not rest:
            start = 2 * (int(request.url.params.get("page", 1)) - 1)
            return httpx.Response(200, json={"rows": list(self.rows.values())[start : start + 2]})
        id = rest[0] if rest else f"m{len(self.rows) + 1}"
        if rest and id not in self.rows:
            return httpx.Response(404)
        if request.method == "DELETE":
            del self.rows[id]
            return httpx.Response(204)
        if request.method != "GET":
            self.rows[id] = {**self.rows.get(id, {"id": id}), **orjson.loads(request.content), "changed": iso(NOW)}
        return httpx.Response(200, json={"row": self.rows[id]})


def club(desk: Desk) -> Connector:
    return open_connector(Club, {}, connection="here", clock=FakeClock(NOW), transport=httpx.MockTransport(desk))


MEMBERS = [{"id": f"m{n}", "changed": "2027-01-15T07:59:00Z"} for n in range(1, 4)]


def test_lists_are_read_by_what_is_declared() -> None:
    desk = Desk(*MEMBERS)
    pages = list(club(desk).read("members", None))
    assert [record.id for page in pages for record in page.records] == ["m1", "m2", "m3"]
    assert pages[-1].last
    list(club(desk).read("members", pages[-1].cursor))
    assert desk.asked[2] == "GET /members?since=2027-01-15T07%3A59%3A00Z&size=2"
    list(club(desk).read("fees", None))
    assert "since" not in desk.asked[-1]
    with pytest.raises(Stop, match="club has no resource shoes; it has: members, fees"):
        club(desk).read("shoes", None)


def test_an_id_leads_to_no_other_address() -> None:
    desk = Desk(*MEMBERS, {"id": "a b@c"})
    told = club(desk).fetch("members", ["m2", "../fees", "m9", "..", "a b@c", "m2?x=1", ""])
    assert [one.id for one in told if not one.deleted] == ["m2", "a b@c"]
    assert [one.id for one in told] == ["m2", "../fees", "m9", "..", "a b@c", "m2?x=1", ""]
    paths = ["m2", "..%2Ffees", "m9", "a%20b%40c", "m2%3Fx%3D1"]
    assert desk.asked == [f"GET /members/{path}" for path in paths]


def test_what_carries_our_key_is_changed_and_only_the_rest_is_made() -> None:
    desk = Desk({**MEMBERS[0], "key": "k1"}, *MEMBERS[1:])
    told = club(desk).write("members", [item("k1", name="Ann"), item("k2", name="Bo"), item("k3", "m3", name="Cy")])
    assert [(one.vendor_id, one.created) for one in told] == [("m1", False), ("m4", True), ("m3", False)]
    assert [call for call in desk.asked if not call.startswith("GET")] == [
        "PATCH /members/m1", "POST /members", "PATCH /members/m3",
    ]  # fmt: skip
    assert desk.rows["m4"]["key"] == "k2"


def test_what_is_deleted_twice_is_gone_and_what_was_never_there_is_told() -> None:
    desk = Desk({**MEMBERS[0], "key": "k1"})
    deletes = [item("k1", action=Action.DELETE), item("k2", "m9", Action.DELETE), item("k3", action=Action.DELETE)]
    first, again, never = club(desk).write("members", deletes)
    assert [first.error, again.error] == [None, None]
    assert isinstance(never.error, Park)
    assert never.error.cause == "not_found"
    assert desk.rows == {}


def test_read_only_fields_and_resources_are_refused_unsent() -> None:
    desk = Desk()
    (refused,) = club(desk).write("members", [item("k1", id="m7")])
    assert refused.error is not None
    assert refused.error.cause == "read_only"
    with pytest.raises(Stop, match="club cannot write fees"):
        club(desk).write("fees", [item("k1", name="Ann")])
    assert desk.asked == []


def test_each_resource_is_looked_at_by_itself() -> None:
    desk = Desk()
    desk.refusing = {"fees"}
    members, fees = club(desk).check()
    assert (members.ok, fees.ok) == (True, False)
    assert fees.fix == "let the credential's user read fees"
    assert desk.asked[0] == "GET /members?size=1"


# batches ---------------------------------------------------------------------------------------------------------------
def conflict(outcomes: Outcomes) -> Callable[[Indexed], None]:
    def send(items: Indexed) -> None:
        outcomes.fail(items, Park("taken", cause="conflict"))

    return send


def test_two_creates_that_run_into_one_object_do_not_share_it() -> None:
    outcomes = Outcomes([item("k1"), item("k2"), item("k3"), item("k4", "there")])
    outcomes.each(outcomes.items, conflict(outcomes))
    found = {"k1": SourceRecord("m1", {}), "k2": SourceRecord("m1", {})}
    taken = outcomes.taken(lambda one: found.get(one.ext_key))
    assert [(place, one.vendor_id) for place, one in taken] == [(0, "m1")]

    def adopt(items: Indexed) -> None:
        for place, one in items:
            outcomes.settle(place, WriteOutcome(one.vendor_id))

    outcomes.again(taken, adopt)
    told = outcomes.in_order()
    assert told[0].vendor_id == "m1"
    assert [one.error.cause for one in told[1:] if one.error] == ["conflict"] * 3


def test_a_look_that_fails_is_its_items_own_and_so_is_a_second_send() -> None:
    outcomes = Outcomes([item("k1"), item("k2")])
    outcomes.each(outcomes.items, conflict(outcomes))

    def look(one: WriteItem) -> SourceRecord:
        if one.ext_key == "k1":
            raise Retry("busy", cause="locked")
        return SourceRecord("m2", {})

    def lost(items: Indexed) -> None:
        raise Retry("lost", cause="connection_lost")

    outcomes.again(outcomes.taken(look), lost)
    assert [one.error.cause for one in outcomes.in_order() if one.error] == ["locked", "connection_lost"]


def test_ids_are_found_for_those_without_and_nobody_is_asked_for_none() -> None:
    asked: list[Sequence[str]] = []

    def ids(keys: Sequence[str]) -> Mapping[str, str]:
        asked.append(keys)
        return {"k1": "m1"}

    outcomes = Outcomes([item("k1"), item("k2"), item("k3", "m3")])
    assert [(place, one.vendor_id) for place, one in outcomes.named(outcomes.items, ids)] == [(0, "m1"), (2, "m3")]
    assert [one.ext_key for _, one in outcomes.met("not_found")] == ["k2"]
    assert asked == [["k1", "k2"]]
    known = Outcomes([item("k3", "m3")])
    known.named(known.items, ids)
    assert len(asked) == 1


# looks, keys, fields, credentials --------------------------------------------------------------------------------------
def test_a_first_look_that_fails_stands_alone() -> None:
    def further(found: str) -> list[Check]:
        return [Check(f"further by {found}", True)]

    def refused() -> str:
        raise Stop("no", cause="forbidden")

    assert [one.name for one in first_look("account", lambda: "it", "fix it", further)] == ["account", "further by it"]
    (alone,) = first_look("account", refused, "fix it", further)
    assert (alone.ok, alone.fix) == (False, "fix it")
    assert looked("x", refused, "fix it").detail == str(Stop("no", cause="forbidden"))


@pytest.mark.parametrize(
    ("date", "ok"),
    [("Fri, 15 Jan 2027 08:00:59 GMT", True), ("Fri, 15 Jan 2027 07:58:59 GMT", False), ("soon", True), ("", True)],
)
def test_clocks_that_are_a_minute_apart_are_told(date: str, ok: bool) -> None:
    assert clock(answer({}, date=date)).ok is ok


def test_a_key_field_is_looked_up_once_and_again_when_it_is_needed_and_missing() -> None:
    names, asked = dict[str, str](), list[str]()

    def look_up(resource: str) -> str:
        asked.append(resource)
        return names.get(resource, "")

    def make(resource: str) -> str:
        names[resource] = f"hash of {resource}"
        return names[resource]

    keys = KeyFields("here", "Our key", look_up, make)
    assert [keys.name("deals"), keys.name("deals")] == ["", ""]
    assert asked == ["deals"]
    with pytest.raises(Stop, match=r"here: deals have no field 'Our key'; run: throughline check --fix"):
        keys.needed("deals")
    assert not keys.look("deals").ok
    names["deals"] = "made by a person"
    assert keys.needed("deals") == "made by a person"
    del names["deals"]
    assert [keys.ensure("deals"), keys.ensure("deals")] == [True, False]
    assert keys.look("deals").ok
    before = len(asked)
    assert keys.needed("deals") == keys.name("deals") == "hash of deals"
    assert len(asked) == before


def test_fields_by_json_schema_and_by_what_objects_show() -> None:
    schema = {
        "properties": {
            "id": {"type": "integer", "readonly": True},
            "at": {"type": ["string", "null"], "format": "date-time"},
            "home": {"type": "object", "properties": {"city": {"type": "string", "description": "Where"}}},
            "role": {"type": "string", "enum": ["a", "b"]},
        }
    }
    assert fields_in(schema, {"role"}) == [
        FieldInfo("id", "number", read_only=True),
        FieldInfo("at", "datetime"),
        FieldInfo("role", "picklist", read_only=True, values=("a", "b")),
        FieldInfo("home.city", "string", "Where"),
    ]
    shown = [{"n": 1, "f": True, "owner": {"value": "7"}, "x": {"y": 1}}, {"n": 2, "t": "x"}]
    kinds = {"f": "boolean", "n": "number", "owner": "reference", "t": "string", "x": "json"}
    assert fields_shown(shown, reference={"value", "name"}) == kinds
    assert fields_shown(shown) == {**kinds, "owner": "json"}


class Keyed(AppSettings):
    """A key that a person made, or an app."""

    made_token: ClassVar[str] = "api_key"
    api_key: SecretStr | None = None


APP = {"client_id": "app", "client_secret": "s3cret", "refresh_token": "r1"}


@pytest.mark.parametrize("wrong", [{}, {"api_key": "x", **APP}, {"client_id": "app"}, {**APP, "refresh_token": ""}])
def test_one_credential_is_given_and_no_second(wrong: Json) -> None:
    with pytest.raises(ValidationError, match="give api_key, or client_id, client_secret and refresh_token"):
        Keyed(**wrong)
    assert Keyed(api_key="x")  # type: ignore[arg-type]


@pytest.mark.parametrize("basic", [True, False])
def test_an_app_proves_itself_in_one_way_only(basic: bool) -> None:
    asked: list[httpx.Request] = []

    def endpoint(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"access_token": f"a{len(asked)}", "expires_in": 600})

    clock, app = FakeClock(NOW), Keyed(**APP)  # type: ignore[arg-type]
    options: Json = {"connection": "here", "clock": clock, "transport": httpx.MockTransport(endpoint)}
    assert granted(app, "r0", "https://login.example", "/token", basic=basic, **options)["access_token"] == "a1"
    assert ("authorization" in asked[0].headers) is basic
    assert (b"s3cret" in asked[0].content) is not basic
    auth, headers = refreshing(app, "https://login.example", "/token", basic=basic, **options), dict[str, str]()
    auth.apply(headers)
    auth.apply(headers)
    assert (headers["Authorization"], len(asked)) == ("Bearer a2", 2)
    clock.sleep(590)
    auth.apply(headers)
    assert headers["Authorization"] == "Bearer a3"


def test_names_are_written_once() -> None:
    assert named(users=Resource("", id="Id")) == {"users": replace(SPEC, name="users", updated_at=None)}
