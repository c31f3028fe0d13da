"""The speech of a recording in pieces that a model takes: cut at pauses, at most 30 s, 16 kHz, one channel, 16 bits."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SAMPLE_RATE_HZ = 16_000
# Whisper's window is 30 s; a span of speech is at most 20.
_LONGEST_S = 29.0
# A pause longer than this parts pieces: a model makes words up in it.
_LONGEST_PAUSE_S = 4.0
_HEAD = struct.Struct(">IH")
_SPAN = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Piece:
    """Speech with the pauses between its spans."""

    start: int
    """Samples from the begin of the recording."""

    spans: tuple[tuple[int, int], ...]
    """Where somebody speaks, in samples from the begin of the piece."""

    samples: bytes
    """16 bits each, little-endian."""

    @property
    def start_s(self) -> float:
        """Seconds from the begin of the recording."""
        return self.start / SAMPLE_RATE_HZ

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return len(self.samples) / 2 / SAMPLE_RATE_HZ

    def wav(self) -> bytes:
        """Return it as a WAV file; 30 s are 960 kB."""
        size = len(self.samples)
        form = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
        shape = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ, 2, 16)
        return form + shape + struct.pack("<4sI", b"data", size) + self.samples

    def pack(self) -> bytes:
        """Return it as one frame between a worker and the server."""
        spans = b"".join(_SPAN.pack(*span) for span in self.spans)
        return _HEAD.pack(self.start, len(self.spans)) + spans + self.samples

    @classmethod
    def unpack(cls, frame: bytes) -> Piece:
        """Return what `pack` packed."""
        start, count = _HEAD.unpack_from(frame)
        end = _HEAD.size + count * _SPAN.size
        spans = tuple((int(first), int(last)) for first, last in _SPAN.iter_unpack(frame[_HEAD.size : end]))
        return cls(start, spans, frame[end:])


def grouped(spans: Sequence[tuple[int, int]]) -> Iterable[Sequence[tuple[int, int]]]:
    """Yield neighbouring spans that make one piece.

    Args:
      spans: in samples, in order, apart from each other, each under 30 s.
    """
    group: list[tuple[int, int]] = []
    for start, end in spans:
        if group and (
            end - group[0][0] > _LONGEST_S * SAMPLE_RATE_HZ or start - group[-1][1] > _LONGEST_PAUSE_S * SAMPLE_RATE_HZ
        ):
            yield group
            group = []
        group.append((start, end))
    if group:
        yield group
