"""What a sandbox server holds when nothing runs: processes, namespaces, mounts, groups, files, descriptors, memory."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_SETTLES_WITHIN_S = 90.0


@dataclass(frozen=True)
class Remains:
    """Counts, equal whenever nothing runs."""

    processes: int
    namespaces: int
    mounts: int
    groups: int
    files: int
    descriptors: int


@contextmanager
def adopting_orphans() -> Iterator[None]:
    """Become the parent of every process whose own is gone, so that none escapes the count."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def of(server_pid: int, home: Path) -> Remains:
    """Return what there is now, of the server and of orphans of it.

    Args:
      home: the server's home, with its temporary folder.
    """
    family = _family()
    return Remains(
        processes=len(family),
        namespaces=len({space for process in family for space in _namespaces(process.pid)}),
        mounts=_lines("/proc/self/mountinfo") + _lines(f"/proc/{server_pid}/mountinfo"),
        groups=groups_of({server_pid}),
        files=sum(len(folders) + len(files) for _, folders, files in os.walk(home)),
        descriptors=len(os.listdir(f"/proc/{server_pid}/fd")),  # noqa: PTH208 - names alone
    )


def groups_of(server_pids: Collection[int]) -> int:
    """Return how many control groups there are that these servers made."""
    made = tuple(f"loupe-sandbox-{pid}-" for pid in server_pids)
    return sum(name.startswith(made) for name in _folders("/sys/fs/cgroup"))


async def settled(server_pid: int, home: Path, wanted: Remains | None = None) -> Remains:
    """Return what is there once it no longer changes or is what is wanted; after a minute and a half, what is there."""
    seen: list[Remains] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(_SETTLES_WITHIN_S):
            while True:
                seen.append(of(server_pid, home))
                if seen[-1] == wanted or (wanted is None and len(seen) > 30 and len(set(seen[-30:])) == 1):
                    break
                await asyncio.sleep(0.1)
    return seen[-1]


def memory_mib() -> float:
    """Return what the server and all it started have written to, what they share counted once.

    Files that are mapped are left out: what a library counts depends on who else on the machine has it open.
    """
    total_kib = 0
    for process in _family():
        with suppress(OSError):
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                    total_kib += int(line.split()[1])
    return total_kib / 1024


def _family() -> list[psutil.Process]:
    """Return the living descendants of this process; the dead are collected where they are orphans."""
    living = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
            elif process.ppid() == os.getpid():
                with suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)
    return living


def _namespaces(pid: int) -> Iterator[str]:
    for kind in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts"):
        with suppress(OSError):
            yield os.readlink(f"/proc/{pid}/ns/{kind}")  # noqa: PTH115 - a name, not a path


def _folders(top: str) -> Iterator[str]:
    for _, folders, _ in os.walk(top):  # other than a glob it minds no folder that goes meanwhile
        yield from folders


def _lines(path: str) -> int:
    return len(Path(path).read_text().splitlines())
