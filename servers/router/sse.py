"""Server-sent events, parsed from bytes that come in any pieces (WHATWG HTML, "event stream")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MAX_EVENT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event."""

    data: bytes
    """Its data lines, joined by newlines."""

    name: str = ""
    """Of its event line; empty for "message"."""


class EventTooLarge(Exception):
    """An event has more bytes than MAX_EVENT_BYTES."""


class SseParser:
    """Turns pieces of a stream into events; an event that the stream's end cuts off is none."""

    def __init__(self) -> None:
        self._buffer = b""
        self._data: list[bytes] = []
        self._size = 0
        self._name = ""
        self._is_at_start = True
        self._skips_newline = False

    def feed(self, piece: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that this piece completes.

        Raises:
          EventTooLarge: nothing after it can be read.
        """
        for line in self._lines(piece):
            if line:
                self._take(line)
            elif self._data:
                event = ServerSentEvent(b"\n".join(self._data), self._name)
                self._data, self._size, self._name = [], 0, ""
                yield event
            else:
                self._name = ""

    def _lines(self, piece: bytes) -> list[bytes]:
        """Return the lines that are whole now. A line ends with LF, CR LF or CR."""
        buffer = self._buffer + piece
        if self._is_at_start:
            if len(buffer) < 3 and b"\xef\xbb\xbf".startswith(buffer):
                self._buffer = buffer
                return []
            buffer = buffer.removeprefix(b"\xef\xbb\xbf")
            self._is_at_start = False
        if self._skips_newline and buffer:
            # A CR ended the last line at once, without waiting for the LF that may belong to it.
            buffer = buffer.removeprefix(b"\n")
            self._skips_newline = False
        if b"\r" in buffer:
            self._skips_newline = buffer.endswith(b"\r")
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._buffer = buffer.split(b"\n")
        if len(self._buffer) + self._size > MAX_EVENT_BYTES:
            raise EventTooLarge(f"an event has over {MAX_EVENT_BYTES} bytes")
        return lines

    def _take(self, line: bytes) -> None:
        field, colon, value = line.partition(b":")
        if not field and colon:
            return  # a comment, such as a sign of life
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value)
            if self._size > MAX_EVENT_BYTES:
                raise EventTooLarge(f"an event has over {MAX_EVENT_BYTES} bytes")
        elif field == b"event":
            self._name = value.decode(errors="replace")
