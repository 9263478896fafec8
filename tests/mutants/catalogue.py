"""The seeded defects, by the numbers of the test program, and who must notice each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

SIMULATION = "tests.simulation"


@dataclass(frozen=True)
class Mutant:
    """One defect."""

    name: str
    says: str
    file: str
    edits: Sequence[tuple[str, str]]
    caught_by: Sequence[str] = field(default_factory=tuple)  # arguments of `python -m`


def _simulation(mode: str, seeds: int = 400) -> tuple[str, ...]:
    return (SIMULATION, "--mode", mode, "--seeds", str(seeds), "--until-bad", "--no-record", "--jobs", "1")


def _test(*nodes: str) -> tuple[str, ...]:
    return ("pytest", "-q", "-x", *nodes)


MUTANTS = (
    Mutant(
        "M1",
        "a lost answer is treated as a refusal and simply sent again",
        "journey/outbound/sending.py",
        [
            (
                "    if error.fate is Fate.UNKNOWN:\n        return _unknown(shard, claimed, error, now, told)\n",
                "    if error.fate is Fate.UNKNOWN:\n"
                '        return Settled(claimed, State.PLANNED, "retry", not_before=now, **told)\n',
            )
        ],
        _simulation("D"),
    ),
    Mutant(
        "M2",
        "no lease: two workers send to one target",
        "kernel/leases.py",
        [("if row.until > now and not _is_dead(row.holder):", "if False:")],
        _simulation("D"),
    ),
    Mutant(
        "M3",
        "no settle time: a miss in a search proves that nothing landed",
        "journey/outbound/shard.py",
        [("settle = int(self.spec.settle.total_seconds() * SECOND)", "settle = 0")],
        _simulation("D"),
    ),
    Mutant(
        "M4",
        "the checkpoint is written before what it stands for",
        "journey/inbound/landing.py",
        [
            (
                "    def work(conn: Connection) -> None:\n        _write_objects(conn, batch)\n",
                "    if checkpoint is not None:\n"
                '        ctx.store.transact(lambda conn: bulk.upsert(conn, checkpoint_table, [checkpoint]), "land")\n\n'
                "    def work(conn: Connection) -> None:\n        _write_objects(conn, batch)\n",
            )
        ],
        _simulation("A"),
    ),
    Mutant(
        "M5",
        "a read goes on after the cursor's instant instead of at it",
        "tests/simulation/source.py",
        [("if r.updated >= since and (r.updated, r.id) > after", "if r.updated > since and (r.updated, r.id) > after")],
        _simulation("A"),
    ),
    Mutant(
        "M5b",
        "a version read with the time of the one landed is taken for old",
        "journey/inbound/classifying.py",
        [
            (
                "known.source_at is not None and record.updated_at < known.source_at",
                "known.source_at is not None and record.updated_at <= known.source_at",
            )
        ],
        _test("tests/journey/test_order.py", "-k", "sqlite and read_that_ties"),
    ),
    Mutant(
        "M6",
        "an item's error in a batch's answer is not looked at",
        "journey/outbound/sending.py",
        [
            (
                "return [Sent(each, outcome) for each, outcome in zip(part, outcomes, strict=True)]",
                "return [Sent(each, WriteOutcome(vendor_id=o.vendor_id)) for each, o in zip(part, outcomes, strict=True)]",
            )
        ],
        _simulation("A"),
    ),
    Mutant(
        "M7",
        "a server error on a write counts as not applied",
        "connectors/verdicts.py",
        [
            (
                "        case Fate.RETRY | Fate.UNKNOWN if verdict.fate is Fate.RETRY or not write:",
                "        case Fate.RETRY | Fate.UNKNOWN:",
            )
        ],
        _test("tests/connectors/test_http.py"),
    ),
    Mutant(
        "M8",
        "every send has a new idempotency key",
        "kernel/ledger/claims.py",
        [('return f"{self.op_key}-g{self.generation}"', 'return f"{self.op_key}-g{self.generation + self.attempts}"')],
        _simulation("B"),
    ),
    Mutant(
        "M9",
        "a signature is compared with ==",
        "connectors/webhook.py",
        [
            (
                "            found |= hmac.compare_digest(_bytes(one), _bytes(other))\n",
                "            given_signature = one\n            found |= given_signature == other\n",
            )
        ],
        _test("tests/house/test_floors.py", "-k", "comparisons"),
    ),
    Mutant(
        "M10",
        "a webhook's time may lie in the future",
        "connectors/webhook.py",
        [("require(abs(received_at / SECOND - stamp) <= window", "require(received_at / SECOND - stamp <= window")],
        _test("tests/webhooks/test_table.py", "-k", "genuine_is_believed"),
    ),
    Mutant(
        "M11",
        "WooCommerce's delivery id, which two deliveries of one second share, stands alone",
        "connectors/deliveries.py",
        [
            (
                'return derived_id("woocommerce", *about, _at(told, "id"), _at(told, "date_modified_gmt"), _whole(request))',
                'return derived_id("woocommerce", *about)',
            )
        ],
        _test("tests/webhooks/test_deliveries.py", "-k", "woocommerces_two_deliveries"),
    ),
    Mutant(
        "M12",
        "a sealed value is not tied to its row",
        "kernel/vault.py",
        [
            ("encrypt(nonce, plain, head + bound_to.encode())", "encrypt(nonce, plain, head)"),
            (
                "cipher.decrypt(nonce, sealed[17:], head + bound_to.encode())",
                "cipher.decrypt(nonce, sealed[17:], head)",
            ),
        ],
        _test("tests/kernel/test_store.py", "-k", "sqlite and seal_opens_only"),
    ),
    Mutant(
        "M13",
        "an error tells the whole address of a request",
        "connectors/http.py",
        [
            (
                'told = self._told("no answer in time" if timed_out else "the connection was lost", error)',
                'told = self._told(f"no answer from {call.url}", error)',
            )
        ],
        _test("tests/connectors/test_http.py", "-k", "no_error_tells_the_address"),
    ),
    Mutant(
        "M14",
        "a replay does not ask whether anything newer went through",
        "kernel/ledger/plans.py",
        [
            (
                "        if newest[row.binding_id] == row.id and"
                " current.get(row.golden_id, row.golden_version) == row.golden_version\n",
                "",
            )
        ],
        _test("tests/journey/test_lost_answers.py", "-k", "sqlite and replay_does_not_bring_back"),
    ),
    Mutant(
        "M15",
        "how long a vendor says to wait is not heard",
        "connectors/retry.py",
        [('    told = headers.get("retry-after", "").strip()\n', '    told = ""\n')],
        _test("tests/connectors/test_http.py", "-k", "retry_after_is_honoured"),
    ),
    Mutant(
        "M16",
        "a newer version is sent while an older one could still land",
        "kernel/ledger/claims.py",
        [
            (
                "    may_pass = or_(delivery.c.state == State.UNKNOWN, binding.c.hold_until.is_(None),"
                " binding.c.hold_until <= now)\n",
                "    may_pass = delivery.c.id.is_not(None)\n",
            )
        ],
        _test("tests/journey/test_meanwhile.py", "-k", "sqlite and can_no_longer_land"),
    ),
    Mutant(
        "K1",
        "what a dead worker may have sent is taken up at once",
        "kernel/ledger/claims.py",
        [("now + patience(row.attempts, row.planned_at) if row.state == State.INFLIGHT else now", "now")],
        _simulation("D"),
    ),
    Mutant(
        "K2",
        "a refused resend makes an unanswered write unsent",
        "journey/outbound/sending.py",
        [("    if claimed.doubtful:\n", "    if False:\n")],
        _simulation("B"),
    ),
    Mutant(
        "K3",
        "a plan is written although what it was made beside has moved",
        "journey/outbound/planning.py",
        [("if claims.pending(conn, scene.ids) != scene.pending:", "if False:")],
        _test("tests/journey/test_meanwhile.py", "-k", "sqlite and undoes"),
    ),
    Mutant(
        "K7",
        "a child planned while its parent got its id waits for ever",
        "journey/outbound/delivering.py",
        [("        claims.release_ready(conn, shard.connection, shard.resource, now)\n", "")],
        _test("tests/journey/test_meanwhile.py", "-k", "sqlite and came_while"),
    ),
    Mutant(
        "K8",
        "what was found by asking, and never answered, is left behind when its record goes",
        "journey/outbound/comparing.py",
        [
            (
                "there = seat.vendor_id is not None and (state is None or state.present)",
                "there = state is not None and state.present and seat.vendor_id is not None",
            )
        ],
        _test("tests/journey/test_meanwhile.py", "-k", "sqlite and found_by_asking"),
    ),
    Mutant(
        "K9",
        "a plan looks first although another send is still unanswered, and can never be written",
        "journey/outbound/comparing.py",
        [("unsettled.doubted and not unsettled.open and", "unsettled.doubted and")],
        _test("tests/journey/test_meanwhile.py", "-k", "sqlite and stands_in_line"),
    ),
    Mutant(
        "K10",
        "a delivery that a replay takes up while another run goes on is counted twice",
        "journey/balance.py",
        [("    _reopened(before, {row.id: row for row in rows if row.id}, out, ended)\n", "")],
        _test("tests/journey/test_meanwhile.py", "-k", "sqlite and counted_once"),
    ),
    Mutant(
        "K12",
        "a worker that was thought lost and ends after all breaks its successor's sums",
        "journey/balance.py",
        [('run.c.state == "abandoned"', 'run.c.state == "never"')],
        _test("tests/journey/test_meanwhile.py", "-k", "sqlite and thought_lost"),
    ),
    Mutant(
        "K11",
        "a plan that is not written closes the letter of the one that died",
        "journey/outbound/refused.py",
        [(" and row.binding_id in renewed]", "]")],
        _test("tests/journey/test_meanwhile.py", "-k", "sqlite and not_written"),
    ),
    Mutant(
        "K4",
        "an unanswered create is followed by one under another key",
        "journey/outbound/comparing.py",
        [
            (
                "plan.doubted = unsettled.doubted and not unsettled.open and self.spec.write_class.asks",
                "plan.doubted = False",
            )
        ],
        _test("tests/journey/test_lost_answers.py", "-k", "sqlite and version_after_one"),
    ),
    Mutant(
        "G8",
        "what a person releases is sent without asking, although it stood behind a create that nobody answered",
        "kernel/ledger/holding.py",
        [("else_=usual) if asks else usual", "else_=usual) if False else usual")],
        _test("tests/journey/test_lost_answers.py", "-k", "sqlite and held_behind"),
    ),
    Mutant(
        "K5",
        "of two pushed versions with one time the last to arrive counts",
        "journey/inbound/receiving.py",
        [("Connector.fetch else Arrival.PUSHED", "Connector.fetch else Arrival.READ")],
        _simulation("A"),
    ),
    Mutant(
        "K6",
        "a late answer is written although another worker took over",
        "kernel/ledger/settling.py",
        [
            ('            "was_fence": r.claimed.fence,\n            "was_state": was,\n', ""),
            ('    where = ["id", "was_fence", "was_state"]\n', '    where = ["id"]\n'),
        ],
        _test("tests/journey/test_meanwhile.py", "-k", "sqlite and took_over"),
    ),
    Mutant(
        "G1",
        "a release is good for whatever waits by now, not for what was shown",
        "journey/interventions/approving.py",
        [
            (
                "if question.kind != Kind.SHRUNKEN_READ and holding.fingerprint(keys) != question.fingerprint:",
                "if False:",
            )
        ],
        _test("tests/journey/test_gates.py", "-k", "sqlite and planned_while"),
    ),
    Mutant(
        "G2",
        "what is too much is free to be sent until its whole plan is written",
        "journey/outbound/gates.py",
        [
            (
                "        holding.hold(conn, group, self._gate(conn, kind, route).id)\n",
                "        self._gate(conn, kind, route)\n",
            )
        ],
        _test("tests/journey/test_gates.py", "-k", "sqlite and kill_anywhere"),
    ),
    Mutant(
        "G9",
        "what fills a target counts as a loop of writes to what it holds",
        "journey/outbound/gates.py",
        [("coming=key[1]", "coming=False")],
        _test("tests/journey/test_gates.py", "-k", "sqlite and first_delivery"),
    ),
    Mutant(
        "G3",
        "nobody counts how often a record is written",
        "journey/outbound/gates.py",
        [("if one.sends >= route.limits.record or", "if False or")],
        _test("tests/journey/test_gates.py", "-k", "sqlite and over_and_over"),
    ),
    Mutant(
        "G4",
        "a lease that passed to another worker is taken back by a beat",
        "kernel/leases.py",
        [
            (
                "lease.c.name == self.name, lease.c.holder == self.holder, lease.c.fence == self.fence",
                "lease.c.name == self.name",
            )
        ],
        _test("tests/kernel/test_leases.py", "-k", "sqlite and taken_back"),
    ),
    Mutant(
        "G5",
        "what a vendor made of a send that nobody answered counts as an edit",
        "journey/echo.py",
        [("unsure = name in under_way and value != base(state, name)", "unsure = False")],
        _test("tests/journey/test_rings.py", "-k", "kill_in_a_ring and settle"),
    ),
    Mutant(
        "G6",
        "a complete read that shrank lets removals pass",
        "journey/outbound/gates.py",
        [("return _NOTHING if self._shrunken else usual", "return usual")],
        _test("tests/journey/test_gates.py", "-k", "sqlite and shrank"),
    ),
    Mutant(
        "G7",
        "what a vendor was seen to make of our value counts as an edit",
        "journey/echo.py",
        [("    if name in seen and _equal(part, name, value, seen[name]):\n        return True\n", "")],
        _test("tests/journey/test_rings.py", "-k", "one_edit"),
    ),
    Mutant(
        "S1",
        "what lists miss is deleted although the vendor has it by id",
        "journey/inbound/sweeping.py",
        [
            (
                "        gone = {each.id for each in found if each.deleted} - {each.id for each in found if not each.deleted}\n",
                "        gone = set(asked)\n",
            )
        ],
        _test("tests/journey/test_sweeping.py", "-k", "sqlite and lists_miss"),
    ),
    Mutant(
        "S2",
        "a read that goes on counts as complete although a batch of it is missing",
        "journey/inbound/sighting.py",
        [("sound = bool(began) and landed == len(began)", "sound = bool(began)")],
        _test("tests/journey/test_sweeping.py", "-k", "sqlite and with_a_doubt"),
    ),
    Mutant(
        "S3",
        "nobody is asked before many objects are deleted at once",
        "journey/inbound/checkpoints.py",
        [("if not much and (not before or", "if (True or")],
        _test("tests/journey/test_sweeping.py", "-k", "sqlite and too_many_wait"),
    ),
    Mutant(
        "S4",
        "what a webhook landed beside a complete read is deleted by it",
        "journey/inbound/sweeping.py",
        [(" and row.id not in changed and (row.source_at or 0) < since", "")],
        _test("tests/journey/test_sweeping.py", "-k", "sqlite and beside_the_read"),
    ),
    Mutant(
        "S5",
        "an object that is shown again looks older than its own deletion",
        "journey/inbound/sweeping.py",
        [("known.source_at, deleted=True)", "ctx.store.clock.now(), deleted=True)")],
        _test("tests/journey/test_sweeping.py", "-k", "sqlite and back_to_life"),
    ),
    Mutant(
        "J1",
        "results of a job that tell of fewer rows than were sent are taken for all",
        "connectors/salesforce/ingest.py",
        [("if len(known) != len(rows.places):", "if False:")],
        _test("tests/journey/test_jobs.py", "-k", "sqlite and no_result_tells"),
    ),
    Mutant(
        "J2",
        "a job whose worker died is forgotten, and everything sent again",
        "journey/outbound/by_job.py",
        [("if ours and len(batch) == len(kept.deliveries):", "if False:")],
        _test("tests/journey/test_jobs.py", "-k", "sqlite and worker_died"),
    ),
    Mutant(
        "J3",
        "a job that was never closed is waited for, or its rows are taken for sent",
        "connectors/salesforce/ingest.py",
        [('if refused is not None or info.get("state") == JobState.open:', "if refused is not None:")],
        _test("tests/journey/test_jobs.py", "-k", "sqlite and never_closed"),
    ),
)
"""G1 to G9 are defects of the gates, the leases and the rings; S1 to S5 of the sweep; J1 to J3 of large pushes."""
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}
