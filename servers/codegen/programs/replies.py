"""Replies of plain arithmetic: the last statements of an operation's function."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Operation
from servers.codegen.programs.literals import string

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
_HOLDS = {
    plan.COMPARISON_GREATER: "is_greater(first, second)",
    plan.COMPARISON_GREATER_OR_EQUAL: "not is_greater(second, first)",
    plan.COMPARISON_LESS: "is_greater(second, first)",
    plan.COMPARISON_LESS_OR_EQUAL: "not is_greater(first, second)",
    plan.COMPARISON_EQUAL: "is_equal(first, second)",
}
_ORDINAL_WORDS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ORDINALS = dict(enumerate(_ORDINAL_WORDS, start=2))


def plain_reply(operation: Operation, title: str) -> list[str]:
    """Return the statements that reply from `items`, the items of all operands; `every` where a kind keeps all.

    Args:
      title: of the figure, for a description.
    """
    kind, form = operation.kind, operation.form
    several = len(operation.operands) > 1
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
        return [*ties, f"return reply_names(items, {string(lead(operation))})"]
    if kind in (plan.OPERATION_KIND_RANK, plan.OPERATION_KIND_LIST):
        has_filter = any(one.selection.filters or one.selection.has_twin for one in operation.operands)
        is_plain = kind == plan.OPERATION_KIND_LIST and not has_filter
        start = f", {string(lead(operation))}" if kind == plan.OPERATION_KIND_RANK else ""
        return [f"return reply_names(items{start}{', with_numbers=False' if is_plain else ''})"]
    if kind == plan.OPERATION_KIND_SHARES:
        return ["return reply_shares(items)"]
    if kind == plan.OPERATION_KIND_TREND:
        across = any(
            len(one.selection.categories) == 1 and len(one.selection.series) != 1 for one in operation.operands
        )
        return [f'return reply_trend(items, "{"category" if across else "series"}")']
    if kind == plan.OPERATION_KIND_DESCRIBE:
        return [f"return reply_description(items, {string(title)})"]
    return [plain]


def lead(operation: Operation) -> str:
    """Return what ranked items have in common, in words: "Highest", "Third lowest", "From highest to lowest"."""
    selection = operation.operands[0].selection
    is_descending = selection.order != plan.ORDER_ASCENDING
    if selection.HasField("near"):
        return "Closest" if not is_descending else "Farthest off"
    if operation.kind == plan.OPERATION_KIND_RANK:
        return "From highest to lowest" if is_descending else "From lowest to highest"
    extreme = "highest" if is_descending else "lowest"
    if selection.first <= 1:
        return extreme.capitalize()
    return f"{_ORDINALS[selection.first].capitalize()} {extreme}" if selection.first in _ORDINALS else "In that place"
