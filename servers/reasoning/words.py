"""Words of a question or a label, made comparable: case, punctuation, plurals, months, short years, spelling slips."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\d+(?!st|nd|rd|th)[^\W\d_]{3,}|\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|[^\W\d_]+(?:\d{1,2}(?!\d))?|[<>=≥≤%$€£+*]"
)
_SHORT_YEAR = re.compile(r"['’‘`]\s?(\d\d)(?!\d)")
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november")
MONTHS = {name[:3]: place for place, name in enumerate((*_MONTHS, "december"), start=1)}
_MONTH_NAMES = {name: name[:3] for name in (*_MONTHS, "december")} | {"sept": "sep"}
_IRREGULAR = {
    "men": "man", "women": "woman", "people": "person", "children": "child", "countries": "country", "series": "series",
    "males": "male", "females": "female", "boys": "boy", "girls": "girl", "wirless": "wireless", "united": "united",
    "percantage": "percentage", "percentages": "percentage",
}  # fmt: skip


@dataclass(frozen=True)
class Word:
    """One word or number."""

    text: str
    """As it stands."""
    key: str
    """What is compared: lower case, singular, no accents; a month as three letters; a number without commas."""
    number: float | None = None

    @property
    def lower(self) -> str:
        """Lower case, otherwise as it stands."""
        return self.text.lower()

    @property
    def is_capital(self) -> bool:
        """Whether it starts with a capital letter."""
        return self.text[:1].isupper()

    @property
    def is_year(self) -> bool:
        """Whether it reads as a year between 1800 and 2100."""
        return self.number is not None and re.fullmatch(r"(1[89]|20)\d\d|2100", self.text) is not None


def split(text: str) -> list[Word]:
    """Return the words of a text, in order."""
    text = _SHORT_YEAR.sub(lambda match: f" {'20' if int(match[1]) < 50 else '19'}{match[1]} ", text)
    text = re.sub(r"(?<=\w)['’`]s\b|(?<=s)['’`](?=\s|$)", "", text)
    text = re.sub(r"\b(?:[A-Za-z]\.){2,}", lambda match: match[0].replace(".", ""), text)
    text = re.sub(r"\b([A-Z])\.([A-Z])\b\.?", r"\1\2", text)
    return [_word(match) for match in _TOKEN.findall(text)]


def _word(text: str) -> Word:
    if text[0].isdecimal() and text[-1].isdecimal():
        plain = text.replace(",", "")
        return Word(text, plain.rstrip("0").rstrip(".") if "." in plain else plain, float(plain))
    return Word(text, key_of(text))


def key_of(text: str) -> str:
    """Return the comparable form of one word."""
    folded = unicodedata.normalize("NFKD", text.lower())
    folded = "".join(letter for letter in folded if not unicodedata.combining(letter)) or text.lower()
    if folded in _MONTH_NAMES:
        return _MONTH_NAMES[folded]
    if folded in _IRREGULAR:
        return _IRREGULAR[folded]
    if len(folded) > 4 and folded.endswith("ies"):
        return folded[:-3] + "y"
    if len(folded) > 4 and folded.endswith(("sses", "shes", "ches", "xes")):
        return folded[:-2]
    if len(folded) > 3 and folded.endswith("s") and not folded.endswith(("ss", "us", "is")):
        return folded[:-1]
    return folded


def is_same(first: str, second: str) -> bool:
    """Return whether two keys are one word, give or take what a reader of pixels or a quick typist gets wrong."""
    if first == second:
        return True
    longest = max(len(first), len(second))
    allowed = 2 if longest >= 9 else 1 if longest >= 5 else 0
    if not allowed or abs(len(first) - len(second)) > allowed or first[:1].isdecimal() or second[:1].isdecimal():
        return False
    if len(set(first) ^ set(second)) > 2 * allowed:  # settles most pairs
        return False
    return edit_distance(first, second, allowed) <= allowed


def edit_distance(first: str, second: str, limit: int) -> int:
    """Return the letters inserted, left out, replaced or swapped with a neighbour; limit + 1 if above."""
    rows: list[list[int]] = [list(range(len(second) + 1))]
    for i, letter in enumerate(first, start=1):
        row = [i]
        for j, other in enumerate(second, start=1):
            cost = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        rows.append(row)
    return rows[-1][-1]
