"""Bounds the memory of all processes of a sandbox where no control group does: by looking, so with some overshoot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

INTERVAL_S = 0.25


async def watch(init_pid: int, limit_bytes: int, exceeded: Callable[[], None]) -> None:
    """Call `exceeded` once the processes of a sandbox hold more than the limit; ends when they are gone."""
    while True:
        await asyncio.sleep(INTERVAL_S)
        held = await asyncio.to_thread(held_bytes, init_pid)
        if held is None:
            return
        if held > limit_bytes:
            exceeded()
            return


def held_bytes(pid: int) -> int | None:
    """Return the memory of a process and its descendants, what they share counted once; None if it is gone."""
    if not Path(f"/proc/{pid}").exists():
        return None
    return sum(_proportional_bytes(member) for member in _family(pid))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(task).split():
            yield from _family(int(child))


def _proportional_bytes(pid: int) -> int:
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0  # gone meanwhile, or process 1, which hides its memory and is ours


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
