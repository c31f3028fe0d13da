"""Bounds how many bytes of recordings are held at one time: who finds no room is told to come again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from servers.kit.errors import Overloaded


class Room:
    """So many bytes. One recording is let in however large it is: its own limit is another."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0

    @contextmanager
    def held(self, size_bytes: int) -> Iterator[None]:
        """Hold some of it until the block ends. Raises Overloaded."""
        if self._held_bytes and self._held_bytes + size_bytes > self._max_bytes:
            message = f"recordings of {self._held_bytes} bytes are in work, at most {self._max_bytes} are"
            raise Overloaded(message, retry_after_s=1.0)
        self._held_bytes += size_bytes
        try:
            yield
        finally:
            self._held_bytes -= size_bytes
