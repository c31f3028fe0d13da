"""Runs programs in Linux namespaces: single-use cells, forked ahead of time from a zygote with the data stack warm.

bubblewrap makes the read-only base once; each cell adds namespaces, a bounded file system and a /proc of its own, and
gives up every right before its program runs (`sandbox/bootstrap`).
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits, OutputChunk
from sandbox import limits as limits_of
from sandbox import seccomp, watchdog
from sandbox.cgroups import Hierarchy
from sandbox.lifetimes import to_the_end
from sandbox.limits import KIB, MIB
from sandbox.policy import Policy
from sandbox.pool import Pool
from sandbox.runners import base_tree
from sandbox.runners.base import Ending, Program, SandboxBroken, memory_file
from sandbox.runners.cell import Cell
from sandbox.runners.ending import ending_of
from sandbox.runners.session_cell import SessionCell
from sandbox.runners.zygote import Zygote
from sandbox.runtime import Runtime
from sandbox.uids import UidPool
from servers.kit.errors import NotReady

_INSTALL = "install it (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap)"
# Address space is more than memory: what libraries reserve and never touch, beyond what the zygote has already.
_ADDRESS_SPACE_SLACK = 512 * MIB


class Namespaces:
    """The namespaces runner. Needs no privilege; uses root's only to become somebody else and to make cgroups."""

    name = "namespaces"

    def __init__(
        self,
        *,
        bwrap: Path,
        version: str,
        policy: Policy,
        runtime: Runtime,
        hierarchy: Hierarchy | None,
        uids: UidPool,
        warm_count: int,
    ) -> None:
        self.version = version
        self._bwrap = bwrap
        self._policy = policy
        self._runtime = runtime
        self._hierarchy = hierarchy
        self._uids = uids
        self._defaults = limits_of.resolve(Limits(), policy.limits)
        self._filter = base64.b64encode(seccomp.program(policy.syscalls)).decode()
        self._next_cpu = 0
        self._zygote: Zygote | None = None
        self._identity = uids.lend()
        self._own = self._identity.__enter__()
        self.pool: Pool[Cell] = Pool(self._make, warm_count)
        self.enforced_by: Mapping[LimitKind.ValueType, str] = _enforced_by(hierarchy)

    def warm_up(self) -> None:
        """See `Runner.warm_up`."""
        self.pool.start()

    async def close(self) -> None:
        """See `Runner.close`."""
        await self.pool.close()
        if self._zygote:
            await self._zygote.close()
        self._identity.__exit__(None, None, None)

    @asynccontextmanager
    async def start(self, program: Program) -> AsyncIterator[NamespacesRun]:
        """Start a program in a sandbox of its own; see `Runner.start`."""
        cell = await self.pool.take()
        try:
            if cell.group and self._hierarchy and program.limits != self._defaults:
                self._hierarchy.bound(cell.group, program.limits)
            source_fd = memory_file(program.source)
            try:
                fds = [source_fd, *([program.inputs_fd] if program.inputs else [])]
                output_bytes = program.limits.output_kib * KIB
                await cell.begin(self._order(program), fds, program.limits.wall_time_s, output_bytes)
            finally:
                os.close(source_fd)
            async with self._watched(cell, program.limits):
                yield NamespacesRun(cell, program.limits)
        finally:
            await to_the_end(cell.close())

    async def open_session(self, limits: Limits) -> SessionCell:
        """See `SessionRunner.open_session`."""
        cell = await self.pool.take()
        session = SessionCell(cell, self._hierarchy, limits)
        try:
            if cell.group and self._hierarchy:
                self._hierarchy.bound(cell.group, limits)
            source_fd = memory_file(b"")
            try:
                order = self._order(Program(source=b"", seed=0, limits=limits)) | {"is_session": True}
                await cell.begin(order, [source_fd], None, 64 * KIB)
            finally:
                os.close(source_fd)
            if not self._counts(LimitKind.LIMIT_KIND_MEMORY):
                session.watch()
        except BaseException:
            await to_the_end(session.close())
            raise
        return session

    async def _make(self) -> Cell:
        """Return a cell that waits for its program, in a group with the default limits."""
        zygote = await self._living_zygote()
        cell = Cell(zygote, self._hierarchy.create(self._defaults) if self._hierarchy else None)
        try:
            await cell.made()
        except BaseException:
            await to_the_end(cell.close())
            raise
        return cell

    async def _living_zygote(self) -> Zygote:
        if self._zygote and self._zygote.is_alive:
            return self._zygote
        if self._zygote:
            await self._zygote.close()
        self._zygote = None
        zygote = Zygote()
        files = {path: memory_file(content) for path, content in base_tree.contents(self._policy).items()}
        try:
            await zygote.start(
                lambda control_fd: base_tree.command(
                    self._bwrap, self._own, self._policy, self._runtime, files=files, control_fd=control_fd
                ),
                files,
                self._settings(),
            )
        except BaseException:
            await to_the_end(zygote.close())
            raise
        self._zygote = zygote
        return zygote

    def _settings(self) -> dict[str, Any]:
        return {
            "preload": list(self._policy.preload),
            "cell": {
                "disk_bytes": self._defaults.disk_mib * MIB,
                "inode_count": self._defaults.inode_count,
                "matplotlib": f"/runtime/{self._runtime.matplotlib_config}",
                "hidden": list(self._policy.filesystem.hidden),
                "filter": self._filter,
            },
        }

    def _order(self, program: Program) -> dict[str, Any]:
        limits = program.limits
        reserved = self._zygote.address_space_bytes if self._zygote else 0
        rlimits = {
            **self._policy.rlimits,
            "RLIMIT_AS": limits.memory_mib * MIB + reserved + _ADDRESS_SPACE_SLACK,
            # Over the disk, so that a full disk says ENOSPC; it bounds what sparse files pretend to hold.
            "RLIMIT_FSIZE": (limits.disk_mib + 1) * MIB,
            # Counted in the cell's own user namespace (Linux 5.14). Where a cgroup counts too it decides, because it
            # also says that it did.
            "RLIMIT_NPROC": limits.process_count + (64 if self._counts(LimitKind.LIMIT_KIND_PROCESSES) else 1),
        }
        return {
            "program_bytes": len(program.source),
            "disk_bytes": limits.disk_mib * MIB,
            "inode_count": limits.inode_count,
            "inputs": [{"name": item.name, "size_bytes": item.size_bytes} for item in program.inputs],
            "rlimits": rlimits,
            "cpus": [] if self._counts(LimitKind.LIMIT_KIND_CPU) else self._some_cpus(limits.cpu_count),
            "seed": program.seed,
            "is_session": False,
        }

    @asynccontextmanager
    async def _watched(self, cell: Cell, limits: Limits) -> AsyncIterator[None]:
        """Watch the memory of all processes together, where no cgroup does."""
        if self._counts(LimitKind.LIMIT_KIND_MEMORY):
            yield
            return
        watching = asyncio.create_task(
            watchdog.watch(cell.init_pid, limits.memory_mib * MIB, lambda: cell.kill(LimitKind.LIMIT_KIND_MEMORY))
        )
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    def _counts(self, kind: LimitKind.ValueType) -> bool:
        return self._hierarchy is not None and kind in self._hierarchy.enforced_by

    def _some_cpus(self, count: float) -> list[int]:
        """Return the next CPUs in turn, so that concurrent sandboxes do not all sit on the first ones."""
        present = sorted(os.sched_getaffinity(0))
        wanted = min(max(1, int(count)), len(present))
        chosen = [present[(self._next_cpu + step) % len(present)] for step in range(wanted)]
        self._next_cpu = (self._next_cpu + wanted) % len(present)
        return chosen


class NamespacesRun:
    """One running sandbox."""

    def __init__(self, cell: Cell, limits: Limits) -> None:
        self._cell = cell
        self._limits = limits

    @property
    def work_fd(self) -> int:
        """See `Run.work_fd`."""
        return self._cell.work_fd

    def output(self) -> AsyncIterator[OutputChunk]:
        """See `Run.output`."""
        return self._cell.output()

    async def ending(self) -> Ending:
        """See `Run.ending`."""
        cpu_s = await self._cell.died()
        exit_message = self._cell.exit_message()
        usage = self._cell.group.usage() if self._cell.group else None
        if not exit_message and self._cell.stopped_by is None:
            if not self._cell.zygote_is_alive:
                raise SandboxBroken("the sandbox's zygote was killed, and every sandbox with it")
            if not (usage and usage.oom_kill_count):
                # Nothing inside can kill process 1 (pid_namespaces(7)).
                raise SandboxBroken("the sandbox's process 1 was killed from outside")
        return ending_of(
            stopped_by=self._cell.stopped_by,
            exit_message=exit_message,
            report=self._cell.report(),
            usage=usage,
            disk=os.fstatvfs(self._cell.work_fd),
            limits=self._limits,
            wall_s=self._cell.wall_s,
            cpu_s=cpu_s,
        )


async def find(
    policy: Policy, runtime: Runtime, hierarchy: Hierarchy | None, uids: UidPool, warm_count: int
) -> Namespaces:
    """Return the runner, not yet tried.

    Raises:
      NotReady: bubblewrap, which makes the base, is not installed or does not answer.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise NotReady(f"bubblewrap is not on this machine: {_INSTALL}")
    if not base_tree.is_startable():
        raise NotReady(
            f"{base_tree.SETPRIV} is not on this machine: install util-linux, or start the sandbox as an ordinary user"
        )
    # Not asyncio's: uvloop forks, and a fork of a process that uses gRPC is to be avoided.
    answer = await asyncio.to_thread(subprocess.run, [bwrap, "--version"], stdout=subprocess.PIPE, check=False)
    version = re.search(rb"\d+(\.\d+)+", answer.stdout)
    if version is None:
        raise NotReady(f"{bwrap} --version says nothing that can be read: {_INSTALL}")
    return Namespaces(
        bwrap=Path(bwrap),
        version=f"bubblewrap-{version[0].decode()}",
        policy=policy,
        runtime=runtime,
        hierarchy=hierarchy,
        uids=uids,
        warm_count=warm_count,
    )


def _enforced_by(hierarchy: Hierarchy | None) -> dict[LimitKind.ValueType, str]:
    means = {
        LimitKind.LIMIT_KIND_CPU: "CPU affinity",
        LimitKind.LIMIT_KIND_MEMORY: f"RLIMIT_AS of each process, a look at all every {watchdog.INTERVAL_S:g} s",
        LimitKind.LIMIT_KIND_WALL_TIME: "the service's clock",
        LimitKind.LIMIT_KIND_DISK: "tmpfs size",
        LimitKind.LIMIT_KIND_PROCESSES: "RLIMIT_NPROC in a user namespace",
        LimitKind.LIMIT_KIND_OUTPUT: "the service counts",
        LimitKind.LIMIT_KIND_ARTIFACTS: "the service counts",
        LimitKind.LIMIT_KIND_INODES: "tmpfs nr_inodes",
        LimitKind.LIMIT_KIND_NETWORK: "network namespace, seccomp",
    }
    return means | (hierarchy.enforced_by if hierarchy else {})
