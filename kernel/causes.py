"""The catalogue of causes: every code a dead letter or an error may carry, what it means and what usually cures it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """One code: the stage it arises in, what it means, and the usual fix."""

    code: str
    stage: str
    meaning: str
    fix: str


def catalogue(causes: Iterable[Cause]) -> dict[str, Cause]:
    """Causes by code; a code stands once."""
    found: dict[str, Cause] = {}
    for cause in causes:
        assert cause.code not in found, f"cause {cause.code} stands twice"
        found[cause.code] = cause
    return found


_MAPPING = (
    Cause(
        "no_mapping",
        "map",
        "No active mapping reads this resource.",
        "Add mappings/<system>/<resource>.yaml, activate it, and replay by mapping again.",
    ),
    Cause(
        "no_id",
        "map",
        "The record has no id where the mapping or the connector says it is, so it cannot be told from another.",
        "Correct `id:` in the mapping, or correct the record at its source; then replay by mapping again.",
    ),
    Cause(
        "missing_required",
        "map",
        "A field that the dictionary requires is absent or empty at the source.",
        "Fill it at the source, map it from another path or a default, or relax `required` in the dictionary.",
    ),
    Cause(
        "bad_value",
        "map",
        "A field's value breaks the rule of its type and the dictionary says to park for it.",
        "Correct it at the source or in the letter, add a transform that reads it, or set `on_bad: absent`.",
    ),
    Cause(
        "unknown_value",
        "map",
        "A picklist field holds a value that neither the mapping's table nor the dictionary knows.",
        "Add the value to the dictionary's field or to the mapping's table; then replay by mapping again.",
    ),
    Cause(
        "needs_person",
        "map",
        "The mapping's own `park` rule holds this kind of record back for a person.",
        "Edit, replay or discard the letter; or change the rule in the mapping.",
    ),
    Cause(
        "transform_crashed",
        "map",
        "A transform failed in a way its author did not foresee; only this record is affected.",
        "Report it with the trace id; replay by mapping again once the transform is corrected.",
    ),
)

_VENDOR = (
    Cause(
        "rate_limited",
        "vendor",
        "The vendor asks to wait; the call was not made and is made again by itself.",
        "Nothing; if it stays, lower the connection's share or ask the vendor for a higher limit.",
    ),
    Cause(
        "daily_budget",
        "vendor",
        "The vendor's budget for the day is spent; calls go on when it is full again.",
        "Nothing; if it happens often, sync less often or ask the vendor for a higher limit.",
    ),
    Cause(
        "bulk_running",
        "vendor",
        "The vendor is still working on a large job; it is kept by its id.",
        "Nothing; a later run goes on with the same job.",
    ),
    Cause(
        "unprocessed",
        "vendor",
        "The vendor ended a large job before it came to this record; nothing was written.",
        "Nothing; it is sent again by itself.",
    ),
    Cause(
        "job_lost",
        "vendor",
        "The vendor no longer knows a large job, or its results do not account for every record; each may have been written.",
        "Nothing; the same is sent again by itself, which changes nothing where it was written.",
    ),
    Cause(
        "circuit_open",
        "vendor",
        "The vendor failed ten times in a row; it is left alone for a while, then tried by one call.",
        "Nothing; `throughline status` tells when it is tried next. If it stays, look at the vendor's status page.",
    ),
    Cause(
        "locked",
        "vendor",
        "The vendor is working on the same object; the call is made again by itself.",
        "Nothing; if it stays, look for an automation at the vendor that holds the object.",
    ),
    Cause(
        "unreachable",
        "vendor",
        "The vendor's host cannot be reached; nothing was sent.",
        "Check the network and the connection's base_url with `throughline check <connection>`.",
    ),
    Cause(
        "timeout",
        "vendor",
        "No answer came in time; a write may or may not have been applied.",
        "Nothing; the outcome is reconciled. If it stays, look at the vendor's status page.",
    ),
    Cause(
        "connection_lost",
        "vendor",
        "The connection ended before the whole answer; a write may or may not have been applied.",
        "Nothing; the outcome is reconciled. If it stays, look at the network in between.",
    ),
    Cause(
        "server_error",
        "vendor",
        "The vendor failed; a write may or may not have been applied.",
        "Nothing; the outcome is reconciled. If it stays, look at the vendor's status page.",
    ),
    Cause(
        "bad_answer",
        "vendor",
        "The answer is empty, cut short, not JSON or not of the promised shape.",
        "Nothing; reads are repeated, writes reconciled. If it stays, look for a proxy that answers instead.",
    ),
    Cause(
        "changed_shape",
        "vendor",
        "What was read has another shape than the vendor promised (a field of its envelope or an id is gone or of another kind); nothing of that page was taken.",
        "Compare the vendor's changelog with the connector; the cursor has not moved, so nothing is lost meanwhile.",
    ),
    Cause(
        "wrong_length",
        "vendor",
        "A batch's answer does not hold one result per item, so no result can be trusted.",
        "Nothing; the outcomes are reconciled one by one.",
    ),
    Cause(
        "unauthorized",
        "vendor",
        "The vendor refused the credential, also after it was renewed.",
        "Put a valid credential where the connection names it; `throughline check <connection>` says whether it works.",
    ),
    Cause(
        "forbidden",
        "vendor",
        "The credential may not do this.",
        "Give it the permission that `throughline check <connection>` names.",
    ),
    Cause(
        "not_found",
        "vendor",
        "The object is not at the vendor (any more).",
        "Decide what is to happen: recreate it, detach it, or discard this delivery.",
    ),
    Cause(
        "conflict",
        "vendor",
        "The vendor holds another object with the same unique value.",
        "Merge the two at the vendor or here, then replay.",
    ),
    Cause(
        "ambiguous",
        "vendor",
        "Several objects at the vendor carry our key, so none can be chosen.",
        "Merge them at the vendor, then replay.",
    ),
    Cause(
        "converted",
        "vendor",
        "The object was turned into another one at the vendor (a converted lead).",
        "Detach the binding, or bind the object it became; then replay.",
    ),
    Cause(
        "read_only",
        "send",
        "The write names a field that nobody may write at the vendor; nothing was sent.",
        "Take the field off the mapping's way out (`direction: in`), activate it, and replay.",
    ),
    Cause(
        "refused",
        "vendor",
        "The vendor's own rules refuse this record; the field is named where the vendor names it.",
        "Correct the value at its source or in the letter, or the vendor's rule; then replay.",
    ),
    Cause(
        "too_large",
        "vendor",
        "The record is larger than the vendor accepts.",
        "Shorten the field that is too long, at its source or by a transform; then replay.",
    ),
    Cause(
        "wrong_request",
        "vendor",
        "The vendor does not know such a request: a defect of the connector or another API version.",
        "Check the version with `throughline check <connection>` and report it with the request id.",
    ),
    Cause(
        "private_host",
        "vendor",
        "A connection's host leads to an address that is not on the public internet; nothing was sent.",
        "Correct the base URL, or its host's entry in the name service.",
    ),
    Cause(
        "redirected",
        "vendor",
        "The address leads elsewhere; redirects are never followed.",
        "Set the connection's base_url (or url) to the address it redirects to.",
    ),
    Cause(
        "unsubscribed",
        "vendor",
        "The receiver of an outgoing webhook answered 410 (or 404): it wants, or knows, no more deliveries.",
        "Take its routes out of the sync, or correct the connection's url and run the sync again.",
    ),
    Cause(
        "foreign_host",
        "vendor",
        "A link of the vendor leads to another host; it is not followed.",
        "Check the connection's base_url; if it is right, report it with the request id.",
    ),
    Cause(
        "page_loop",
        "vendor",
        "The vendor's paging comes back to a page that was already read.",
        "Run the sync again; if it stays, report it with the connection and the resource.",
    ),
    Cause(
        "expired_page",
        "vendor",
        "The place in the vendor's list is no longer known.",
        "Nothing; the list is read again from the last safe place.",
    ),
    Cause(
        "unexpected_status",
        "vendor",
        "The vendor answered with a status that the connector does not know.",
        "Report it with the status and the request id.",
    ),
    Cause(
        "idempotency_mismatch",
        "vendor",
        "A key was sent again with another body; nothing was written. This is a defect of Throughline.",
        "Report it with the trace id.",
    ),
    Cause(
        "job_not_completed",
        "vendor",
        "The vendor accepted a job and did not finish it in time.",
        "Nothing; the outcome is reconciled.",
    ),
    Cause(
        "not_writable",
        "vendor",
        "The connector does not write this resource.",
        "Correct the route's target.",
    ),
    Cause(
        "unknown_resource",
        "vendor",
        "The connection has no such resource.",
        "Correct the name; `throughline connector list` shows what there is.",
    ),
    Cause(
        "bad_signature",
        "vendor",
        "An inbound webhook is not signed by the secret we know, or is too old.",
        "Compare the connection's signing secret with the vendor's; add the new one beside the old while"
        " it is rotated.",
    ),
    Cause(
        "bad_payload",
        "vendor",
        "An inbound webhook is signed but cannot be read.",
        "Look at the receipt; report it with the connection.",
    ),
    Cause(
        "source_changed",
        "vendor",
        "A file changed while it was read, or lost a column that it needs.",
        "Run the sync again once the file is whole; correct its columns.",
    ),
    Cause(
        "source_missing",
        "vendor",
        "A file, table or column that the connection names is not there.",
        "Put it there, or correct its name in connections.yaml; then run the sync again.",
    ),
    Cause(
        "no_key",
        "vendor",
        "The table has no column that holds our key, or it is not unique there.",
        "`throughline check --fix` adds the column and a unique index; or add them yourself.",
    ),
    Cause(
        "warehouse_unreadable",
        "warehouse",
        "The former warehouse file cannot be read, so its history cannot be carried over; it was left as it is.",
        "Bring back a good copy, or move the file away and begin a new history.",
    ),
)

_JOURNEY = (
    Cause(
        "bad_record",
        "read",
        "The source itself cannot be read as a record: a row with too few or too many cells, without an id, or with one already used.",
        "Correct the row at its source, or edit the letter; then read again or replay.",
    ),
    Cause(
        "parent_missing",
        "plan",
        "A record that this one must refer to never got an id at the target.",
        "Find out why the parent is not there (its own dead letter, its route's `when:`), then replay; or take it out of `requires:`.",
    ),
    Cause(
        "change_refused",
        "plan",
        "A person refused a change that was held: it was discarded, with who and why. No letter is written for it.",
        "Nothing, if the refusal was right. Cure what planned it (a filter, a mapping, the source), or it is planned again.",
    ),
    Cause(
        "bound_elsewhere",
        "send",
        "The vendor wrote to an object that another golden record is bound to: it holds two of our records for one.",
        "Merge the two golden records (`throughline identity merge`), or part the objects at the vendor; then replay with --mode remap.",
    ),
    Cause(
        "unknown_outcome",
        "send",
        "It could not be found out whether the write was applied; sending it again blindly might double it.",
        "Look at the object at the vendor, then replay: the replay asks the vendor before it writes.",
    ),
    Cause(
        "several_at_target",
        "reconcile",
        "More than one object at the target carries this record's key.",
        "Merge them at the vendor and keep the key on one; then replay.",
    ),
    Cause(
        "worker_lost",
        "send",
        "The worker that was sending died before the answer came; the outcome is reconciled.",
        "Nothing; the next run settles it.",
    ),
    Cause(
        "connector_crashed",
        "send",
        "The connector failed in a way it should not while writing.",
        "Report it with the trace id; the outcome is reconciled.",
    ),
)

CAUSES: dict[str, Cause] = catalogue((*_MAPPING, *_JOURNEY, *_VENDOR))
"""Every cause by code."""
