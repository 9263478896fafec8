"""What a flow run is asked for: names and ids only. Prefect makes its forms from these models and refuses what breaks them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from dead_letter.deciding import Mode
from journey.context import parse_stream
from journey.pruning import Retention
from journey.syncs import Stream
from kernel.clock import instant

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=200)]
StreamName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*\.[A-Za-z0-9_.]+$", max_length=400)]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{4,32}$")]
Person = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class SyncParameters(_Parameters):
    """Which sync to run."""

    sync: Name = Field(title="Sync", description="A sync of flows/syncs, by its name.", examples=["billing_to_crm"])


class _OneStream(_Parameters):
    stream: StreamName = Field(
        title="Stream",
        description="connection.resource, as a sync names it.",
        examples=["stripe_eu.customers"],
    )

    @property
    def as_stream(self) -> Stream:
        """Connection and resource apart."""
        return parse_stream(self.stream)


class BackfillParameters(_OneStream):
    """A window of a stream, or all of it, read again with a checkpoint of its own."""

    start: AwareDatetime | None = Field(
        None, title="From", description="First instant of the window, with its zone; empty: the whole stream is read."
    )
    end: AwareDatetime | None = Field(None, title="Until", description="The window ends just before this instant.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if (self.start is None) != (self.end is None):
            raise ValueError("a window has a beginning and an end; without both, the whole stream is read")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("the window ends before it begins")
        return self

    @property
    def window(self) -> tuple[int, int] | None:
        """As instants; None: the whole stream."""
        return None if self.start is None or self.end is None else (instant(self.start), instant(self.end))


class RemapParameters(_OneStream):
    """A stream whose stored records are mapped again, without asking the vendor."""


class SeedParameters(_Parameters):
    """A sync whose routes are filled: what differs at the target is written by its next run."""

    sync: Name = Field(title="Sync", description="A sync of flows/syncs, by its name.")
    entity: Name | None = Field(None, title="Entity", description="Only this entity; empty: all that the sync routes.")


class ReplayParameters(_Parameters):
    """Dead letters to replay. Without a filter, what people have asked for is carried out."""

    letters: list[Id] = Field([], title="Letters", description="Ids of single letters.", max_length=1000)
    cause: str = Field("", title="Cause", description="All open letters of this cause.", pattern=r"^[a-z_]*$")
    connection: str = Field("", title="Connection", description="… of this connection.", pattern=r"^[A-Za-z0-9_]*$")
    resource: str = Field("", title="Resource", description="… of this resource.", pattern=r"^[A-Za-z0-9_.]*$")
    mode: Mode = Field(Mode.REMAP, title="How", description="verbatim, remap (today's mapping) or edited.")
    by: Person = Field("", title="Who asks", description="Your name; kept in the audit log. Needed with a filter.")
    why: str = Field("", title="Why", description="No personal data, please.", max_length=500)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.filtered and not self.by:
            raise ValueError("say who asks")
        return self

    @property
    def filtered(self) -> bool:
        """Whether it asks for letters itself."""
        return bool(self.letters or self.cause or self.connection or self.resource)


class ReconcileParameters(_Parameters):
    """Which targets are compared with what we believe of them."""

    sync: Name | None = Field(None, title="Sync", description="Only the targets of this sync; empty: every target.")
    most: int = Field(10_000, title="At most", description="Bindings looked up per target.", ge=1)


class ReceiveParameters(_Parameters):
    """How many stored webhooks are processed."""

    most: int = Field(10_000, title="At most", description="Receipts processed in this run.", ge=1)


class PruneParameters(_Parameters):
    """For how many days what is kept. What is current is always kept."""

    payloads: int = Field(30, title="Payloads", description="Old raw versions, bodies, before-images, letters.", ge=1)
    receipts: int = Field(30, title="Receipts", description="After they were processed; vendors repeat for days.", ge=4)
    attempts: int = Field(90, title="Attempts", description="Single calls to a target.", ge=1)
    history: int = Field(400, title="History", description="Runs, old versions without payload, closed letters.", ge=1)

    @property
    def retention(self) -> Retention:
        """As the journey takes it."""
        return Retention(self.payloads, self.receipts, self.attempts, self.history)
