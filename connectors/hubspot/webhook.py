"""HubSpot's webhooks: a list of events, each naming an object to read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.hubspot.schema import RESOURCE_OF
from connectors.proofs import Keyring
from connectors.signatures import admit
from kernel.errors import Park
from kernel.records import Delivered, WebhookRequest


def delivered(request: WebhookRequest, secrets: Sequence[str], now: int) -> Delivered:
    """The objects a batch of events speaks of; each is to be read again (a deleted one then shows as a tombstone)."""
    found = admit("hubspot", request, Keyring(secrets), now)
    events = found.told
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise Park("a webhook that is no list of events", cause="bad_payload")
    hints = dict.fromkeys(hint for event in events for hint in _objects(event))
    return Delivered(hints=list(hints), dedupe_key=found.dedupe_key)


def _objects(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind = str(event.get("subscriptionType", "")).split(".")[0]
    if event.get("associationType"):
        ends = str(event["associationType"]).lower().split("_to_")
        named = zip(ends, (event.get("fromObjectId"), event.get("toObjectId")), strict=False)
    else:
        kind = str(event.get("objectTypeId", kind)) if kind == "object" else kind
        ids = [
            event.get("objectId"),
            event.get("newObjectId"),
            event.get("primaryObjectId"),
            *(merged if isinstance(merged := event.get("mergedObjectIds"), list) else ()),
        ]
        named = zip([kind] * len(ids), ids, strict=True)
    for name, one in named:
        if name in RESOURCE_OF and one is not None:
            yield RESOURCE_OF[name], str(one)
