"""Transcriptions in OpenAI's format (audio API reference, November 2026): the form that asks, and what answers it."""

from __future__ import annotations

import math
import secrets
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

from google.protobuf.duration_pb2 import Duration

from loupe.router.v1.router_pb2 import (
    TranscribedSegment,
    TranscribedWord,
    TranscribeRequest,
    TranscribeResponse,
    Usage,
)
from servers.router import failures
from servers.router.configuration import ModelSection
from servers.router.failures import ProviderFailure
from servers.router.formats.languages import code_of
from servers.router.formats.openai_answer import MAX_UINT32, loads, read_usage
from servers.router.recordings import MAX_S, container_of

T = TypeVar("T", TranscribedSegment, TranscribedWord)


class Detail(IntEnum):
    """How much a transcription tells."""

    TEXT = 0
    SEGMENTS = 1
    """With their times."""
    WORDS = 2
    """With theirs as well."""


class Form(NamedTuple):
    """A body of multipart/form-data, in pieces, so that no recording is copied."""

    media_type: bytes
    pieces: tuple[bytes, bytes, bytes]


def transcription_form(request: TranscribeRequest, model: ModelSection, detail: Detail) -> Form:
    """Return the body of a transcription; the recording carries its bytes.

    The boundary is drawn anew for each: no content can hold it but by chance of 1 in 2^128.
    """
    boundary = secrets.token_hex(16)
    fields = [("model", model.upstream or model.name)]
    fields.append(("response_format", "verbose_json" if detail else "json"))
    if detail:
        fields.append(("timestamp_granularities[]", "segment"))
    if detail is Detail.WORDS:
        fields.append(("timestamp_granularities[]", "word"))
    if request.language:
        # Without region or script, which no server of the format knows.
        fields.append(("language", request.language.partition("-")[0].lower()))
    content = request.audio.content  # each look at it copies it
    container = container_of(content)
    head = "".join(
        f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
    )
    head += (
        f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="audio.{container.suffix}"\r\n'
        f"content-type: {container.media_type}\r\n\r\n"
    )
    end = f"\r\n--{boundary}--\r\n"
    pieces = (head.encode(), content, end.encode())
    return Form(f"multipart/form-data; boundary={boundary}".encode(), pieces)


def read_transcription(body: bytes) -> TranscribeResponse:
    """Return the transcription in a body, json or verbose_json.

    Times that run backwards are none, and left out: models write them as they write words.
    Raises:
      ProviderFailure: it is none.
    """
    try:
        data = loads(body)
        if data.get("error"):
            raise failures.of_error_object(data["error"])
        return transcription_of(data)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise ProviderFailure(failures.MALFORMED, "the answer is no transcription") from error


def transcription_of(data: dict[str, Any]) -> TranscribeResponse:
    """Return the transcription in an object of verbose_json.

    Raises:
      KeyError, TypeError, AttributeError, ValueError, OverflowError: it is none.
    """
    made = TranscribeResponse(text=_text(data["text"]), language=code_of(data.get("language") or ""))
    made.segments.extend(_in_order([_segment(one) for one in data.get("segments") or ()]))
    made.words.extend(_in_order([_word(one) for one in data.get("words") or ()]))
    usage = _usage(data)
    if usage is not None:
        made.usage.CopyFrom(usage)
    return made


def _segment(data: dict[str, Any]) -> TranscribedSegment:
    made = TranscribedSegment(text=_text(data["text"]), start=_duration(data["start"]), end=_duration(data["end"]))
    if data.get("avg_logprob") is not None:
        made.mean_log_probability = _finite(data["avg_logprob"])
    if data.get("no_speech_prob") is not None:
        made.no_speech_probability = min(max(_finite(data["no_speech_prob"]), 0.0), 1.0)
    return made


def _word(data: dict[str, Any]) -> TranscribedWord:
    return TranscribedWord(text=_text(data["word"]), start=_duration(data["start"]), end=_duration(data["end"]))


def _in_order(timed: list[T]) -> list[T]:
    """Return them, or none where their times run backwards."""
    latest = 0
    for one in timed:
        start, end = one.start.ToMilliseconds(), one.end.ToMilliseconds()
        if not latest <= start <= end:
            return []
        latest = start
    return timed


def _usage(data: dict[str, Any]) -> Usage | None:
    """Return what the provider counted: the length of the recording, tokens, or both; None where it counted nothing."""
    told = data.get("usage") or {}
    usage = read_usage(told) or Usage()
    # OpenAI's models that are paid by tokens; vLLM and Whisper say the length, in whole seconds.
    if told.get("input_tokens") is not None:
        read, written = int(told["input_tokens"]), int(told.get("output_tokens") or 0)
        if not (0 <= read <= MAX_UINT32 and 0 <= written <= MAX_UINT32):
            raise ValueError("a count of tokens is none")
        usage.input_tokens, usage.output_tokens = read, written
    length = data.get("duration")
    if length is None:
        length = told.get("seconds")
    if length is not None:
        usage.audio_s = round(_seconds(length), 3)
    return usage if usage.ByteSize() else None


def _text(value: Any) -> str:
    if not isinstance(value, str):  # protobuf would take a null for nothing
        raise TypeError("a text is none")
    return value


def _duration(value: Any) -> Duration:
    ms = round(_seconds(value) * 1000)
    return Duration(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def _seconds(value: Any) -> float:
    """Return a time; vLLM writes one as text."""
    seconds = _finite(value)
    if not 0 <= seconds <= MAX_S:
        raise ValueError("a time is none")
    return seconds


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a number is none")
    return number
