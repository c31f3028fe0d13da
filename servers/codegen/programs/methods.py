"""Replies of the methods: correlation, fits, distributions, courses over time, joins, colours, quotes.

A new kind of operation gets a function here and a line in `METHODS`; its work goes into one of the parts.
"""

from __future__ import annotations

from collections.abc import Callable

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Operation
from servers.codegen.programs.literals import listed, number, string
from servers.codegen.programs.selections import filter_lines, operand_lines, taking_lines

_CORRELATIONS = {plan.RELATION_STATISTIC_SPEARMAN: "spearman", plan.RELATION_STATISTIC_P_VALUE: "p_value"}
_FITTED = {
    plan.RELATION_STATISTIC_SLOPE: "slope",
    plan.RELATION_STATISTIC_INTERCEPT: "intercept",
    plan.RELATION_STATISTIC_R_SQUARED: "r_squared",
    plan.RELATION_STATISTIC_RESIDUAL: "residual",
    plan.RELATION_STATISTIC_PREDICTION: "prediction",
}
_DISTRIBUTED = {
    plan.DISTRIBUTION_STATISTIC_MODE: "mode",
    plan.DISTRIBUTION_STATISTIC_MEAN: "mean",
    plan.DISTRIBUTION_STATISTIC_MEDIAN: "median",
    plan.DISTRIBUTION_STATISTIC_COUNT: "count",
    plan.DISTRIBUTION_STATISTIC_SHARE: "share",
    plan.DISTRIBUTION_STATISTIC_SKEW: "skew",
    plan.DISTRIBUTION_STATISTIC_STANDARD_DEVIATION: "deviation",
}
_SIGNS = {plan.COMPARISON_GREATER: "positive", plan.COMPARISON_LESS: "negative"}
_COMBINED = {
    plan.OPERATION_KIND_RATIO: "quotient",
    plan.OPERATION_KIND_DIFFERENCE: "gap_between",
    plan.OPERATION_KIND_SHARE: "part_of",
}


def stays_apart(operation: Operation) -> bool:
    """Return whether an operation's operands keep to their own variables, part_1 and part_2, and are not one list."""
    is_split = operation.kind in (plan.OPERATION_KIND_CROSSINGS, *_PAIRS)
    return len(operation.operands) > 1 and (operation.HasField("pairing") or is_split)


def reads_whole_figure(operation: Operation) -> bool:
    """Return whether an operation's reply picks for itself: cells of text, points drawn apart from boxes."""
    is_of_boxes = operation.operands[0].selection.subject == plan.SUBJECT_CATEGORIES
    return operation.kind == plan.OPERATION_KIND_QUOTE or (
        operation.kind == plan.OPERATION_KIND_OUTLIERS and is_of_boxes
    )


def method_reply(operation: Operation) -> list[str] | None:
    """Return the statements that reply; None for a kind of plain arithmetic."""
    if operation.HasField("pairing"):
        return _joined(operation)
    write = METHODS.get(operation.kind)
    return write(operation) if write else None


def _pairs(operation: Operation) -> str:
    return "pairs_by_category(part_1, part_2)" if len(operation.operands) > 1 else "pairs_of(items)"


def _correlation(operation: Operation) -> list[str]:
    reply = _CORRELATIONS.get(operation.relation.statistic, "pearson")
    if operation.form == plan.ANSWER_FORM_BOOLEAN:
        reply = _SIGNS.get(operation.comparison, "verdict")
    elif operation.form == plan.ANSWER_FORM_LABEL:
        reply = "words"
    return [f"return reply_correlation({_pairs(operation)}, {string(reply)})"]


def _fit(operation: Operation) -> list[str]:
    reply = _FITTED.get(operation.relation.statistic, "equation")
    at = f", x={number(operation.relation.x)}" if reply == "prediction" else ""
    return [f"return reply_fit({_pairs(operation)}, {string(reply)}{at})"]


def _farthest(operation: Operation) -> list[str]:
    return [f"return reply_farthest({_pairs(operation)}, count={max(1, operation.relation.count)})"]


def _outliers(operation: Operation) -> list[str]:
    forms = {plan.ANSWER_FORM_NUMBER: "count", plan.ANSWER_FORM_BOOLEAN: "verdict"}
    if reads_whole_figure(operation):
        return _drawn_outliers(operation)
    return [f"return reply_outliers(items, {string(forms.get(operation.form, 'names'))})"]


def _drawn_outliers(operation: Operation) -> list[str]:
    """Return the reply about the points that a box plot draws apart from its boxes."""
    selection = operation.operands[0].selection
    forms = {plan.ANSWER_FORM_NUMBER: "count", plan.ANSWER_FORM_BOOLEAN: "verdict", plan.ANSWER_FORM_LABEL: "names"}
    ranks = {plan.ORDER_DESCENDING: "most", plan.ORDER_ASCENDING: "fewest"}
    reply = ranks.get(selection.order) or forms.get(operation.form, "values")
    return [f"return reply_drawn_outliers(values, {listed(list(selection.categories))}, {string(reply)})"]


def _clusters(operation: Operation) -> list[str]:
    return [f"return reply_clusters({_pairs(operation)})"]


def _distribution(operation: Operation) -> list[str]:
    asked = operation.distribution
    ends = [f"low={number(getattr(asked, 'from'))}"] if asked.HasField("from") else []
    ends += [f"high={number(asked.to)}"] if asked.HasField("to") else []
    reply = _DISTRIBUTED.get(asked.statistic, "summary")
    return [f"return reply_distribution({', '.join(['items', string(reply), *ends])})"]


def _moving_average(operation: Operation) -> list[str]:
    return [f"return reply_moving_average(items, {operation.course.window or 3}, {string(operation.course.time)})"]


def forecast_method(operation: Operation) -> str:
    """Return the name of a forecast's method as the parts have it."""
    return "holt" if operation.course.method == plan.FORECAST_METHOD_HOLT else "linear"


def _forecast(operation: Operation) -> list[str]:
    return [f"return reply_forecast(items, {string(forecast_method(operation))}, {string(operation.course.time)})"]


def _crossings(operation: Operation) -> list[str]:
    forms = {plan.ANSWER_FORM_NUMBER: "count", plan.ANSWER_FORM_BOOLEAN: "verdict"}
    return [f"return reply_crossings(part_1, part_2, {string(forms.get(operation.form, 'places'))})"]


def _color(operation: Operation) -> list[str]:
    by_category = any(one.selection.categories for one in operation.operands)
    return [f'return reply_colors(items, "{"category" if by_category else "series"}")']


def _quote(operation: Operation) -> list[str]:
    selection = operation.operands[0].selection
    if selection.printed:
        column = selection.series[0] if selection.series else ""
        return [f"return reply_rows(everything, {string(column)}, {string(selection.printed)})"]
    columns, rows = listed(list(selection.series)), listed(list(selection.categories))
    if len(operation.operands) > 1:
        lines = ['values = everything[everything["is_text"].eq(False)]']
        lines += operand_lines(operation.operands[1], "items", "values")
        return [*lines, f'return reply_quotes(everything, {columns}, list(items["category"]))']
    return [f"return reply_quotes(everything, {columns}, {rows})"]


def _joined(operation: Operation) -> list[str]:
    """Return the reply of two operands paired by category."""
    pairing = operation.pairing
    lines = [f"items = joined_by(part_1, part_2, {_COMBINED.get(operation.kind, 'quotient')})"]
    for test in pairing.filters:
        lines += filter_lines(test, "items", "values")
    lines += taking_lines("items", pairing.order, 1, pairing.count)
    reply = "reply_numbers" if operation.form == plan.ANSWER_FORM_NUMBER else "reply_names"
    return [*lines, f"return {reply}(items)"]


_PAIRS: dict[plan.OperationKind.ValueType, Callable[[Operation], list[str]]] = {
    plan.OPERATION_KIND_CORRELATION: _correlation,
    plan.OPERATION_KIND_FIT: _fit,
    plan.OPERATION_KIND_FARTHEST: _farthest,
    plan.OPERATION_KIND_CLUSTERS: _clusters,
}
METHODS: dict[plan.OperationKind.ValueType, Callable[[Operation], list[str]]] = {
    **_PAIRS,
    plan.OPERATION_KIND_OUTLIERS: _outliers,
    plan.OPERATION_KIND_DISTRIBUTION: _distribution,
    plan.OPERATION_KIND_COMPOUND_GROWTH: lambda _: ["return reply_compound_growth(items)"],
    plan.OPERATION_KIND_DRAWDOWN: lambda _: ["return reply_drawdown(items)"],
    plan.OPERATION_KIND_MOVING_AVERAGE: _moving_average,
    plan.OPERATION_KIND_SEASONALITY: lambda _: ["return reply_seasonality(items)"],
    plan.OPERATION_KIND_FORECAST: _forecast,
    plan.OPERATION_KIND_CROSSINGS: _crossings,
    plan.OPERATION_KIND_SHIFT: lambda _: ["return reply_shift(items)"],
    plan.OPERATION_KIND_COLOR: _color,
    plan.OPERATION_KIND_QUOTE: _quote,
}
