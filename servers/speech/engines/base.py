"""What an engine of the speech server does."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from loupe.speech.v1.speech_pb2 import StreamTranscribeResponse
from loupe.type.v1.engine_pb2 import EngineStatus


class SpeechEngine(Protocol):
    """Writes down what is said in the bytes of a recording.

    Not promised: that the same bytes give the same answer; only the builtin engine promises that.
    """

    async def start(self) -> None:
        """See that what listening needs is there.

        Raises:
          NotReady: something has to be installed first; the message says what.
        """
        ...

    def transcribe(self, recording: bytes, language: str) -> AsyncGenerator[StreamTranscribeResponse, None]:
        """Yield segments as they are recognised, in the order of their times; the last event is always `end`.

        Args:
          language: BCP 47; empty: the engine tells it, as far as it can.
        Raises:
          EmptyFile, UnsupportedMediaType, DamagedMedia, TooLong, TooLarge: the bytes are no usable recording.
          InvalidField: the engine doesn't know the language.
          Overloaded: every place is taken.
        Closing the generator, or cancelling who waits for it, ends the work and frees the place.
        """
        ...

    async def status(self) -> EngineStatus:
        """Return what the engine is and how it is."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...
