"""Doubts about parts that should make a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loupe.type.v1 import figure_pb2
from servers.vision.fidelity.evidence import Agreement, Evidence
from servers.vision.fidelity.reason import reason
from servers.vision.measuring import PIES, STACKED
from servers.vision.numbers import parse_number

CODES = frozenset({"parts_do_not_add_up"})
_WHOLE = 100.0
_MOST_ARE_WHOLE = 0.6
_FEWEST_WHOLES = 2


def doubts(chart: figure_pb2.Chart, evidence: Sequence[Evidence]) -> Iterator[figure_pb2.FidelityReason]:
    """Yield the pie, or each stack of a chart whose stacks are shares, whose parts do not add up to 100."""
    if chart.type in PIES:
        for series in chart.series:
            parts = [one for one in evidence if one.entry.series is series]
            if series.unit == "%" and parts:
                yield from _check(parts, "the slices")
    elif chart.type in STACKED:
        stacks: dict[str, list[Evidence]] = {}
        for one in evidence:
            if one.entry.coordinate == "y":
                stacks.setdefault(one.entry.point.label, []).append(one)
        full = [parts for parts in stacks.values() if len(parts) == len(chart.series)]
        whole = sum(abs(_total(parts) - _WHOLE) <= _tolerance(parts) for parts in full)
        if whole >= max(_FEWEST_WHOLES, _MOST_ARE_WHOLE * len(full)):
            for label, parts in stacks.items():
                yield from _check(parts, f"the parts of {label!r}")


def _check(parts: Sequence[Evidence], what: str) -> Iterator[figure_pb2.FidelityReason]:
    if all(one.agreement is Agreement.AGREES for one in parts):
        return  # each is printed and as long as it says: what is missing is not drawn
    total = _total(parts)
    if abs(total - _WHOLE) > _tolerance(parts):
        values = [one.entry.value for one in parts]
        yield reason("parts_do_not_add_up", f"{what} add up to {total:.4g}, not 100", values)


def _total(parts: Sequence[Evidence]) -> float:
    return sum(one.entry.value.number for one in parts)


def _tolerance(parts: Sequence[Evidence]) -> float:
    """Return how far right parts may be from 100 together: each is rounded, or measured to 1.5 px."""
    return 0.5 + sum(_rounding(one) for one in parts)


def _rounding(one: Evidence) -> float:
    value = one.entry.value
    parsed = parse_number(value.printed) if value.printed else None
    if parsed is not None:
        return 0.5 * 10.0**-parsed.decimals * parsed.multiplier
    return one.worth_px * 1.5
