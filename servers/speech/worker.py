"""The program of one worker: `python -m servers.speech.worker MAX_BYTES MAX_SECONDS MEMORY_MIB`.

It reads requests from its standard input until that ends, one recording at a time; see `servers.speech.pool`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from loupe.speech.v1.speech_pb2 import TranscribeEnd
from loupe.type.v1.error_reason_pb2 import ErrorReason
from servers.kit.errors import LoupeError, TooLarge
from servers.speech.decoding import RecordingLimits, decode
from servers.speech.pieces import Piece, grouped
from servers.speech.pool import DONE, OPERATIONS, PART, READY, REFUSED, REQUEST, RESPONSE
from servers.speech.recognizer import Recognizer
from servers.speech.sound import Samples
from servers.speech.transcript import no_audio
from servers.speech.voice import Heard, listen
from servers.speech.wording import segments_of, together

Answers = Iterator[tuple[int, bytes]]


def main(arguments: list[str]) -> None:
    """Answer until the standard input ends."""
    max_bytes, max_seconds, memory_mib = int(arguments[0]), float(arguments[1]), int(arguments[2])
    # Ctrl-C reaches every process of a terminal; the server ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a C library prints must not look like a frame
    if memory_mib:
        resource.setrlimit(resource.RLIMIT_AS, (memory_mib * 2**20,) * 2)
    work = _Work(RecordingLimits(max_bytes, max_seconds))
    _answer(answers, READY, b"")
    while header := sys.stdin.buffer.read(REQUEST.size):
        operation, size = REQUEST.unpack(header)
        content = sys.stdin.buffer.read(size)
        try:
            for status, payload in work.on(OPERATIONS[operation], content):
                _answer(answers, status, payload)
        except LoupeError as error:
            _refuse(answers, error)
        except MemoryError:
            _refuse(answers, TooLarge(f"the recording takes more than the {memory_mib} MiB of memory that it may"))


class _Work:
    """What a worker does; it loads the recogniser when words are first asked for."""

    def __init__(self, limits: RecordingLimits) -> None:
        self._limits = limits
        self._recognizer: Recognizer | None = None

    def on(self, operation: str, content: bytes) -> Answers:
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

    def _segments(self, samples: Samples, spans: Sequence[tuple[int, int]], at: int) -> Answers:
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


def _refuse(answers: BinaryIO, error: LoupeError) -> None:
    refusal = {"reason": ErrorReason.Name(error.reason), "message": error.message}
    _answer(answers, REFUSED, json.dumps(refusal).encode())


def _answer(answers: BinaryIO, status: int, payload: bytes) -> None:
    answers.write(RESPONSE.pack(status, len(payload)))
    answers.write(payload)
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
