"""What every verb has in common: a screen, an exit code, and no traceback for an error that has a name."""

from __future__ import annotations

import functools
import getpass
import inspect
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer

from console.exits import Exit, exit_of
from console.rendering import Screen
from kernel import log
from kernel.clock import iso
from kernel.errors import RetryAt, ThroughlineError
from kernel.log import get

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]
ShowValues = Annotated[bool, typer.Option("--show-values", help="Show personal values too. Goes on record.")]
By = Annotated[str, typer.Option("--by", help="Who does this, for the record. Default: the user of this machine.")]
Why = Annotated[str, typer.Option("--why", help="Why, for the record.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]

debug = False
"""Set by the hidden `--debug`: tracebacks are shown."""


def verb(function: Callable[..., Exit | None]) -> Callable[..., None]:
    """Make a function a verb: its first argument is the screen, what it returns is the exit code."""

    @functools.wraps(function)
    def carried_out(*args: Any, **options: Any) -> None:
        screen = Screen(bool(options.get("json")))
        try:
            code = function(screen, *args, **options) or Exit.OK
        except BrokenPipeError:  # `… | head`: the reader has seen enough
            raise
        except (ThroughlineError, OSError) as error:
            code = _told(screen, error)
        except KeyboardInterrupt:
            screen.note("interrupted; the next start goes on")
            code = Exit.INTERRUPTED
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            code = _unforeseen(screen, error)
        raise typer.Exit(int(code))

    without_screen = _without_first(function)
    carried_out.__signature__ = without_screen  # type: ignore[attr-defined]
    carried_out.__annotations__ = {name: p.annotation for name, p in without_screen.parameters.items()}
    del carried_out.__wrapped__
    return carried_out


def _without_first(function: Callable[..., Any]) -> Any:
    signature = inspect.signature(function, eval_str=True)
    parameters = list(signature.parameters.values())[1:]
    return signature.replace(parameters=parameters, return_annotation=None)


def os_user() -> str:
    """Who sits at this machine, as the record keeps it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        return ""


def _told(screen: Screen, error: ThroughlineError | OSError) -> Exit:
    text = str(error) if isinstance(error, ThroughlineError) else f"{error.filename or 'the system'}: {error.strerror}"
    if isinstance(error, RetryAt):
        text += f" (not before {iso(error.at)})"
    screen.fail(text)
    if debug:
        screen.note(traceback.format_exc())
    code = exit_of(error)
    screen.answer({"error": _facts(error, text, code)})
    return code


def _facts(error: BaseException, text: str, code: Exit) -> dict[str, Any]:
    facts: dict[str, Any] = {"message": text, "exit": int(code)}
    for name in ("cause", "trace_id", "request_id", "field", "file", "line"):
        if value := getattr(error, name, None):
            facts[name] = value
    return facts


def _unforeseen(screen: Screen, error: Exception) -> Exit:
    """A defect: its message may hold a record's value, so only its kind is told, and in the log where it happened."""
    if not log.configured():  # a verb that opens no HOME
        log.configure("CRITICAL")
    get(__name__).error("a verb crashed", exc_info=error)
    text = f"an error nobody foresaw: {type(error).__name__}"
    screen.fail(text)
    screen.note(
        traceback.format_exc() if debug else "the log below THROUGHLINE_HOME/logs says where; --debug shows all"
    )
    screen.answer({"error": _facts(error, text, Exit.BROKEN)})
    return Exit.BROKEN
