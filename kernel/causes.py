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
        "Accept the drafted dictionary change, or add the value to the mapping's table; then replay by mapping again.",
    ),
    Cause(
        "bad_row",
        "map",
        "A row of a file is not a record: a wrong number of cells, no id, an id used twice, or broken quoting.",
        "Correct the row in the file and read it again, or edit the letter; rejected rows can be written to a file.",
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

CAUSES: dict[str, Cause] = catalogue(_MAPPING)
"""Every cause by code."""
