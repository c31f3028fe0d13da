"""Times past the last one of a figure: which time a question about the future means."""

from __future__ import annotations

import re

from servers.reasoning import lexicon as lex
from servers.reasoning.phrases import any_of
from servers.reasoning.question import Question
from servers.reasoning.times import time_key
from servers.reasoning.words import MONTHS

_AHEAD = any_of(
    r"(will|would|shall)\b.*\b(be|reach|have|grow|become|increase|decrease|rise|fall|stand|look|sell|make|cost|hit|get|see)",
    r"going to",
    r"in the future",
    r"expect(ed|s)?",
    r"continues?",
    r"extrapolat\w+",
    r"carr(y|ied) (it |this )?(on|forward)",
)
_NEXT = any_of(
    r"(next|following|coming|upcoming) (year|month|quarter|period|decade)",
    r"one (year|month|quarter) (ahead|later|on)",
)
_STEPS_AHEAD = any_of(
    r"(?:in|for|over|within|after) (?:the )?(?:next |coming |following )?(\w+) (more )?(year|month|quarter|period)s?",
    r"(\w+) (year|month|quarter|period)s? (ahead|later|out|from now|into the future|after)",
)


def asks_ahead(question: Question) -> bool:
    """Return whether a question asks for what comes after the last time of a figure."""
    if question.time_dimension is None:
        return False
    is_said = question.has(lex.FORECAST) or question.has_phrase(_AHEAD) or question.has_phrase(_NEXT)
    return is_said and not _names_only_known_times(question)


def time_ahead(question: Question) -> str | None:
    """Return the time asked about, as the figure writes its times; "" for the next one; None where it is not ahead."""
    if not asks_ahead(question):
        return None
    last = question.times[-1]
    years = [word.text for word in question.words if word.is_year]
    known = {key[0] for name in question.times if (key := time_key(name))}
    ahead = [year for year in years if int(year) not in known]
    month = next(
        (word.key for word in question.words if word.key in MONTHS and (word.key != "may" or word.is_capital)), ""
    )
    if ahead:
        return f"{month.capitalize()} {ahead[-1]}".strip() if _has_months(question) else ahead[-1]
    if month and years and _has_months(question):
        return f"{month.capitalize()} {years[-1]}"
    steps, unit = _steps(question)
    return _later(last, steps, unit) if steps else ""


def _names_only_known_times(question: Question) -> bool:
    named = question.named(question.time_dimension or "category")
    is_about_next = question.has_phrase(_NEXT) or question.has_phrase(_STEPS_AHEAD)
    unknown = [word for place, word in enumerate(question.words) if word.is_year and question.keys[place]]
    explicit = question.has(lex.FORECAST) or question.has_phrase(r"\bextrapolat|\bin the future\b|\bcontinue")
    return bool(named) and not unknown and not is_about_next and not explicit


def _has_months(question: Question) -> bool:
    key = time_key(question.times[-1])
    return key is not None and key[1] > 0


def _steps(question: Question) -> tuple[int, str]:
    """Return how many units of time ahead: "in three years" is 3 years; 0 where none are said."""
    text = " ".join(question.text.lower().split())
    for match in re.finditer(_STEPS_AHEAD, text):
        word, unit = match[1] or match[4], match[3] or match[5]
        count = int(word) if word.isdecimal() else lex.CARDINALS.get(word, 1 if word in ("a", "another") else 0)
        if 0 < count <= 100:
            return count, unit
    return 0, ""


def _later(last: str, steps: int, unit: str) -> str:
    """Return the time some units after the last."""
    key = time_key(last)
    if key is None or not key[0]:
        return ""
    year, month, _ = key
    if not month:
        return str(year + steps)
    months = (month - 1) + steps * {"year": 12, "quarter": 3}.get(unit, 1)
    if unit == "period":
        months = (month - 1) + steps
    names = list(MONTHS)
    return f"{names[months % 12].capitalize()} {year + months // 12}"
