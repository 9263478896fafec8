"""hubspot-api-client over our HTTP layer: the SDK knows the paths, we keep the bytes.

Its models cost over 100 µs a record, so every call returns the raw Answer; bodies go in as bytes already serialised.
`client.api_request` is never used: it ignores the host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from hubspot import Client

from connectors.http import Answer, Http
from connectors.sdk import RestClient

_READING = ("/search", "/batch/read")


def is_write(method: str, url: str) -> bool:
    """Searches and batch reads are POSTs that change nothing."""
    return method.upper() != "GET" and not url.split("?")[0].endswith(_READING)


class Crm:
    """The calls this connector makes."""

    def __init__(self, http: Http) -> None:
        """One per connection."""
        self._rest = RestClient(http, is_write=is_write, accept=(409,))  # a conflict names the existing id
        self._made: dict[tuple[str, str], Any] = {}
        self._client = Client(host=str(http.base_url).rstrip("/"), api_factory=self._api)

    def list(
        self,
        resource: str,
        properties: Sequence[str],
        after: str | None,
        *,
        associations: Sequence[str] = (),
        archived: bool = False,
    ) -> Answer:
        """One page of all objects, by id."""
        options: dict[str, Any] = {"limit": 100, "properties": [",".join(properties)]}
        if archived:
            options["archived"] = "true"
        if after:
            options["after"] = after
        if associations:
            options["associations"] = [",".join(associations)]
        return self._call(self._client.crm.objects.basic_api.get_page, resource, **options)

    def search(self, resource: str, body: Mapping[str, Any]) -> Answer:
        """One page of a search."""
        return self._call(self._client.crm.objects.search_api.do_search, resource, orjson.dumps(body))

    def owners(self, after: str | None) -> Answer:
        """One page of owners."""
        options = {"limit": 100} | ({"after": after} if after else {})
        return self._call(self._client.crm.owners.owners_api.get_page, **options)

    def read(self, resource: str, ids: Sequence[str], properties: Sequence[str], id_property: str = "") -> Answer:
        """Objects by id, or by a unique property; 207 when some are missing."""
        body = {
            "inputs": [{"id": one} for one in ids],
            "properties": list(properties),
            "propertiesWithHistory": [],
        } | ({"idProperty": id_property} if id_property else {})
        return self._call(self._client.crm.objects.batch_api.read, resource, orjson.dumps(body))

    def upsert(self, resource: str, inputs: Sequence[Mapping[str, Any]], trace_id: str = "") -> Answer:
        """Create or update by a unique property."""
        return self._write(self._client.crm.objects.batch_api.upsert, resource, inputs, trace_id)

    def update(self, resource: str, inputs: Sequence[Mapping[str, Any]], trace_id: str = "") -> Answer:
        """Update by id."""
        return self._write(self._client.crm.objects.batch_api.update, resource, inputs, trace_id)

    def archive(self, resource: str, ids: Sequence[str]) -> Answer:
        """Move to the recycle bin; answers 204 whether or not they existed."""
        return self._write(self._client.crm.objects.batch_api.archive, resource, [{"id": one} for one in ids])

    def associations(self, resource: str, other: str, inputs: Sequence[Mapping[str, Any]]) -> Answer:
        """The objects of type `other` associated with each given object."""
        body = orjson.dumps({"inputs": list(inputs)})
        return self._call(self._client.crm.associations.v4.batch_api.get_page, resource, other, body)

    def associate(self, resource: str, other: str, pairs: Sequence[tuple[str, str]]) -> Answer:
        """Associate without a label; repeating it changes nothing."""
        inputs = [{"from": {"id": one}, "to": {"id": two}} for one, two in pairs]
        call = self._client.crm.associations.v4.batch_api.create_default
        return self._call(call, resource, other, orjson.dumps({"inputs": inputs}))

    def dissociate(self, resource: str, other: str, pairs: Sequence[tuple[str, str]]) -> Answer:
        """Remove every association of each pair; answers 204."""
        inputs = [{"from": {"id": one}, "to": [{"id": two}]} for one, two in pairs]
        call = self._client.crm.associations.v4.batch_api.archive
        return self._call(call, resource, other, orjson.dumps({"inputs": inputs}))

    def properties(self, resource: str) -> Answer:
        """All properties of an object type."""
        return self._call(self._client.crm.properties.core_api.get_all, resource)

    def create_property(self, resource: str, body: Mapping[str, Any]) -> Answer:
        """Add a property to an object type."""
        return self._call(self._client.crm.properties.core_api.create, resource, orjson.dumps(body))

    def _write(self, call: Any, resource: str, inputs: Sequence[Mapping[str, Any]], trace_id: str = "") -> Answer:
        self._rest.bridge.trace_id = trace_id
        try:
            return self._call(call, resource, orjson.dumps({"inputs": list(inputs)}))
        finally:
            self._rest.bridge.trace_id = ""

    def _call(self, call: Any, *arguments: Any, **options: Any) -> Answer:
        call(*arguments, _preload_content=False, **options)
        return self._rest.bridge.answer

    def _api(self, package: Any, name: str, config: Mapping[str, Any]) -> Any:
        """One generated API object, its transport replaced; kept, because making one costs milliseconds."""
        key = (package.__name__, name)
        if key not in self._made:
            configuration = package.Configuration()
            configuration.host = config["host"]
            client = package.ApiClient(configuration=configuration)
            client.rest_client = self._rest
            client.user_agent = "throughline"
            self._made[key] = getattr(package, name)(api_client=client)
        return self._made[key]
