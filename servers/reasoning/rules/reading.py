"""Plain reading: sums and averages, items by a condition, single values, what a colour stands for, a description."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Filter, Operand, Operation
from servers.reasoning import lexicon as lex
from servers.reasoning.parts import Part, only, operand_of, read_part, selection_of, subject_of
from servers.reasoning.question import Question
from servers.reasoning.rules.counting import compared_filter, paired_selection
from servers.reasoning.rules.splitting import split_parts

_MADE = {
    plan.AGGREGATE_SUM: plan.OPERATION_KIND_TOTAL,
    plan.AGGREGATE_MEAN: plan.OPERATION_KIND_AVERAGE,
    plan.AGGREGATE_MEDIAN: plan.OPERATION_KIND_MEDIAN,
}
_STANDS_FOR = (
    r"\b(represent|represents|represented|indicate|indicates|stand for|stands for|denote|denotes"
    r"|depict|depicts)\b|\bmean\??$"
)


def find_product(question: Question) -> Operation | None:
    """Return the product of two operands."""
    if not question.has(lex.PRODUCT) or not (sides := split_parts(question, (question.place(lex.PRODUCT) or 0) + 1)):
        return None
    operands = [operand_of(question, side) for side in sides]
    return Operation(kind=plan.OPERATION_KIND_PRODUCT, operands=operands)


def find_aggregate(question: Question) -> Operation | None:
    """Return a sum, an average or a median, of values or of other aggregates ("the sum of the medians of A and B")."""
    part = read_part(question)
    adds_up = question.has_phrase(r"\b(sums?|adds?|totals?) (up )?to\b")
    if not part.aggregates or (question.wants_label and not adds_up):
        return None
    place, outer = part.aggregates[0]
    kind = _MADE[outer]
    if len(part.aggregates) > 1 and part.aggregates[1][1] != outer:
        inner = part.aggregates[1][1]
        names = part.series if len(part.series) > 1 else part.categories
        over_series = names is part.series
        if len(names) > 1:
            split = [only(part, series=[n]) if over_series else only(part, categories=[n]) for n in names]
            operands = [Operand(selection=selection_of(question, one), aggregate=inner) for one in split]
            return Operation(kind=kind, operands=operands)
    if len(part.superlatives) > 1:
        operands = [operand_of(question, only(part, superlatives=[one], aggregates=[])) for one in part.superlatives]
        return Operation(kind=kind, operands=operands)
    if part.superlatives and part.superlatives[0].place < place and part.superlatives[0].count == 1:
        return None
    selection = selection_of(question, part)
    if part.superlatives:
        ranked = part.superlatives[0]
        selection.order, selection.first, selection.count = ranked.order, ranked.first, ranked.count
    if (
        not part.series
        and question.grid.series
        and not question.grid.is_single
        and not part.categories
        and selection.series
    ):
        selection.series[:] = [name for name in question.grid.series if name in selection.series]
    return Operation(kind=kind, operands=[Operand(selection=selection)])


def find_by_condition(question: Question) -> Operation | None:
    """Return the items that pass a condition: "which countries are above 30", "in which year did X reach 50"."""
    if not question.wants_label or question.is_boolean:
        return None
    pair = paired_selection(question) if question.asked_dimension() == "category" else None
    if pair is not None:
        if question.has_phrase(r"\b(first|overt(ake|akes|aken|ook)|earliest)\b"):
            pair.count = 1
        return Operation(kind=plan.OPERATION_KIND_LIST, operands=[Operand(selection=pair)], form=plan.ANSWER_FORM_LABEL)
    part = read_part(question)
    filters = part.filters or compared_filter(question, part)
    reaches = question.has_phrase(
        r"\b(reach|reached|hit|cross|crossed|pass|passed|exceed|exceeded|surpass|surpassed)\b"
    )
    if not filters and part.constant is not None:
        comparison = plan.COMPARISON_GREATER_OR_EQUAL if reaches else plan.COMPARISON_EQUAL
        filters = [Filter(comparison=comparison, threshold=part.constant)]
    has_twin = not filters and question.has_phrase(r"\b(same|equal|identical)\b")
    if not filters and not has_twin:
        return None
    selection = selection_of(question, only(part, filters=filters, constant=None, superlatives=[], aggregates=[]))
    selection.has_twin = has_twin
    if question.times and ((reaches and part.constant is not None) or question.has({"first"})):
        selection.count = 1
        if question.time_dimension == "category" and not part.categories and question.times != question.grid.categories:
            selection.categories.extend(question.times)
    elif question.has_phrase(r"\bjust (above|over|below|under|more|less)\b"):
        is_above = filters[0].comparison in (plan.COMPARISON_GREATER, plan.COMPARISON_GREATER_OR_EQUAL)
        selection.order = plan.ORDER_ASCENDING if is_above else plan.ORDER_DESCENDING
        selection.count = 1
    if not question.grid.is_single and not has_twin:
        asked = question.asked_dimension() or "category"
        fixed = part.series if asked == "category" else part.categories
        if len(fixed) != 1:
            selection.subject = subject_of(asked)
            selection.combine = plan.AGGREGATE_MAX
    return Operation(
        kind=plan.OPERATION_KIND_LIST, operands=[Operand(selection=selection)], form=plan.ANSWER_FORM_LABEL
    )


def find_shared_value(question: Question) -> Operation | None:
    """Return the number that several items have in common: "two segments have the same value, what is it"."""
    if question.wants_label or question.is_boolean or not question.has_phrase(r"\bsame\b"):
        return None
    part = read_part(question)
    selection = selection_of(question, only(part, superlatives=[], aggregates=[], constant=None))
    selection.has_twin, selection.count = True, 1
    return Operation(
        kind=plan.OPERATION_KIND_LOOKUP, operands=[Operand(selection=selection)], form=plan.ANSWER_FORM_NUMBER
    )


def find_comparison(question: Question) -> Operation | None:
    """Return two or more items side by side: "compare A and B"."""
    if not question.has({"compare", "comparison", "versu", "versus", "v"}) or question.wants_label:
        return None
    part = read_part(question)
    sides = part.series if len(part.series) > 1 else part.categories
    if len(sides) < 2 or part.superlatives:
        return None
    ones = [only(part, series=[n]) if sides is part.series else only(part, categories=[n]) for n in sides[:20]]
    return Operation(kind=plan.OPERATION_KIND_COMPARE, operands=[operand_of(question, one) for one in ones])


def find_names(question: Question) -> Operation | None:
    """Return what a colour stands for, or which series or categories there are."""
    part = read_part(question)
    if part.filters or part.superlatives or part.aggregates:
        return None
    if question.has_phrase(_STANDS_FOR) and question.wants_label and (question.grid.is_single or part.series):
        if not question.has_phrase(r"\b(line|bar|colou?r|curve|segment|area|data|graph)") or part.categories:
            return None
        selection = selection_of(question, only(part, categories=[], series=part.series or question.grid.series))
        selection.subject = subject_of("series")
        return Operation(kind=plan.OPERATION_KIND_LIST, operands=[Operand(selection=selection)])
    lists = question.has_phrase(
        r"\b(which|what|list|name)\b.*\b(are|is|were|was|being)\b.*\b(compared|shown|listed|included|displayed|covered|represented|there)\b|^(list|name)\b"
    )
    if lists and not part.has_items and question.wants_label:
        selection = selection_of(question, part)
        selection.subject = subject_of(question.asked_dimension() or "category")
        return Operation(kind=plan.OPERATION_KIND_LIST, operands=[Operand(selection=selection)])
    return None


def find_value(question: Question) -> Operation | None:
    """Return the values that the question names."""
    part = read_part(question)
    is_of_one = len(question.grid.numbers) == 1 and bool(lex.VALUE_NOUNS & set(question.keys))
    if not part.has_items and not is_of_one:
        return None
    if question.wants_label and not part.filters:
        return _named_beside(question, part)
    selection = selection_of(question, only(part, constant=None), keeps_totals=True)
    return Operation(
        kind=plan.OPERATION_KIND_LOOKUP, operands=[Operand(selection=selection)], form=plan.ANSWER_FORM_NUMBER
    )


def _named_beside(question: Question, part: Part) -> Operation | None:
    """Return the values of what is named, with names, where "which" asks between what is named: "which of A and B"."""
    if len(part.series) < 2 and len(part.categories) < 2:
        return None
    selection = selection_of(question, part)
    selection.order, selection.count = plan.ORDER_DESCENDING, 1
    return Operation(
        kind=plan.OPERATION_KIND_TOP_K, operands=[Operand(selection=selection)], form=plan.ANSWER_FORM_LABEL
    )


def describe(figure_id: str) -> Operation:
    """Return the description of a figure."""
    return Operation(
        kind=plan.OPERATION_KIND_DESCRIBE,
        operands=[Operand(selection=plan.Selection(figure_id=figure_id, subject=plan.SUBJECT_VALUES))],
    )
