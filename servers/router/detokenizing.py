"""Text from tokens as they come: never half a character, never past a stop string."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

_BROKEN = "\ufffd"
"""What a decoder puts for bytes that are no character yet."""
_LONGEST_CHARACTER = 4
"""Bytes of UTF-8, each of which may be a token of its own."""
_CONTEXT_TOKENS = 6
"""Of the prompt, before the first token: some decoders take the space from whatever comes first."""
_MOST_SILENT_TOKENS = 32
"""Control tokens say nothing; a model that makes no others must not be decoded from its beginning each time."""


class Detokenizer:
    """Makes text of the tokens of one answer.

    How a token reads may depend on those before it (a space, the first half of a character), so each is decoded with
    the last ones that were told, and what those alone say is cut off.
    """

    def __init__(self, decode: Callable[[list[int]], str], prompt: Sequence[int] = ()) -> None:
        self._decode = decode
        self._tokens = list(prompt[-_CONTEXT_TOKENS:])
        self._context = 0
        self._told = len(self._tokens)

    def feed(self, tokens: Iterable[int]) -> str:
        """Return what can be told now."""
        return "".join([self._one(token) for token in tokens])

    def _one(self, token: int) -> str:
        self._tokens.append(token)
        text = self._untold(len(self._tokens))
        if not text.endswith(_BROKEN):
            return self._tell(text, len(self._tokens))
        # The last may be the beginning of a character; what lies before its longest possible beginning is not.
        certain = len(self._tokens) - (_LONGEST_CHARACTER - 1)
        return self._tell(self._untold(certain), certain) if certain > self._told else ""

    def _untold(self, end: int) -> str:
        before = self._decode(self._tokens[self._context : self._told])
        return self._decode(self._tokens[self._context : end])[len(before) :]

    def _tell(self, text: str, end: int) -> str:
        if text or end - self._told >= _MOST_SILENT_TOKENS:
            del self._tokens[: self._context]
            self._context, self._told = self._told - self._context, end - self._context
        return text

    def flush(self) -> str:
        """Return what is left at the answer's end, without a character that never came to its own."""
        return self._untold(len(self._tokens)).rstrip(_BROKEN)


class StopStrings:
    """Cuts a text at the first of its stop strings, holding back what may be the beginning of one."""

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.has_stopped = False

    def feed(self, text: str) -> str:
        """Return what can be told of all that came; nothing once a stop string has come."""
        if not self._stops or self.has_stopped:
            return "" if self.has_stopped else text
        text = self._held + text
        at = min((place for place in map(text.find, self._stops) if place >= 0), default=-1)
        if at >= 0:
            self.has_stopped = True
            self._held = ""
            return text[:at]
        kept = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def flush(self) -> str:
        """Return what was held back, at the text's end."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Return how long an end of the text is a beginning of the stop string."""
    for length in range(min(len(stop) - 1, len(text)), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
