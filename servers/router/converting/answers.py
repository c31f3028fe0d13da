"""The JSON in what a model said: found whole, within a fence or among words, and never repaired."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import orjson

from servers.kit.errors import InvalidField

MAX_TRIES = 64
"""Brackets among words that begin nothing; more are not looked at."""
_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=fence)[ \t]*$", re.M | re.S)
_BRACKET = re.compile(r"[{\[]")
# What only JSON begins with, or what was to be JSON; "[sic]" and "{name}" are words.
_LIKE_JSON = re.compile(r"""\s*(?:\{\s*(?:["'}]|\w+\s*:)|\[\s*(?:[{\["\]\-0-9]|true\b|false\b|null\b))""")
_FIELD = "answer"


class Found(NamedTuple):
    """One JSON document, and what stood around it."""

    json: str
    dropped: tuple[str, ...]


class _Span(NamedTuple):
    start: int
    end: int


def find(answer: str) -> Found:
    """Return the one JSON document of an answer, byte by byte as it stood.

    An answer that is JSON is all of it. Else it is what one fence holds, where only one holds JSON; else the one object
    or list among the words. A part of something broken is never taken for the whole.
    Raises:
      InvalidField: there is none, or more than one, or one that is broken; the message says which.
    """
    if _is_json(answer):
        stripped = answer.strip()
        return Found(stripped, ())
    fenced = [_Span(one.start("text"), one.end("text")) for one in _fences(answer)]
    spans = [span for span in fenced if _is_json(answer[span.start : span.end])]
    if not spans:
        for span in fenced:
            if _LIKE_JSON.match(answer, span.start, span.end):
                raise _broken(answer[span.start : span.end], span.start)
        spans = _among_words(answer)
    if len(spans) != 1:
        count = len(spans)
        found = f"{count} JSON documents, and nothing says which is meant" if count else "no JSON object or list"
        raise InvalidField(_FIELD, f"holds {found}")
    (span,) = spans
    before, after = answer[: span.start], answer[span.end :]
    return Found(answer[span.start : span.end].strip(), tuple(one for one in (before, after) if one.strip()))


def _fences(answer: str) -> list[re.Match[str]]:
    """Return the fenced parts, each opened and closed by the same marks."""
    if answer.count("```") + answer.count("~~~") > 2 * MAX_TRIES:
        raise InvalidField(_FIELD, f"has over {MAX_TRIES} fences")
    return [*_FENCE.finditer(answer)]


def _among_words(answer: str) -> list[_Span]:
    """Return the objects and lists that stand among words, outermost only."""
    decoder = json.JSONDecoder(parse_constant=_refuse)
    spans: list[_Span] = []
    place = tries = 0
    while bracket := _BRACKET.search(answer, place):
        place = bracket.start()
        tries += 1
        if tries > MAX_TRIES:
            raise InvalidField(_FIELD, f"has over {MAX_TRIES} brackets among its words")
        try:
            _, end = decoder.raw_decode(answer, place)
        except (ValueError, RecursionError):
            if _LIKE_JSON.match(answer, place):
                raise _broken(answer[place:], place) from None
            place += 1
            continue
        if _is_json(answer[place:end]):
            spans.append(_Span(place, end))
        place = end
    return spans


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _broken(text: str, start: int) -> InvalidField:
    """Return what is wrong with JSON that begins at a character of the answer."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return InvalidField(
            _FIELD, f"holds JSON that is broken at character {start + error.pos}, and is not repaired: {error.msg}"
        )
    return InvalidField(_FIELD, "holds JSON that is nested too deep")
