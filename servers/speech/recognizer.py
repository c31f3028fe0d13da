"""Words from speech: PocketSphinx with the model of US English that comes within its package."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from pocketsphinx import Decoder

from servers.speech.sound import SAMPLE_RATE_HZ, Samples

_FRAMES_PER_S = 100
# A word's second pronunciation is "read(2)" in the dictionary; what begins so is no word but silence or a noise.
_VARIANT = re.compile(r"\(\d+\)$")
# Of 30,000 at a time: measured 2026-11-21, the same words in 0.3 of the time that was 0.5.
_MOST_MODELS = 3000
_NO_WORD = ("<", "[", "+")


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word and when it was said, in seconds from the begin of what was given."""

    text: str
    start_s: float
    end_s: float
    confidence: float
    """Posterior probability in the lattice of what may have been said."""


class Recognizer:
    """Recognises one stretch of speech after the other; none leaves a trace in the next."""

    def __init__(self) -> None:
        """Load the model, about 0.3 s and 110 MB."""
        # Of a whole stretch, the mean is removed once (batch): what was said before has no part in it.
        # What sounds like nothing it knows keeps everything possible: without a limit a second of siren took ten.
        self._decoder = Decoder(loglevel="FATAL", cmn="batch", maxhmmpf=_MOST_MODELS)

    def words(self, samples: Samples) -> list[SpokenWord]:
        """Return the words of a stretch between two pauses, at most 30 s."""
        centred = samples - np.float32(samples.mean())
        # The front end keeps means and noise of what it heard before, and would hear this differently.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(np.clip(centred, -32768, 32767).astype(np.int16).tobytes(), full_utt=True)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return []
        return [
            SpokenWord(
                _VARIANT.sub("", part.word),
                part.start_frame / _FRAMES_PER_S,
                min((part.end_frame + 1) / _FRAMES_PER_S, len(samples) / SAMPLE_RATE_HZ),
                min(1.0, part.prob),
            )
            for part in self._decoder.seg()
            if not part.word.startswith(_NO_WORD)
        ]
