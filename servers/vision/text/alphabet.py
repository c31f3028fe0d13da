"""What may stand in a picture's text: Latin letters with accents, Greek ones, digits and signs.

The recogniser knows 18,709 characters, most of them Chinese. It may choose only among those of the languages that are
read here, but what it would have given to others counts as doubt: an icon is often taken for one of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLANK, SPACE, FOREIGN = 0, 1, 2
"""Where the columns of `Alphabet.fold` have the blank, the space and all characters of other languages."""

_LATIN = "".join(chr(code) for code in range(0xC0, 0x180) if code not in (0x132, 0x133, 0x149, 0x17F)) + "ƒȘșȚțẞ"
# Greek letters that look like Latin ones are left to these.
_GREEK = "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπρσςτφχψω"
_SIGNS = "‘’“”¡¢£¥§©ª«®°±²³¶·¹»¼½¾¿÷–…‰′″†‡•⁰⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ₀₁₂₃₄₅₆₇₈₉₊₋₍₎₩€₹₺₽₿₫₱₦™←↑→↓∂∆∏∑√∞∫≈≠≤≥"
SHAPES = "■□▪▫●○◉◎◯◆◇◊▲△▼▽▶▷◀◁★☆"
"""Markers and bullets: recognised so that they are not taken for letters."""
_OF_NUMBERS = set("0123456789.,-–+%$€£¥()kKMBTbn ") | {""}
# Printed alike in charts: what is on the right is read as what is on the left.
_ALIKE = {
    "-": "‐‑−﹣－",
    "–": "—―─━一ー",
    "'": "´ʹˈ＇`",
    "|": "丨︱∣",
    "~": "∼～〜",
    "°": "º˚",
    "μ": "µ",
    "∆": "Δ",
    "Ω": "Ω",
    "≤": "≦⩽",
    "≥": "≧⩾",
    "•": "●∙",
    "·": "⋅・",
    "¥": "￥",
    "×": "✕✖╳",
}


class Alphabet:
    """The classes of a recogniser that count, folded to one for each character."""

    def __init__(self, characters: Sequence[str]) -> None:
        """Choose among a recogniser's characters, in its order, without blank and space, which are first and last."""
        alike = {other: one for one, others in _ALIKE.items() for other in others}
        # Full-width forms of ASCII.
        alike |= {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if chr(code) not in alike}
        ascii_characters = "".join(map(chr, range(0x21, 0x7F)))
        wanted = set(ascii_characters + _LATIN + _GREEK + _SIGNS + SHAPES)
        texts = ["", " ", ""]
        places = {" ": SPACE, "　": SPACE}
        kept, columns = [0, 0], [BLANK, FOREIGN]  # what stands for the foreign ones is overwritten
        for index, character in enumerate((*characters, " "), start=1):
            character = alike.get(character, character)
            if character in wanted and character not in places:
                places[character] = len(texts)
                texts.append(character)
            if character in places:
                kept.append(index)
                columns.append(places[character])
        self.texts = tuple(texts)
        """The text of each column; blank and foreign ones have none."""
        order = np.argsort(columns, kind="stable")
        self._kept = np.array(kept)[order]
        self._starts = np.searchsorted(np.array(columns)[order], np.arange(len(texts)))
        self._is_of_numbers = np.array([text in _OF_NUMBERS for text in texts], np.float32)

    def fold(self, probabilities: NDArray[np.float32], *, digits_only: bool = False) -> NDArray[np.float32]:
        """Return the probability of each column, [steps, columns], given that of each class, [steps, classes].

        With `digits_only` letters count as foreign.
        """
        folded = np.asarray(np.add.reduceat(probabilities[:, self._kept], self._starts, axis=1), np.float32)
        if digits_only:
            folded *= self._is_of_numbers
        folded[:, FOREIGN] = 0
        folded[:, FOREIGN] = np.maximum(1 - folded.sum(axis=1), 0)
        return folded
