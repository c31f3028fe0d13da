"""What a figure can't answer, and what an answer takes for granted."""

from __future__ import annotations

from collections.abc import Sequence

from loupe.type.v1.figure_pb2 import CHART_TYPE_SCATTER
from servers.reasoning import lexicon as lex
from servers.reasoning.ahead import asks_ahead
from servers.reasoning.colors import COLOR_NAMES
from servers.reasoning.grid import Grid
from servers.reasoning.parts import whole_names
from servers.reasoning.question import Question
from servers.reasoning.times import year_of
from servers.reasoning.vocabulary import Vocabulary
from servers.reasoning.words import Word, split

_CURRENCIES = {"dollar": "$", "usd": "$", "euro": "€", "eur": "€", "pound": "£", "gbp": "£", "yen": "¥", "rupee": "₹"}
_WHY = (
    r"\bhow come\b|\b(reason|reasons|explanation) (for|why|behind)\b|\bwhat (caused|causes|explains|led)\b"
    r"|\bexplain why\b|\bbecause of what\b"
)
_ADVICE = r"\b(should|recommend|advise|opinion on|do you think|best way)\b"
_BEFORE_A_YEAR = frozenset(
    {"in", "of", "for", "since", "from", "to", "and", "by", "during", "between", "until", "year", "after"}
)
_BEFORE_A_YEAR |= frozenset({"before", "than", "or", "till", "through"})


def outside_reason(question: Question, surroundings: Sequence[str], is_method: bool = False) -> str:
    """Return why the question asks for what no reading of the figure can give; empty if it does not.

    Args:
      is_method: the question names a method, such as a correlation; its other words need not stand in the figure.
    """
    known = _known(question, surroundings)
    asks_why = question.keys[:1] == ["why"] or question.has_phrase(_WHY)
    if asks_why and not known.holds({"reason", "cause", "explanation"}):
        return "the figure says how much, not why"
    is_ahead = asks_ahead(question)
    if not is_ahead and question.has(lex.FORECAST) and question.time_dimension is None and not _can_predict(question):
        return "the figure has no times that could be carried on"
    if question.has_phrase(_ADVICE) and not known.holds({"should", "recommend"}):
        return "the figure holds numbers, not advice"
    if reason := _conversion(question):
        return reason
    if not is_ahead and (years := missing_years(question, known)):
        return f"it holds nothing for {', '.join(f'“{year}”' for year in years)}"
    if color := unknown_color(question):
        return f"no one series of the figure can be told by the colour “{color}”"
    if names := _missing_names(question, known, is_method):
        return f"{', '.join(f'“{name}”' for name in names)} is not in the figure"
    return ""


def assumptions(question: Question, surroundings: Sequence[str]) -> list[str]:
    """Return what the answer takes for granted: names that the figure does not print."""
    known = _known(question, surroundings)
    names = _strange_names(question, known)
    names += [word.text for word in _years(question) if word.key not in known]
    if not names:
        return []
    quoted = ", ".join(f"“{name}”" for name in names)
    return [f"The figure does not name {quoted}; the answer takes it to be what the figure is about."]


def contents(grid: Grid) -> str:
    """Return what there is, for a person: names only, so that no number stands in it unquoted."""
    parts = []
    if len(grid.series) > 1 or grid.series_is_named:
        parts.append(f"series {_quoted(grid.series)}")
    parts.append(f"categories {_quoted(grid.categories)}")
    return f"the figure has {' and '.join(parts)}"


def missing_years(question: Question, known: Vocabulary) -> list[str]:
    """Return the years asked about that the figure has not: neither as a time of its own nor in its texts."""
    if not any(year_of(name) for names in (question.grid.categories, question.grid.series) for name in names):
        # A year beside the figure ("© 2021", "Source: survey of 2019") says when it was made, not what it is about.
        printed = _known(question, ()).years()
        strange = [word.text for word in _years(question) if word.key not in known]
        return strange if printed or question.grid.title else []
    return [word.text for word in _years(question) if word.key not in known]


def _years(question: Question) -> list[Word]:
    return [
        word
        for place, word in enumerate(question.words)
        if word.is_year and question.keys[place] and place and question.words[place - 1].key in _BEFORE_A_YEAR
    ]


def unknown_color(question: Question) -> str:
    """Return a colour that the question goes by and that no series answers to."""
    for place, key in enumerate(question.keys[:-1]):
        if key in COLOR_NAMES and question.keys[place + 1] in lex.MARKS and not question.grid.is_single:
            return question.words[place].text
    return ""


def _conversion(question: Question) -> str:
    if question.has_phrase(r"\bconvert(ed)?\b"):
        return "values are given in the figure's own unit only"
    units = "".join(question.grid.units)
    asked = {_CURRENCIES[key] for key in question.keys if key in _CURRENCIES}
    known = {sign for sign in _CURRENCIES.values() if sign in units} | ({"$"} if "USD" in units else set())
    if known and asked and not asked & known:
        return f"values are given in {', '.join(sorted(known))} only"
    return ""


def _known(question: Question, surroundings: Sequence[str]) -> Vocabulary:
    texts = [*question.grid.texts, *question.grid.series, *question.grid.categories, *surroundings]
    return Vocabulary(word.key for text in texts for word in split(text))


def _can_predict(question: Question) -> bool:
    """Return whether "predict" may mean the line through dots, or is a word of the figure."""
    words = {word.key for text in question.grid.texts for word in split(text)}
    return question.grid.kind == CHART_TYPE_SCATTER or bool(words & (lex.FORECAST | {"expected"}))


def _content(question: Question) -> list[tuple[int, Word]]:
    return [
        (place, word)
        for place, word in enumerate(question.words)
        if question.keys[place]
        and word.key not in lex.KNOWN - lex.MEASURES
        and word.number is None
        and len(word.key) > 2
    ]


def _strange_names(question: Question, known: Vocabulary) -> list[str]:
    """Return the proper names of the question that the figure prints nowhere, neighbours joined."""
    names: list[tuple[int, str]] = []
    in_capitals = all(word.is_capital for word in question.words if len(word.text) > 3)
    for place, word in _content(question):
        is_proper = word.is_capital and place > 0 and not in_capitals
        if is_proper and word.key not in known:
            if names and names[-1][0] == place - 1:
                names[-1] = (place, f"{names[-1][1]} {word.text}")
            else:
                names.append((place, word.text))
    return [name for _, name in names]


def _missing_names(question: Question, known: Vocabulary, is_method: bool) -> list[str]:
    """Return the names without which the question has no answer here.

    A name that the figure does not print may be what the whole figure is about, if the figure has no title and what
    else is asked for is found. Where there is a title, it would say so.
    """
    strange = _strange_names(question, known)
    if not strange:
        return [] if is_method else _unmatched_measure(question, known)
    has_title = bool(question.grid.title)
    has_number = any(word.number is not None and question.keys[at] for at, word in enumerate(question.words))
    found = bool(question.mentions) or has_number or question.has(lex.HIGH, lex.LOW, lex.SUM, lex.MEAN, lex.MEDIAN)
    has_whole = bool(whole_names(question.grid.series))
    open_dimension = not question.grid.is_single and not question.named("series") and not has_whole
    measured = (question.grid.title, *question.grid.value_titles)
    said = {word.key for text in measured for word in split(text)} - lex.PLAIN
    overlaps = not said or any(key in Vocabulary(said) for key in question.keys if key)
    if has_title or not found or (open_dimension and not _is_ranked(question)):
        return strange
    return [] if overlaps else strange


def _is_ranked(question: Question) -> bool:
    return question.has(lex.HIGH, lex.LOW, lex.SUM, lex.MEAN, lex.MEDIAN, lex.TREND, lex.RISE, lex.FALL)


def _unmatched_measure(question: Question, known: Vocabulary) -> list[str]:
    """Return the words for what is asked about where none of them stands in a figure that has a title."""
    content = _content(question)
    if not question.grid.title or not 1 <= len(content) <= 2:
        return []
    if any(word.key in known for _, word in content):
        return []
    nouns = [word.text for place, word in content if _is_noun_place(question, place)]
    return [" ".join(nouns)] if nouns else []


def _is_noun_place(question: Question, place: int) -> bool:
    """Return whether a word stands where a thing is named: after "the", "how many" or a possessive."""
    before = question.words[place - 1].key if place else ""
    after = question.keys[place + 1] if place + 1 < len(question.keys) else ""
    if after in lex.MEAN | lex.MEDIAN | lex.SUM | lex.VALUE_NOUNS:
        return False
    possessive = place > 0 and f"{question.words[place - 1].text}'s {question.words[place].text}" in question.text
    return possessive or before in ("the", "a", "an", "many", "much", "of", "any", "what", "average", "total", "is")


def _quoted(names: Sequence[str]) -> str:
    shown = [f"“{name}”" for name in names[:6]]
    if len(names) > 7:
        return f"{', '.join(shown)} … “{names[-1]}”"
    return ", ".join(f"“{name}”" for name in names)
