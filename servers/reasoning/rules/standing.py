"""Where items stand to a number or to the whole: the closest to a value, each one's part of the total."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Operand, Operation
from servers.reasoning import lexicon as lex
from servers.reasoning.parts import only, read_part, selection_of, subject_of
from servers.reasoning.phrases import any_of
from servers.reasoning.question import Question

_CLOSEST = any_of(
    r"(closest|nearest|most similar) to",
    r"(comes?|is|was|lies?|stands?) (closest|nearest)",
    r"nearest",
    r"closest",
)
_PART = r"(share|percentages?|percent|proportions?|parts?|fractions?)"
_EACH_PART = any_of(
    rf"(what|how|show|give|list|express|compute|calculate)\b.*\b{_PART}\b.*\b(each|every|all|individual)",
    r"(each|every)\b.*\b(as a|in) (share|percent\w*|proportion|part|fraction)",
    r"(break ?down|breakdown)\b.*\b(percent\w*|shares?)",
    r"percent(ages?)? of (the )?total (for|of) (each|every|all)",
)


def find_closest(question: Question) -> Operation | None:
    """Return the items whose numbers are closest to one that the question says."""
    part = read_part(question)
    if not question.has_phrase(_CLOSEST) or part.constant is None:
        return None
    selection = selection_of(question, only(part, constant=None, superlatives=[], aggregates=[], filters=[]))
    count = next((lex.CARDINALS[key] for key in question.keys if lex.CARDINALS.get(key, 1) > 1), 1)
    selection.near, selection.order, selection.count = part.constant, plan.ORDER_ASCENDING, count
    asked = question.asked_dimension() or "category"
    if not question.grid.is_single and asked == "series" and len(part.categories) != 1:
        selection.subject, selection.combine = subject_of("series"), plan.AGGREGATE_MEAN
    asks_value = (
        question.has_phrase(r"^(what|which) (is the |was the )?(value|number|amount)\b") and not question.wants_label
    )
    form = plan.ANSWER_FORM_NUMBER if asks_value else plan.ANSWER_FORM_LABEL
    return Operation(kind=plan.OPERATION_KIND_TOP_K, operands=[Operand(selection=selection)], form=form)


def find_each_share(question: Question) -> Operation | None:
    """Return each item as a part of them all."""
    if not question.has_phrase(_EACH_PART) or "%" in question.grid.units:
        return None
    part = read_part(question)
    if len(part.categories) == 1 and (question.grid.is_single or part.series):
        return None
    selection = selection_of(question, only(part, constant=None, superlatives=[], aggregates=[], filters=[]))
    if not question.grid.is_single and len(part.series) != 1 and len(part.categories) != 1:
        selection.subject = subject_of(question.asked_dimension() or "category")
    return Operation(kind=plan.OPERATION_KIND_SHARES, operands=[Operand(selection=selection)])
