"""What a user names on the command line: images to read, a question, a folder to write to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from cli.errors import CommandFailed, ExitCode, reason_of

MAX_QUESTION_CHARACTERS = 4000
"""As loupe.orchestrator.v1.JobSpec limits it."""


def readable(paths: Iterable[Path], kind: str = "an image") -> tuple[list[Path], list[ExitCode]]:
    """Return the files that can be read, and a code for each that can't, which is told on stderr."""
    good, codes = [], []
    for path in paths:
        if problem := _problem(path, kind):
            click.echo(f"loupe: {shown(path)}: {problem}", err=True)
            codes.append(ExitCode.USAGE)
        else:
            good.append(path)
    return good, codes


def checked_question(question: str | None) -> str | None:
    """Return the question, None where none was asked. Raises CommandFailed for one that no job takes."""
    if question is None:
        return None
    if not question.strip():
        raise CommandFailed("the question is empty: leave -p away to have the picture described", ExitCode.USAGE)
    if len(question) > MAX_QUESTION_CHARACTERS:
        told = f"the question has {len(question):,} characters, at most {MAX_QUESTION_CHARACTERS:,}"
        raise CommandFailed(told, ExitCode.USAGE)
    try:
        question.encode()
    except UnicodeEncodeError:
        raise CommandFailed("the question is not valid UTF-8", ExitCode.USAGE) from None
    return question


def make_folder(folder: Path) -> None:
    """Make the folder for results. Raises CommandFailed where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"can't write to {shown(folder)}: {reason_of(error)}", ExitCode.USAGE) from None


def shown(path: Path) -> str:
    """Return a path for a terminal, whatever bytes it is made of."""
    return "".join(letter if letter.isprintable() else "�" for letter in str(path))


class OutputNames:
    """Hands out each name once: the second "chart" is "chart-2"."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = set(reserved)

    def take(self, name: str) -> str:
        """Return the name, or the first of NAME-2, NAME-3, ... that is free."""
        candidate, number = name, 1
        while candidate in self._taken:
            number += 1
            candidate = f"{name}-{number}"
        self._taken.add(candidate)
        return candidate


def _problem(path: Path, kind: str) -> str:
    """Return why a path can't be read as a file, empty where it can."""
    try:
        if path.is_dir():
            return f"is a folder, not {kind}"
        if path.exists() and not path.is_file():
            return "is not a regular file"
        with path.open("rb"):
            return ""
    except (OSError, ValueError) as error:
        return reason_of(error)
