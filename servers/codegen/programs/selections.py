"""Operands as statements: which values are picked, changed, filtered, ordered, and what is made of them."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Filter, Operand, Order, Selection
from servers.codegen.programs.literals import listed, number, wrapped

AGGREGATES = {
    plan.AGGREGATE_SUM: "total",
    plan.AGGREGATE_MEAN: "mean",
    plan.AGGREGATE_MEDIAN: "median",
    plan.AGGREGATE_MAX: "greatest",
    plan.AGGREGATE_MIN: "least",
    plan.AGGREGATE_COUNT: "count",
    plan.AGGREGATE_RANGE: "span",
    plan.AGGREGATE_CHANGE: "change",
    plan.AGGREGATE_RELATIVE_CHANGE: "relative_change",
}
_TESTS = {
    plan.COMPARISON_GREATER: ">",
    plan.COMPARISON_GREATER_OR_EQUAL: ">=",
    plan.COMPARISON_LESS: "<",
    plan.COMPARISON_LESS_OR_EQUAL: "<=",
    plan.COMPARISON_EQUAL: "==",
}
_SHOWN_NAMES = 8


def operand_lines(operand: Operand, variable: str, source: str, keeps_all: bool = False) -> list[str]:
    """Return the statements that leave an operand's items in a variable.

    Args:
      source: the variable that holds the values of the operand's figure.
      keeps_all: the items before any filter are wanted too, as `every`.
    """
    if operand.HasField("constant"):
        return [f"{variable} = constant({number(operand.constant)})"]
    selection = operand.selection
    lines = picked(selection, variable, source)
    if selection.takes_x:
        lines.append(f"{variable} = by_x({variable})")
    column = {plan.SUBJECT_CATEGORIES: "category", plan.SUBJECT_SERIES: "series"}.get(selection.subject)
    if column:
        lines.append(f'{variable} = per({variable}, "{column}", {AGGREGATES.get(selection.combine, "total")})')
    if selection.change:
        relative = selection.change == plan.CHANGE_RELATIVE
        lines.append(f"{variable} = changes({variable}, relative={relative})")
    if keeps_all:
        lines.append(f"every = {variable}")
    for test in selection.filters:
        lines += filter_lines(test, variable, source)
    if selection.has_twin:
        lines.append(f"{variable} = twins({variable})")
    near = selection.near if selection.HasField("near") else None
    lines += taking_lines(variable, selection.order, selection.first, selection.count, near)
    if operand.aggregate:
        lines.append(f"{variable} = {AGGREGATES[operand.aggregate]}({variable})")
    return lines


def filter_lines(test: Filter, variable: str, source: str) -> list[str]:
    """Return the statements that keep the items that pass a filter."""
    lines: list[str] = []
    bound = number(test.threshold)
    if test.HasField("operand"):
        lines += operand_lines(test.operand, "bound", source)
        bound = 'bound["number"].iloc[0]'
    return [*lines, f'{variable} = kept({variable}, {variable}["number"] {_TESTS[test.comparison]} {bound})']


def taking_lines(variable: str, order: Order.ValueType, first: int, count: int, near: float | None = None) -> list[str]:
    """Return the statement that orders items and takes some of them, if any is needed."""
    taken = [f"first={first}"] if first > 1 else []
    taken += [f"count={count}"] if count else []
    if order:
        by = [f"ranked({variable}"] if near is None else [f"nearest({variable}", number(near)]
        return [f"{variable} = {', '.join([*by, f'descending={order == plan.ORDER_DESCENDING}', *taken])})"]
    return [f"{variable} = some({', '.join([variable, *taken])})"] if taken else []


def picked(selection: Selection, variable: str, source: str) -> list[str]:
    """Return the statements that pick a selection's values out of a figure's."""
    lines: list[str] = []
    options = [source]
    for option, names in (
        ("series", selection.series),
        ("categories", selection.categories),
        ("without", selection.excluded_categories),
    ):
        if len(names) > _SHOWN_NAMES:
            lines += [f"{option} = [", *wrapped(list(names)), "]"]
            options.append(f"{option}={option}")
        elif names:
            options.append(f"{option}={listed(list(names))}")
    return [*lines, f"{variable} = pick({', '.join(options)})"]
