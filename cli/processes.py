"""Processes by number and start time, so that a number the kernel gave to someone else is never signalled."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_STATE, _PARENT, _START_TICKS = 0, 1, 19  # fields of /proc/PID/stat after the command's name; see proc(5)


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process for ever: numbers come again, a number with its start time does not."""

    pid: int

    start_ticks: int
    """Clock ticks from the machine's start to the process's."""

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """Return the identity of the process that has this number now; None where none runs."""
        fields = _stat(pid)
        return cls(pid, int(fields[_START_TICKS])) if fields else None

    @property
    def is_alive(self) -> bool:
        """Whether this very process runs; one that only waits to be reaped does not."""
        return ProcessId.of(self.pid) == self

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; return whether this very process was there to take it."""
        handle = self._open()
        if handle is None:
            return False
        try:
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def wait(self, timeout_s: float) -> bool:
        """Return whether the process has ended within a time; it need not be a child of ours."""
        handle = self._open()
        if handle is None:
            return True
        try:
            ready, _, _ = select.select([handle], [], [], max(0.0, timeout_s))
        finally:
            os.close(handle)
        return bool(ready)

    def _open(self) -> int | None:
        """Return a handle that keeps meaning this process; None once it has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return None
        # The number may have changed hands before the handle was opened, not after.
        if not self.is_alive:
            os.close(handle)
            return None
        return handle


def memory_mib(pid: int) -> float | None:
    """Return what a process and its descendants add to the machine's memory, in MiB; None where it has ended.

    Shared pages count in proportion (PSS), or fully where the kernel tells only the resident size.
    """
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[_PARENT]), []).append(int(folder.name))
    sizes, tree = [], [pid]
    while tree:
        member = tree.pop()
        sizes.append(_memory_kib(member))
        tree += children.get(member, [])
    known = [size for size in sizes if size is not None]
    return sum(known) / 1024 if sizes[0] is not None else None


def _memory_kib(pid: int) -> int | None:
    for name, field in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            text = (_PROC / str(pid) / name).read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith(field):
                return int(line.split()[1])
    return None


def _stat(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The command's name may hold anything, spaces and parentheses too.
    fields = text.rpartition(")")[2].split()
    return None if fields[_STATE] in "ZX" else fields
