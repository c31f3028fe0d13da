"""A transcription as tensors: a recording and its language in, words and their times out."""

from __future__ import annotations

from typing import Any

import orjson

from loupe.router.v1.router_pb2 import TranscribeRequest, TranscribeResponse
from servers.router import failures
from servers.router.failures import ProviderFailure
from servers.router.formats.openai_transcription import transcription_of
from servers.router.providers.triton_tensors import LANGUAGE, TEXT, Shape, input_of, text_in, values_in

_LISTS = ("segments", "words")
_DURATION = "duration_s"
# Of one answer; a day of speech is 1 MB.
_MAX_TEXT_BYTES = 16 * 1024 * 1024


def inputs_of(shape: Shape, request: TranscribeRequest) -> list[Any]:
    """Return the input tensors of a transcription; a model that declares no language is told none."""
    inputs = [input_of(shape, [request.audio.content])]
    if LANGUAGE in shape.more_inputs:
        inputs.append(input_of(shape, [request.language.encode()], LANGUAGE))
    return inputs


class TranscriptReader:
    """Reads the responses of one transcription: pieces of its text, the rest as the last of them that has it tells."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._size = 0
        self._told: dict[str, Any] = {}

    def read(self, result: Any) -> None:
        """Take a response. Raises ProviderFailure (MALFORMED)."""
        self._texts.append(text_in(result, TEXT))
        self._size += len(self._texts[-1])
        if self._size > _MAX_TEXT_BYTES:
            raise ProviderFailure(failures.MALFORMED, f"the answer has over {_MAX_TEXT_BYTES} bytes")
        self._told["language"] = text_in(result, LANGUAGE) or self._told.get("language")
        for name in _LISTS:
            listed = text_in(result, name)
            if listed:
                try:
                    self._told[name] = orjson.loads(listed)
                except orjson.JSONDecodeError as error:
                    raise ProviderFailure(failures.MALFORMED, f"{name} is no JSON") from error
        lengths = values_in(result, _DURATION)
        if lengths is not None and lengths.size:
            self._told["duration"] = lengths.flat[0]

    def finish(self) -> TranscribeResponse:
        """Return what is said. Raises ProviderFailure (MALFORMED)."""
        if not self._texts:
            raise ProviderFailure(failures.MALFORMED, "the answer is empty")
        try:
            return transcription_of(self._told | {"text": "".join(self._texts)})
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise ProviderFailure(failures.MALFORMED, "the answer is no transcription") from error
