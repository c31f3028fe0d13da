"""The warm zygote as the service sees it: started once, asked for cells, started again when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.runners.base import SandboxBroken

_WARM_WITHIN_S = 60.0
_MAX_MESSAGE_BYTES = 4096
_SAID_WITHIN_S = 1.0


class Zygote:
    """One zygote process in its base sandbox."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._control, self._inner_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        self._complaints, self._inner_stderr = os.pipe()
        self._launcher: subprocess.Popen[bytes] | None = None
        self._dead = asyncio.Event()
        self._numbers = 0
        self._endings: dict[int, asyncio.Future[float]] = {}
        self.address_space_bytes = 0
        """What the warm interpreter has reserved, in each cell too."""

    async def start(
        self, command: Callable[[int], list[str]], files: Mapping[str, int], settings: Mapping[str, Any]
    ) -> None:
        """Start it and wait until it is warm.

        Args:
          command: given the number of the control descriptor, the command.
          files: descriptors the command reads, closed when it has started.
        Raises:
          SandboxBroken: it ended, or took too long.
        """
        inner = self._inner_control.fileno()
        # vfork only: a plain fork runs gRPC's fork handlers in the child, which now and then abort it.
        self._launcher = subprocess.Popen(  # noqa: ASYNC220 - one start in a service's life, on the loop's own thread
            command(inner),
            stdin=subprocess.DEVNULL,
            stdout=self._inner_stderr,
            stderr=self._inner_stderr,
            pass_fds=[inner, *files.values()],
            env={},
            cwd="/",
            start_new_session=True,
        )
        self._inner_control.close()
        os.close(self._inner_stderr)
        for fd in files.values():
            os.close(fd)
        pidfd = os.pidfd_open(self._launcher.pid)
        self._loop.add_reader(pidfd, self._ended, pidfd)
        try:
            async with asyncio.timeout(_WARM_WITHIN_S):
                await self._loop.sock_sendall(self._control, json.dumps(settings).encode())
                message = await self._loop.sock_recv(self._control, _MAX_MESSAGE_BYTES)
        except (TimeoutError, OSError) as error:
            raise SandboxBroken(f"the sandbox's zygote did not start: {error}: {await self._complaint()}") from error
        if not message:
            raise SandboxBroken(f"the sandbox's zygote did not start: {await self._complaint()}")
        self.address_space_bytes = json.loads(message)["warm"]["address_space_bytes"]
        self._loop.add_reader(self._control.fileno(), self._hear)

    @property
    def is_alive(self) -> bool:
        """Whether it still makes cells."""
        return self._launcher is not None and not self._dead.is_set()

    def make(self, fds: list[int]) -> int:
        """Ask for a cell with these descriptors (control, stdout, stderr, report); return its number.

        Raises:
          SandboxBroken: it is gone.
        """
        self._numbers += 1
        self._endings[self._numbers] = self._loop.create_future()
        try:
            socket.send_fds(self._control, [json.dumps({"make": self._numbers}).encode()], fds)
        except OSError as error:
            raise SandboxBroken(f"the sandbox's zygote is gone: {error}") from error
        return self._numbers

    async def cpu_s(self, number: int) -> float:
        """Return the CPU time of a cell whose process 1 has ended; 0 where nobody was left to tell."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SAID_WITHIN_S):
                return await asyncio.shield(self._endings[number])
        return 0.0

    def forget(self, number: int) -> None:
        """Keep nothing more of a cell."""
        self._endings.pop(number, None)

    async def close(self) -> None:
        """End it, and with it every cell."""
        self._hang_up()
        if self._launcher:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._launcher.pid, signal.SIGKILL)
            await self._dead.wait()
        else:
            self._inner_control.close()
            os.close(self._inner_stderr)
        os.close(self._complaints)

    async def _complaint(self) -> str:
        """Return what it wrote before it gave up."""
        if self._launcher:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._launcher.pid, signal.SIGKILL)
            await self._dead.wait()
        os.set_blocking(self._complaints, False)
        with contextlib.suppress(BlockingIOError):
            return os.read(self._complaints, 65536).decode(errors="replace").strip()[-2000:]
        return "no message"

    def _hear(self) -> None:
        try:
            message = self._control.recv(_MAX_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._hang_up()
            return
        said = json.loads(message)
        ending = self._endings.get(said["ended"])
        if ending and not ending.done():
            ending.set_result(said["cpu_s"])

    def _hang_up(self) -> None:
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()

    def _ended(self, pidfd: int) -> None:
        assert self._launcher is not None
        self._loop.remove_reader(pidfd)
        self._hang_up()
        os.close(pidfd)
        self._launcher.wait()
        self._dead.set()
