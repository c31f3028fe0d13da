"""The process that renders a model's chat template, as the router sees it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_PROGRAM = Path(__file__).with_name("chat_template.py")
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
# To start Python and import jinja takes 0.1 s of CPU; a prompt of 100 KB came back in 5 ms (busy machine, 2026-11).
_START_S = 20.0


class TemplateFailed(Exception):
    """A template that made no prompt of the messages it was given, or none in its time and memory."""


class TemplateProcess:
    """Renders one template, a prompt at a time; its process starts with the first, and again after it was killed."""

    def __init__(self, source: str, *, limit_s: float = 2.0) -> None:
        self._source = source
        self._limit_s = limit_s
        self._running: _Running | None = None
        self._turn = asyncio.Lock()

    async def render(self, variables: Mapping[str, Any]) -> str:
        """Return the prompt that the template makes of its variables. Raises TemplateFailed."""
        async with self._turn:
            try:
                if self._running is not None and self._running.process.poll() is not None:
                    await self._end()  # somebody killed it since
                if self._running is None:
                    self._running = await _started()
                    await self._running.ask({"source": self._source}, _START_S)
                return await self._running.ask(variables, self._limit_s)
            except TemplateFailed:
                raise
            except BaseException as error:
                # Whatever it was about to say would be taken for the answer to the next question.
                await self._end()
                if isinstance(error, TimeoutError):
                    raise TemplateFailed(f"took over {self._limit_s:g} s") from error
                # RuntimeError: what uvloop raises for a socket that is closed.
                if isinstance(error, asyncio.IncompleteReadError | OSError | ValueError | RuntimeError):
                    raise TemplateFailed("ended its process") from error
                raise

    async def close(self) -> None:
        """End the process."""
        await self._end()

    async def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.process.kill()
            running.writer.close()
            await asyncio.to_thread(running.process.wait)


@dataclass(frozen=True, slots=True)
class _Running:
    """A process, and the socket that is its stdin and stdout."""

    process: subprocess.Popen[bytes]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, frame: Mapping[str, Any], limit_s: float) -> str:
        """Return the text that answers a frame. Raises TemplateFailed where it is an error, else what breaks."""
        body = orjson.dumps(frame)
        async with asyncio.timeout(limit_s):
            self.writer.write(len(body).to_bytes(4, "little") + body)
            await self.writer.drain()
            size = int.from_bytes(await self.reader.readexactly(4), "little")
            if size > _MAX_ANSWER_BYTES:
                raise ValueError(f"{size} bytes in an answer")
            answer = orjson.loads(await self.reader.readexactly(size))
        if "error" in answer:
            raise TemplateFailed(answer["error"])
        return str(answer["text"])


async def _started() -> _Running:
    ours, theirs = socket.socketpair()
    with theirs:
        process = _spawned(theirs)
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    return _Running(process, reader, writer)


def _spawned(stream: socket.socket) -> subprocess.Popen[bytes]:
    # On the loop's own thread, a few milliseconds once, and by vfork: uvloop forks, and a child of a process in which
    # gRPC is at work does not always live to its exec.
    return subprocess.Popen(
        [sys.executable, "-I", str(_PROGRAM)],
        stdin=stream.fileno(),
        stdout=stream.fileno(),
        stderr=subprocess.DEVNULL,
        env={},
    )
