"""A session in a namespace sandbox: a cell whose process 2 stays, and executes one program after the other.

Each run gets pipes of its own, so what an earlier one left behind writes into nothing. Between runs the sandbox stands
still, as far as the machine's control groups can make it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits, OutputChunk, OutputStream
from sandbox import watchdog
from sandbox.cgroups import Hierarchy, Usage
from sandbox.lifetimes import to_the_end
from sandbox.limits import KIB, MIB
from sandbox.runners.base import Ending, Program, SandboxBroken, memory_file
from sandbox.runners.cell import Cell
from sandbox.runners.ending import ending_of
from sandbox.runners.output_pipes import OutputPipes
from sandbox.runners.report_pipe import ReportPipe


class _Done(BaseModel):
    model_config = ConfigDict(strict=True)
    done: int
    code: int = Field(ge=0, le=255)


class _Exit(BaseModel):
    model_config = ConfigDict(strict=True)
    status: int = Field(ge=0, le=0xFFFF)
    peak_memory_kib: int = Field(ge=0, lt=2**32)


class _ExitMessage(BaseModel):
    exit: _Exit


class SessionCell:
    """See `runners.base.Session`."""

    def __init__(self, cell: Cell, hierarchy: Hierarchy | None, limits: Limits) -> None:
        """Take a cell in which the resident waits for its first program."""
        self._cell = cell
        self._hierarchy = hierarchy
        self._limits = limits
        self._run_count = 0
        self._is_closed = False
        self._watching: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Watch the memory of all processes together, where no control group does."""
        limit_bytes = self._limits.memory_mib * MIB
        self._watching = asyncio.create_task(
            watchdog.watch(self._cell.init_pid, limit_bytes, lambda: self._cell.kill(LimitKind.LIMIT_KIND_MEMORY))
        )

    @property
    def is_alive(self) -> bool:
        """See `Session.is_alive`."""
        return self._cell.is_alive

    def stand_still(self) -> None:
        """Keep what a run left behind from computing on."""
        if self._cell.group and self._hierarchy and self.is_alive:
            self._hierarchy.still(self._cell.group)

    def go_on(self) -> None:
        """Let it compute again."""
        if self._cell.group and self._hierarchy:
            self._hierarchy.wake(self._cell.group, self._limits)

    @asynccontextmanager
    async def start(self, program: Program) -> AsyncIterator[SessionRun]:
        """See `Session.start`."""
        self._run_count += 1
        self.go_on()
        run = SessionRun(self._cell, program, self._run_count)
        try:
            run.begin()
            yield run
        finally:
            if not run.is_done:
                self._cell.kill(None)
                await to_the_end(self._cell.died())
            await to_the_end(run.close())
            self.stand_still()

    def kill(self) -> None:
        """See `Session.kill`."""
        self.go_on()  # also dying takes time on a processor
        self._cell.kill(None)

    async def close(self) -> None:
        """See `Session.close`; a second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self.kill()
        await self._cell.close()


class SessionRun:
    """One program in a session; see `runners.base.Run`."""

    def __init__(self, cell: Cell, program: Program, number: int) -> None:
        self._cell = cell
        self._program = program
        self._number = number
        self._before = cell.group.usage() if cell.group else Usage()
        self._outputs = OutputPipes(program.limits.output_kib * KIB, lambda: cell.kill(LimitKind.LIMIT_KIND_OUTPUT))
        self._report = ReportPipe()
        self._started_at = time.monotonic()
        self._wall_s = 0.0
        self._pipes: list[int] = []
        self._message = b""
        self._timer: asyncio.TimerHandle | None = None
        self._following: asyncio.Task[None] | None = None
        self.is_done = False
        """It ended, and its process lives on."""

    @property
    def work_fd(self) -> int:
        """See `Run.work_fd`; other than there, what is left behind may still change it."""
        return self._cell.work_fd

    def begin(self) -> None:
        """Give the resident its program.

        Raises:
          SandboxBroken: it is gone, or has spoken without being asked.
        """
        order = {
            "run": self._number,
            "seed": self._program.seed,
            "program_bytes": len(self._program.source),
            "inputs": [{"name": item.name, "size_bytes": item.size_bytes} for item in self._program.inputs],
        }
        stdout, inner_stdout = os.pipe()
        stderr, inner_stderr = os.pipe()
        self._pipes += [stdout, stderr]
        source_fd = memory_file(self._program.source)
        inner = [source_fd, inner_stdout, inner_stderr, self._report.inner_fd]
        try:
            inputs = [self._program.inputs_fd] if self._program.inputs else []
            self._cell.give_order(order, [*inner, *inputs])
        finally:
            for fd in inner:
                os.close(fd)
        self._outputs.read(stdout, OutputStream.OUTPUT_STREAM_STDOUT)
        self._outputs.read(stderr, OutputStream.OUTPUT_STREAM_STDERR)
        loop = asyncio.get_running_loop()
        wall_time_s = self._program.limits.wall_time_s
        self._timer = loop.call_later(wall_time_s, self._cell.kill, LimitKind.LIMIT_KIND_WALL_TIME)
        self._following = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        """Wait for the end of the program, or of the session."""
        self._message = await self._cell.heard_or_died()
        try:
            done = _Done.model_validate_json(self._message)
            self.is_done = done.done == self._number and self._cell.is_alive
        except ValidationError:
            pass
        if self._timer:
            self._timer.cancel()
        if not self.is_done:
            # Process 1 says that process 2 is gone, or a program spoke in its place: either way this is the end.
            self._cell.kill(None)
            await self._cell.died()
        self._wall_s = time.monotonic() - self._started_at
        self._outputs.finish()
        if self._cell.stopped_by is not None:
            # Killed for what came last, or just before it was done.
            self.is_done = False
            await self._cell.died()

    def output(self) -> AsyncIterator[OutputChunk]:
        """See `Run.output`; ends with the program."""
        return self._outputs.chunks()

    async def ending(self) -> Ending:
        """See `Run.ending`."""
        assert self._following
        await self._following
        exit_message = self._message if _is_exit(self._message) else b""
        if self.is_done:
            peak_memory_kib = _peak_memory_kib(self._cell.program_pid)
            status = _Done.model_validate_json(self._message).code << 8
            exit_message = json.dumps({"exit": {"status": status, "peak_memory_kib": peak_memory_kib}}).encode()
        elif not exit_message and self._cell.stopped_by is None and not self._cell.zygote_is_alive:
            raise SandboxBroken("the sandbox's zygote was killed, and every sandbox with it")
        return ending_of(
            stopped_by=self._cell.stopped_by,
            exit_message=exit_message,
            report=self._report.content(),
            usage=self._usage(),
            disk=os.fstatvfs(self._cell.work_fd),
            limits=self._program.limits,
            wall_s=self._wall_s,
            cpu_s=0.0,
        )

    def _usage(self) -> Usage | None:
        """Return what this run took, of what the session's group counted."""
        if not self._cell.group:
            return None
        usage, before = self._cell.group.usage(), self._before
        return replace(
            usage,
            cpu_s=None if usage.cpu_s is None else max(0.0, usage.cpu_s - (before.cpu_s or 0.0)),
            oom_kill_count=usage.oom_kill_count - before.oom_kill_count,
            refused_fork_count=usage.refused_fork_count - before.refused_fork_count,
        )

    async def close(self) -> None:
        """Release what is this run's."""
        if self._timer:
            self._timer.cancel()
        if self._following:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        self._outputs.stop()
        self._report.close()
        for fd in self._pipes:
            os.close(fd)
        self._pipes.clear()


def _is_exit(message: bytes) -> bool:
    """Tell whether this could be process 1's last word; in a session a program can speak in its place."""
    try:
        status = _ExitMessage.model_validate_json(message).exit.status
    except ValidationError:
        return False
    return os.WIFEXITED(status) or os.WIFSIGNALED(status)


def _peak_memory_kib(pid: int) -> int:
    """Return the most memory a process ever held; 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
