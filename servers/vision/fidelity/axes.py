"""Doubts about the axes that values are measured against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from loupe.type.v1 import figure_pb2
from servers.vision.fidelity.evidence import Evidence
from servers.vision.fidelity.reason import reason
from servers.vision.measuring import MEASURED, PIES, Scale, axis_along, place_of

CODES = frozenset(
    {"no_value_axis", "few_ticks", "residual_too_high", "ticks_disagree", "axis_backwards", "not_measured_again"}
)
_FEWEST_TICKS = 3
"""Two ticks always lie on a line: nothing would show a misread one."""
_MOST_RESIDUAL_PX = 3.0
_MOST_RESIDUAL = 0.06
"""Of the distance between neighbouring ticks: half of it would be a tick of another row."""
_LEAST_AGREEING = 2 / 3
_FEW = 0.2
"""Of an axis's values: so few measured ones among printed ones are told by their confidence alone."""


def doubts(chart: figure_pb2.Chart, evidence: Sequence[Evidence]) -> Iterator[figure_pb2.FidelityReason]:
    """Yield what is doubtful about the axes against which values were measured."""
    if chart.type in PIES:
        return
    for dimension in sorted({one.entry.dimension for one in evidence}):
        on_axis = [one.entry for one in evidence if one.entry.dimension == dimension]
        measured = [entry for entry in on_axis if entry.value.origin in MEASURED]
        if len(measured) <= _FEW * len(on_axis):
            continue
        name = figure_pb2.AxisDimension.Name(dimension).removeprefix("AXIS_DIMENSION_").lower()
        values = [entry.value for entry in measured]
        axis = axis_along(chart, dimension)
        scale = Scale.of(axis) if axis is not None else None
        if axis is None or scale is None or not axis.ticks:
            yield reason(
                "no_value_axis", f"no axis {name} could be read; the scale comes from printed values", values, chart
            )
            continue
        for stretch, line in zip(scale.stretches, axis.segments or [axis.calibration], strict=True):
            ticks = [tick for tick in axis.ticks if stretch.from_px <= tick.position_px <= stretch.to_px]
            if line.tick_count < _FEWEST_TICKS and not axis.segments:
                yield reason("few_ticks", f"axis {name} rests on {line.tick_count} readable ticks", values, chart)
            spacing = _spacing_px(ticks)
            if line.residual_px > _MOST_RESIDUAL_PX or line.residual_px > _MOST_RESIDUAL * spacing:
                share = f", {line.residual_px / spacing:.0%} of their distance" if np.isfinite(spacing) else ""
                message = f"the ticks of axis {name} are {line.residual_px:.1f} px off their line{share}"
                yield reason("residual_too_high", message, values, chart)
            numbered = sum(tick.HasField("number") for tick in ticks)
            if line.tick_count < _LEAST_AGREEING * numbered:
                message = f"only {line.tick_count} of {numbered} ticks of axis {name} lie on one scale"
                yield reason("ticks_disagree", message, values, chart)
        is_x = dimension == figure_pb2.AXIS_DIMENSION_X
        is_corrected = any(tick.is_corrected for tick in axis.ticks)
        if not is_corrected and all((part.fit.slope < 0) == is_x for part in scale.stretches):
            # Rarely drawn so; mostly all signs of an axis below zero were lost.
            message = f"the numbers of axis {name} grow {'to the left' if is_x else 'downwards'}"
            yield reason("axis_backwards", message, values, chart)
        if is_corrected:
            lost = [entry.value for entry in measured if place_of(chart, entry, scale) is None]
            if lost:
                message = f"{len(lost)} values stayed as they were: where they stand on axis {name} is not known"
                yield reason("not_measured_again", message, lost)


def _spacing_px(ticks: Sequence[figure_pb2.Tick]) -> float:
    places = sorted(tick.position_px for tick in ticks)
    return float(np.median(np.diff(places))) if len(places) > 1 else float("inf")
