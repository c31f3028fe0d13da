"""Two numbers against each other: difference, ratio, share."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Operand, Operation, OperationKind
from servers.reasoning import lexicon as lex
from servers.reasoning.parts import Part, find_superlatives, only, operand_of, read_part, selection_of, whole_names
from servers.reasoning.question import Question
from servers.reasoning.rules.splitting import end_operands, split_parts

_APART = (
    r"\bhow (much|many)( \w+){0,3} (more|less|fewer|higher|lower|greater|larger|bigger|smaller|longer|shorter)\b"
    r"|\bby how (much|many)\b|\bhow far apart\b|\bhow (much|many)\b(?! (years?|months?|times)\b).*"
    r"\b(exceed|outnumber|surpass|lead)"
    r"|\b(minus|subtract)"
)
_TIMES = (
    r"\bhow many times\b(?! (was|were|is|did|does|has))"
    r"|\btimes (as|more|greater|larger|higher|bigger)\b|\bdivided by\b|\bquotient\b"
)
_PART_IS = r"\b(percentage|percent|share|proportion|fraction|part) of\b.*\b(is|are|was|were|came from|comes from)\b"
_SECOND_FIRST = r"\btimes (as \w+ as|the( \w+){0,3} of)\b.*\b(is|was|are|were)\b"
_PART_OF = (
    r"\b(of|to) (the |all |its )?(\w+ )?(total|overall|whole|sum|all)\b|\bmakes? up\b"
    r"|\baccount(s|ed)? for\b|\bcontribut"
)


def find_difference(question: Question) -> Operation | None:
    """Return the difference asked for, or the item whose series differ most or least."""
    cue = question.place(lex.DIFFERENCE)
    is_ratio = question.has_phrase(_TIMES)
    has_threshold = cue is None and bool(read_part(question).filters)
    if is_ratio or has_threshold or (cue is None and not question.has_phrase(_APART)):
        return None
    if cue is not None and (ranked := _ranked_difference(question, cue)):
        return ranked
    return _paired(question, plan.OPERATION_KIND_DIFFERENCE, cue)


def _paired(question: Question, kind: OperationKind.ValueType, cue: int | None) -> Operation | None:
    """Return an operation on two operands: the sides after the cue, or of the whole question, or two values named."""
    sides = None
    ranged = next((mention for mention in question.mentions if mention.ends), None)
    if ranged is None or find_superlatives(question, 0, len(question.words))[0] or question.has(lex.MEAN, lex.SUM):
        if cue is not None and (sides := split_parts(question, cue + 1)):
            _add_context(question, sides, cue)
        sides = sides or split_parts(question)
    if sides:
        left, right = sides
        return Operation(kind=kind, operands=[operand_of(question, left), operand_of(question, right, left)])
    if ends := end_operands(question):
        return Operation(kind=kind, operands=ends)
    part = read_part(question)
    if question.grid.is_single or part.categories:
        if len(part.categories) == 2:
            pair = [operand_of(question, only(part, categories=[name], aggregates=[])) for name in part.categories]
            return Operation(kind=kind, operands=pair)
        series = question.grid.series if len(question.grid.series) == 2 else part.series
        if len(series) == 2:
            pair = [operand_of(question, only(part, series=[name], aggregates=[])) for name in series]
            return Operation(kind=kind, operands=pair)
    return None


def _add_context(question: Question, sides: tuple[Part, Part], cue: int) -> None:
    """Give both sides what the question says before the cue: "in 2019, what is the difference between A and B"."""
    before = read_part(question, 0, cue)
    for side in sides:
        if not side.series and side.constant is None:
            side.series = list(before.series)
        if not side.categories and side.constant is None:
            side.categories = list(before.categories)


def _ranked_difference(question: Question, cue: int) -> Operation | None:
    """Return the search for the item with the greatest or least difference between series (or between categories)."""
    near, _ = find_superlatives(question, max(0, cue - 3), cue + 1)
    if not near:
        after, _ = find_superlatives(question, cue + 1, len(question.words))
        last_named = max((mention.end for mention in question.mentions), default=0)
        is_last = len(after) == 1 and after[0].place >= last_named and not question.has(lex.SUM, lex.MEAN, lex.MEDIAN)
        near = after if is_last and (last_named > cue or question.wants_label) else []
    if not near or question.grid.is_single:
        return None
    part = read_part(question)
    over_series = len(part.series) >= 2 or (len(part.categories) < 2 and question.asked_dimension() != "series")
    selection = selection_of(question, only(part, filters=[]))
    selection.subject = plan.SUBJECT_CATEGORIES if over_series else plan.SUBJECT_SERIES
    selection.combine = plan.AGGREGATE_RANGE
    selection.order, selection.first, selection.count = near[0].order, near[0].first, near[0].count
    form = plan.ANSWER_FORM_LABEL if question.wants_label else plan.ANSWER_FORM_NUMBER
    return Operation(kind=plan.OPERATION_KIND_TOP_K, operands=[Operand(selection=selection)], form=form)


def find_ratio(question: Question) -> Operation | None:
    """Return the ratio asked for."""
    cue = question.place(lex.RATIO)
    if cue is None and not question.has_phrase(_TIMES):
        return None
    operation = _paired(question, plan.OPERATION_KIND_RATIO, cue)
    if operation is not None and any(operand.HasField("constant") for operand in operation.operands):
        return None
    if operation is not None and question.has_phrase(_SECOND_FIRST):
        operation = Operation(kind=operation.kind, operands=reversed(operation.operands))
    if cue is not None and question.wants_label:
        return None
    return operation


def find_share(question: Question) -> Operation | None:
    """Return the part of the total asked for; where the figure's values are parts already, none."""
    largest = max((abs(number) for number in question.grid.numbers.values()), default=0.0)
    is_of_whole = question.has_phrase(_PART_OF) or (largest > 100 and question.has_phrase(_PART_IS))
    if not question.has(lex.SHARE) or not is_of_whole or "%" in question.grid.units:
        return None
    part = read_part(question)
    if not part.has_items and not part.superlatives:
        return None
    own = only(part, aggregates=[], filters=[])
    whole = only(part, superlatives=[], filters=[], series=list(part.series), categories=list(part.categories))
    is_by_column = question.grid.is_table or question.time_dimension == "series"
    if question.grid.is_single or (part.categories and (not part.series or is_by_column) and not _is_when(question)):
        whole.categories = []
    elif part.series:
        whole.series = []
    else:
        whole.categories = []
    total = Operand(selection=selection_of(question, whole), aggregate=plan.AGGREGATE_SUM)
    names = whole_names(question.grid.categories)
    if not whole.categories and len(names) == 1:
        total.selection.categories[:], total.selection.excluded_categories[:] = names, []
    return Operation(kind=plan.OPERATION_KIND_SHARE, operands=[operand_of(question, own), total])


def _is_when(question: Question) -> bool:
    """Return whether the categories are times: a share is then one of the series at that time."""
    return question.time_dimension == "category" and not question.grid.is_single
