"""Decimal points that small print loses: in a column of numbers "005" is printed for 0.05."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from servers.vision.text import Word

_LOST = re.compile(r"^(?P<sign>[-−–]?)0(?P<decimals>\d{2,4})[-–_|.,]?$")
_FEWEST = 3
_ALIGNED = 0.8  # letter heights


def with_points(words: Sequence[Word], text_height: float) -> list[Word]:
    """Return the words with the points restored in columns of numbers that begin with a zero and two digits more.

    Days and months have fewer digits, counts no zero in front.
    """
    lost = [word for word in words if _LOST.match(word.text)]
    near = _ALIGNED * text_height
    fixed = {}
    for word in lost:
        column = [other for other in lost if abs(other.box.x_max - word.box.x_max) <= near]
        found = _LOST.match(word.text)
        if len({other.text for other in column}) >= _FEWEST and found:
            fixed[id(word)] = replace(word, text=f"{found['sign']}0.{found['decimals']}")
    return [fixed.get(id(word), word) for word in words]
