"""Courses over time: compound growth, falls from a peak, moving averages, seasons, forecasts, crossings, shifts."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Course, Operand, Operation, Relation
from servers.reasoning import lexicon as lex
from servers.reasoning.ahead import time_ahead
from servers.reasoning.parts import only, read_part, selection_of, whole_names
from servers.reasoning.phrases import any_of
from servers.reasoning.question import Question
from servers.reasoning.times import time_key

_COMPOUND = any_of(
    r"cagr",
    r"compound\w*",
    r"annuali[sz]ed (growth|rate|return|increase)",
)
_PEAK = r"(peak|top|high(est)?( point)?|maximum)"
_TROUGH = r"(later |next |following |subsequent )?(trough|bottom|low(est)?|minimum)"
_STEP = (
    r"(year[- ]on[- ]year|year[- ]over[- ]year|yoy|y/y|month[- ]on[- ]month|month[- ]over[- ]month|mom"
    r"|quarter[- ]on[- ]quarter|quarter[- ]over[- ]quarter|annual|yearly|monthly|quarterly|daily)"
)
_MOVE = r"(growth|change|increase|decrease|rate|rise|fall|gain|drop|decline)s?"
_DRAWDOWN = any_of(
    r"peak[- ]to[- ]trough",
    r"(max\w* |largest |biggest |deepest |greatest )?drawdown",
    r"deepest (fall|drop|decline)",
    r"(worst|largest|biggest|deepest|longest) (slump|slide)",
    rf"from (its |the |their )?{_PEAK} to (its |the |their )?{_TROUGH}",
    r"(peak|high) to (bottom|low|trough)",
)
_MOVING = any_of(
    r"(moving|rolling|running|trailing|sliding)[- ](average|mean|avg)s?",
    r"smooth(ed)?\b.*\b(average|mean)",
)
_SEASONS = any_of(
    r"seasonal(ity|ly)?",
    r"(by|with the|which|what|the) seasons?",
    r"(yearly|annual|recurring|repeating|regular) (pattern|cycle|swing|rhythm)s?",
    r"cyclical",
    r"every year\b.*\bpattern",
    r"pattern\b.*\b(every|each) year",
    r"time of (the )?year",
    r"same months? (every|each) year",
)
_CROSS = any_of(
    r"(cross(es|ed|ing|ings|over)?|intersect(s|ed|ion|ions)?|meet|met|criss-?cross)",
    r"change(d)? places",
    r"swap(ped)? places",
    r"(lines?|curves?) (are )?(equal|the same|coincide)",
    r"trade[ds]? places",
    r"(have|had|reach|reached) (the )?(equal|same|identical)",
    r"lead changes?",
    r"between which (years|months|quarters|times|points|dates|two)\b.*\b(above|over|below|under|past|overt\w+)",
)
_SHIFT = any_of(
    r"(change[- ]?point|level shift|structural break|break[- ]?point|regime (change|shift)|step change)s?",
    r"(level|mean|average) (shift|change|jump|move)(s|ed)?",
    r"abrupt(ly)? (change|shift)",
)
_AVERAGE_CHANGE = any_of(
    rf"(average|mean|typical) ({_STEP} )?(percentage |percent |relative )?{_MOVE}",
    r"(on average|average)\b.{0,60}\b(each|every|per|a) (year|month|quarter)",
    r"(each|every|per) (year|month|quarter) on average",
)
_STEPWISE = any_of(
    rf"{_STEP}\b.{{0,40}}\b{_MOVE}",
    r"(growth|change|increase)s? (rates? )?(from year to year|for each year|each year|every year|by year|per year)",
)
_SLOPE = any_of(
    r"(trend|slope|line)\b.{0,50}\b(per|a|each|every) (year|month|quarter|day)",
    r"slope",
    r"gradient",
    r"how (steep|fast)\b.{0,40}\btrend",
    r"rate of (the )?trend",
    r"trend rate",
)


def find_compound_growth(question: Question) -> Operation | None:
    """Return the compound growth between the times named, or the first and the last."""
    if not question.times or not question.has_phrase(_COMPOUND):
        return None
    return _over_time(question, plan.OPERATION_KIND_COMPOUND_GROWTH, one_series=True)


def find_drawdown(question: Question) -> Operation | None:
    """Return the deepest fall from a peak."""
    if not question.times or not question.has_phrase(_DRAWDOWN):
        return None
    return _over_time(question, plan.OPERATION_KIND_DRAWDOWN)


def find_moving_average(question: Question) -> Operation | None:
    """Return the moving average, at a time where one is named."""
    if not question.has_phrase(_MOVING) or len(question.grid.categories) < 2:
        return None
    part = read_part(question)
    window = next((int(word.number) for word in question.words if word.number and 1 < word.number <= 100), 0)
    window = window or next((lex.CARDINALS[key] for key in question.keys if lex.CARDINALS.get(key, 1) > 1), 0)
    operation = _over_time(question, plan.OPERATION_KIND_MOVING_AVERAGE, keeps_times=True)
    if operation is not None:
        operation.course.window = window
        operation.course.time = part.categories[0][:40] if len(part.categories) == 1 else ""
    return operation


def find_seasons(question: Question) -> Operation | None:
    """Return the yearly pattern."""
    has_months = any(key[1] for name in question.times if (key := time_key(name)))
    if not has_months or not question.has_phrase(_SEASONS):
        return None
    return _over_time(question, plan.OPERATION_KIND_SEASONALITY, one_series=True)


def find_forecast(question: Question) -> Operation | None:
    """Return the course carried on to the time asked about."""
    time = time_ahead(question)
    if time is None or question.time_dimension != "category":
        return None
    is_holt = question.has_phrase(r"\bholt\b|\bexponential smoothing\b|\bdouble exponential\b")
    operation = _over_time(question, plan.OPERATION_KIND_FORECAST, keeps_times=True)
    if operation is not None:
        method = plan.FORECAST_METHOD_HOLT if is_holt else plan.FORECAST_METHOD_LINEAR
        operation.course.CopyFrom(Course(time=time, method=method))
    return operation


def find_crossings(question: Question) -> Operation | None:
    """Return where two series cross."""
    if question.grid.is_single or not question.has_phrase(_CROSS):
        return None
    part = read_part(question)
    names = part.series or [name for name in question.grid.series if name not in whole_names(question.grid.series)]
    if len(names) != 2 or part.constant is not None:
        return None
    bare = only(part, filters=[], superlatives=[], aggregates=[], constant=None)
    operands = [Operand(selection=selection_of(question, only(bare, series=[name]))) for name in names]
    operation = Operation(kind=plan.OPERATION_KIND_CROSSINGS, operands=operands)
    if question.has_phrase(r"\bhow (many times|often)\b|\bnumber of\b|\bhow many\b"):
        operation.form = plan.ANSWER_FORM_NUMBER
    elif question.is_boolean:
        operation.form = plan.ANSWER_FORM_BOOLEAN
    return operation


def find_shift(question: Question) -> Operation | None:
    """Return where the level changed most."""
    if not question.times or not question.has_phrase(_SHIFT) or question.has_phrase(r"\bhow much\b"):
        return None
    return _over_time(question, plan.OPERATION_KIND_SHIFT, one_series=True)


def find_slope(question: Question) -> Operation | None:
    """Return how fast the straight line over time rises: the trend per year."""
    if not question.times or not question.has_phrase(_SLOPE):
        return None
    operation = _over_time(question, plan.OPERATION_KIND_FIT, one_series=True)
    if operation is not None:
        operation.relation.CopyFrom(Relation(statistic=plan.RELATION_STATISTIC_SLOPE))
    return operation


def find_stepwise_changes(question: Question) -> Operation | None:
    """Return the average change from one time to the next, or each of them."""
    is_average = question.has_phrase(_AVERAGE_CHANGE) and question.has(lex.CHANGE, lex.RISE, lex.FALL)
    is_each = question.has_phrase(_STEPWISE) and question.has_phrase(
        r"\b(what (are|were)|list|show|give|each|every|all)\b"
    )
    ranked = question.has(lex.HIGH, lex.LOW, lex.SHARP)
    if not question.times or not (is_average or is_each) or ranked or question.time_dimension != "category":
        return None
    part = read_part(question)
    if is_each and len(part.categories) == 1 and not is_average:
        return None
    kind = plan.OPERATION_KIND_AVERAGE if is_average else plan.OPERATION_KIND_LOOKUP
    operation = _over_time(question, kind, one_series=is_average)
    if operation is not None:
        is_relative = question.has({"percentage", "percent", "%", "rate", "relative", "growth"})
        relative = plan.CHANGE_RELATIVE if is_relative else plan.CHANGE_ABSOLUTE
        operation.operands[0].selection.change = relative
    return operation


def _over_time(
    question: Question, kind: plan.OperationKind.ValueType, one_series: bool = False, keeps_times: bool = False
) -> Operation | None:
    """Return an operation over the values of the series named, in order of time.

    Args:
      one_series: a single course is needed; where there are several and none is named there is no operation.
      keeps_times: all times take part, whichever the question names.
    """
    if question.time_dimension != "category" and question.times:
        return None
    part = read_part(question)
    bare = only(part, filters=[], superlatives=[], aggregates=[], constant=None)
    categories = list(question.times) if question.times != question.grid.categories else []
    if not keeps_times and question.ends:
        first, last = sorted(question.times.index(end) for end in question.ends)
        categories = list(question.times[first : last + 1])
    elif not keeps_times and len(part.categories) > 1:
        categories = [name for name in question.times if name in part.categories]
    selection = selection_of(question, only(bare, categories=categories))
    if one_series and not question.grid.is_single and len(selection.series) != 1:
        return None
    return Operation(kind=kind, operands=[Operand(selection=selection)])
