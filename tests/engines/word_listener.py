"""A model of transcription that hears a word every half second of a WAV, whatever it sounds like."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from typing import Any

MAX_S = 120.0
WORD_S = 0.5
WORDS_A_SEGMENT = 4
WORDS = ("the", "river", "rose", "in", "march", "and", "fell", "again", "before", "the", "first", "of", "may")


class Refused(Exception):
    """A recording that the model does not take."""


@dataclass
class Heard:
    """What was heard, and when."""

    words: list[dict[str, Any]]
    duration_s: float

    @property
    def segments(self) -> list[dict[str, Any]]:
        """Words by four, with their times."""
        starts = range(0, len(self.words), WORDS_A_SEGMENT)
        groups = [self.words[start : start + WORDS_A_SEGMENT] for start in starts]
        return [
            {
                "id": number,
                "start": group[0]["start"],
                "end": group[-1]["end"],
                "text": " ".join(word["word"] for word in group),
                "avg_logprob": -0.25,
            }
            for number, group in enumerate(groups)
        ]


def heard(content: bytes) -> Heard:
    """Return what is heard in a WAV. Raises Refused for what is none, and for what is too long."""
    try:
        with wave.open(io.BytesIO(content)) as sound:
            duration_s = sound.getnframes() / sound.getframerate()
    except (wave.Error, EOFError) as error:
        raise Refused("Invalid or unsupported audio file.") from error
    if duration_s > MAX_S:
        raise Refused(f"the recording has {duration_s:.1f} s, at most {MAX_S:.0f}")
    words = [
        {"word": WORDS[number % len(WORDS)], "start": number * WORD_S, "end": (number + 1) * WORD_S}
        for number in range(int(duration_s / WORD_S))
    ]
    return Heard(words, duration_s)
