"""What a mesh holds when no job is in work: processes, namespaces, mounts, groups, half files and descriptors."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.soak import remains
from tests.soak.mesh_world import Mesh

_SETTLES_WITHIN_S = 60.0
_MORE_DESCRIPTORS = 8
"""A process has at most so many more than before: connections come and go with who was killed last."""


@dataclass(frozen=True)
class Remains:
    """Counts, equal whenever nothing runs."""

    processes: int
    namespaces: int
    mounts: int
    """In folders of the mesh, on the machine."""
    groups: int
    half_files: int
    temporary_files: int


async def settled(mesh: Mesh, wanted: Remains | None = None) -> Remains:
    """Return what is there once it no longer changes or is what is wanted; after a minute, what is there."""
    seen: list[Remains] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(_SETTLES_WITHIN_S):
            while True:
                seen.append(_now(mesh))
                if seen[-1] == wanted or (wanted is None and len(seen) > 20 and len(set(seen[-20:])) == 1):
                    break
                await asyncio.sleep(0.1)
    return seen[-1]


def descriptors(mesh: Mesh) -> dict[str, int]:
    """Return how many each process has open."""
    pids = {name: mesh.pid(name) for name in mesh.names}
    return {name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in pids.items() if pid}  # noqa: PTH208 - names alone


def grown(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """Return who has more descriptors open than it may."""
    return [
        f"{name} had {before[name]} descriptors, and has {count}"
        for name, count in after.items()
        if count > before[name] + _MORE_DESCRIPTORS
    ]


def _now(mesh: Mesh) -> Remains:
    pid = mesh.pid("sandbox") or os.getpid()
    whole = remains.of(pid, mesh.home / "tmp")
    return Remains(
        processes=whole.processes,
        namespaces=whole.namespaces,
        mounts=Path("/proc/self/mountinfo").read_text().count(str(mesh.home)),
        groups=remains.groups_of(mesh.sandbox_pids),
        half_files=len(list((mesh.home / "files" / "incoming").iterdir())),
        temporary_files=whole.files,
    )
