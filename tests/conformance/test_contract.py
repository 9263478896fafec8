"""What connectors send and simulators answer while they are held to the kit, beside the vendors' own contracts.

HubSpot: every request body and every good answer by its OpenAPI files. Stripe: every parameter sent is one its OpenAPI
names for that operation. Zendesk: the kinds of fields that another product writes. Salesforce: every field written or asked for stands in a recorded describe. Shopify's documents
and answers are validated against its schema in tests/sandbox. What the contracts are known to get wrong stands below.
"""

from __future__ import annotations

import gzip
import re
import urllib.parse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import orjson

from console.conformance.ground import grounds
from console.conformance.running import cases, run_case
from tests.connectors.test_hubspot_recorded import CONTRACT_GAPS
from tests.recordings import OpenApi

Exchange = tuple[httpx.Request, httpx.Response]
GROUPS = ("read.pages", "read.incremental", "read.deletes", "write.", "refuse.", "discover.")


class Keeping(httpx.HTTPTransport):
    """Keeps what goes over the wire."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Exchange] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        response.read()
        self.kept.append((request, response))
        return response


def exchanged(system: str, resources: Iterable[str]) -> list[Exchange]:
    """Every exchange of a part of the kit, faults left out: those answers are no vendor's."""
    keeping, wanted = Keeping(), set(resources)
    with grounds(system, transport=keeping) as ground:
        for case in cases(system):
            if case.resource in wanted and case.check.startswith(GROUPS) and case.check not in FAULTY:
                assert run_case(ground, case).state != "failed", case
    return keeping.kept


FAULTY = ("refuse.whole_batch", "refuse.partial")


def test_hubspot_keeps_to_its_openapi(real: Path) -> None:
    files = ("objects", "associations", "properties", "owners")
    contract = [OpenApi(real / "hubspot" / "contract" / f"{name}.openapi.json") for name in files]
    faults: set[str] = set()
    operations: set[str] = set()
    for request, response in exchanged("hubspot", ("contacts", "companies", "deals")):
        path, method = request.url.path, request.method
        spec = next((one for one in contract if one.operation(method, path)), None)
        assert spec is not None, f"{method} {path} is in no contract"
        operations.add(f"{method} {re.sub(r'contacts|companies|deals', '{type}', path)}")
        if request.content:
            faults |= {f"{path} {told}" for told in spec.request_faults(method, path, orjson.loads(request.content))}
        if response.content and response.status_code < 300:
            told = spec.answer_faults(method, path, response.status_code, orjson.loads(response.content))
            faults |= {f"{path} {response.status_code} {one}" for one in told}
    assert sorted(one for one in faults if not any(gap in one for gap in CONTRACT_GAPS)) == []
    assert len(operations) >= 10, operations


def test_stripe_parameters_are_in_its_openapi(real: Path) -> None:
    file = real / "stripe" / "contract" / "stripe.com.openapi.json.gz"
    paths = orjson.loads(gzip.decompress(file.read_bytes()))["paths"]
    unknown: set[str] = set()
    operations: set[str] = set()
    for request, _ in exchanged("stripe", ("customers", "products", "invoices", "subscriptions")):
        name = _template(paths, request.url.path)
        operation = paths[name][request.method.lower()]
        operations.add(f"{request.method} {name}")
        asked = {key.partition("[")[0] for key, _ in urllib.parse.parse_qsl(request.url.query.decode())}
        known = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        unknown |= {f"{request.method} {name} ?{key}" for key in asked - known}
        sent = {key for key, _ in urllib.parse.parse_qsl(request.content.decode(), keep_blank_values=True)}
        content = operation.get("requestBody", {}).get("content", {}).get("application/x-www-form-urlencoded", {})
        unknown |= {f"{request.method} {name} {key}" for key in sent if not _known(content.get("schema", {}), key)}
    assert unknown == set()
    assert len(operations) >= 8, operations


def _template(paths: dict[str, Any], path: str) -> str:
    found = [one for one in paths if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one), path)]
    return min(found, key=lambda one: one.count("{"))


def _known(schema: dict[str, Any], key: str) -> bool:
    """Whether a bracketed parameter is one the schema names; free pairs such as metadata may hold anything."""
    for step in re.findall(r"[^\[\]]+", key):
        options = [schema, *schema.get("anyOf", ())]
        if any(one.get("additionalProperties") for one in options):
            return True
        schema = next((one["properties"][step] for one in options if step in one.get("properties", {})), {})
        if not schema:
            return False
    return True


OWN = {"Throughline_Key__c", "attributes", "id"}
# Standard fields that the recorded user's profile hides; the connector asks only for what the live describe shows.
HIDDEN = {"DoNotCall", "HasOptedOutOfEmail", "HasOptedOutOfFax"}


def test_salesforce_fields_are_in_the_recorded_describes(real: Path) -> None:
    folder, checked = real / "salesforce" / "contract", 0
    resources = ("Account", "Contact", "Lead", "Opportunity", "Case")
    describes = {
        name: {field["name"]: field for field in _described(folder / f"GET_sobjects_{name}_describe.json")}
        for name in resources
    }
    wrong: set[str] = set()
    for request, _ in exchanged("salesforce", resources):
        if request.method == "GET":
            query = urllib.parse.unquote_plus(request.url.query.decode()).removeprefix("q=")
            asked = re.match(r"SELECT (.+?) FROM (\w+)", query)
            if asked and asked[2] in describes:
                names = {name.strip() for name in asked[1].split(",")} - OWN - HIDDEN
                wrong |= {f"{asked[2]}.{name} is asked for" for name in names - set(describes[asked[2]])}
                checked += len(names)
        elif request.method == "PATCH":
            for record in orjson.loads(request.content)["records"]:
                fields = describes[record["attributes"]["type"]]
                names = set(record) - OWN
                writable = {name for name, one in fields.items() if one["createable"] or one["updateable"]}
                wrong |= {f"{record['attributes']['type']}.{name} is written" for name in names - writable}
                checked += len(names)
    assert wrong == set()
    assert checked > 500


def _described(path: Path) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = orjson.loads(path.read_bytes())["fields"]
    return fields


def test_zendesk_fields_have_the_kinds_that_others_write(real: Path) -> None:
    """Zendesk publishes no contract here; another product's list of what it writes says the kind of each field."""
    told = orjson.loads((real / "zendesk" / "contract" / "writable_fields_multiwoven.json").read_bytes())
    kinds = {each["name"]: each["json_schema"] for each in told["streams"]}
    checked, wrong = 0, set()
    for request, _ in exchanged("zendesk", ("users", "tickets")):
        if request.method not in ("POST", "PUT") or not request.content:
            continue
        for name, held in orjson.loads(request.content).items():
            schema = kinds.get(name if name.endswith("s") else f"{name}s")
            for one in held if isinstance(held, list) else [held]:
                if schema is not None:
                    known = {key: value for key, value in one.items() if value is not None}  # null empties a field
                    faults = jsonschema.Draft202012Validator(schema).iter_errors(known)
                    wrong |= {f"{name}: {fault.json_path}: {fault.message}"[:200] for fault in faults}
                    checked += len(known.keys() & schema["properties"].keys())
    assert wrong == set()
    assert checked > 20
