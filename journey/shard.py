"""One target resource while its lease is held: what sending, settling and reconciling work with."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.base import Connector, WriteClass, WriteSpec
from journey.context import Context
from kernel.leases import Lease
from mappings import TargetPart


@dataclass(slots=True)
class Shard:
    """A delivery shard: all writes of one target resource pass through here, one batch at a time."""

    ctx: Context
    connection: str
    resource: str
    connector: Connector
    spec: WriteSpec
    lease: Lease

    @property
    def resends(self) -> bool:
        """A lost answer is cured by sending the same again."""
        return self.spec.write_class in (WriteClass.UPSERT, WriteClass.IDEMPOTENCY_KEY)

    @property
    def part(self) -> TargetPart:
        """The mapping's part that writes this resource; a resource is written from one entity only."""
        part = self.ctx.mapping(self.connection, self.resource).target_part(
            self.ctx.pins.written_entity(self.connection, self.resource)
        )
        assert part is not None  # refused at activation
        return part
