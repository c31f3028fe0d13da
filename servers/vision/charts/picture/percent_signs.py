"""Percent signs that recognition took for digits: "40%" in small print reads as "4096", "40⁰0" or "40%6"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from servers.vision.text import Word

_NUMBER = r"(?P<number>[-−–+]?\d{1,3}(?:[.,]\d{1,2})?)"
_SIGNED = re.compile(rf"^{_NUMBER}\s?(?:%\S?|[⁰°º][0oO⁰°º%6]|0o|o/o|[⁰º])$")
_MISREAD = re.compile(rf"^{_NUMBER}(?:96|36|98|06|00)$")
_LIKELIEST = "96"
_LEAST_ALIKE = 0.8
"""Of the numbers of a group, that end in a percent sign or what one is taken for."""
_LEAST_SIGNED = 0.15
_FEWEST = 3
_ALIGNED = 0.6  # letter heights


def percent_reader(texts: Sequence[str]) -> Callable[[str], str] | None:
    """Return what turns a text of this group into what is printed, None where the group is not of misread shares.

    Args:
      texts: numbers that are printed alike, such as the ticks of an axis or the values of one chart's marks.
    Either some of them show a percent sign, or all end in the same digits that mostly stand for one, as no scale's do.
    """
    numbers = [text.strip() for text in texts if text[:1].isdigit() or text[1:2].isdigit()]
    signed = [text for text in numbers if _SIGNED.match(text)]
    misread = [text for text in numbers if text not in signed and _MISREAD.match(text)]
    if len(signed) + len(misread) < max(2, _LEAST_ALIKE * len(numbers)):
        return None
    if len(signed) >= max(1.0, _LEAST_SIGNED * len(numbers)):
        return _restored
    if len(set(misread)) >= _FEWEST and all(text.endswith(_LIKELIEST) for text in misread):
        return _restored
    return None


def _restored(text: str) -> str:
    found = _SIGNED.match(text.strip()) or _MISREAD.match(text.strip())
    return f"{found['number']}%" if found else text


def with_percent_signs(words: Sequence[Word], text_height: float) -> list[Word]:
    """Return the words with percent signs restored in columns and rows of numbers, as ticks stand."""
    numeric = [word for word in words if _SIGNED.match(word.text) or _MISREAD.match(word.text)]
    near = _ALIGNED * text_height
    fixed: dict[int, Word] = {}
    for word in numeric:
        if id(word) in fixed:
            continue
        for group in (
            [other for other in words if abs(other.box.x_max - word.box.x_max) <= near],
            [other for other in words if abs(other.box.center_y - word.box.center_y) <= near],
        ):
            reader = percent_reader([other.text for other in group]) if len(group) >= _FEWEST else None
            if reader is not None:
                for other in group:
                    fixed[id(other)] = replace(other, text=reader(other.text))
    return [fixed.get(id(word), word) for word in words]
