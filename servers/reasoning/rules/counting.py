"""Counts: "how many countries are above 30", "how many bars are there"."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Filter, Operand, Operation, Selection
from servers.reasoning import lexicon as lex
from servers.reasoning.parts import Part, only, operand_of, read_part, selection_of, subject_of, whole_names
from servers.reasoning.question import Question
from servers.reasoning.times import are_times
from servers.reasoning.words import split as _split

_COUNTS = (
    r"\bhow many\b|\bcount (the|of|how)\b"
    r"|\bnumber of\b"
)


_SHOWN = (
    r"\bhow many \w+( \w+)? (are|is|were|does the \w+) (shown|displayed|listed|there|included|represented|in the)\b"
    r"|\bhow many \w+ does the \w+ (show|have|contain|list)\b"
)


def find_count(question: Question) -> Operation | None:
    """Return the count asked for; None where "how many" asks for a value ("how many students in 2019")."""
    if not question.has_phrase(_COUNTS):
        return None
    if pair := paired_selection(question):
        return Operation(kind=plan.OPERATION_KIND_COUNT, operands=[Operand(selection=pair)])
    part = read_part(question)
    many = next((place for place, key in enumerate(question.keys) if key in ("many", "number", "count")), 0)
    counted = _is_of_items(question, many)
    part = only(part, filters=part.filters or compared_filter(question, part))
    asks_how_many = question.has_phrase(r"\bhow many\b|\bcount\b")
    if not counted and not (part.filters and asks_how_many):
        return None
    selection = selection_of(question, only(part, superlatives=[], aggregates=[]))
    if not part.filters and question.has_phrase(r"\bsame\b") and not part.has_items:
        selection.has_twin = True
    elif not part.filters and (sign := _direction(question)) and question.times:
        selection.change = plan.CHANGE_ABSOLUTE
        selection.filters.append(sign)
        if not part.categories and question.times != question.grid.categories and question.time_dimension == "category":
            selection.categories.extend(question.times)
    elif not part.filters and (part.series or part.categories) and not counted:
        return None
    if not question.grid.is_single and not selection.change and not selection.has_twin:
        asked = question.asked_dimension(many) or "category"
        fixed = part.series if asked == "category" else part.categories
        marks = {"bar", "segment", "value", "point"} & set(question.keys[many : many + 3])
        if len(fixed) != 1 and not (marks and not part.filters and not part.has_items) and not (marks and part.filters):
            selection.subject = subject_of(asked)
            selection.combine = (
                plan.AGGREGATE_SUM if question.has(lex.SUM) or question.grid.is_stacked else plan.AGGREGATE_MAX
            )
    return Operation(kind=plan.OPERATION_KIND_COUNT, operands=[Operand(selection=selection)])


def compared_filter(question: Question, part: Part) -> list[Filter]:
    """Return the threshold that is not a number: "above the average", "more than Canada"; Canada leaves the part."""
    for place, key in enumerate(question.keys):
        if key not in lex.MORE | lex.FEWER:
            continue
        bound = read_part(question, place + 1)
        if not bound.aggregates and not (bound.has_items and "than" in question.keys[place + 1 : place + 4]):
            continue
        if bound.superlatives or bound.filters:
            continue
        scope = read_part(question, 0, place)
        part.series, part.categories = scope.series, scope.categories
        if bound.aggregates and not bound.has_items:
            bound.series, bound.categories = list(scope.series), list(scope.categories)
        comparison = plan.COMPARISON_GREATER if key in lex.MORE else plan.COMPARISON_LESS
        return [Filter(comparison=comparison, operand=operand_of(question, bound))]
    return []


def paired_selection(question: Question) -> Selection | None:
    """Return the categories where one series beats another: "is the female value higher than the male value"."""
    if question.grid.is_single or question.named("category"):
        return None
    for place, key in enumerate(question.keys):
        if key not in lex.MORE | lex.FEWER:
            continue
        own, other = question.named("series", 0, place), question.named("series", place)
        if len(own) == 0 and len(other) == 2:
            own, other = other[:1], other[1:]
        if len(own) == len(other) == 1 and own != other:
            comparison = plan.COMPARISON_GREATER if key in lex.MORE else plan.COMPARISON_LESS
            return Selection(
                figure_id=question.grid.figure_id,
                series=[*other, *own],
                subject=plan.SUBJECT_CATEGORIES,
                combine=plan.AGGREGATE_CHANGE,
                filters=[Filter(comparison=comparison, threshold=0.0)],
                excluded_categories=whole_names(question.grid.categories),
            )
    return None


def _is_of_items(question: Question, many: int) -> bool:
    """Return whether what follows "how many" is items of the figure, not what it measures."""
    following = [
        key
        for key in question.keys[many + 1 : many + 4]
        if key and key not in ("different", "of", "the", "such", "type")
    ]
    noun = following[0] if following else ""
    starts = {mention.start for mention in question.mentions if mention.dimension == "series"}
    if many + 1 in starts and question.named("category"):  # "how many lakes are there in Peru"
        return False
    if noun in lex.TIME_NOUNS:
        return question.time_dimension is not None
    measured = {word.key for text in question.grid.value_titles for word in _split(text)}
    if noun in measured and noun not in lex.MARKS:
        return False
    if noun in lex.MARKS | {"color", "colour", "item", "entity"} or question.has_phrase(_SHOWN):
        return True
    named = question.category_nouns
    return (noun in lex.ITEM_NOUNS or noun in named) and not (
        are_times(question.grid.categories) and question.grid.is_single and noun not in named
    )


def _direction(question: Question) -> Filter | None:
    if question.has(lex.FALL):
        return Filter(comparison=plan.COMPARISON_LESS, threshold=0.0)
    if question.has(lex.RISE):
        return Filter(comparison=plan.COMPARISON_GREATER, threshold=0.0)
    return None
