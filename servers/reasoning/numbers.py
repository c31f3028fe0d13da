"""Numbers in a question: thresholds ("above 30", "at least 5 %"), and numbers that stand alone."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Comparison, Filter
from servers.reasoning import lexicon as lex
from servers.reasoning.question import Question
from servers.reasoning.words import split

_G, _GE = plan.COMPARISON_GREATER, plan.COMPARISON_GREATER_OR_EQUAL
_L, _LE = plan.COMPARISON_LESS, plan.COMPARISON_LESS_OR_EQUAL
# Longest first: "no less than" is not "less than".
_OPENINGS: tuple[tuple[tuple[str, ...], Comparison.ValueType], ...] = (
    (("no", "less", "than"), _GE),
    (("not", "less", "than"), _GE),
    (("no", "fewer", "than"), _GE),
    (("no", "more", "than"), _LE),
    (("not", "more", "than"), _LE),
    (("greater", "than", "or", "equal", "to"), _GE),
    (("less", "than", "or", "equal", "to"), _LE),
    (("at", "least"), _GE),
    (("minimum", "of"), _GE),
    (("at", "most"), _LE),
    (("maximum", "of"), _LE),
    (("up", "to"), _LE),
    (("equal", "to"), plan.COMPARISON_EQUAL),
    (("exactly",), plan.COMPARISON_EQUAL),
    (("=",), plan.COMPARISON_EQUAL),
    ((">",), _G),
    (("≥",), _GE),
    (("<",), _L),
    (("≤",), _LE),
)
_BEFORE_A_TIME = frozenset({"in", "during", "year", "since", "from", "until", "before", "after", "for", "by"})
# Of a whole, in percent.
_PARTS = {"half": 50.0, "quarter": 25.0}
_FILLERS = frozenset({"than", "then", "the", "a", "an", "of", "value", "mark", "level", "rating", "rate", "to"})
_FILLERS |= frozenset({"percentage", "approximately", "about", "$", "€", "£", "by"})


def find_filters(question: Question, start: int, stop: int) -> tuple[list[Filter], set[int]]:
    """Return the thresholds of a stretch of words, and the places of all words that say them."""
    filters: list[Filter] = []
    used: set[int] = set()
    place = start
    while place < stop:
        comparison, after = _opening(question, place, stop)
        number_at = _number_at(question, after, stop) if comparison else None
        if comparison and number_at is not None:
            filters.append(Filter(comparison=comparison, threshold=value_at(question, number_at)))
            used |= set(range(place, number_at + 1))
            place = number_at
        elif bound := _bound_after(question, place, stop):
            filters.append(Filter(comparison=bound, threshold=value_at(question, place)))
            used |= set(range(place, place + 3))
            place += 2
        elif question.keys[place] == "between" and (pair := _pair(question, place, stop)):
            low, high = sorted(pair, key=lambda spot: value_at(question, spot))
            filters.append(Filter(comparison=_GE, threshold=value_at(question, low)))
            filters.append(Filter(comparison=_LE, threshold=value_at(question, high)))
            used |= set(range(place, max(pair) + 1))
            place = max(pair)
        place += 1
    return filters, used


def _bound_after(question: Question, place: int, stop: int) -> Comparison.ValueType:
    """Return the comparison of a number with its words behind it: "60 or higher"."""
    follows = question.keys[place + 1 : place + 3]
    if place + 2 >= stop or not _is_number(question, place) or follows[0] not in ("or", "and"):
        return plan.COMPARISON_UNSPECIFIED
    return _GE if follows[1] in lex.MORE else _LE if follows[1] in lex.FEWER else plan.COMPARISON_UNSPECIFIED


def _opening(question: Question, place: int, stop: int) -> tuple[Comparison.ValueType, int]:
    keys = question.keys
    for words, comparison in _OPENINGS:
        if tuple(keys[place : place + len(words)]) == words:
            return comparison, place + len(words)
    if keys[place] in lex.MORE:
        return _G, place + 1
    if keys[place] in lex.FEWER:
        return _L, place + 1
    return plan.COMPARISON_UNSPECIFIED, place


def _number_at(question: Question, place: int, stop: int) -> int | None:
    while place < stop and (question.keys[place] in _FILLERS or question.keys[place] in lex.MORE | lex.FEWER):
        place += 1
    return place if place < stop and _is_number(question, place) else None


def _pair(question: Question, place: int, stop: int) -> tuple[int, int] | None:
    first = _number_at(question, place + 1, stop)
    if first is None:
        return None
    second = first + 1
    while second < stop and question.keys[second] in {"%", "and", *lex.SCALES, *_FILLERS}:
        second += 1
    return (first, second) if second < stop and second > first + 1 and _is_number(question, second) else None


def _is_number(question: Question, place: int) -> bool:
    key = question.keys[place]
    is_part = key in _PARTS and "%" in question.grid.units
    return is_part or (
        bool(key) and (question.words[place].number is not None or (key in lex.CARDINALS and key != "one"))
    )


def value_at(question: Question, place: int) -> float:
    """Return the number at a place, with the word for its size that follows it.

    Where the figure counts in that size already ("in millions"), the number is taken as it stands.
    """
    word = question.words[place]
    if word.number is None and word.key in _PARTS:
        return _PARTS[word.key]
    number = word.number if word.number is not None else float(lex.CARDINALS[word.key])
    after = question.words[place + 1].key if place + 1 < len(question.words) else ""
    if after in lex.SCALES:
        said = {word.key for text in question.grid.texts for word in split(text)}
        largest = max((abs(value) for value in question.grid.numbers.values()), default=0.0)
        if after not in said and largest >= lex.SCALES[after] / 1000:
            return number * lex.SCALES[after]
    return number


def free_numbers(question: Question, start: int, stop: int, used: set[int]) -> list[tuple[int, float]]:
    """Return the numbers of a stretch that no threshold, rank or mention has used, with their places."""
    found = []
    for place in range(start, stop):
        after = question.keys[place + 1] if place + 1 < len(question.keys) else ""
        is_part = question.keys[place] in _PARTS and _is_number(question, place)
        if place in used or not ((question.keys[place] and question.words[place].number is not None) or is_part):
            continue
        is_when = question.words[place].is_year and place and question.keys[place - 1] in _BEFORE_A_TIME
        if after not in ("st", "nd", "rd", "th") and not is_when:
            found.append((place, value_at(question, place)))
    return found


def comparison_at(question: Question, place: int) -> tuple[Comparison.ValueType, int, int]:
    """Return the comparison whose words start at a place, where its left side ends and where its right side starts.

    "higher in 2019 than in 2017": the left side goes on to "than".
    """
    keys = question.keys
    comparison, after = _opening(question, place, len(keys))
    if comparison and keys[place] not in lex.MORE | lex.FEWER:
        return comparison, place, after
    if comparison:
        than = next((spot for spot in range(after, min(after + 7, len(keys))) if keys[spot] in ("than", "then")), None)
        if than is not None:
            if tuple(keys[than + 1 : than + 4]) == ("or", "equal", "to"):
                return (_GE if comparison == _G else _LE), than, than + 4
            return comparison, than, than + 1
        standing = keys[place] in ("above", "over", "below", "under", "beneath", "exceed", "exceeded", "exceeding")
        standing = standing or keys[place] in ("surpass", "surpassed", "beat", "outnumber", "outperform", "outsell")
        return (comparison, place, after) if standing else (plan.COMPARISON_UNSPECIFIED, place, place)
    if keys[place] in lex.EQUAL:
        follows = keys[place + 1 : place + 4]
        joint = next((spot for spot, key in enumerate(follows) if key in ("to", "as", "with")), None)
        if joint is not None:
            return plan.COMPARISON_EQUAL, place, place + joint + 2
        if keys[place] == "equal":
            return plan.COMPARISON_EQUAL, place, place + 1
    return plan.COMPARISON_UNSPECIFIED, place, place
