"""A launcher with a socket as its stdin, whose output is read as it comes, and that is killed with all it started."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Sequence

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, OutputChunk, OutputStream
from sandbox.cgroups import Group
from sandbox.lifetimes import to_the_end
from sandbox.runners.output_pipes import OutputPipes

# Until its program begins, only complaints come.
_COMPLAINT_BYTES = 65536


class PipedProcess:
    """One launcher, started stopped, put into its group, and let go."""

    def __init__(self, group: Group | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._outputs = OutputPipes(_COMPLAINT_BYTES, lambda: self.kill(LimitKind.LIMIT_KIND_OUTPUT))
        self._group = group
        self._dead = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._began_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self.stopped_by: LimitKind.ValueType | None = None
        self.wall_s = 0.0
        self.control, self._stdin = socket.socketpair()
        """The other end of its stdin."""
        self.control.setblocking(False)

    async def start(self, command: Sequence[str]) -> None:
        """Start it, in its group from its first instruction."""
        # In a thread: the kernel may take ten milliseconds to move a process into a group.
        process = await to_the_end(asyncio.to_thread(self._launch, command))
        assert process.stdout and process.stderr
        self._pidfd = os.pidfd_open(process.pid)
        self._outputs.read(process.stdout.fileno(), OutputStream.OUTPUT_STREAM_STDOUT)
        self._outputs.read(process.stderr.fileno(), OutputStream.OUTPUT_STREAM_STDERR)
        self._loop.add_reader(self._pidfd, self._ended)

    def _launch(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        # The shell waits for a line. vfork only: see Zygote.start.
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _ && exec "$@"', "sh", *command],
            stdin=self._stdin.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            cwd="/",
            start_new_session=True,
        )
        self._stdin.close()
        if self._group:
            self._group.add(self._process.pid)
        self.control.send(b"\n")
        return self._process

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._pidfd >= 0 and not self._dead.is_set()

    def bound(self, output_bytes: int) -> None:
        """Set how much its program may write, before it begins."""
        self._outputs.limit(output_bytes)

    def begin(self, wall_time_s: float) -> None:
        """Count its program's time from now, and kill it when that is over."""
        self._began_at = time.monotonic()
        self._timer = self._loop.call_later(wall_time_s, self.kill, LimitKind.LIMIT_KIND_WALL_TIME)

    def kill(self, cause: LimitKind.ValueType | None) -> None:
        """Kill everything; the first cause stays."""
        if self._process is None or self._dead.is_set():
            return
        if cause is not None and self.stopped_by is None:
            self.stopped_by = cause
        if self._group:
            self._group.kill()
        # An attached gVisor sandbox dies with its launcher.
        self._process.kill()

    def output(self) -> AsyncIterator[OutputChunk]:
        """Yield what is written, until the launcher is dead."""
        return self._outputs.chunks()

    def complaint(self) -> str:
        """Return what was written by one that never began; it is dead."""
        return self._outputs.text()[-2000:] or "no message"

    async def died(self) -> int:
        """Return the launcher's exit code, once it is dead."""
        await self._dead.wait()
        assert self._process
        return int(self._process.returncode)

    async def close(self) -> None:
        """Kill what is left and release every descriptor."""
        if self._timer:
            self._timer.cancel()
        self.kill(None)
        self.control.close()
        self._stdin.close()
        if self._process is None:
            return
        if self._pidfd >= 0:
            await self._dead.wait()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        self._process.wait()

    def _ended(self) -> None:
        assert self._process
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()
        self.wall_s = time.monotonic() - self._began_at if self._began_at else 0.0
        if self._timer:
            self._timer.cancel()
        self._outputs.finish()
        self._dead.set()
