"""Pauses: a person stops a sync, a connection or one target; what is running ends its batch, and nothing more is begun."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from journey.syncs import Stream
from kernel import approvals, audit
from kernel.approvals import Answer, Kind, Question
from kernel.errors import BadSetting
from kernel.store import Store


@dataclass(frozen=True, slots=True)
class Paused:
    """Everything that is paused now: names of syncs and connections, and targets as connection.resource."""

    names: frozenset[str]

    def sync(self, name: str) -> bool:
        """A sync is not run."""
        return name in self.names

    def reading(self, stream: Stream) -> bool:
        """A connection that is paused is not read."""
        return stream.connection in self.names

    def writing(self, connection: str, resource: str) -> bool:
        """Nothing is written to a target that is paused, or whose connection is."""
        return bool({connection, f"{connection}.{resource}"} & self.names)


def paused(store: Store) -> Paused:
    """What is paused at this moment."""
    with store.read() as conn:
        return Paused(frozenset(question.place for question in approvals.open_questions(conn, Kind.PAUSE)))


def pause(store: Store, name: str, syncs: Collection[str], connections: Collection[str], by: str, why: str) -> bool:
    """Stop a sync, a connection or a target (connection.resource); False where it was paused already."""
    if not by.strip() or not why.strip():
        raise BadSetting("say who (--by) and why (--why): every pause is kept with both")
    connection, _, resource = name.partition(".")
    if name not in syncs and connection not in connections:
        known = ", ".join([*sorted(syncs), *sorted(connections)])
        raise BadSetting(f"no sync or connection '{name}'; there are: {known}")
    question = Question(Kind.PAUSE, facts={"by": by, "why": why})
    if name in syncs:
        question.sync = name
    else:
        question.connection, question.resource = connection, resource or None
    with store.write("pause") as conn:
        if any(each.place == name for each in approvals.open_questions(conn, Kind.PAUSE)):
            return False
        approvals.ask(conn, store, question)
        audit.record(conn, store, by, "paused", name, why)
    return True


def resume(store: Store, name: str, by: str, why: str = "") -> bool:
    """Let go on what was paused; False where it was not."""
    if not by.strip():
        raise BadSetting("say who (--by)")
    with store.write("resume") as conn:
        found = [each for each in approvals.open_questions(conn, Kind.PAUSE) if each.place == name]
        ended = [approvals.decide(conn, store, each, Answer.RELEASED, by, why) for each in found]
        if any(ended):
            audit.record(conn, store, by, "resumed", name, why)
    return any(ended)
