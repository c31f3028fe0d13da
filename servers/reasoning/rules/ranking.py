"""Superlatives: the greatest, the least, the k-th, the top k, and "A or B"."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import AnswerForm, Operand, Operation, Selection
from servers.reasoning import lexicon as lex
from servers.reasoning.mentions import Dimension
from servers.reasoning.parts import (
    Part,
    Superlative,
    only,
    operand_of,
    read_part,
    selection_of,
    subject_of,
    whole_names,
)
from servers.reasoning.question import Question

_ORDERED = r"\b(rank|sort|order|arrange)(ed|ing)?\b|\bin (ascending|descending|increasing|decreasing) order\b"


def find_order(question: Question) -> Operation | None:
    """Return all items in order: "rank the countries", "sort by value"."""
    if not question.has_phrase(_ORDERED):
        return None
    part = read_part(question)
    rising = question.has_phrase(r"\b(ascending|increasing|lowest to highest|smallest to largest|least to most)\b")
    order = plan.ORDER_ASCENDING if rising else plan.ORDER_DESCENDING
    selection = _items(question, only(part, superlatives=[]), Superlative(0, order, 1, 0))
    return Operation(kind=plan.OPERATION_KIND_RANK, operands=[Operand(selection=selection)])


def find_extreme(question: Question) -> Operation | None:
    """Return the item, or the number, that a superlative asks for."""
    part = read_part(question)
    superlatives = part.superlatives or _comparatives(question)
    if not superlatives or question.is_boolean:
        return None
    ranked = superlatives[0]
    form: AnswerForm.ValueType = plan.ANSWER_FORM_LABEL if question.wants_label else plan.ANSWER_FORM_NUMBER
    if form == plan.ANSWER_FORM_NUMBER and _picks_items(question, part, ranked):
        form = plan.ANSWER_FORM_LABEL
    if form == plan.ANSWER_FORM_LABEL:
        selection = _items(question, part, ranked)
        return Operation(kind=plan.OPERATION_KIND_TOP_K, operands=[Operand(selection=selection)], form=form)
    if part.aggregates and len(superlatives) > 1:
        return None
    operand = operand_of(question, part)
    if ranked.count > 1 and not part.aggregates:
        operand.aggregate = plan.AGGREGATE_UNSPECIFIED
    kind = plan.OPERATION_KIND_TOTAL if part.aggregates and ranked.count > 1 else plan.OPERATION_KIND_LOOKUP
    if kind == plan.OPERATION_KIND_TOTAL:
        return None
    operands = [operand]
    if len(superlatives) > 1 and not part.aggregates:
        operands = [operand_of(question, only(part, superlatives=[one])) for one in superlatives[:2]]
    return Operation(kind=kind, operands=operands, form=plan.ANSWER_FORM_NUMBER)


def _picks_items(question: Question, part: Part, ranked: Superlative) -> bool:
    """Return whether "the top 3 countries" or "the two smallest" are items, though no "which" asks for them."""
    if ranked.count == 1 or part.aggregates:
        return False
    items = lex.ITEM_NOUNS | question.category_nouns
    if any(key in items for key in question.keys[max(0, ranked.place - 7) : ranked.place]):
        return True
    return not any(key in lex.VALUE_NOUNS for key in question.keys[ranked.place : ranked.place + 3])


def _comparatives(question: Question) -> list[Superlative]:
    """Return "which is higher, A or B" and "who is more likely" as superlatives."""
    if question.place(lex.WHICH, {"what"}) is None or not question.wants_label:
        return []
    for place, key in enumerate(question.keys):
        if key not in lex.MORE | lex.FEWER:
            continue
        ahead = range(place + 1, min(place + 6, len(question.keys)))
        following = [question.keys[spot] for spot in ahead]
        has_number = any(question.keys[spot] and question.words[spot].number is not None for spot in ahead)
        is_than_others = following[:2] in (["than", "the"], ["than", "all"]) and bool(lex.OTHERS & set(following))
        if is_than_others or not (has_number or {"than", "then"} & set(following)):
            return [Superlative(place, plan.ORDER_DESCENDING if key in lex.MORE else plan.ORDER_ASCENDING)]
    return []


def _items(question: Question, part: Part, ranked: Superlative) -> Selection:
    """Return the ranked items of the dimension that is asked for."""
    selection = selection_of(question, only(part, aggregates=[]))
    selection.order, selection.first, selection.count = ranked.order, ranked.first, ranked.count
    if question.grid.is_single:
        return selection
    asked = _asked(question, part)
    across: Dimension = "category" if asked == "series" else "series"
    fixed = part.series if across == "series" else part.categories
    one_left = len(fixed) == 1 or len(question.names_of(across)) == 1
    if not part.series and asked == "series":
        selection.series[:] = [name for name in question.grid.series if name not in whole_names(question.grid.series)]
        if len(selection.series) == len(question.grid.series):
            del selection.series[:]
    if one_left:
        return selection
    selection.subject = subject_of(asked)
    selection.combine = _combine(question, part, ranked)
    return selection


def _asked(question: Question, part: Part) -> Dimension:
    """Return the dimension whose items compete: the one named several times ("A or B"), else the one asked for."""
    if len(part.series) > 1 and len(part.categories) <= 1:
        return "series"
    if len(part.categories) > 1 and len(part.series) == 1:
        return "category"
    asked = question.asked_dimension() or "category"
    if len(part.series) == 1 and not part.categories:
        return "category"
    if len(part.categories) == 1 and not part.series:
        return "series"
    return asked


def _combine(question: Question, part: Part, ranked: Superlative) -> plan.Aggregate.ValueType:
    kinds = [kind for _, kind in part.aggregates]
    if kinds:
        return kinds[0]
    if question.grid.is_stacked:
        return plan.AGGREGATE_SUM
    return plan.AGGREGATE_MAX if ranked.order == plan.ORDER_DESCENDING else plan.AGGREGATE_MIN
