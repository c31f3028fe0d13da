"""Box plots: quartile ranges, whisker ranges, the points that stand apart; the five numbers are series like others."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Operand, Operation, Selection
from servers.reasoning import lexicon as lex
from servers.reasoning.parts import find_superlatives, read_part
from servers.reasoning.phrases import any_of
from servers.reasoning.question import Question

_OUTLIER = "outlier"
_BOX = any_of(
    r"iqr",
    r"inter-?quartile",
    r"middle (half|50)",
    r"(height|size|width|length) of (the |its |each )?box",
    r"(tallest|widest|longest|largest|biggest|shortest|narrowest|smallest|tightest) box",
    r"box\b.*\b(tall|wide|long|larg|big|short|narrow|small|tight)\w*",
    r"how (tall|wide|long|large|big|high) (is|are)\b.*\bbox(es)?",
    r"spread",
    r"variab\w+",
    r"dispers\w+",
    r"var(y|ies|iation)",
    r"spread out",
    r"consisten\w+",
)
_WHISKERS = any_of(
    r"(full |whole |total |overall )?range",
    r"whisker to whisker",
    r"whiskers?\b.*\b(span|length|extent|apart|reach|cover|stretch)\w*",
    r"how (far|long)\b.*\bwhiskers?",
    r"between (the |its )?whiskers",
    r"end to end",
    r"longest whiskers?",
)
_APART = any_of(
    r"outliers?",
    r"outlying",
    r"single points?",
    r"anomal\w*",
    r"unusual\w*",
    r"stands? (out|apart)",
    r"extreme points?",
    r"(outside|beyond|past) (of )?(the |its |their )?whiskers?",
)
_WITHOUT_THEM = (
    r"\b(apart from|excluding|without|except|ignoring|disregarding|not counting|leaving out) (the |any )?outliers?\b"
)
_NONE = r"\b(no|without( any)?|zero) outliers?\b"
_LEAST = r"\b(tightest|narrowest|consistent\w*|compact)\b"
_MOST = r"\b(widest|spread out|variable|varies|dispersed)\b"


def find_outliers_of_boxes(question: Question) -> Operation | None:
    """Return how many points stand apart, which ones, or which group has most."""
    asks_for_none = question.has_phrase(_NONE) and question.wants_label
    if not question.has_phrase(_APART) or (question.has_phrase(_WITHOUT_THEM) and not asks_for_none):
        return None
    groups = _groups(question)
    selection = Selection(figure_id=question.grid.figure_id, subject=plan.SUBJECT_CATEGORIES, categories=groups)
    operand = Operand(selection=selection)
    operation = Operation(kind=plan.OPERATION_KIND_OUTLIERS, operands=[operand])
    if question.has_phrase(r"\bhow many\b|\bnumber of\b|\bcount\b") and not question.has_phrase(r"\bwhich\b|\bwho\b"):
        operation.form = plan.ANSWER_FORM_NUMBER
    elif question.is_boolean:
        operation.form = plan.ANSWER_FORM_BOOLEAN
    elif question.has_phrase(r"\b(which|who|where|what) (?!(is|are|was|were|value|number)\b)"):
        operation.form = plan.ANSWER_FORM_LABEL
        if asks_for_none:
            operation.operands[0].selection.order = plan.ORDER_ASCENDING
        elif question.has(lex.HIGH, lex.MORE):
            operation.operands[0].selection.order = plan.ORDER_DESCENDING
        elif question.has(lex.LOW, lex.FEWER):
            operation.operands[0].selection.order = plan.ORDER_ASCENDING
    return operation


def find_spread(question: Question) -> Operation | None:
    """Return quartile or whisker ranges: of one group, of two against each other, or which group has the greatest."""
    if question.has_phrase(_BOX):
        ends = ["lower quartile", "upper quartile"]
    elif question.has_phrase(_WHISKERS):
        ends = ["lower whisker", "upper whisker"]
    else:
        return None
    if any(name not in question.grid.series for name in ends):
        return None
    groups = _groups(question)

    def of(names: list[str]) -> Selection:
        selection = Selection(figure_id=question.grid.figure_id, series=ends, categories=names)
        selection.subject, selection.combine = plan.SUBJECT_CATEGORIES, plan.AGGREGATE_RANGE
        return selection

    if len(groups) == 2 and question.has(lex.DIFFERENCE - {"spread"}, lex.RATIO):
        kind = plan.OPERATION_KIND_RATIO if question.has(lex.RATIO) else plan.OPERATION_KIND_DIFFERENCE
        return Operation(kind=kind, operands=[Operand(selection=of([group])) for group in groups])
    if len(groups) == 2 and question.is_boolean:
        comparison = (
            plan.COMPARISON_LESS if question.has(lex.FEWER) or question.has_phrase(_LEAST) else plan.COMPARISON_GREATER
        )
        operands = [Operand(selection=of([group])) for group in groups]
        return Operation(
            kind=plan.OPERATION_KIND_COMPARE,
            operands=operands,
            form=plan.ANSWER_FORM_BOOLEAN,
            comparison=comparison,
        )
    selection = of(groups)
    asks_which = question.wants_label and len(groups) != 1
    superlatives, _ = find_superlatives(question, 0, len(question.words))
    if asks_which or superlatives or question.has_phrase(_MOST):
        least = (
            question.has_phrase(_LEAST)
            or question.has(lex.FEWER)
            or (bool(superlatives) and superlatives[0].order == plan.ORDER_ASCENDING)
        )
        selection.order = plan.ORDER_ASCENDING if least else plan.ORDER_DESCENDING
        selection.first = superlatives[0].first if superlatives else 0
        selection.count = superlatives[0].count if superlatives else 1
        form = plan.ANSWER_FORM_LABEL if asks_which else plan.ANSWER_FORM_NUMBER
        return Operation(kind=plan.OPERATION_KIND_TOP_K, operands=[Operand(selection=selection)], form=form)
    return Operation(kind=plan.OPERATION_KIND_LOOKUP, operands=[Operand(selection=selection)])


def find_of_box(question: Question) -> Operation | None:
    """Return what is asked of boxes without a word for one of the five numbers: extremes are whiskers, else medians."""
    named = [name for name in question.named("series") if name != _OUTLIER or not question.has_phrase(_WITHOUT_THEM)]
    if named or question.is_boolean:
        return None
    groups = _groups(question)
    selection = Selection(figure_id=question.grid.figure_id, subject=plan.SUBJECT_VALUES, categories=groups)
    superlatives, _ = find_superlatives(question, 0, len(question.words))
    if superlatives and not question.wants_label:
        is_high = superlatives[0].order == plan.ORDER_DESCENDING
        selection.series.append("upper whisker" if is_high else "lower whisker")
        if len(groups) != 1:
            selection.order, selection.count = superlatives[0].order, 1
        return Operation(kind=plan.OPERATION_KIND_LOOKUP, operands=[Operand(selection=selection)])
    part = read_part(question)
    if superlatives and not part.filters:
        selection.series.append("median")
        selection.order, selection.first = superlatives[0].order, superlatives[0].first
        selection.count = superlatives[0].count
        operand = Operand(selection=selection)
        return Operation(kind=plan.OPERATION_KIND_TOP_K, operands=[operand], form=plan.ANSWER_FORM_LABEL)
    return None


def _boxes(question: Question) -> list[str]:
    """Return the groups: the categories that have a box."""
    grid = question.grid
    return [name for name in grid.categories if any(one != _OUTLIER and spot == name for one, spot in grid.numbers)]


def _groups(question: Question) -> list[str]:
    boxes = set(_boxes(question))
    return [name for name in question.named("category") if name in boxes]
