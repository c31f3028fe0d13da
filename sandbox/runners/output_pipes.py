"""What a program writes, read from its pipes as it comes, up to a limit."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import AsyncIterator, Callable

from loupe.sandbox.v1.sandbox_pb2 import OutputChunk, OutputStream

_READ_BYTES = 65536


class OutputPipes:
    """The reading ends of stdout and stderr, on the running event loop. Closing them is the owner's."""

    def __init__(self, limit_bytes: int, over: Callable[[], None]) -> None:
        """Call `over` once more than the limit was written; what is beyond it is dropped."""
        self._loop = asyncio.get_running_loop()
        self._left = limit_bytes
        self._over = over
        self._chunks: asyncio.Queue[OutputChunk | None] = asyncio.Queue()  # holds at most the limit
        self._streams: dict[int, OutputStream.ValueType] = {}

    def limit(self, limit_bytes: int) -> None:
        """Set the limit anew, before anything was written."""
        self._left = limit_bytes

    def read(self, fd: int, stream: OutputStream.ValueType) -> None:
        """Read a pipe from now on."""
        os.set_blocking(fd, False)
        self._streams[fd] = stream
        self._loop.add_reader(fd, self._take, fd)

    async def chunks(self) -> AsyncIterator[OutputChunk]:
        """Yield what is written, until `finish`."""
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    def finish(self) -> None:
        """Take what still lies in the pipes, when nobody is left who could write."""
        for fd in tuple(self._streams):
            while fd in self._streams and select.select([fd], [], [], 0)[0]:
                self._take(fd)
        self.stop()
        self._chunks.put_nowait(None)

    def stop(self) -> None:
        """Read no more."""
        for fd in self._streams:
            self._loop.remove_reader(fd)
        self._streams.clear()

    def text(self) -> str:
        """Return what was written and not yet yielded."""
        written = b""
        while not self._chunks.empty():
            chunk = self._chunks.get_nowait()
            written += chunk.data if chunk else b""
        return written.decode(errors="replace").strip()

    def _take(self, fd: int) -> None:
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(fd)
            del self._streams[fd]
            return
        kept = data[: self._left]
        self._left -= len(kept)
        if kept:
            self._chunks.put_nowait(OutputChunk(stream=self._streams[fd], data=kept))
        if len(kept) < len(data):
            self._over()
