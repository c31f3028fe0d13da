"""One operation as a Python function: a statement for each stage of its selections, then the reply."""

from __future__ import annotations

import json

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Operand, Operation, Selection

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
# Of a kind that makes one item of all items.
_MADE = {
    plan.OPERATION_KIND_TOTAL: "total",
    plan.OPERATION_KIND_AVERAGE: "mean",
    plan.OPERATION_KIND_MEDIAN: "median",
    plan.OPERATION_KIND_PRODUCT: "product",
}
# Of a kind that works on two items.
_PAIRED = {
    plan.OPERATION_KIND_DIFFERENCE: "reply_difference",
    plan.OPERATION_KIND_RATIO: "reply_ratio",
    plan.OPERATION_KIND_SHARE: "reply_share",
}
_TESTS = {
    plan.COMPARISON_GREATER: ">",
    plan.COMPARISON_GREATER_OR_EQUAL: ">=",
    plan.COMPARISON_LESS: "<",
    plan.COMPARISON_LESS_OR_EQUAL: "<=",
    plan.COMPARISON_EQUAL: "==",
}
_HOLDS = {
    plan.COMPARISON_GREATER: "is_greater(first, second)",
    plan.COMPARISON_GREATER_OR_EQUAL: "not is_greater(second, first)",
    plan.COMPARISON_LESS: "is_greater(second, first)",
    plan.COMPARISON_LESS_OR_EQUAL: "not is_greater(first, second)",
    plan.COMPARISON_EQUAL: "is_equal(first, second)",
}
_ORDINAL_WORDS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ORDINALS = dict(enumerate(_ORDINAL_WORDS, start=2))
_SHOWN_NAMES = 8


def figure_of(operation: Operation) -> str:
    """Return the figure that an operation's first selection names; empty where it names none."""
    return next((one.selection.figure_id for one in operation.operands if one.HasField("selection")), "")


def write_operation(operation: Operation, name: str, arguments: str, main_id: str, first_id: str, title: str) -> str:
    """Return the source of the function that carries out an operation on the values of its figures."""
    signature = ", ".join(f"{argument}: pd.DataFrame" for argument in arguments.split(", "))
    kind = plan.OperationKind.Name(operation.kind).removeprefix("OPERATION_KIND_").replace("_", " ").lower()
    lines = [f"def {name}({signature}) -> dict:", f'    """Return the answer: {_purpose(operation, kind)}."""']
    several = len(operation.operands) > 1
    names = [f"part_{place + 1}" if several else "items" for place in range(len(operation.operands))]
    for variable, operand in zip(names, operation.operands, strict=True):
        figure_id = operand.selection.figure_id or first_id
        source = "values" if figure_id == main_id else f"values_{figure_id}"
        keeps_all = operation.kind in (plan.OPERATION_KIND_COUNT, plan.OPERATION_KIND_TOP_K) and not several
        lines += [f"    {line}" for line in _operand(operand, variable, source, keeps_all)]
    if several:
        lines.append(f"    items = pd.concat([{', '.join(names)}], ignore_index=True)")
    lines += [f"    {line}" for line in _reply(operation, several, title)]
    return "\n".join(lines)


def _purpose(operation: Operation, kind: str) -> str:
    form = {plan.ANSWER_FORM_LABEL: ", by name", plan.ANSWER_FORM_BOOLEAN: ", as yes or no"}.get(operation.form, "")
    return f"{kind}{form}"


def _operand(operand: Operand, variable: str, source: str, keeps_all: bool) -> list[str]:
    if operand.HasField("constant"):
        return [f"{variable} = constant({_number(operand.constant)})"]
    selection = operand.selection
    lines = _picked(selection, variable, source)
    column = {plan.SUBJECT_CATEGORIES: "category", plan.SUBJECT_SERIES: "series"}.get(selection.subject)
    if column:
        lines.append(f'{variable} = per({variable}, "{column}", {AGGREGATES.get(selection.combine, "total")})')
    if selection.change:
        relative = selection.change == plan.CHANGE_RELATIVE
        lines.append(f"{variable} = changes({variable}, relative={relative})")
    if keeps_all:
        lines.append(f"every = {variable}")
    for test in selection.filters:
        bound = _number(test.threshold)
        if test.HasField("operand"):
            lines += _operand(test.operand, "bound", source, keeps_all=False)
            bound = 'bound["number"].iloc[0]'
        condition = f'{variable}["number"] {_TESTS[test.comparison]} {bound}'
        lines.append(f"{variable} = kept({variable}, {condition})")
    if selection.has_twin:
        lines.append(f"{variable} = twins({variable})")
    taken = [f"first={selection.first}"] if selection.first > 1 else []
    taken += [f"count={selection.count}"] if selection.count else []
    if selection.order:
        descending = f"descending={selection.order == plan.ORDER_DESCENDING}"
        lines.append(f"{variable} = ranked({', '.join([variable, descending, *taken])})")
    elif taken:
        lines.append(f"{variable} = some({', '.join([variable, *taken])})")
    if operand.aggregate:
        lines.append(f"{variable} = {AGGREGATES[operand.aggregate]}({variable})")
    return lines


def _picked(selection: Selection, variable: str, source: str) -> list[str]:
    lines: list[str] = []
    options = [source]
    for option, names in (
        ("series", selection.series),
        ("categories", selection.categories),
        ("without", selection.excluded_categories),
    ):
        if len(names) > _SHOWN_NAMES:
            lines += [f"{option} = [", *_wrapped(list(names)), "]"]
            options.append(f"{option}={option}")
        elif names:
            options.append(f"{option}=[{', '.join(_string(name) for name in names)}]")
    return [*lines, f"{variable} = pick({', '.join(options)})"]


def _wrapped(names: list[str]) -> list[str]:
    lines, line = [], ""
    for name in names:
        piece = f"{_string(name)}, "
        if line and len(line) + len(piece) > 100:
            lines.append(f"    {line.rstrip()}")
            line = ""
        line += piece
    return [*lines, f"    {line.rstrip()}"]


def _reply(operation: Operation, several: bool, title: str) -> list[str]:
    kind, form = operation.kind, operation.form
    by_name = form == plan.ANSWER_FORM_LABEL
    plain = "return reply_names(items)" if by_name else "return reply_numbers(items)"
    if kind in _MADE:
        return [f"items = {_MADE[kind]}(items)", "return reply_numbers(items)"]
    if kind in _PAIRED:
        return [f"return {_PAIRED[kind]}(items)"]
    if kind == plan.OPERATION_KIND_COMPARE and form == plan.ANSWER_FORM_BOOLEAN:
        test = _HOLDS.get(operation.comparison, _HOLDS[plan.COMPARISON_GREATER])
        return ["first, second = two(items)", f"return reply_verdict({test}, items)"]
    if kind == plan.OPERATION_KIND_COMPARE:
        is_less = operation.comparison in (plan.COMPARISON_LESS, plan.COMPARISON_LESS_OR_EQUAL)
        by_gap = form == plan.ANSWER_FORM_NUMBER
        return [f"return reply_comparison(items, by_name={not by_gap}, descending={not is_less})"]
    if kind == plan.OPERATION_KIND_GROWTH:
        has_changes = any(operand.selection.change for operand in operation.operands)
        return [plain if has_changes else "return reply_growth(items)"]
    if kind == plan.OPERATION_KIND_COUNT:
        return [f"return reply_count(items, {'items' if several else 'every'})"]
    if kind == plan.OPERATION_KIND_TOP_K:
        if form == plan.ANSWER_FORM_NUMBER:
            return ["return reply_numbers(items)"]
        ties = [] if several else ["items = with_ties(items, every)"]
        return [*ties, f"return reply_names(items, {_string(_lead(operation))})"]
    if kind in (plan.OPERATION_KIND_RANK, plan.OPERATION_KIND_LIST):
        has_filter = any(one.selection.filters or one.selection.has_twin for one in operation.operands)
        is_plain = kind == plan.OPERATION_KIND_LIST and not has_filter
        lead = f", {_string(_lead(operation))}" if kind == plan.OPERATION_KIND_RANK else ""
        return [f"return reply_names(items{lead}{', with_numbers=False' if is_plain else ''})"]
    if kind == plan.OPERATION_KIND_TREND:
        across = any(
            len(one.selection.categories) == 1 and len(one.selection.series) != 1 for one in operation.operands
        )
        return [f'return reply_trend(items, "{"category" if across else "series"}")']
    if kind == plan.OPERATION_KIND_DESCRIBE:
        return [f"return reply_description(items, {_string(title)})"]
    return [plain]


def _lead(operation: Operation) -> str:
    """Return what ranked items have in common, in words: "Highest", "Third lowest", "From highest to lowest"."""
    selection = operation.operands[0].selection
    is_descending = selection.order != plan.ORDER_ASCENDING
    if operation.kind == plan.OPERATION_KIND_RANK:
        return "From highest to lowest" if is_descending else "From lowest to highest"
    extreme = "highest" if is_descending else "lowest"
    if selection.first <= 1:
        return extreme.capitalize()
    return f"{_ORDINALS[selection.first].capitalize()} {extreme}" if selection.first in _ORDINALS else "In that place"


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(number: float) -> str:
    return f"{number:.12g}"
