"""The server's side: one worker process, and the socket that is its standard input and output."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys

from servers.kit.errors import NotReady
from servers.kit.workers.frames import REFUSED, RESPONSE, unpack_error

# A process that loads a model takes about a second on a busy machine.
_START_S = 60.0


class WorkerEnded(Exception):
    """The process is gone, or said something else than a frame: it died on what it was asked."""


class WorkerProcess:
    """A program of its own, `python -m MODULE`, never a fork of a process that runs gRPC."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader, self._writer = reader, writer

    @classmethod
    async def start(cls, module: str, *arguments: object) -> WorkerProcess:
        """Return a process that may be asked.

        Raises:
          NotReady: it says what is missing, or does not start.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = _spawned(theirs, module, *map(str, arguments))
        worker = cls(process, *await asyncio.open_unix_connection(sock=ours))
        try:
            async with asyncio.timeout(_START_S):
                status, payload = await worker.answer()
            if status == REFUSED:
                raise NotReady(unpack_error(payload).message)
        except (TimeoutError, WorkerEnded) as error:
            await worker.kill()
            raise NotReady(f"{module} does not start; its last words are in the log") from error
        except BaseException:
            await worker.kill()
            raise
        return worker

    @property
    def is_alive(self) -> bool:
        """Whether it may still be asked."""
        return self._process.poll() is None

    async def ask(self, *pieces: bytes) -> None:
        """Send a request. Raises WorkerEnded."""
        try:
            for piece in pieces:
                self._writer.write(piece)
            await self._writer.drain()
        except (OSError, RuntimeError) as error:  # RuntimeError: what uvloop says of a socket that is closed
            raise WorkerEnded from error

    async def answer(self) -> tuple[int, bytes]:
        """Return (status, payload) of the next frame. Raises WorkerEnded."""
        try:
            status, length = RESPONSE.unpack(await self._reader.readexactly(RESPONSE.size))
            return status, await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise WorkerEnded from error

    async def kill(self) -> None:
        """End the process and wait until it is gone."""
        self._process.kill()
        self._writer.close()
        await asyncio.to_thread(self._process.wait)


def _spawned(stream: socket.socket, *command: str) -> subprocess.Popen[bytes]:
    # By vfork, a few milliseconds on the loop's own thread: uvloop forks, and where gRPC is at work the child does not
    # always live to its exec.
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        stdin=stream.fileno(),
        stdout=stream.fileno(),
        # A worker is one core's; threads of OpenBLAS and OpenCV would fight over those of the others.
        env={**os.environ, "OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
