"""Yes or no: "is X greater than Y", "does X have the highest ...", "did X rise"."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Aggregate, Comparison, Operand, Operation
from servers.reasoning import lexicon as lex
from servers.reasoning.numbers import comparison_at
from servers.reasoning.parts import Part, only, operand_of, read_part, selection_of, share_context
from servers.reasoning.question import Question
from servers.reasoning.rules.splitting import at_time

_UPWARD = (plan.COMPARISON_GREATER, plan.COMPARISON_GREATER_OR_EQUAL)


def answer_yes_no(question: Question) -> Operation | None:
    """Return the comparison that a question for yes or no asks about."""
    if not question.is_boolean:
        return None
    return _compared(question) or _superlative(question) or _moved(question) or _equals_number(question)


def _verdict(first: Operand, second: Operand, comparison: Comparison.ValueType) -> Operation:
    return Operation(
        kind=plan.OPERATION_KIND_COMPARE,
        operands=[first, second],
        form=plan.ANSWER_FORM_BOOLEAN,
        comparison=comparison,
    )


def _compared(question: Question) -> Operation | None:
    for place in range(1, len(question.keys)):
        comparison, left_end, after = comparison_at(question, place)
        if not comparison:
            continue
        left, right = read_part(question, 0, left_end), read_part(question, after)
        if not right.is_anchored:
            continue
        share_context(left, right)
        first = _whole_or_extreme(question, left, comparison)
        return _verdict(first, operand_of(question, right, left), comparison)
    part = read_part(question)
    if question.has(lex.EQUAL) and (len(part.series) == 2 or len(part.categories) == 2):
        ones = [only(part, series=[name]) for name in part.series] if len(part.series) == 2 else []
        ones = ones or [only(part, categories=[name]) for name in part.categories]
        return _verdict(operand_of(question, ones[0]), operand_of(question, ones[1]), plan.COMPARISON_EQUAL)
    return None


def _whole_or_extreme(question: Question, part: Part, comparison: Comparison.ValueType) -> Operand:
    """Return the left side; of several values without a sum or the like, the one that decides."""
    operand = operand_of(question, part)
    several = operand.aggregate == plan.AGGREGATE_SUM and not part.aggregates and not part.superlatives
    if several:
        asks_any = question.has({"any", "there", "ever"})
        upward = comparison in _UPWARD
        operand.aggregate = plan.AGGREGATE_MAX if asks_any == upward else plan.AGGREGATE_MIN
    return operand


def _superlative(question: Question) -> Operation | None:
    part = read_part(question)
    if not part.superlatives or not part.has_items:
        return None
    ranked = part.superlatives[0]
    rivals = only(part, series=list(part.series), categories=list(part.categories), aggregates=[])
    if part.series and (not part.categories or question.time_dimension != "series"):
        rivals.series = []
    else:
        rivals.categories = []
    highest = ranked.order == plan.ORDER_DESCENDING
    extreme: Aggregate.ValueType = plan.AGGREGATE_MAX if highest else plan.AGGREGATE_MIN
    own = Operand(selection=selection_of(question, only(part, superlatives=[])), aggregate=extreme)
    return _verdict(own, operand_of(question, rivals), plan.COMPARISON_EQUAL)


def _moved(question: Question) -> Operation | None:
    rises, falls = question.has(lex.RISE), question.has(lex.FALL)
    times = question.times
    if rises == falls or len(times) < 2:
        return None
    part = read_part(question)
    named = question.named(question.time_dimension or "category")
    start, end = question.ends or ((named[0], named[-1]) if len(named) > 1 else (times[0], times[-1]))
    if len(named) == 1 and named[0] != times[0]:
        start, end = times[times.index(named[0]) - 1], named[0]
    first = operand_of(question, at_time(question, part, end))
    second = operand_of(question, at_time(question, part, start))
    return _verdict(first, second, plan.COMPARISON_GREATER if rises else plan.COMPARISON_LESS)


def _equals_number(question: Question) -> Operation | None:
    part = read_part(question)
    if part.constant is None or not (part.has_items or part.aggregates or part.superlatives):
        return None
    left = operand_of(question, only(part, constant=None))
    return _verdict(left, Operand(constant=part.constant), plan.COMPARISON_EQUAL)
