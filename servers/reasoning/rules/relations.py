"""How two numbers go together: correlation, the line through them, what lies off it, outliers, clusters."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Operand, Operation, Relation, RelationStatistic, Selection
from loupe.type.v1.figure_pb2 import CHART_TYPE_BOX, CHART_TYPE_SCATTER
from servers.reasoning import lexicon as lex
from servers.reasoning.parts import only, read_part, selection_of, whole_names
from servers.reasoning.phrases import any_of
from servers.reasoning.question import Question
from servers.reasoning.words import split

_TOGETHER = any_of(
    r"(correlat\w*|uncorrelated|pearson\w*|spearman\w*)",
    r"(relation(ship)?|association|link|connection|dependence) (between|of|among)",
    r"(related|associated|linked|connected) (to|with)",
    r"(go|goes|going|moves?|varies|vary) (together|along|hand in hand|up and down with)",
    r"(co-?vary|co-?varies|co-?move\w*)",
    r"depends? on",
    r"how (are|is) .{3,60} (related|associated|linked|connected)",
    r"(is|are) .{3,60} (related|associated|linked)",
    r"[pr][- ]?value",
)
_TOGETHER_ON_DOTS = any_of(
    r"(relation(ship)?|association|positive|negative|inverse)",
    r"as .{2,40} (increases?|rises?|grows?|goes up|gets? (larger|bigger|higher))",
    r"tends? to\b.{0,40}",
    r"how (does|do) .{2,60} (react|respond|change|vary|behave)s? (to|with|as|when)",
    r"(does|do|is|are) .{2,40} (affected|influenced|driven|determined) by",
    r"(effect|influence|impact) of .{2,40} on",
    r"(higher|larger|greater|more) .{2,40} (mean|have|has|tend|come|go)s?\b.{0,40}\b(higher|larger|greater|more|lower)",
)
_HOW = any_of(
    r"how (strong|weak|close|tight)\w*",
    r"(what|which) (kind|type|sort|form|direction)",
    r"direction of",
    r"(positive\w*|direct\w*) or (negative\w*|inverse\w*)",
    r"(negative\w*|inverse\w*) or (positive\w*|direct\w*)",
    r"how (are|is|do|does)",
    r"strength",
    r"(describe|characteri[sz]e)",
    r"what (does|do|can)\b.*\b(say|tell|show|reveal|suggest|learn)\w*",
    r"what happens to",
    r"(weak|strong) or (weak|strong)",
)
_INVERSE = r"\b(negative\w*|inverse\w*|anti-?correlated)\b"
_DIRECT = r"\b(positive\w*|direct\w*)\b"
_LINE = any_of(
    r"regression",
    r"(line|curve) of best fit",
    r"best[- ]fit(ting)?",
    r"trend ?-?lines?",
    r"least[- ]squares",
    r"linear (fit|model|trend|equation|relation\w*)",
    r"fit(ted)? (a )?(straight )?line",
    r"(fitted|straight)[- ]line",
    r"slope",
    r"gradient",
    r"(y-?)?intercept",
    r"r[- ]?(squared|2)",
    r"r²",
    r"coefficient of determination",
    r"(explained|variance explained)",
    r"residuals?",
    r"how well does (a|the) (straight )?line",
    r"goodness of fit",
)
_STATISTICS: tuple[tuple[str, RelationStatistic.ValueType], ...] = (
    (r"\b(y-?)?intercept\b|\bwhere does the .*line (cross|meet|hit)", plan.RELATION_STATISTIC_INTERCEPT),
    (
        any_of(
            r"r[- ]?(squared|2)",
            r"r²",
            r"determination",
            r"explain(s|ed)?",
            r"how (well|good|closely)",
            r"goodness",
        ),
        plan.RELATION_STATISTIC_R_SQUARED,
    ),
    (r"\b(residuals?|standard error|rmse|scatter around)\b", plan.RELATION_STATISTIC_RESIDUAL),
    (
        any_of(
            r"(slope|gradient|steep\w*)",
            r"(for|with) (each|every)",
            r"(per|each|every|a) (extra |additional )?(unit|year|quarter|month|week|day)",
        ),
        plan.RELATION_STATISTIC_SLOPE,
    ),
)
_PER_STEP = (
    r"\bhow much (does|do|would|will) .{2,60}\b(change|rise|fall|increase|decrease|drop|grow|go up|go down)\w*\b"
    r".{0,40}\b(for|with|per) (each|every|one|a|an|unit|additional|extra)\b"
)
_PREDICTS = r"\b(predict\w*|estimate\w*|expect\w*|according to|model|would|line (give|say|show|have)s?)\b"
_OFF_LINE = any_of(
    r"(farthest|furthest|most distant)\b.{0,40}\b(line|trend|fit|regression|rest|others?|pattern)",
    r"(largest|biggest|greatest|highest|maximum) (residual|deviation|distance)",
    r"(deviates?|departs?|strays?|differs?|off|away)\b.{0,25}\b(most|farthest|furthest)",
    r"(fits?|follows?)\b.{0,30}\b(worst|least|poorest|badly)",
    r"(least|worst|poorest)[- ](well )?fit(ted|ting|s)?",
    r"most off",
    r"miss(es|ed)?\b.{0,25}\bmost",
)
_APART = any_of(
    r"outliers?",
    r"outlying",
    r"anomal\w*",
    r"unusual\w*",
    r"abnormal\w*",
    r"stands? (out|apart)",
    r"extreme points?",
)
_GROUPS = r"\b(cluster\w*|distinct groups?|separate groups?|groups? of (points|dots)|groupings?)\b"
_COUNTS = r"\bhow many\b|\bnumber of\b|\bcount\b"


def is_scatter(question: Question) -> bool:
    """Return whether the figure is one of dots with an x of their own."""
    return question.grid.kind == CHART_TYPE_SCATTER


def asks_of_x(question: Question) -> bool:
    """Return whether a question about dots is about their x: its words are those of the x axis, none of the y axis."""
    if not is_scatter(question):
        return False
    across = {word.key for word in split(question.grid.category_title)}
    up = {word.key for text in (*question.grid.value_titles, *question.grid.series) for word in split(text)}
    said = {key for key in question.keys if key} - lex.PLAIN
    return bool(said & (across - up)) and not said & (up - across)


def find_farthest(question: Question) -> Operation | None:
    """Return the search for the points farthest from the line."""
    if not is_scatter(question) or not question.has_phrase(_OFF_LINE):
        return None
    count = next((lex.CARDINALS[key] for key in question.keys if lex.CARDINALS.get(key, 1) > 1), 0)
    count = count or next((int(word.number) for word in question.words if word.number and 1 < word.number <= 50), 1)
    return _over_line(question, plan.OPERATION_KIND_FARTHEST, Relation(count=count))


def find_outliers(question: Question) -> Operation | None:
    """Return the search for what stands apart; the outliers that a box plot draws are another rule's."""
    if question.grid.kind == CHART_TYPE_BOX or not question.has_phrase(_APART):
        return None
    if question.has_phrase(_COUNTS):
        form = plan.ANSWER_FORM_NUMBER
    else:
        form = plan.ANSWER_FORM_BOOLEAN if question.is_boolean else plan.ANSWER_FORM_LABEL
    return Operation(kind=plan.OPERATION_KIND_OUTLIERS, operands=[Operand(selection=_all(question))], form=form)


def find_clusters(question: Question) -> Operation | None:
    """Return the count of groups that dots make."""
    if not is_scatter(question) or not question.has_phrase(_GROUPS):
        return None
    return Operation(kind=plan.OPERATION_KIND_CLUSTERS, operands=[Operand(selection=_all(question))])


def find_fit(question: Question) -> Operation | None:
    """Return the straight line through dots, over time, or of one series against another."""
    is_asked = question.has_phrase(_LINE) or (is_scatter(question) and question.has_phrase(_PER_STEP))
    number = next((word.number for word in reversed(question.words) if word.number is not None), None)
    predicts = is_scatter(question) and number is not None and question.has_phrase(_PREDICTS)
    if not (is_asked or predicts) or question.is_boolean:
        return None
    if predicts and number is not None:
        return _over_line(
            question,
            plan.OPERATION_KIND_FIT,
            Relation(statistic=plan.RELATION_STATISTIC_PREDICTION, x=number),
        )
    statistic = next((kind for pattern, kind in _STATISTICS if question.has_phrase(pattern)), None)
    if statistic is None and question.has_phrase(_PER_STEP):
        statistic = plan.RELATION_STATISTIC_SLOPE
    return _over_line(
        question, plan.OPERATION_KIND_FIT, Relation(statistic=statistic or plan.RELATION_STATISTIC_UNSPECIFIED)
    )


def find_correlation(question: Question) -> Operation | None:
    """Return the correlation of dots' x and y, of two series, or of a series with time."""
    on_dots = is_scatter(question) and question.has_phrase(_TOGETHER_ON_DOTS)
    if not on_dots and not question.has_phrase(_TOGETHER):
        return None
    statistic = plan.RELATION_STATISTIC_PEARSON
    if question.has_phrase(r"\b(spearman\w*|rank correlation|monoton\w*)\b"):
        statistic = plan.RELATION_STATISTIC_SPEARMAN
    elif question.has_phrase(r"\bp[- ]?value\b"):
        statistic = plan.RELATION_STATISTIC_P_VALUE
    operation = _over_line(question, plan.OPERATION_KIND_CORRELATION, Relation(statistic=statistic))
    if operation is None:
        return None
    if on_dots and not question.has_phrase(_TOGETHER) and not question.is_boolean:
        operation.form = plan.ANSWER_FORM_LABEL
    set_form(operation, question)
    return operation


def set_form(operation: Operation, question: Question) -> None:
    """Set what a correlation's reply is where the question wants yes or no, or how strong it is."""
    asks_both = question.has_phrase(_INVERSE) and question.has_phrase(_DIRECT)
    if question.has_phrase(_HOW) or asks_both:
        operation.form = plan.ANSWER_FORM_LABEL
    elif question.is_boolean:
        operation.form = plan.ANSWER_FORM_BOOLEAN
        if question.has_phrase(_INVERSE):
            operation.comparison = plan.COMPARISON_LESS
        elif question.has_phrase(_DIRECT):
            operation.comparison = plan.COMPARISON_GREATER


def _over_line(question: Question, kind: plan.OperationKind.ValueType, relation: Relation) -> Operation | None:
    """Return an operation over pairs: dots, two series by category, or one series over time."""
    named = read_part(question).series
    series = named or [name for name in question.grid.series if name not in whole_names(question.grid.series)]
    if is_scatter(question) or len(series) == 1:
        if not is_scatter(question) and question.time_dimension != "category":
            return None
        return Operation(kind=kind, operands=[Operand(selection=_all(question))], relation=relation)
    if len(series) != 2:
        return None
    operands = [Operand(selection=_all(question, [name])) for name in series]
    return Operation(kind=kind, operands=operands, relation=relation)


def _all(question: Question, series: list[str] | None = None) -> Selection:
    """Return all values of the series named, or of those given, without totals of the others."""
    part = read_part(question)
    categories = part.categories if len(part.categories) > 1 else []
    bare = only(part, filters=[], superlatives=[], aggregates=[], constant=None, categories=categories)
    return selection_of(question, bare if series is None else only(bare, series=series))
