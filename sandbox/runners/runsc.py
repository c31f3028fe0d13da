"""Runs a program under gVisor's runsc: single-use sandboxes, made ahead of time, that meet gVisor's kernel only.

A sandbox gets a read-only tree of what the machine must share, a bounded tmpfs to work in, and one folder of the host,
/box, in which `sandbox/bootstrap/gvisor_init`, process 1 inside, leaves the files when the program has ended. A program
that is killed leaves its output, and no files.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits, OutputChunk
from sandbox import limits as limits_of
from sandbox import seccomp
from sandbox.cgroups import Hierarchy
from sandbox.lifetimes import to_the_end
from sandbox.limits import KIB, MIB
from sandbox.policy import Policy
from sandbox.pool import Pool
from sandbox.runners import runsc_bundle
from sandbox.runners.base import Ending, Program, SandboxBroken
from sandbox.runners.ending import ending_of
from sandbox.runners.runsc_cell import RunscCell
from sandbox.runtime import Runtime
from servers.kit import scratch
from servers.kit.errors import NotReady

INSTALL = "install it (Debian: apt-get install runsc)"
# What gVisor itself takes of the group's limits: with the ptrace platform each thread inside is a process outside, and
# 64 in all do not start while 256 do; with the data stack warm a sandbox that waits holds 140 MiB (November 2026).
_OWN_PROCESSES = 192
_OWN_MEMORY_MIB = 256
_ADDRESS_SPACE_SLACK = 512 * MIB
_SYSTRAP_SINCE = 20230801


class Runsc:
    """The gVisor runner."""

    name = "runsc"

    def __init__(
        self,
        *,
        program: Path,
        version: str,
        policy: Policy,
        runtime: Runtime,
        hierarchy: Hierarchy | None,
        warm_count: int,
    ) -> None:
        self.version = version
        self._policy = policy
        self._runtime = runtime
        self._hierarchy = hierarchy
        self._defaults = limits_of.resolve(Limits(), policy.limits)
        self._filter = base64.b64encode(seccomp.program(policy.syscalls)).decode()
        platform = "systrap" if int(version) >= _SYSTRAP_SINCE else "ptrace"
        self._flags = [str(program), "--network=none", f"--platform={platform}", "--ignore-cgroups", "--overlay=false"]
        if os.geteuid() != 0:
            self._flags.append("--rootless")
        # One that is made on the spot imports only what its program does: that is sooner than all.
        self.pool: Pool[RunscCell] = Pool(lambda: self._make(policy.preload), warm_count, lambda: self._make(()))
        self.enforced_by: Mapping[LimitKind.ValueType, str] = _enforced_by(hierarchy)

    def warm_up(self) -> None:
        """See `Runner.warm_up`."""
        self.pool.start()

    async def close(self) -> None:
        """See `Runner.close`."""
        await self.pool.close()

    @asynccontextmanager
    async def start(self, program: Program) -> AsyncIterator[RunscRun]:
        """Start a program in a sandbox of its own; see `Runner.start`."""
        cell = await self.pool.take()
        try:
            if cell.group and self._hierarchy and program.limits != self._defaults:
                self._hierarchy.bound(cell.group, _with_own(program.limits))
            await cell.begin(_order(program), program, program.limits.output_kib * KIB)
            yield RunscRun(cell, program.limits)
        finally:
            await to_the_end(cell.close())

    async def _make(self, preload: Sequence[str]) -> RunscCell:
        """Return a sandbox that waits for its program, in a group with the default limits."""
        group = self._hierarchy.create(_with_own(self._defaults)) if self._hierarchy else None
        # At once, not in a thread: a cancellation would lose it.
        folder = scratch.new_folder("runsc")
        cell = RunscCell(folder, group)
        command = [*self._flags, "--root", str(folder / "state"), "run", "--bundle", str(folder), folder.name]
        try:
            await to_the_end(asyncio.to_thread(runsc_bundle.lay_out, folder, self._policy, self._runtime))
            await cell.make(command, self._settings(preload))
        except BaseException:
            await to_the_end(cell.close())
            raise
        return cell

    def _settings(self, preload: Sequence[str]) -> dict[str, Any]:
        return {
            "preload": list(preload),
            "matplotlib": f"/runtime/{self._runtime.matplotlib_config}",
            "disk_bytes": self._defaults.disk_mib * MIB,
            "filter": self._filter,
        }


def _order(program: Program) -> dict[str, Any]:
    limits = program.limits
    return {
        "program_bytes": len(program.source),
        "inputs": [{"name": item.name, "size_bytes": item.size_bytes} for item in program.inputs],
        "disk_bytes": limits.disk_mib * MIB,
        "inode_count": limits.inode_count,
        # Address space is more than memory: what libraries reserve and never touch, beyond what is there already.
        "address_space_bytes": limits.memory_mib * MIB + _ADDRESS_SPACE_SLACK,
        # Over the disk, so that a full disk says ENOSPC; it bounds what sparse files pretend to hold.
        "file_bytes": (limits.disk_mib + 1) * MIB,
        "seed": program.seed,
    }


class RunscRun:
    """One running sandbox."""

    def __init__(self, cell: RunscCell, limits: Limits) -> None:
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
        code = await self._cell.died()
        exit_message = self._cell.exit_message()
        usage = self._cell.usage()
        stopped_by = self._cell.stopped_by
        if not exit_message and stopped_by is None and usage and usage.refused_fork_count:
            # A process or thread of gVisor's own was refused, and it gives up then.
            stopped_by = LimitKind.LIMIT_KIND_PROCESSES
        if not exit_message and stopped_by is None and not (usage and usage.oom_kill_count):
            raise SandboxBroken(f"runsc ended with {code} before the program did")
        ending = ending_of(
            stopped_by=stopped_by,
            exit_message=exit_message,
            report=self._cell.report(),
            usage=usage,
            disk=None,
            limits=self._limits,
            wall_s=self._cell.wall_s,
            cpu_s=0.0,
        )
        if usage and not ending.peak_memory_kib:
            ending.peak_memory_kib = usage.peak_memory_kib or 0
        if not exit_message:
            ending.notes.append("the program was stopped: its files are lost with the sandbox")
        return ending


async def find(policy: Policy, runtime: Runtime, hierarchy: Hierarchy | None, warm_count: int) -> Runsc:
    """Return the runner, not yet tried.

    Raises:
      NotReady: runsc is not installed, or does not answer.
    """
    program = shutil.which("runsc")
    if program is None:
        raise NotReady(f"runsc is not on this machine: {INSTALL}")
    answer = await asyncio.to_thread(subprocess.run, [program, "--version"], stdout=subprocess.PIPE, check=False)
    version = re.search(rb"20\d{6}", answer.stdout)
    if version is None:
        raise NotReady(f"{program} --version names no release: {INSTALL}")
    scratch.sweep("runsc")
    return Runsc(
        program=Path(program),
        version=version[0].decode(),
        policy=policy,
        runtime=runtime,
        hierarchy=hierarchy,
        warm_count=warm_count,
    )


def _with_own(limits: Limits) -> Limits:
    """Return the limits of the group: the program's, and what gVisor takes itself."""
    grown = Limits()
    grown.CopyFrom(limits)
    grown.process_count += _OWN_PROCESSES
    grown.memory_mib += _OWN_MEMORY_MIB
    return grown


def _enforced_by(hierarchy: Hierarchy | None) -> dict[LimitKind.ValueType, str]:
    means = {
        LimitKind.LIMIT_KIND_MEMORY: "RLIMIT_AS of each process",
        LimitKind.LIMIT_KIND_WALL_TIME: "the service's clock",
        LimitKind.LIMIT_KIND_DISK: "gVisor tmpfs size",
        LimitKind.LIMIT_KIND_OUTPUT: "the service counts",
        LimitKind.LIMIT_KIND_ARTIFACTS: "the service counts",
        LimitKind.LIMIT_KIND_NETWORK: "gVisor without a network",
    }
    if hierarchy is None:
        return means
    return means | {kind: f"{how} (gVisor's own included)" for kind, how in hierarchy.enforced_by.items()}
