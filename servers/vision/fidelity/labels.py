"""Doubts about printed numbers that their marks contradict."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from loupe.type.v1 import figure_pb2
from servers.vision.fidelity.evidence import Agreement, Evidence, length_px
from servers.vision.fidelity.reason import reason
from servers.vision.measuring import BARS, axis_along, value_dimension

CODES = frozenset({"label_geometry_disagree", "labels_not_monotone"})
_CLEARLY_PX = 3.0
_CLEARLY = 0.05
_MOST_COMPARED = 300
_CONFIRMED = 0.8


def doubts(chart: figure_pb2.Chart, evidence: Sequence[Evidence]) -> Iterator[figure_pb2.FidelityReason]:
    """Yield where a label and its mark disagree; where no scale is known, where a longer bar bears a smaller number."""
    wrong = [one.entry.value for one in evidence if one.agreement is Agreement.DISAGREES and not _is_settled(one)]
    if wrong:
        shown = ", ".join(repr(value.printed) for value in wrong[:3]) + (", ..." if len(wrong) > 3 else "")
        fit = "does not fit its mark" if len(wrong) == 1 else "do not fit their marks"
        yield reason("label_geometry_disagree", f"what is printed ({shown}) {fit}", wrong)
    if chart.type not in BARS:
        return
    for series in chart.series:
        if axis_along(chart, value_dimension(series)) is None:
            out_of_order = _out_of_order([one for one in evidence if one.entry.series is series])
            if out_of_order:
                yield reason(
                    "labels_not_monotone",
                    f"{len(out_of_order)} printed values are in another order than the lengths of their bars",
                    out_of_order,
                )


def _is_settled(one: Evidence) -> bool:
    """Tell whether reading took the mark's word for it, as almost all other labels confirm the axis."""
    return one.entry.value.origin == figure_pb2.ORIGIN_INTERPOLATED and one.agreeing >= _CONFIRMED


def _out_of_order(evidence: Sequence[Evidence]) -> list[figure_pb2.Value]:
    """Return the fewest values, found greedily, without which longer bars bear larger numbers."""
    printed = [one for one in evidence if one.entry.value.origin == figure_pb2.ORIGIN_PRINTED]
    bars = [(one.entry.value, length_px(one.entry), abs(one.entry.value.number)) for one in printed[:_MOST_COMPARED]]
    against: dict[int, set[int]] = {}
    for (i, (_, length, size)), (j, (_, other_length, other_size)) in itertools.combinations(enumerate(bars), 2):
        clearly = abs(length - other_length) > max(_CLEARLY_PX, _CLEARLY * max(length, other_length))
        if clearly and (length - other_length) * (size - other_size) < 0:
            against.setdefault(i, set()).add(j)
            against.setdefault(j, set()).add(i)
    found = []
    while against:
        worst = max(against, key=lambda index: (len(against[index]), -index))
        found.append(worst)
        for other in against.pop(worst):
            against[other].discard(worst)
            if not against[other]:
                del against[other]
    return [bars[index][0] for index in sorted(found)]
