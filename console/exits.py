"""Exit codes: what a verb's end means to a script. The only place that gives them."""

from __future__ import annotations

from enum import IntEnum

from kernel.errors import BadDocument, BadSetting, Broken, ThroughlineError


class Exit(IntEnum):
    """How a verb ended."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    STOPPED = 3
    SETTING = 4
    BROKEN = 5
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.OK: "Done, and nothing needs a person.",
    Exit.FINDINGS: "Done, with findings: dead letters, failed checks, lint findings, examples that differ, nothing found.",
    Exit.USAGE: "The command line is wrong; nothing was done.",
    Exit.STOPPED: "A stream, a target or a run could not go on (credential, limit, vendor out of reach, held by another "
    "worker). What was done before stays done; run it again.",
    Exit.SETTING: "A setting, a connection or a steward's file is wrong, nothing is active yet, or the store cannot be used.",
    Exit.BROKEN: "A defect of Throughline: an invariant does not hold, or an error nobody foresaw. See the log.",
    Exit.INTERRUPTED: "Interrupted by Ctrl-C. The next start goes on.",
}


class Usage(BadSetting):
    """The command line is wrong."""


_SETTING_CAUSES = ("nothing_active", "store_unavailable", "store_refused", "bad_document")


def exit_of(error: BaseException) -> Exit:
    """The code of an error that ended a verb."""
    if isinstance(error, Usage):
        return Exit.USAGE
    if isinstance(error, Broken) or not isinstance(error, ThroughlineError | OSError | KeyboardInterrupt):
        return Exit.BROKEN
    if isinstance(error, KeyboardInterrupt):
        return Exit.INTERRUPTED
    if isinstance(error, BadDocument | BadSetting | OSError) or error.cause in _SETTING_CAUSES:
        return Exit.SETTING
    return Exit.STOPPED
