"""Time in labels: years, seasons, quarters, months and days, as keys that sort."""

from __future__ import annotations

import re
from collections.abc import Sequence

from servers.reasoning.words import MONTHS, split

_SEASON = re.compile(r"^((?:1[89]|20)\d\d)\s*[/–-]\s*(\d\d|\d{4})\*?$")
_ISO = re.compile(r"^((?:1[89]|20)\d\d)-(\d\d)(?:-(\d\d))?")
_QUARTER = re.compile(r"\bq([1-4])\b|\b([1-4])q\b")

TimeKey = tuple[int, int, int]


def time_key(label: str) -> TimeKey | None:
    """Return (year, month, day) of a label that is a time, zeros where it says none; None for any other label."""
    text = " ".join(label.split()).lower()
    if match := _SEASON.match(text):
        return int(match[1]), 0, 0
    if match := _ISO.match(text):
        return int(match[1]), int(match[2]), int(match[3] or 0)
    words = split(text.replace("*", ""))
    years = [int(word.text) for word in words if word.is_year]
    months = [MONTHS[word.key] for word in words if word.key in MONTHS]
    days = [
        int(word.number) for word in words if word.number is not None and not word.is_year and 1 <= word.number <= 31
    ]
    others = [word for word in words if word.number is None and word.key not in MONTHS]
    quarter = _QUARTER.search(text)
    if quarter and len(years) <= 1:
        return (years or [0])[0], 3 * int(quarter[1] or quarter[2]) - 2, 0
    if len(years) == 1 and len(months) <= 1 and len(others) <= (0 if not months else 1) and len(words) <= 4:
        return years[0], (months or [0])[0], (days or [0])[0] if months else 0
    if len(months) == 1 and not years and len(words) <= 2 and not others:
        return 0, months[0], (days or [0])[0]
    return None


def are_times(labels: Sequence[str]) -> bool:
    """Return whether the labels are times, all but one in ten."""
    keys = [time_key(label) for label in labels]
    return bool(labels) and sum(key is not None for key in keys) >= 0.9 * len(labels)


def in_time_order(labels: Sequence[str]) -> list[str]:
    """Return the labels from the earliest to the latest; labels that are no times stay behind, in place."""
    timed = [(key, label) for label in labels if (key := time_key(label)) is not None]
    return [label for _, label in sorted(timed, key=lambda pair: pair[0])] + [
        label for label in labels if time_key(label) is None
    ]


def year_of(label: str) -> int | None:
    """Return the year of a label that is a time with a year."""
    key = time_key(label)
    return key[0] if key and key[0] else None
