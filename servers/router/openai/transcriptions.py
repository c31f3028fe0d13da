"""Transcriptions in OpenAI's format: a form in; JSON, text or subtitles out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
from google.protobuf.duration_pb2 import Duration

from loupe.router.v1.router_pb2 import Audio, TranscribeRequest, TranscribeResponse, Usage
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.errors import InvalidField, NoCapableModel
from servers.kit.interceptors.validation import check
from servers.router.formats.openai_request import json_of
from servers.router.openai.answers import own_part
from servers.router.openai.forms import Form
from servers.router.openai.requests import read_own

FORMATS = ("json", "text", "verbose_json", "srt", "vtt")
_GRANULARITIES = "timestamp_granularities[]"
_ONCE = ("model", "language", "response_format", "loupe")
# Defaults that clients spell out; nothing else of them can be done here.
_WITHOUT_EFFECT = {"temperature": ("0", "0.0"), "prompt": ("",), "stream": ("false", "False"), "user": None}
_FILE = "loupe:"


class Asked(NamedTuple):
    """A transcription, and how its answer is written."""

    request: TranscribeRequest
    format: str
    wants_segments: bool


def read_transcription(form: Form) -> Asked:
    """Return a transcription's request.

    Raises:
      InvalidField: names what would change the answer and can't be done.
    """
    for name, values in form.fields.items():
        if name in _WITHOUT_EFFECT:
            allowed = _WITHOUT_EFFECT[name]
            if allowed is not None and any(value not in allowed for value in values):
                raise InvalidField(name, f"can only be {allowed[0]!r} here")
        elif name in _ONCE:
            if len(values) > 1:
                raise InvalidField(name, "stands there twice")
        elif name not in (_GRANULARITIES, "file"):
            raise InvalidField(name[:64], "is not supported here")
    granularities = set(form.fields.get(_GRANULARITIES, ()))
    if not granularities <= {"word", "segment"}:
        raise InvalidField(_GRANULARITIES, "is neither word nor segment")
    wanted = _one(form, "response_format") or "json"
    if wanted not in FORMATS:
        raise InvalidField("response_format", f"is none of {', '.join(FORMATS)}")
    if granularities and wanted != "verbose_json":
        raise InvalidField(_GRANULARITIES, "goes with the response_format verbose_json only")
    audio = _audio(form)
    request = TranscribeRequest(
        model=_one(form, "model"),
        # Its bytes are bounded by the body's; the schema's limit is that of a message.
        audio=audio if audio.HasField("file") else Audio(content=audio.content[:1]),
        language=_one(form, "language"),
        wants_words="word" in granularities,
    )
    own = _one(form, "loupe")
    if own:
        read_own({"loupe": json_of(own, "loupe")}, request)
    check(request)
    request.audio.CopyFrom(audio)
    return Asked(request, wanted, not granularities or "segment" in granularities)


def _one(form: Form, name: str) -> str:
    return form.fields.get(name, [""])[0]


def _audio(form: Form) -> Audio:
    """Return the recording: a part of the form, or a file of the files server by its name, "loupe:file_..."."""
    files, names = form.files.get("file", []), form.fields.get("file", [])
    if len(files) + len(names) != 1 or len(form.files) > bool(files):
        raise InvalidField("file", "is not there, or not alone")
    if names:
        if not names[0].startswith(_FILE):
            raise InvalidField("file", 'is neither a file nor "loupe:file_..."')
        return Audio(file=FileRef(file_id=names[0].removeprefix(_FILE)))
    if not files[0]:
        raise InvalidField("file", "is empty")
    return Audio(content=files[0])


def transcription_body(made: TranscribeResponse, asked: Asked) -> tuple[str, bytes]:
    """Return media type and body of an answer. Raises NoCapableModel: subtitles of a model that gives no times."""
    match asked.format:
        case "text":
            return "text/plain; charset=utf-8", f"{made.text}\n".encode()
        case "srt":
            return "application/x-subrip; charset=utf-8", _cues(made, _srt)
        case "vtt":
            return "text/vtt; charset=utf-8", b"WEBVTT\n\n" + _cues(made, _vtt)
    body: dict[str, Any] = {"text": made.text}
    if asked.format == "verbose_json":
        body = {"task": "transcribe", "language": made.language, "duration": made.usage.audio_s, **body}
        if asked.wants_segments:
            body["segments"] = [_segment(number, one) for number, one in enumerate(made.segments)]
        if asked.request.wants_words:
            body["words"] = [{"word": one.text, "start": _s(one.start), "end": _s(one.end)} for one in made.words]
    body |= {"usage": _usage(made.usage), "loupe": own_part(made.decision, made.usage)}
    return "application/json", orjson.dumps(body)


def _segment(number: int, one: Any) -> dict[str, Any]:
    """Return a segment with every key of OpenAI's, null where the provider told nothing."""
    log_probability = one.mean_log_probability if one.HasField("mean_log_probability") else None
    no_speech = one.no_speech_probability if one.HasField("no_speech_probability") else None
    return {
        "id": number,
        "seek": None,
        "start": _s(one.start),
        "end": _s(one.end),
        "text": one.text,
        "tokens": None,
        "temperature": None,
        "avg_logprob": log_probability,
        "compression_ratio": None,
        "no_speech_prob": no_speech,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    if usage.input_tokens or usage.output_tokens:
        read, written = usage.input_tokens, usage.output_tokens
        return {"type": "tokens", "input_tokens": read, "output_tokens": written, "total_tokens": read + written}
    return {"type": "duration", "seconds": math.ceil(usage.audio_s)}


def _cues(made: TranscribeResponse, cue: Callable[[int, Any, str], str]) -> bytes:
    if made.text.strip() and not made.segments:
        raise NoCapableModel(f"{made.decision.model} gave no times, which subtitles need; ask for json or text")
    cues = [cue(number, one, " ".join(one.text.split())) for number, one in enumerate(made.segments, 1)]
    return "\n".join(cues).encode()


def _srt(number: int, one: Any, text: str) -> str:
    # An arrow within words would read as times.
    words = text.replace("-->", "->")
    return f"{number}\n{_clock(one.start, ',')} --> {_clock(one.end, ',')}\n{words}\n"


def _vtt(_number: int, one: Any, text: str) -> str:
    words = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{_clock(one.start, '.')} --> {_clock(one.end, '.')}\n{words}\n"


def _clock(time: Duration, point: str) -> str:
    ms = time.ToMilliseconds()
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"


def _s(time: Duration) -> float:
    return time.ToMilliseconds() / 1000
