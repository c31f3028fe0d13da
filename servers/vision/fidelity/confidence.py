"""The probability that a value is within 5 % of the truth: a sum of what speaks for it, through a logistic curve.

The weights were fitted to readings of drawn charts whose numbers are known (`python -m tests.specimens.calibrate`).
Those of what speaks for a value are never negative: more of it never makes the value less probable.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from loupe.type.v1 import figure_pb2
from servers.vision.fidelity import names
from servers.vision.fidelity.cell_terms import cell_terms
from servers.vision.fidelity.cells import TableView, is_filled
from servers.vision.fidelity.evidence import Agreement, Evidence
from servers.vision.fidelity.opinions import UNSUPPORTED
from servers.vision.measuring import values_of

WEIGHTS = Path(__file__).with_name("weights.json")
CONSTANT = ("any ", "kind ", "how ", "guess")
"""How the names of terms begin that say what a value is, not what speaks for it; their weights may be negative."""
LEAST, MOST = 0.01, 0.995
"""Nothing that was read is quite wrong or quite sure."""
_LARGE_LETTERS_PX = 14.0
_MANY_TICKS = 5
_SEVERAL = 6
_OWN_PX = 0.5
"""Edges of marks are known to about half a pixel, however well the axis is."""
_FAMILY_OF = {
    figure_pb2.CHART_TYPE_BAR: "bars",
    figure_pb2.CHART_TYPE_HORIZONTAL_BAR: "bars",
    figure_pb2.CHART_TYPE_GROUPED_BAR: "bars",
    figure_pb2.CHART_TYPE_HORIZONTAL_GROUPED_BAR: "bars",
    figure_pb2.CHART_TYPE_STACKED_BAR: "stacked bars",
    figure_pb2.CHART_TYPE_HORIZONTAL_STACKED_BAR: "stacked bars",
    figure_pb2.CHART_TYPE_LINE: "lines",
    figure_pb2.CHART_TYPE_AREA: "areas",
    figure_pb2.CHART_TYPE_STACKED_AREA: "stacked areas",
    figure_pb2.CHART_TYPE_PIE: "pies",
    figure_pb2.CHART_TYPE_DONUT: "pies",
    figure_pb2.CHART_TYPE_SCATTER: "points",
    figure_pb2.CHART_TYPE_HISTOGRAM: "histograms",
    figure_pb2.CHART_TYPE_BOX: "boxes",
}


def weigh(figure: figure_pb2.Figure, evidence: Sequence[Evidence]) -> None:
    """Give each value of a chart its confidence; what a person gave is sure."""
    for one, found in zip(evidence, terms(figure, evidence), strict=True):
        value = one.entry.value
        if value.origin == figure_pb2.ORIGIN_CORRECTED:
            value.confidence = 1.0
        elif value.origin == figure_pb2.ORIGIN_MODEL:
            value.confidence = UNSUPPORTED if value.HasField("number") else 0.0
        else:
            value.confidence = probability(found) if value.HasField("number") else 0.0


def weigh_cells(figure: figure_pb2.Figure) -> None:
    """Turn the certainty of recognition that each cell of data came with into its confidence; not to be done twice.

    What names rows and columns keeps its certainty: how sure the names are speaks for the data under them.
    """
    view = TableView(figure.table)
    for cell, found in zip(figure.table.cells, cell_terms(figure), strict=True):
        if view.is_name(cell) or not is_filled(cell):
            cell.value.confidence = min(MOST, cell.value.confidence)
        else:
            cell.value.confidence = probability(found)


def expected_share(figure: figure_pb2.Figure) -> float:
    """Return how many of a figure's numbers, or of a table's cells of data, should be right, 0 to 1; 1 of none."""
    confidences = [value.confidence for value in judged_values(figure)]
    return sum(confidences) / len(confidences) if confidences else 1.0


def judged_values(figure: figure_pb2.Figure) -> list[figure_pb2.Value]:
    """Return the values that the verdict rests on: numbers of a chart, cells of a table that are no names.

    A table of words alone has no other cells than names, and rests on all that hold something.
    """
    if figure.HasField("table"):
        filled = [cell for cell in figure.table.cells if is_filled(cell)]
        return [cell.value for cell in TableView(figure.table).data or filled]
    return [value for value in values_of(figure) if value.HasField("number")]


def probability(features: Mapping[str, float]) -> float:
    """Return the probability that these terms make."""
    weights = _fitted().weights
    total = sum(weights.get(name, 0.0) * amount for name, amount in features.items())
    return min(MOST, max(LEAST, 1.0 / (1.0 + math.exp(-total))))


def terms(figure: figure_pb2.Figure, evidence: Sequence[Evidence]) -> list[dict[str, float]]:
    """Return what speaks for each value of a chart, all between 0 and 1, with the constant terms of its kind."""
    chart = figure.chart
    shared = {
        "any value": 1.0,
        f"kind {_FAMILY_OF.get(chart.type, 'unknown')}": 1.0,
        "structure": figure.confidence,
        "structure over 0.75": max(0.0, figure.confidence - 0.75) / 0.25,
        "several values": min(1.0, len(evidence) / _SEVERAL),
        "names sound": float(not any(names.doubts(chart))),
    }
    numbered = {axis.dimension: sum(tick.HasField("number") for tick in axis.ticks) for axis in chart.axes}
    return [
        {"guess": 1.0}
        if one.entry.value.origin == figure_pb2.ORIGIN_GUESSED
        else shared | _own_terms(chart, one, numbered.get(one.entry.dimension, 0))
        for one in evidence
    ]


def _own_terms(chart: figure_pb2.Chart, one: Evidence, tick_count: int) -> dict[str, float]:
    series, point = one.entry.series, one.entry.point
    how = _how(one)
    found = {
        f"how {how}": 1.0,
        "series named": float(bool(series.name) or len(chart.series) == 1),
        "series named beside": float(series.HasField("name_box") or len(chart.series) == 1),
        "point labelled": float(point.HasField("label_box") or point.HasField("x")),
        "letters": min(1.0, _letter_px(one) / _LARGE_LETTERS_PX),
        "labels agree": one.agreeing,
    }
    if how == "measured" and one.slack_px is not None:
        sigmas = one.slack_px / math.hypot(_OWN_PX, one.residual_px)
        found |= {f"within {reach} sigma": min(1.0, sigmas / reach) for reach in (1, 3, 10)}
        found["ticks"] = min(_MANY_TICKS, one.tick_count) / _MANY_TICKS
        found["ticks agree"] = min(1.0, one.tick_count / max(1, tick_count))
    return found


def _how(one: Evidence) -> str:
    if one.entry.value.origin == figure_pb2.ORIGIN_PRINTED:
        return {
            Agreement.AGREES: "printed, mark agrees",
            Agreement.UNCHECKED: "printed",
            Agreement.DISAGREES: "printed, mark disagrees",
        }[one.agreement]
    if one.agreement is Agreement.DISAGREES:
        return "measured, print disagrees"
    return "measured" if one.slack_px is not None else "measured without axis"


def _letter_px(one: Evidence) -> float:
    """Return the height of the lettering at a value, 0 where none was read."""
    point = one.entry.point
    if not point.HasField("label_box"):
        return 0.0
    box = point.label_box
    # Turned labels are higher than wide.
    return min(box.y_max - box.y_min, box.x_max - box.x_min)


def least_expected(figure: figure_pb2.Figure) -> float:
    """Return how many of a figure's values should be right for it to pass."""
    fitted = _fitted()
    return fitted.least_expected_of_table if figure.HasField("table") else fitted.least_expected


@dataclass(frozen=True, slots=True)
class _Fitted:
    weights: Mapping[str, float]
    least_expected: float
    least_expected_of_table: float


@cache
def _fitted() -> _Fitted:
    made = json.loads(WEIGHTS.read_text(encoding="utf8"))
    return _Fitted(made["weights"], made["least_expected"], made["least_expected_of_table"])
