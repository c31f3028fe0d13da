"""The process of one sandbox as the service sees it: its pipes, its control socket, its death.

Works on the event loop with plain descriptors: the child must be forked by the loop's own thread (bubblewrap dies with
the thread that started it) and reaped here, and pidfds tell of deaths without a race.
"""

import asyncio
import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, OutputChunk, OutputStream
from sandbox.cgroups import Group
from sandbox.runners.base import SandboxBroken

_READ_BYTES = 65536
_MAX_REPORT_BYTES = 65536
_START_WITHIN_S = 30.0
_KNOWN_WITHIN_S = 2.0


class ConfinedProcess:
    """A launcher (bwrap) and process 1 of its sandbox."""

    def __init__(self, output_limit_bytes: int, group: Group | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = output_limit_bytes
        self._group = group
        self._chunks: asyncio.Queue[OutputChunk | None] = asyncio.Queue()  # holds at most the output limit
        self._dead = asyncio.Event()
        self._streams: dict[int, OutputStream.ValueType] = {}
        self._fds: set[int] = set()
        self._launcher: subprocess.Popen[bytes] | None = None
        self._init_pidfd = -1
        self._status = b""
        self._started_at = 0.0
        self.init_pid = 0
        self._timer: asyncio.TimerHandle | None = None
        self.stopped_by: LimitKind.ValueType | None = None
        self.wall_s = 0.0
        self.cpu_s = 0.0
        """Of everything that was started, known once all is dead."""
        self.work_fd = -1
        self.control, self._inner_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setblocking(False)
        self._report_fd, self._inner_report = self._pipe()
        self._status_fd, self._inner_status = self._pipe()

    def _pipe(self) -> tuple[int, int]:
        read, write = os.pipe()
        os.set_blocking(read, False)
        self._fds |= {read, write}
        return read, write

    def own(self, fd: int) -> int:
        """Close a descriptor with this process's others."""
        self._fds.add(fd)
        return fd

    @property
    def inner_fds(self) -> tuple[int, int, int]:
        """The descriptors to pass inside: control, report, and the one on which bwrap tells its child's pid."""
        return self._inner_control.fileno(), self._inner_report, self._inner_status

    def launch(self, command: Sequence[str], passed: Sequence[int]) -> None:
        """Start the launcher with an empty environment.

        Nothing here may ask of subprocess what keeps it from vfork (user=, group=, preexec_fn): a plain fork runs
        gRPC's fork handlers in the child, which now and then abort it.
        """
        stdout, inner_stdout = self._pipe()
        stderr, inner_stderr = self._pipe()
        self._launcher = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=inner_stdout,
            stderr=inner_stderr,
            pass_fds=[*passed, *self.inner_fds],
            env={},
            cwd="/",
            start_new_session=True,
        )
        for fd in (inner_stdout, inner_stderr, self._inner_report, self._inner_status):
            self._close(fd)
        self._inner_control.close()
        self._streams = {stdout: OutputStream.OUTPUT_STREAM_STDOUT, stderr: OutputStream.OUTPUT_STREAM_STDERR}
        for fd in self._streams:
            self._loop.add_reader(fd, self._read_output, fd)
        self._watch(os.pidfd_open(self._launcher.pid), self._launcher_died)

    async def begin(self, order: Mapping[str, Any], wall_time_s: float) -> None:
        """Hand the order to process 1 and return once it is about to run the program.

        Raises:
          SandboxBroken: it ended, or took too long, before it was confined.
        """
        try:
            async with asyncio.timeout(_START_WITHIN_S):
                self.init_pid = await self._init_pid()
                if self._group:
                    self._group.add(self.init_pid)
                self.control.send(json.dumps(order).encode())
                await self._readable(self.control.fileno())
                message, fds, _, _ = socket.recv_fds(self.control, 4096, 1)
        except TimeoutError:
            raise SandboxBroken(f"the sandbox did not start within {_START_WITHIN_S:g} s") from None
        except OSError as error:
            raise SandboxBroken(f"the sandbox did not start: {error}: {await self._complaint()}") from error
        if not message or len(fds) != 1:
            raise SandboxBroken(f"the sandbox did not start: {await self._complaint()}")
        self.work_fd = self.own(fds[0])
        self._started_at = time.monotonic()
        self._timer = self._loop.call_later(wall_time_s, self.kill, LimitKind.LIMIT_KIND_WALL_TIME)

    async def _learn_init(self) -> None:
        """See to it that process 1 is what gets killed: the launcher then reaps it, and nobody is left a zombie."""
        if self._init_pidfd >= 0 or self._dead.is_set():
            return
        with contextlib.suppress(SandboxBroken, TimeoutError):
            async with asyncio.timeout(_KNOWN_WITHIN_S):
                await self._init_pid()

    async def _init_pid(self) -> int:
        """Return the pid of process 1, out here, having made sure that it can be killed."""
        while (found := re.search(rb'"child-pid": *(\d+)\D', self._status)) is None:
            await self._readable(self._status_fd)
            more = os.read(self._status_fd, 4096)
            if not more:
                raise SandboxBroken(f"bubblewrap ended: {await self._complaint()}")
            self._status += more
        pid = int(found[1])
        self._init_pidfd = os.pidfd_open(pid)
        parent = _parent_of(pid)
        if self._launcher is None or parent != self._launcher.pid:
            os.close(self._init_pidfd)
            self._init_pidfd = -1
            raise SandboxBroken(f"bubblewrap's child ended at once: {await self._complaint()}")
        return pid

    async def _complaint(self) -> str:
        """Return what the launcher or process 1 wrote before it gave up."""
        self.kill(None)
        await self._dead.wait()
        text = b"".join(chunk.data for chunk in self._drain_queue())
        return text.decode(errors="replace").strip()[-2000:] or "no message"

    def _drain_queue(self) -> list[OutputChunk]:
        chunks = []
        while not self._chunks.empty():
            chunk = self._chunks.get_nowait()
            if chunk:
                chunks.append(chunk)
        return chunks

    def kill(self, cause: LimitKind.ValueType | None) -> None:
        """Kill everything inside; the first cause stays."""
        if self._dead.is_set():
            return
        if cause is not None and self.stopped_by is None:
            self.stopped_by = cause
        if self._init_pidfd >= 0:
            # Process 1 of the namespace takes every other process with it; the launcher then ends by itself.
            _kill(self._init_pidfd)
        elif self._launcher:
            # Its child has not yet asked to die with it, and is still in its process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._launcher.pid, signal.SIGKILL)

    async def output(self) -> AsyncIterator[OutputChunk]:
        """Yield what is written, until everything inside is dead."""
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    async def died(self) -> None:
        """Return when everything inside is dead."""
        await self._dead.wait()

    def report(self) -> bytes:
        """Return what the program's process left on the report pipe."""
        try:
            return os.read(self._report_fd, _MAX_REPORT_BYTES)
        except BlockingIOError:
            return b""

    def exit_message(self) -> bytes:
        """Return what process 1 said last; empty if it was killed before."""
        try:
            return self.control.recv(4096)
        except OSError:
            return b""

    async def close(self) -> None:
        """Kill what is left, wait for its death, release every descriptor."""
        if self._timer:
            self._timer.cancel()
        if self._launcher:
            await self._learn_init()
            self.kill(None)
            await self._dead.wait()
        for fd in tuple(self._fds):
            self._close(fd)
        self.control.close()
        self._inner_control.close()

    def _close(self, fd: int) -> None:
        self._fds.discard(fd)
        os.close(fd)

    def _read_output(self, fd: int) -> None:
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(fd)
            del self._streams[fd]
            return
        stream = self._streams[fd]
        kept = data[: self._left]
        self._left -= len(kept)
        if kept:
            self._chunks.put_nowait(OutputChunk(stream=stream, data=kept))
        if len(kept) < len(data):
            self.kill(LimitKind.LIMIT_KIND_OUTPUT)

    async def _readable(self, fd: int) -> None:
        ready = asyncio.Event()
        self._loop.add_reader(fd, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_reader(fd)

    def _watch(self, pidfd: int, died: Any) -> None:
        def ended() -> None:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
            died()

        self._loop.add_reader(pidfd, ended)

    def _launcher_died(self) -> None:
        assert self._launcher is not None
        _, status, usage = os.wait4(self._launcher.pid, 0)
        self._launcher.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_s = usage.ru_utime + usage.ru_stime
        if self._init_pidfd < 0:
            self._all_dead()
            return
        # Usually long true; if the launcher was killed alone, the kernel is still taking process 1 down after it.
        pidfd, self._init_pidfd = self._init_pidfd, -1
        _kill(pidfd)
        self._watch(pidfd, self._all_dead)

    def _all_dead(self) -> None:
        self.wall_s = time.monotonic() - self._started_at if self._started_at else 0.0
        if self._timer:
            self._timer.cancel()
        for fd in tuple(self._streams):
            while fd in self._streams and select.select([fd], [], [], 0)[0]:
                self._read_output(fd)
            if fd in self._streams:
                self._loop.remove_reader(fd)
        self._chunks.put_nowait(None)
        self._dead.set()


def _parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _kill(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
