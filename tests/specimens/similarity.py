"""How alike two keys and two values are: the parts of RMS-F1 (Liu et al. 2023, "DePlot", section 3)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.optimize import linear_sum_assignment

TAU = 0.5
"""Keys farther apart than this share nothing."""
THETA = 0.5
"""So do values whose relative distance is larger."""

_SPACE = re.compile(r"\s+")
_SAME = str.maketrans({"‘": "'", "’": "'", "–": "-", "—": "-", "−": "-", "\u00a0": " ", "\u202f": " "})


def tidy(text: str) -> str:
    """Return text without case, kinds of dash and quote, and runs of space."""
    return _SPACE.sub(" ", text.translate(_SAME)).strip().casefold()


@lru_cache(maxsize=200_000)
def key_distance(one: str, other: str) -> float:
    """Return the normalised Levenshtein distance of two tidied texts, 1 where it exceeds `TAU`."""
    if one == other:
        return 0.0
    longest = max(len(one), len(other))
    allowed = TAU * longest
    strangers = Counter(one)
    strangers.subtract(other)
    if max(sum(n for n in strangers.values() if n > 0), -sum(n for n in strangers.values() if n < 0)) > allowed:
        return 1.0
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, against in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (letter != against))
    distance = row[-1] / longest
    return distance if distance <= TAU else 1.0


def value_distance(read: float, true: float) -> float:
    """Return the relative distance of a read number, 1 where it exceeds `THETA`."""
    if true == 0:
        return 0.0 if read == 0 else 1.0
    distance = abs(read - true) / abs(true)
    return distance if distance <= THETA else 1.0


def assign(costs: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of the cheapest assignment; what costs 1 or more stays alone."""
    if not costs or not costs[0]:
        return []
    matrix = np.asarray(costs, dtype=float)
    rows, columns = linear_sum_assignment(matrix)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if matrix[i, j] < 1]


def harmonic(precision: float, recall: float) -> float:
    """Return F1."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
