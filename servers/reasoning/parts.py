"""Parts of a question: a stretch of words that stands for items or for one number made of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Aggregate, Filter, Operand, Order, Selection, Subject
from servers.reasoning import lexicon as lex
from servers.reasoning.numbers import find_filters, free_numbers
from servers.reasoning.question import Question
from servers.reasoning.words import split


@dataclass(frozen=True)
class Superlative:
    """A word like "highest", with its rank and how many items it takes."""

    place: int
    order: Order.ValueType
    first: int = 1
    count: int = 1


@dataclass
class Part:
    """What a stretch of words says; empty lists mean all."""

    series: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    superlatives: list[Superlative] = field(default_factory=list)
    aggregates: list[tuple[int, Aggregate.ValueType]] = field(default_factory=list)
    """Place and kind of each word like "sum" or "median"."""
    filters: list[Filter] = field(default_factory=list)
    constant: float | None = None
    is_others: bool = False

    @property
    def has_items(self) -> bool:
        """Whether it names a series or a category."""
        return bool(self.series or self.categories)

    @property
    def is_anchored(self) -> bool:
        """Whether it can be an operand of its own."""
        named = self.has_items or self.superlatives or self.aggregates
        return bool(named) or self.constant is not None or self.is_others


def read_part(question: Question, start: int = 0, end: int | None = None) -> Part:
    """Return what the words from start to before end say."""
    stop = len(question.words) if end is None else end
    filters, used = find_filters(question, start, stop)
    numbers = free_numbers(question, start, stop, used)
    superlatives, taken = find_superlatives(question, start, stop)
    aggregates: list[tuple[int, Aggregate.ValueType]] = []
    for place in range(start, stop):
        kind = aggregate_of(question.keys[place])
        is_whole = bool(lex.SHARE & set(question.keys[max(0, place - 3) : place])) and kind == plan.AGGREGATE_SUM
        if kind and not is_whole and not (superlatives and _is_measure(question, place)):
            aggregates.append((place, kind))
    return Part(
        series=question.named("series", start, stop),
        categories=question.named("category", start, stop),
        superlatives=superlatives,
        aggregates=aggregates,
        filters=filters,
        constant=next((number for place, number in numbers if place not in taken), None),
        is_others=any(question.keys[place] in lex.OTHERS for place in range(start, stop)),
    )


def aggregate_of(key: str) -> Aggregate.ValueType:
    """Return the aggregate that a word asks for."""
    for words, kind in (
        (lex.SUM, plan.AGGREGATE_SUM),
        (lex.MEAN, plan.AGGREGATE_MEAN),
        (lex.MEDIAN, plan.AGGREGATE_MEDIAN),
    ):
        if key in words:
            return kind
    return plan.AGGREGATE_UNSPECIFIED


def _is_measure(question: Question, place: int) -> bool:
    """Return whether a word like "average" belongs to what the figure measures: "average ticket price"."""
    return any(word.key == question.keys[place] for text in question.grid.texts for word in split(text))


def find_superlatives(question: Question, start: int, stop: int) -> tuple[list[Superlative], set[int]]:
    """Return the superlatives of a stretch, and the places of the numbers that belong to them."""
    found: list[Superlative] = []
    taken: set[int] = set()
    keys = question.keys
    for place in range(start, stop):
        key = keys[place]
        before = keys[place - 1] if place else ""
        if key not in lex.HIGH | lex.LOW or (key in ("most", "least", "max", "min") and before == "at"):
            continue
        if found and place == found[-1].place + 1:
            continue
        order = plan.ORDER_DESCENDING if key in lex.HIGH else plan.ORDER_ASCENDING
        if key == "most" and place + 1 < len(keys) and keys[place + 1] in lex.LOW:
            order = plan.ORDER_ASCENDING
        first, ordinal_at = _ordinal(question, place)
        count, count_at = (1, set()) if first > 1 else _cardinal(question, place)
        taken |= ordinal_at | count_at
        found.append(Superlative(place, order, first, count))
    return found, taken


def _ordinal(question: Question, place: int) -> tuple[int, set[int]]:
    """Return the rank before a superlative: "second highest", "3rd smallest"."""
    words, keys = question.words, question.keys
    if place >= 1 and keys[place - 1] in lex.ORDINALS:
        return lex.ORDINALS[keys[place - 1]], {place - 1}
    if place >= 2 and keys[place - 1] in ("st", "nd", "rd", "th") and words[place - 2].number:
        return int(words[place - 2].number or 1), {place - 2}
    return 1, set()


def _cardinal(question: Question, place: int) -> tuple[int, set[int]]:
    """Return how many items a superlative takes: "two smallest", "top 3", "the three countries with the highest"."""
    for other in (place - 1, place + 1, place - 2, place + 2):
        if not 0 <= other < len(question.keys) or not question.keys[other]:
            continue
        key, number = question.keys[other], question.words[other].number
        if abs(other - place) == 2 and question.keys[(other + place) // 2] not in lex.ITEM_NOUNS | {
            "of",
            "the",
            "with",
        }:
            continue
        if key in lex.CARDINALS and lex.CARDINALS[key] > 1:
            return lex.CARDINALS[key], {other}
        following = question.keys[other + 1] if other + 1 < len(question.keys) else ""
        if number and number == int(number) and 1 <= number <= 50 and following not in ("st", "nd", "rd", "th", "%"):
            return int(number), {other}
    for other in range(max(0, place - 7), place - 1):
        number = _small_count(question, other)
        is_apart = lex.DIFFERENCE & set(question.keys[max(0, other - 4) : place])
        if number and not is_apart and question.keys[other + 1] in lex.ITEM_NOUNS | lex.MARKS | question.category_nouns:
            return number, {other}
    return 1, set()


def _small_count(question: Question, place: int) -> int:
    """Return the count of items that a word says: from 2 to 50, else 0."""
    number = question.words[place].number
    if question.keys[place] and number is not None and number == int(number) and 2 <= number <= 50:
        return int(number)
    said = lex.CARDINALS.get(question.keys[place], 0)
    return said if said > 1 else 0


def share_context(left: Part, right: Part) -> None:
    """Give each side what only the other says: "A and B in 2010" is A in 2010 and B in 2010."""
    for one, other in ((left, right), (right, left)):
        if one.constant is not None and not one.has_items:
            continue
        if not one.has_items and (one.superlatives or one.aggregates or one.is_others):
            one.series, one.categories = list(other.series), list(other.categories)
        elif not one.series and other.series and one.categories and other.categories:
            one.series = list(other.series)
        elif not one.categories and other.categories and one.series and other.series:
            one.categories = list(other.categories)


def selection_of(question: Question, part: Part, keeps_totals: bool = False) -> Selection:
    """Return a part's values, without the rows that hold a total of the others where none of them is named."""
    selection = Selection(figure_id=question.grid.figure_id, subject=plan.SUBJECT_VALUES)
    selection.series.extend(part.series)
    selection.categories.extend(part.categories)
    selection.filters.extend(part.filters)
    if not part.series and not question.grid.is_single:
        selection.series.extend(whole_series(question, part))
    if not part.categories and not keeps_totals:
        selection.excluded_categories.extend(whole_names(question.grid.categories))
    return selection


def whole_names(names: list[str]) -> list[str]:
    """Return the names that stand for all others together: "Total", "World total", "Both sexes"."""
    found = [name for name in names if _is_whole(name)]
    return found if len(found) < len(names) else []


def _is_whole(name: str) -> bool:
    keys = [word.key for word in split(name)]
    return " ".join(keys) in lex.WHOLE_LABELS or (len(keys) <= 3 and bool(lex.TOTALS & set(keys)))


def whole_series(question: Question, part: Part) -> list[str]:
    """Return the series to read where none is named: the one that stands for all, else all but those."""
    wholes = whole_names(question.grid.series)
    if len(wholes) == 1 and part.categories and not part.superlatives:
        return wholes
    return [name for name in question.grid.series if name not in wholes] if wholes else []


def operand_of(question: Question, part: Part, other: Part | None = None) -> Operand:
    """Return a part as an operand that evaluates to one item.

    Args:
      other: the operand it stands beside; "all others" leaves out what that one takes.
    """
    if part.constant is not None and not part.has_items and not part.superlatives and not part.aggregates:
        return Operand(constant=part.constant)
    selection = selection_of(question, part)
    if part.is_others and other is not None:
        if other.superlatives:
            ranked = other.superlatives[0]
            selection.order, selection.first = ranked.order, ranked.first + ranked.count
        else:
            selection.excluded_categories.extend(other.categories)
            selection.series[:] = [name for name in question.grid.series if name not in other.series]
            if not other.series:
                del selection.series[:]
        return Operand(selection=selection, aggregate=plan.AGGREGATE_SUM)
    aggregate = part.aggregates[0][1] if part.aggregates else plan.AGGREGATE_UNSPECIFIED
    if part.superlatives:
        return _ranked_operand(question, part, selection)
    if not aggregate and _count_of(question, part) > 1:
        aggregate = plan.AGGREGATE_SUM
    return Operand(selection=selection, aggregate=aggregate)


def _ranked_operand(question: Question, part: Part, selection: Selection) -> Operand:
    ranked = part.superlatives[0]
    outer = [kind for place, kind in part.aggregates if place < ranked.place]
    inner = [kind for place, kind in part.aggregates if place > ranked.place]
    if inner and not outer and not question.grid.is_single:
        selection.subject = plan.SUBJECT_CATEGORIES
        selection.combine = inner[0]
    if ranked.first == 1 and ranked.count == 1:
        highest = ranked.order == plan.ORDER_DESCENDING
        return Operand(selection=selection, aggregate=plan.AGGREGATE_MAX if highest else plan.AGGREGATE_MIN)
    selection.order, selection.first, selection.count = ranked.order, ranked.first, ranked.count
    several = plan.AGGREGATE_SUM if ranked.count > 1 else plan.AGGREGATE_UNSPECIFIED
    return Operand(selection=selection, aggregate=outer[0] if outer else several)


def _count_of(question: Question, part: Part) -> int:
    return len(part.series or question.grid.series) * len(part.categories or question.grid.categories)


def only(part: Part, **changes: object) -> Part:
    """Return a copy of a part with some fields changed."""
    return dataclasses.replace(part, **changes)  # type: ignore[arg-type]  # names and types of the fields are the callers' to keep


def subject_of(dimension: str) -> Subject.ValueType:
    """Return the subject whose items are a dimension's."""
    return plan.SUBJECT_SERIES if dimension == "series" else plan.SUBJECT_CATEGORIES
