"""How a command ends: an exit code, and for a failure one line that says why."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What a shell sees."""

    ANSWERED = 0
    FAILED = 1
    USAGE = 2
    UNANSWERABLE = 3
    """Nothing failed; the picture does not hold what was asked."""
    CANCELLED = 130
    """As a shell reports a command that Ctrl-C ended."""


_WORST_FIRST = (
    ExitCode.CANCELLED,
    ExitCode.FAILED,
    ExitCode.USAGE,
    ExitCode.UNANSWERABLE,
    ExitCode.ANSWERED,
)


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the code for a command that did several things; ANSWERED for none."""
    return min(codes, key=_WORST_FIRST.index, default=ExitCode.ANSWERED)


class CommandFailed(Exception):
    """Ends the command with its message as the one line on stderr."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


class Cancelled(Exception):
    """Ctrl-C was pressed; what was going on has been told already."""


def reason_of(error: OSError | ValueError) -> str:
    """Return what the machine says of a failure, as the end of a sentence: "no such file or directory"."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text[:1].lower() + text[1:]
