"""One single-use sandbox as the service sees it: made, given its program, watched, dead.

Works on the event loop with plain descriptors; a pidfd tells of the death of process 1 without a race, and with process
1 the kernel has ended every other process inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import select
import signal
import socket
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, OutputChunk, OutputStream
from sandbox.cgroups import Group
from sandbox.lifetimes import to_the_end
from sandbox.runners.base import SandboxBroken
from sandbox.runners.output_pipes import OutputPipes
from sandbox.runners.report_pipe import ReportPipe
from sandbox.runners.zygote import Zygote

_MADE_WITHIN_S = 30.0
# While none of the user's code runs, only complaints come.
_COMPLAINT_BYTES = 65536


class Cell:
    """A sandbox that waits for its one program, or runs it, or is dead."""

    def __init__(self, zygote: Zygote, group: Group | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._zygote = zygote
        self.group = group
        self._outputs = OutputPipes(_COMPLAINT_BYTES, lambda: self.kill(LimitKind.LIMIT_KIND_OUTPUT))
        self._dead = asyncio.Event()
        self._fds: set[int] = set()
        self._init_pidfd = -1
        self._number = 0
        self._started_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.init_pid = self.program_pid = 0
        self.stopped_by: LimitKind.ValueType | None = None
        self.wall_s = 0.0
        self.work_fd = -1
        self._control, inner_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        stdout, inner_stdout = self._pipe()
        stderr, inner_stderr = self._pipe()
        self._report = ReportPipe()
        inner_report = self._report.inner_fd
        inner = [inner_control.detach(), inner_stdout, inner_stderr, inner_report]
        try:
            self._number = zygote.make(inner)
        finally:
            for fd in inner:
                os.close(fd)
        self._outputs.read(stdout, OutputStream.OUTPUT_STREAM_STDOUT)
        self._outputs.read(stderr, OutputStream.OUTPUT_STREAM_STDERR)

    def _pipe(self) -> tuple[int, int]:
        """Return both ends of a pipe; the writing end is the caller's to close."""
        read, write = os.pipe()
        os.set_blocking(read, False)
        self._fds.add(read)
        return read, write

    async def made(self) -> None:
        """Return once it waits for its program, and is in its group.

        Raises:
          SandboxBroken: it could not be made.
        """
        message, pidfds = await self._hear(2)
        if not message or len(pidfds) != 2:
            raise SandboxBroken(f"a sandbox could not be made: {await self._complaint()}")
        self._init_pidfd, program_pidfd = pidfds
        self._fds.add(program_pidfd)
        self._loop.add_reader(self._init_pidfd, self._all_dead)
        self.init_pid, self.program_pid = _pid_of(self._init_pidfd), _pid_of(program_pidfd)
        if self.group:
            for pid in (self.init_pid, self.program_pid):
                # The kernel takes milliseconds, in which other programs want their output handed on.
                await to_the_end(asyncio.to_thread(self.group.add, pid))

    @property
    def is_usable(self) -> bool:
        """Whether it still waits."""
        return self._init_pidfd >= 0 and not self._dead.is_set() and self._zygote.is_alive

    @property
    def is_alive(self) -> bool:
        """Whether anything inside still runs, or may."""
        return self._init_pidfd >= 0 and not self._dead.is_set()

    async def begin(
        self, order: Mapping[str, Any], fds: list[int], wall_time_s: float | None, output_bytes: int
    ) -> None:
        """Give it its program and return once that is about to run.

        Args:
          fds: descriptors of the program's bytes and, where there are any, its inputs'.
          wall_time_s: when it is killed; None for a session, whose programs are yet to come.
        Raises:
          SandboxBroken: it ended, or took too long, before it was confined.
        """
        self._outputs.limit(output_bytes)
        try:
            socket.send_fds(self._control, [json.dumps(order).encode()], fds)
        except OSError as error:
            raise SandboxBroken(f"the sandbox did not start: {error}: {await self._complaint()}") from error
        message, fds = await self._hear(1)
        if not message or len(fds) != 1:
            raise SandboxBroken(f"the sandbox did not start: {await self._complaint()}")
        self.work_fd = fds[0]
        self._fds.add(self.work_fd)
        self._started_at = time.monotonic()
        if wall_time_s is not None:
            self._timer = self._loop.call_later(wall_time_s, self.kill, LimitKind.LIMIT_KIND_WALL_TIME)

    def give_order(self, order: Mapping[str, Any], fds: list[int]) -> None:
        """Tell a session's process 2 what to execute next.

        Raises:
          SandboxBroken: it is gone, or an earlier program has spoken in its place.
        """
        try:
            if select.select([self._control], [], [], 0)[0]:
                raise SandboxBroken("the session has spoken without being asked")
            socket.send_fds(self._control, [json.dumps(order).encode()], fds)
        except OSError as error:
            raise SandboxBroken(f"the session is gone: {error}") from error

    async def heard_or_died(self) -> bytes:
        """Return the next message; nothing where everything inside is dead and said no more."""
        heard = asyncio.Event()
        self._loop.add_reader(self._control.fileno(), heard.set)
        waiting = [asyncio.ensure_future(heard.wait()), asyncio.ensure_future(self._dead.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._loop.remove_reader(self._control.fileno())
            for one in waiting:
                one.cancel()
        return self.exit_message()

    def kill(self, cause: LimitKind.ValueType | None) -> None:
        """Kill everything inside; the first cause stays."""
        if self._dead.is_set():
            return
        if cause is not None and self.stopped_by is None:
            self.stopped_by = cause
        if self._init_pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._init_pidfd, signal.SIGKILL)

    def output(self) -> AsyncIterator[OutputChunk]:
        """Yield what is written, until everything inside is dead."""
        return self._outputs.chunks()

    async def died(self) -> float:
        """Return the CPU seconds of everything inside, when it is dead."""
        await self._dead.wait()
        return await self._zygote.cpu_s(self._number)

    def report(self) -> bytes:
        """Return what the program's process said of itself."""
        return self._report.content()

    def exit_message(self) -> bytes:
        """Return what process 1 said last; empty if it was killed before."""
        try:
            return self._control.recv(4096)
        except OSError:
            return b""

    @property
    def zygote_is_alive(self) -> bool:
        """Whether the cell, if it is dead, died alone."""
        return self._zygote.is_alive

    async def close(self) -> None:
        """Kill what is left, wait for its death, release every descriptor and the group."""
        if self._timer:
            self._timer.cancel()
        if self._init_pidfd >= 0:
            self.kill(None)
            await self._dead.wait()
            os.close(self._init_pidfd)
            self._init_pidfd = -1
        self._outputs.stop()
        self._report.close()
        self._zygote.forget(self._number)
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
        self._control.close()
        if self.group:
            await self.group.remove()

    async def _hear(self, most_fds: int) -> tuple[bytes, list[int]]:
        """Return the next message and its descriptors; nothing where the other end is gone or silent for too long."""
        heard = asyncio.Event()
        self._loop.add_reader(self._control.fileno(), heard.set)
        try:
            async with asyncio.timeout(_MADE_WITHIN_S):
                await heard.wait()
            message, fds, _, _ = socket.recv_fds(self._control, 4096, most_fds)
        except (TimeoutError, OSError):
            return b"", []
        finally:
            self._loop.remove_reader(self._control.fileno())
        return message, fds

    async def _complaint(self) -> str:
        """Return what was written before it gave up."""
        if self._init_pidfd >= 0:
            self.kill(None)
            await self._dead.wait()
        else:
            self._outputs.finish()
        return self._outputs.text()[-2000:] or "no message"

    def _all_dead(self) -> None:
        self._loop.remove_reader(self._init_pidfd)
        self.wall_s = time.monotonic() - self._started_at if self._started_at else 0.0
        if self._timer:
            self._timer.cancel()
        self._outputs.finish()
        self._dead.set()


def _pid_of(pidfd: int) -> int:
    """Return the number that a process has out here; 0 or less if it is gone."""
    found = re.search(r"^Pid:\s*(-?\d+)$", Path(f"/proc/self/fdinfo/{pidfd}").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0
