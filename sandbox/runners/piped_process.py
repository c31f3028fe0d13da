"""A launcher whose output is read as it comes, up to a limit, and that is killed with everything it started."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Sequence

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, OutputChunk, OutputStream
from sandbox.cgroups import Group
from sandbox.runners.output_pipes import OutputPipes


class PipedProcess:
    """One launcher, started stopped, put into its group, and let go."""

    def __init__(self, command: Sequence[str], output_limit_bytes: int, group: Group | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._outputs = OutputPipes(output_limit_bytes, lambda: self.kill(LimitKind.LIMIT_KIND_OUTPUT))
        self._group = group
        self._dead = asyncio.Event()
        self.stopped_by: LimitKind.ValueType | None = None
        self.wall_s = 0.0
        # The shell waits for a line, so that what it becomes is in its group from its first instruction. vfork only:
        # see ConfinedProcess.launch.
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            cwd="/",
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        if group:
            group.add(self._process.pid)
        self._started_at = time.monotonic()
        self._process.stdin.write(b"\n")
        self._process.stdin.close()
        self._outputs.read(self._process.stdout.fileno(), OutputStream.OUTPUT_STREAM_STDOUT)
        self._outputs.read(self._process.stderr.fileno(), OutputStream.OUTPUT_STREAM_STDERR)
        self._pidfd = os.pidfd_open(self._process.pid)
        self._loop.add_reader(self._pidfd, self._ended)
        self._timer: asyncio.TimerHandle | None = None

    def bound(self, wall_time_s: float) -> None:
        """Kill it after a time."""
        self._timer = self._loop.call_later(wall_time_s, self.kill, LimitKind.LIMIT_KIND_WALL_TIME)

    def kill(self, cause: LimitKind.ValueType | None) -> None:
        """Kill everything; the first cause stays."""
        if self._dead.is_set():
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

    async def died(self) -> int:
        """Return the launcher's exit code, once it is dead."""
        await self._dead.wait()
        return int(self._process.returncode)

    async def close(self) -> None:
        """Kill what is left and release every descriptor."""
        if self._timer:
            self._timer.cancel()
        self.kill(None)
        await self._dead.wait()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()
        self.wall_s = time.monotonic() - self._started_at
        self._outputs.finish()
        self._dead.set()
