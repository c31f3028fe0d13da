"""The program of one worker: `python -m servers.speech.worker MAX_BYTES MAX_SECONDS MEMORY_MIB`.

It reads requests from its standard input until that ends, one recording at a time; see `servers.speech.pool`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np

from loupe.speech.v1.speech_pb2 import TranscribeEnd
from servers.kit.errors import LoupeError, TooLarge
from servers.kit.workers.frames import DONE, PART
from servers.kit.workers.program import Answers
from servers.speech.decoding import RecordingLimits, decode
from servers.speech.pieces import Piece, grouped
from servers.speech.pool import OPERATIONS, REQUEST
from servers.speech.recognizer import Recognizer
from servers.speech.sound import Samples
from servers.speech.transcript import no_audio
from servers.speech.voice import Heard, listen
from servers.speech.wording import segments_of, together

Frames = Iterator[tuple[int, bytes]]


def main(arguments: list[str]) -> None:
    """Answer until the standard input ends."""
    max_bytes, max_seconds, memory_mib = int(arguments[0]), float(arguments[1]), int(arguments[2])
    answers = Answers.open(memory_mib=memory_mib)
    work = _Work(RecordingLimits(max_bytes, max_seconds))
    answers.ready()
    while header := sys.stdin.buffer.read(REQUEST.size):
        operation, size = REQUEST.unpack(header)
        content = sys.stdin.buffer.read(size)
        try:
            for status, payload in work.on(OPERATIONS[operation], content):
                answers.say(status, payload)
        except LoupeError as error:
            answers.refuse(error)
        except MemoryError:
            answers.refuse(TooLarge(f"the recording takes more than the {memory_mib} MiB of memory that it may"))


class _Work:
    """What a worker does; it loads the recogniser when words are first asked for."""

    def __init__(self, limits: RecordingLimits) -> None:
        self._limits = limits
        self._recognizer: Recognizer | None = None

    def on(self, operation: str, content: bytes) -> Frames:
        """Yield (status, payload), the last with DONE."""
        if operation == "recognize":
            piece = Piece.unpack(content)
            samples = np.frombuffer(piece.samples, np.int16)
            yield from self._segments(samples, piece.spans, piece.start)
            yield DONE, b""
            return
        sound = decode(content, self._limits)
        heard = Heard((), no_audio(), 0.0) if sound is None else listen(sound.samples)
        told = TranscribeEnd(no_speech=heard.nothing)
        if sound is not None:
            told.audio.CopyFrom(sound.facts)
            told.audio.speech_share = round(heard.speech_share, 3)
        yield PART, told.SerializeToString(deterministic=True)
        if sound is not None:
            spans = [(span.start, span.end) for span in heard.spans]
            if operation == "transcribe":
                yield from self._segments(sound.samples, spans, 0)
            else:
                for group in grouped(spans):
                    yield PART, _piece(sound.samples, group).pack()
        yield DONE, b""

    def _segments(self, samples: Samples, spans: Sequence[tuple[int, int]], at: int) -> Frames:
        if spans and self._recognizer is None:
            self._recognizer = Recognizer()
        for group in together(spans):
            assert self._recognizer is not None
            words = self._recognizer.words(samples[group[0][0] : group[-1][1]])
            # An empty part too: the server sees that the work goes on.
            segments = [one.SerializeToString(deterministic=True) for one in segments_of(words, group, at)]
            for payload in segments or [b""]:
                yield PART, payload


def _piece(samples: Samples, group: Sequence[tuple[int, int]]) -> Piece:
    first, last = group[0][0], group[-1][1]
    spans = tuple((start - first, end - first) for start, end in group)
    return Piece(first, spans, samples[first:last].astype("<i2").tobytes())


if __name__ == "__main__":
    main(sys.argv[1:])
