"""Change over time: growth, the sharpest rise or drop, trends."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Filter, Operand, Operation
from servers.reasoning import lexicon as lex
from servers.reasoning.parts import Part, only, operand_of, read_part, selection_of, subject_of, whole_names
from servers.reasoning.question import Question
from servers.reasoning.rules.splitting import at_time, end_operands

_MOVES = lex.RISE | lex.FALL | lex.CHANGE
_RELATIVE = frozenset(
    {"percentage", "percent", "%", "rate", "relative", "fast", "fastest", "slowest", "quickest", "growth"}
)
_RELATIVE |= frozenset({"quickly", "rapidly", "rapid", "proportion"})


_SIZE = (
    r"\bhow (much|many)\b|\bby (what|how)\b|\bwhat (is|was|were|are|percentage|percent)\b|\bwhat'?s\b"
    r"|^(find|calculate|compute|give|tell)"
)


def find_sharpest_change(question: Question) -> Operation | None:
    """Return the search for the greatest change: "which month grew fastest", "the year of the sharpest drop"."""
    if not question.has(_MOVES) or not question.has(lex.SHARP, lex.HIGH, lex.LOW, {"slowest"}) or not question.times:
        return None
    if question.has(lex.DIFFERENCE) or _superlative_is_of_value(question):
        return None
    part = read_part(question)
    falls = question.has(lex.FALL)
    least = question.has(lex.LOW | {"slowest"})
    order = plan.ORDER_ASCENDING if falls != least else plan.ORDER_DESCENDING
    sign = [Filter(comparison=plan.COMPARISON_LESS if falls else plan.COMPARISON_GREATER, threshold=0.0)]
    relative = question.has(_RELATIVE)
    form = (
        plan.ANSWER_FORM_LABEL
        if question.wants_label or question.has_phrase(r"\b(period|when)\b")
        else plan.ANSWER_FORM_NUMBER
    )
    selection = selection_of(question, only(part, filters=sign, superlatives=[], aggregates=[]))
    selection.order, selection.count = order, 1
    asked = question.asked_dimension()
    if asked == question.time_dimension or question.grid.is_single or form == plan.ANSWER_FORM_NUMBER:
        selection.change = plan.CHANGE_RELATIVE if relative else plan.CHANGE_ABSOLUTE
        if question.time_dimension == "category":
            named = selection.categories or question.times
            in_figure_order = list(named) == [name for name in question.grid.categories if name in named]
            selection.categories[:] = [] if in_figure_order and not part.categories else list(named)
        return Operation(kind=plan.OPERATION_KIND_TOP_K, operands=[Operand(selection=selection)], form=form)
    if question.time_dimension == "series":
        selection.series[:] = list(question.ends or part.series or (question.times[0], question.times[-1]))
        selection.subject = plan.SUBJECT_CATEGORIES
    else:
        selection.categories[:] = list(question.ends or part.categories or (question.times[0], question.times[-1]))
        selection.subject = plan.SUBJECT_SERIES
    selection.combine = plan.AGGREGATE_RELATIVE_CHANGE if relative else plan.AGGREGATE_CHANGE
    return Operation(kind=plan.OPERATION_KIND_TOP_K, operands=[Operand(selection=selection)], form=form)


def find_moves(question: Question) -> Operation | None:
    """Return the times at which a series rose or fell: "in which years did Chile fall"."""
    rises, falls = question.has(lex.RISE), question.has(lex.FALL)
    part = read_part(question)
    is_plain = not (part.superlatives or part.aggregates or part.filters or question.has(lex.SHARP, lex.DIFFERENCE))
    is_asked = question.wants_label and not question.is_boolean and question.has_phrase(r"\b(when|which|what) ")
    if rises == falls or not is_plain or not is_asked or question.time_dimension != "category":
        return None
    asks_time = question.has_phrase(r"\bwhen\b") or question.asked_dimension() == "category"
    if not asks_time or part.categories or (len(part.series) != 1 and not question.grid.is_single):
        return None
    if question.has_phrase(r"\bhow (much|many)\b|\bby (what|how)\b") or _superlative_is_of_value(question):
        return None
    sign = Filter(comparison=plan.COMPARISON_LESS if falls else plan.COMPARISON_GREATER, threshold=0.0)
    selection = selection_of(question, only(part, filters=[sign], constant=None))
    selection.change = plan.CHANGE_ABSOLUTE
    if question.times != question.grid.categories:
        selection.categories[:] = question.times
    return Operation(
        kind=plan.OPERATION_KIND_LIST, operands=[Operand(selection=selection)], form=plan.ANSWER_FORM_LABEL
    )


def _superlative_is_of_value(question: Question) -> bool:
    """Return whether the superlative is about a measure named for change: "the highest growth rate"."""
    measured = " ".join([*question.grid.value_titles, *question.grid.series, question.grid.title]).lower()
    return any(word.key in _MOVES and word.lower in measured for word in question.words)


def find_growth(question: Question) -> Operation | None:
    """Return the change between two times: relative where percent or a rate is asked for, else as a difference."""
    if not question.has(_MOVES) or question.is_boolean or not question.times or _asks_for_trend(question):
        return None
    part = read_part(question)
    if part.superlatives or part.filters or question.has(lex.DIFFERENCE) or _superlative_is_of_value(question):
        return None
    asks_size = question.has_phrase(_SIZE)
    if not asks_size:
        return None
    operands = end_operands(question) or _neighbours(question, part)
    if operands is None:
        return None
    if question.has(_RELATIVE):
        return Operation(kind=plan.OPERATION_KIND_GROWTH, operands=operands, form=plan.ANSWER_FORM_NUMBER)
    return Operation(kind=plan.OPERATION_KIND_DIFFERENCE, operands=operands, form=plan.ANSWER_FORM_NUMBER)


def _neighbours(question: Question, part: Part) -> tuple[Operand, Operand] | None:
    """Return the ends of a change with fewer than two times named: it and the one before, or the first and the last."""
    named = question.named(question.time_dimension or "category")
    start, end = question.times[0], question.times[-1]
    if len(named) == 1:
        place = question.times.index(named[0])
        if place == 0:
            return None
        start, end = question.times[place - 1], named[0]
    return operand_of(question, at_time(question, part, start)), operand_of(question, at_time(question, part, end))


def find_trend(question: Question) -> Operation | None:
    """Return the trend of the series asked about."""
    asks_which_way = question.has(lex.RISE) and question.has(lex.FALL)
    if (question.is_boolean and not asks_which_way) or not question.times or not _asks_for_trend(question):
        return None
    part = read_part(question)
    selection = selection_of(question, only(part, filters=[], superlatives=[], aggregates=[]))
    if question.time_dimension == "series":
        if len(part.categories) != 1:
            return None
        selection.series[:] = [] if question.times == question.grid.series else question.times
    elif not part.categories and question.times != question.grid.categories:
        selection.categories[:] = [name for name in question.times if name not in whole_names(question.grid.categories)]
    if question.has({"total", "overall", "combined"}) and not part.series and not question.grid.is_single:
        selection.subject = subject_of("category")
    return Operation(kind=plan.OPERATION_KIND_TREND, operands=[Operand(selection=selection)])


def _asks_for_trend(question: Question) -> bool:
    if question.has(lex.TREND):
        return True
    if question.has_phrase(r"\bhow (did|does|do|has|have|is|was|were|are)\b") and question.has(_MOVES):
        return True
    return question.has(lex.RISE) and question.has(lex.FALL)
