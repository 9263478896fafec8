"""Answers to what waits for a person: released, exactly what was shown is sent by the next run; refused, it is discarded."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from journey import pausing, runs
from journey.context import Context
from journey.inbound import checkpoints
from journey.syncs import Stream
from kernel import approvals, audit
from kernel.approvals import Answer, Kind, Question
from kernel.errors import BadSetting
from kernel.ids import new_id
from kernel.ledger import holding, pace
from kernel.store import Raced, Store, again_on_race


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a question. `deliveries`: set free, or discarded. `already`: somebody had answered the same before."""

    question: Question
    deliveries: int = 0
    already: bool = False


def release(ctx: Context, name: str, by: str, why: str) -> Decided:
    """Let exactly the set that was shown be sent. BadSetting where it changed since, or was decided otherwise."""
    return _answer(ctx, name, Answer.RELEASED, by, why)


def refuse(ctx: Context, name: str, by: str, why: str) -> Decided:
    """Discard what waits. The deliveries end DEAD with the cause change_refused; what caused them is not cured by it."""
    return _answer(ctx, name, Answer.REFUSED, by, why)


def _answer(ctx: Context, name: str, answer: Answer, by: str, why: str) -> Decided:
    if not by.strip() or not why.strip():
        raise BadSetting("say who (--by) and why (--why): every decision is kept with both")
    with ctx.store.read() as conn:
        question = approvals.find(conn, name)
    if question.kind == Kind.PAUSE and answer is Answer.RELEASED:
        return Decided(question, 0, not pausing.resume(ctx.store, question.place, by, why))
    asks_nothing = question.kind == Kind.SHRUNKEN_READ and not question.facts.get("missing")
    if (question.kind == Kind.PAUSE or asks_nothing) and answer is Answer.REFUSED:
        raise BadSetting(f"a {question.kind} discards nothing; it ends when it is released, or by itself")
    if question.state == answer:
        return Decided(question, already=True)
    if answer is Answer.RELEASED:
        # before the transaction: a connection that is opened is written down in one of its own
        asks = question.kind in approvals.HOLDING and ctx.asks(str(question.connection), str(question.resource))
        return again_on_race(ctx.store.clock, "approval", lambda: _write(ctx, question.id, answer, by, why, asks=asks))
    with runs.recorded(ctx, "approval", None):  # it settles deliveries: a run answers for the sums
        return again_on_race(ctx.store.clock, "approval", lambda: _write(ctx, question.id, answer, by, why))


def _write(ctx: Context, question_id: str, answer: Answer, by: str, why: str, *, asks: bool = False) -> Decided:
    store = ctx.store

    def work(conn: Connection) -> tuple[Question, int]:
        question = approvals.find(conn, question_id)
        if question.state != Answer.ASKED:
            return question, 0
        keys = holding.held(conn, question.id)
        if question.kind != Kind.SHRUNKEN_READ and holding.fingerprint(keys) != question.fingerprint:
            return _restated(conn, store, question, len(keys)), -1
        if not approvals.decide(conn, store, question, answer, by, why):
            raise Raced("somebody else decided it at this moment", cause="raced")
        done = _carry_out(conn, ctx, question, answer, f"refused by {by}: {why}", asks=asks)
        if done != len(keys):
            raise Raced("what waits changed at this moment", cause="raced")
        facts = {"kind": question.kind, "deliveries": done, "fingerprint": question.fingerprint}
        audit.record(conn, store, by, f"{answer} held change", question.id, why, where=question.place, **facts)
        return question, done

    question, done = store.transact(work, "approval")
    if done < 0:
        raise BadSetting(f"what waits changed since it was shown; look again: throughline approvals show {question.id}")
    if question.state != answer:
        told = {
            Answer.GATHERING: f"its plan is not finished; first: throughline sync run {question.sync or ''}".strip(),
            Answer.OVERTAKEN: f"it is overtaken: {question.why}",
        }
        raise BadSetting(told.get(Answer(question.state), f"it was {question.state} by {question.decided_by}"))
    return Decided(question, done)


def _restated(conn: Connection, store: Store, question: Question, waiting: int) -> Question:
    """The question that is asked instead, about what waits now."""
    facts = question.facts | {"waiting": waiting, "actions": holding.by_action(conn, question.id)}
    mark = holding.fingerprint(holding.held(conn, question.id))
    newer = replace(question, id=new_id(), facts=facts, fingerprint=mark)
    if not approvals.decide(
        conn, store, question, Answer.OVERTAKEN, "throughline", f"what waits changed; see {newer.id}"
    ):
        raise Raced("somebody else decided it at this moment", cause="raced")
    if not waiting:
        return question
    holding.hand_over(conn, question.id, newer.id)
    return approvals.ask(conn, store, newer)


def _carry_out(conn: Connection, ctx: Context, question: Question, answer: Answer, told: str, *, asks: bool) -> int:
    connection, resource = str(question.connection), str(question.resource)
    if question.kind == Kind.SHRUNKEN_READ:
        if answer is Answer.RELEASED:  # what the read missed is deleted by the next one: inbound.sweeping
            checkpoints.accept(conn, Stream(connection, resource), int(question.facts["read"]))
        return 0
    if answer is Answer.REFUSED:
        return holding.discard(conn, question.id, ctx.run_id, told)
    if question.kind == Kind.WRITES_TO_TARGET:
        pace.forget(conn, connection, resource)
    return holding.free(conn, question.id, ctx.store.clock.now(), asks=asks)
