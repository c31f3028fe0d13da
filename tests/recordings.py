"""Recordings of tones and of nothing, made here."""

from __future__ import annotations

import math
import struct


def wav(
    seconds: float = 1.0, *, rate_hz: int = 8000, hz: float = 220.0, kind: int = 1, size: int | None = None
) -> bytes:
    """A WAV of 16 bits and one channel; `size` is what its header says of its samples, where that is not the truth."""
    count = round(seconds * rate_hz)
    samples = b"".join(
        struct.pack("<h", round(12000 * math.sin(2 * math.pi * 220 * at / rate_hz))) for at in range(count)
    )
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, 1, rate_hz, 2 * rate_hz, 2, 16)
    data = struct.pack("<4sI", b"data", len(samples) if size is None else size) + samples
    return b"RIFF" + struct.pack("<I", 4 + len(form) + len(data)) + b"WAVE" + form + data


def flac_head(samples: int, rate_hz: int = 16000) -> bytes:
    """The beginning of a FLAC: its marker and STREAMINFO, and no sound."""
    packed = rate_hz << 44 | 15 << 36 | samples
    return b"fLaC" + b"\x80\x00\x00\x22" + bytes(10) + packed.to_bytes(8, "big") + bytes(16)
