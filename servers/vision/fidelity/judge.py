"""The verdict on a figure: the same for one just read and one that a person corrected."""

from __future__ import annotations

from collections.abc import Iterator

from loupe.type.v1 import figure_pb2
from servers.vision.fidelity import axes, labels, names, opinions, parts, tables
from servers.vision.fidelity.confidence import expected_share, judged_values, least_expected, weigh
from servers.vision.fidelity.evidence import evidence_of
from servers.vision.fidelity.reason import reason
from servers.vision.measuring import PIES, values_of

UNCERTAIN = "uncertain_values"
"""The reason's code where nothing else is doubted."""
_LEAST_USABLE = 0.5
_DOUBTFUL = 0.8
_CODES = axes.CODES | labels.CODES | parts.CODES | names.CODES | tables.CODES | {UNCERTAIN, "no_values"}
"""Doubts that follow from the message; those of reading, such as a cut, stay as they are."""
_FATAL = frozenset({"no_scale", "no_values"})
_MOST_REASONS = 100


def judge(figure: figure_pb2.Figure) -> None:
    """Write confidences, reasons and verdict into a figure whose values have ids. Judging again changes nothing."""
    # The sweep of a slice is not kept: whether it fits its label was found out while reading.
    recomputed = _CODES - labels.CODES if figure.chart.type in PIES else _CODES
    kept = opinions.standing(figure, [one for one in figure.reasons if one.code not in recomputed])
    found = [*kept, *_doubts(figure)]
    opinions.limit(figure, kept)
    share = expected_share(figure)
    if not any(value.HasField("number") for value in values_of(figure)) and figure.HasField("chart"):
        found.append(reason("no_values", "no value could be read"))
    elif share < least_expected(figure):
        doubtful = [value for value in judged_values(figure) if value.confidence < _DOUBTFUL]
        message = f"about {share:.0%} of the values should be within 5 % of the truth"
        found.append(reason(UNCERTAIN, message, doubtful, figure.chart))
    del figure.reasons[:]
    figure.reasons.extend(found[:_MOST_REASONS])
    if any(one.code in _FATAL for one in found) or share < _LEAST_USABLE:
        figure.fidelity = figure_pb2.FIDELITY_FAIL
    else:
        figure.fidelity = figure_pb2.FIDELITY_REVIEW if found else figure_pb2.FIDELITY_PASS


def _doubts(figure: figure_pb2.Figure) -> Iterator[figure_pb2.FidelityReason]:
    if figure.HasField("table"):
        yield from tables.doubts(figure.table)
    if not figure.HasField("chart"):
        return
    evidence = evidence_of(figure.chart)
    weigh(figure, evidence)
    yield from axes.doubts(figure.chart, evidence)
    yield from labels.doubts(figure.chart, evidence)
    yield from parts.doubts(figure.chart, evidence)
    yield from names.doubts(figure.chart)
