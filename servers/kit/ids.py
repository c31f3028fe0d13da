"""Random identifiers: `file_...`, `job_...`; unguessable, and saying nothing."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_LENGTH = 26
_LETTER_OF_BYTE = _ALPHABET * (256 // len(_ALPHABET))  # each letter for as many bytes as every other
_DRAWN_AT_ONCE = 256


class _Letters:
    """Random letters, drawn for many ids at once: asking the kernel for each took most of an id's time."""

    def __init__(self) -> None:
        self._left: list[str] | None = None

    def next(self) -> str:
        """Return the letters of one id, which were never returned before."""
        if self._left is None:
            self._left = []
            os.register_at_fork(after_in_child=self._left.clear)  # or it would go on with those of its parent
        with suppress(IndexError):
            return self._left.pop()
        drawn = secrets.token_bytes(_LENGTH * _DRAWN_AT_ONCE).translate(_LETTER_OF_BYTE).decode()
        self._left += [drawn[start : start + _LENGTH] for start in range(_LENGTH, len(drawn), _LENGTH)]
        return drawn[:_LENGTH]


_LETTERS = _Letters()


def new_id(kind: str) -> str:
    """Return a fresh id such as "job_01h9..." for a kind such as "job": 130 random bits."""
    return f"{kind}_{_LETTERS.next()}"
