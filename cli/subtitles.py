"""Segments of speech as text, SubRip (SRT) or WebVTT: what comes before all, and each segment as it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration

from cli import wording
from loupe.speech.v1.speech_pb2 import Segment


@dataclass(frozen=True, slots=True)
class Form:
    """How segments are written."""

    head: str
    cue: Callable[[int, Segment], str]
    """Takes a segment's number, from 1."""


def _line(_number: int, segment: Segment) -> str:
    hours, minutes, seconds, milliseconds = _clock(segment.start)
    at = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"[{at}.{milliseconds // 100}] {wording.plain(segment.text)}\n"


def _srt(number: int, segment: Segment) -> str:
    times = f"{_stamp(segment.start, ',')} --> {_stamp(segment.end, ',')}"
    return f"{number}\n{times}\n{_cue_text(segment)}\n\n"


def _vtt(_number: int, segment: Segment) -> str:
    text = _cue_text(segment).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{_stamp(segment.start, '.')} --> {_stamp(segment.end, '.')}\n{text}\n\n"


FORMS = {"text": Form("", _line), "srt": Form("", _srt), "vtt": Form("WEBVTT\n\n", _vtt)}


def _cue_text(segment: Segment) -> str:
    # An arrow would end a cue's text, and so would an empty line.
    return " ".join(wording.plain(segment.text).split()).replace("-->", "->")


def _clock(time: Duration) -> tuple[int, int, int, int]:
    seconds, milliseconds = divmod(time.ToMilliseconds(), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return hours, minutes, seconds, milliseconds


def _stamp(time: Duration, separator: str) -> str:
    hours, minutes, seconds, milliseconds = _clock(time)
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{milliseconds:03}"
