"""Sound as every part of this server sees it: 16 kHz, one channel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loupe.speech.v1.speech_pb2 import Audio

SAMPLE_RATE_HZ = 16_000
SILENCE_DBFS = -120.0
Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Sound:
    """A whole recording."""

    samples: Samples
    """[n], 16 kHz."""

    facts: Audio
    """What was recorded; `speech_share` is not known yet."""

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return len(self.samples) / SAMPLE_RATE_HZ


def level_dbfs(samples: Samples) -> float:
    """Return the root mean square against full scale in dB, SILENCE_DBFS where nothing sounds."""
    if not len(samples):
        return SILENCE_DBFS
    square = np.square(samples, dtype=np.float32)
    mean = float(square.mean(dtype=np.float64))
    return max(SILENCE_DBFS, 10 * math.log10(mean / 2**30)) if mean else SILENCE_DBFS
