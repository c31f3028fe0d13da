"""One single-use gVisor sandbox as the service sees it: made, given its program, watched, dead."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, OutputChunk
from sandbox.cgroups import Group, Usage
from sandbox.lifetimes import to_the_end
from sandbox.runners.base import Program, SandboxBroken
from sandbox.runners.guest_code import MOST_REPORT_BYTES
from sandbox.runners.piped_process import PipedProcess

_MADE_WITHIN_S = 60.0
_BEGUN_WITHIN_S = 30.0
_MAX_LINE_BYTES = 4096
_PIECE_BYTES = 262144


class RunscCell:
    """A sandbox that waits for its one program, or runs it, or is dead."""

    def __init__(self, folder: Path, group: Group | None) -> None:
        """Take its bundle and its group, which are removed with it."""
        self._loop = asyncio.get_running_loop()
        self._folder = folder
        self.group = group
        self._process = PipedProcess(group)
        self._said = bytearray()
        self._line = asyncio.Event()
        self._before = Usage()
        self._has_begun = False
        self._is_made = False
        self._work_fd = -1

    async def make(self, command: Sequence[str], settings: Mapping[str, Any]) -> None:
        """Start it and return once it waits for its program.

        Raises:
          SandboxBroken: it ended, or took too long.
        """
        await self._process.start(command)
        self._loop.add_reader(self._process.control.fileno(), self._hear)
        await self._send(json.dumps(settings).encode() + b"\n")
        await self._expect("waiting", _MADE_WITHIN_S)
        self._is_made = True

    @property
    def is_usable(self) -> bool:
        """Whether it still waits."""
        return self._is_made and self._process.is_alive

    async def begin(self, order: Mapping[str, Any], program: Program, output_bytes: int) -> None:
        """Give it its program and return once that is about to run.

        Raises:
          SandboxBroken: it ended, or took too long, before that.
        """
        self._process.bound(output_bytes)
        # What making it took is not the program's.
        self._before = self.group.usage() if self.group else Usage()
        await self._send(json.dumps(order).encode() + b"\n" + program.source)
        offset, end = 0, sum(item.size_bytes for item in program.inputs)
        while offset < end:
            piece = os.pread(program.inputs_fd, min(_PIECE_BYTES, end - offset), offset)
            await self._send(piece)
            offset += len(piece)
        await self._expect("ready", _BEGUN_WITHIN_S)
        self._has_begun = True
        self._process.begin(program.limits.wall_time_s)
        self._end_if_over()

    def output(self) -> AsyncIterator[OutputChunk]:
        """Yield what is written, until everything inside is dead."""
        return self._process.output()

    async def died(self) -> int:
        """Return the launcher's exit code, when everything inside is dead."""
        return await self._process.died()

    @property
    def stopped_by(self) -> LimitKind.ValueType | None:
        """The limit at which the service killed it."""
        return self._process.stopped_by

    @property
    def wall_s(self) -> float:
        """How long its program ran."""
        return self._process.wall_s

    @property
    def work_fd(self) -> int:
        """The copies of the program's files that process 1 handed out."""
        if self._work_fd < 0:
            (self._folder / "box" / "out").mkdir(mode=0o700, exist_ok=True)
            self._work_fd = os.open(self._folder / "box" / "out", os.O_RDONLY | os.O_DIRECTORY)
        return self._work_fd

    def exit_message(self) -> bytes:
        """Return what process 1 said last; empty if it was killed before."""
        return bytes(self._said) if self._said.endswith(b"\n") else b""

    def report(self) -> bytes:
        """Return what the program's process left in the report."""
        try:
            with (self._folder / "box" / "report").open("rb") as file:
                return file.read(MOST_REPORT_BYTES)
        except OSError:
            return b""

    def usage(self) -> Usage | None:
        """Return what the program used, gVisor's own included; None where nothing counts."""
        if not self.group:
            return None
        now, before = self.group.usage(), self._before
        cpu_s = None if now.cpu_s is None else now.cpu_s - (before.cpu_s or 0.0)
        return Usage(cpu_s, now.peak_memory_kib, now.oom_kill_count, now.refused_fork_count - before.refused_fork_count)

    async def close(self) -> None:
        """Kill what is left, wait for its death, remove every trace."""
        self._deafen()
        await self._process.close()
        if self._work_fd >= 0:
            os.close(self._work_fd)
            self._work_fd = -1
        try:
            if self.group:
                await self.group.remove()
        finally:
            await to_the_end(asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True))

    async def _send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(_BEGUN_WITHIN_S):
                await self._loop.sock_sendall(self._process.control, data)
        except (TimeoutError, OSError) as error:
            raise SandboxBroken(f"the sandbox does not listen: {error}: {await self._complaint()}") from error

    async def _expect(self, word: str, within_s: float) -> None:
        """Wait for a line that says only this."""
        try:
            async with asyncio.timeout(within_s):
                await self._line.wait()
        except TimeoutError:
            raise SandboxBroken(f"the sandbox was not {word} in {within_s:g} s: {await self._complaint()}") from None
        line, _, self._said[:] = self._said.partition(b"\n")
        self._line.clear()
        if line != json.dumps({word: True}).encode():
            raise SandboxBroken(f"the sandbox is not {word}: {await self._complaint()}")

    async def _complaint(self) -> str:
        self._process.kill(None)
        await self._process.died()
        return self._process.complaint()

    def _hear(self) -> None:
        try:
            said = self._process.control.recv(_MAX_LINE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        self._said += said
        if not said or len(self._said) > _MAX_LINE_BYTES:
            self._deafen()
            self._process.kill(None)
            self._line.set()
        elif b"\n" in said:
            self._line.set()
            self._end_if_over()

    def _end_if_over(self) -> None:
        """Kill it once process 1 has said how its program ended: all it has to do is done then."""
        if self._has_begun and self._said.endswith(b"\n"):
            self._process.kill(None)

    def _deafen(self) -> None:
        if self._process.control.fileno() >= 0:
            self._loop.remove_reader(self._process.control.fileno())
