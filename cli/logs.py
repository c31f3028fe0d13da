"""`loupe logs`: what the processes of the mesh have written, and what they go on to write."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from cli.config import Settings
from cli.errors import CommandFailed, ExitCode
from cli.plan import plan

_POLL_S = 0.2
_TAIL_BYTES = 4 * 2**20
_SHOWN_APART = frozenset({"time", "level", "server", "message", "traceback"})


@dataclass
class _Tail:
    """A log file that is read on from where it was read last."""

    name: str
    path: Path
    position: int = 0

    def last(self, count: int) -> list[str]:
        """Return the last lines, and read on from there."""
        if not self.path.exists():
            return []
        self.position = max(0, self.path.stat().st_size - _TAIL_BYTES)
        return list(deque(self.new(), maxlen=count))

    def new(self) -> Iterator[str]:
        """Yield the whole lines written since."""
        if not self.path.exists():
            return
        if self.path.stat().st_size < self.position:
            self.position = 0  # put aside, begun anew
        with self.path.open("rb") as file:
            file.seek(self.position)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # still being written
                self.position += len(line)
                yield line.decode(errors="replace").rstrip("\n")


def logs(settings: Settings, server: str | None, *, follow: bool, count: int, is_readable: bool) -> ExitCode:
    """Print the last lines of one log or of all in order of time; as JSON lines, or readable for a person."""
    names = [planned.name for planned in plan(settings)] + ["supervisor"]
    if server is not None and server not in names:
        raise CommandFailed(f"there is no server {server!r}: one of {', '.join(names)}", ExitCode.USAGE)
    tails = [_Tail(name, settings.logs_dir / f"{name}.log") for name in names if server in (None, name)]
    lines = sorted(
        ((_time(line), tail.name, line) for tail in tails for line in tail.last(count)), key=lambda found: found[0]
    )
    if not lines and not follow:
        raise CommandFailed(f"nothing has been logged in {settings.logs_dir} yet")
    for _, name, line in lines[-count:] if count else []:
        click.echo(readable(name, line) if is_readable else line)
    while follow:
        for tail in tails:
            for line in tail.new():
                click.echo(readable(tail.name, line) if is_readable else line)
        time.sleep(_POLL_S)
    return ExitCode.ANSWERED


def readable(name: str, line: str) -> str:
    """Return a log line for a person: "08:13:22.104 files: rpc method=GetFile code=OK ms=1.2"."""
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        return f"{' ' * 12} {name}: {line}"
    clock = str(record.get("time", "")).partition("T")[2].rstrip("Z").ljust(12)
    level = str(record.get("level", "INFO"))
    more = " ".join(f"{key}={value}" for key, value in record.items() if key not in _SHOWN_APART and value != "")
    words = [clock, f"{name}:", *([level] if level != "INFO" else []), str(record.get("message", "")), more]
    text = " ".join(word for word in words if word)
    return f"{text}\n{record['traceback']}" if record.get("traceback") else text


def _time(line: str) -> str:
    """Return a line's time for sorting; lines of other programs go first."""
    try:
        return str(json.loads(line)["time"])
    except (ValueError, KeyError, TypeError):
        return ""
