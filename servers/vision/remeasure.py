"""A corrected axis is fitted again, and everything measured against it follows."""

from __future__ import annotations

import numpy as np

from loupe.type.v1 import figure_pb2
from servers.kit.errors import InvalidField
from servers.vision.charts.axes.calibration import fit_axis
from servers.vision.dates import DateStyle, date_parts, printed_date
from servers.vision.measuring import MEASURED, Scale, entries, number_at, place_of

# As when the picture is read: label centres are off by a share of the letter height.
_LEAST_TOLERANCE_PX, _TOLERANCE_SHARE = 2.0, 0.25
# Years 1 to 9999 in seconds since 1970; what lies outside has no date.
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_800


def remeasure(chart: figure_pb2.Chart, axis: figure_pb2.Axis, field: str) -> None:
    """Fit an axis to its ticks, the corrected ones surely right, and compute anew what is measured against it.

    Args:
      field: of the correction, for the error's sake.
    Printed values and those that a person gave stay. A value whose place is neither stored nor shown by its mark stays
    too; the figure's checks tell of it.

    Raises:
      InvalidField: no line goes through the corrected ticks and another one.
    """
    before = Scale.of(axis)
    measured = [entry for entry in entries(chart) if entry.dimension == axis.dimension]
    places = [place_of(chart, entry, before) if before else None for entry in measured]
    _refit(axis, field)
    after = Scale.of(axis)
    assert after is not None
    for entry, place in zip(measured, places, strict=True):
        value = entry.value
        number, tick = value.number, _tick_of(axis, value)
        if tick is not None:
            value.number, value.origin, value.confidence = tick.number, figure_pb2.ORIGIN_CORRECTED, 1.0
        elif place is not None and value.origin in MEASURED:
            value.number = number_at(chart, after, place)
            value.position_px = place.position
            if place.base is not None:
                value.base_px = place.base
        if entry.coordinate == "x" and value.number != number:
            entry.point.label = label_at(axis, value.number, entry.point.label)


def label_at(axis: figure_pb2.Axis, number: float, like: str) -> str:
    """Return a number of a measuring axis as a point's label, a date as finely as the label it replaces."""
    is_moment = axis.scale == figure_pb2.AXIS_SCALE_DATE and axis.unit != "year"
    if not is_moment or not _FIRST_S <= number < _LAST_S:
        return f"{number:g}"
    known = next(iter(date_parts(like)), None)
    if known is None:
        return printed_date(number, "day")
    style: DateStyle = "names" if known.has_name else "figures"
    if known.has_name and f"{known.year}" not in like:
        style = "short years"
    return printed_date(number, known.precision, style=style)


def is_on_line(axis: figure_pb2.Axis, tick: figure_pb2.Tick) -> bool:
    """Tell whether a tick agrees with its axis's calibration."""
    scale = Scale.of(axis)
    if scale is None:
        return False
    off = abs(scale.value(tick.position_px) - tick.number) / scale.worth(tick.position_px)
    return off <= _tolerance(axis)


def _refit(axis: figure_pb2.Axis, field: str) -> None:
    if axis.segments:
        for segment in axis.segments:
            on_it = [tick for tick in axis.ticks if segment.from_px <= tick.position_px <= segment.to_px]
            if any(tick.is_corrected for tick in on_it):
                line = _line(axis, on_it, field)
                line.from_px, line.to_px = segment.from_px, segment.to_px
                segment.CopyFrom(line)
    else:
        axis.calibration.CopyFrom(_line(axis, list(axis.ticks), field))


def _line(axis: figure_pb2.Axis, ticks: list[figure_pb2.Tick], field: str) -> figure_pb2.Calibration:
    numbered = [tick for tick in ticks if tick.HasField("number")]
    fit = fit_axis(
        np.array([tick.position_px for tick in numbered]),
        np.array([tick.number for tick in numbered]),
        log=axis.scale == figure_pb2.AXIS_SCALE_LOG,
        tolerance_px=_tolerance(axis),
        sure=[index for index, tick in enumerate(numbered) if tick.is_corrected],
    )
    if fit is None:
        kind = figure_pb2.AxisScale.Name(axis.scale).removeprefix("AXIS_SCALE_").lower()
        raise InvalidField(field, f"no {kind} scale goes through the corrected ticks and another one")
    return fit.to_proto()


def _tolerance(axis: figure_pb2.Axis) -> float:
    heights = [tick.box.y_max - tick.box.y_min for tick in axis.ticks if tick.HasField("box")]
    return max(_LEAST_TOLERANCE_PX, _TOLERANCE_SHARE * float(np.median(heights))) if heights else _LEAST_TOLERANCE_PX


def _tick_of(axis: figure_pb2.Axis, value: figure_pb2.Value) -> figure_pb2.Tick | None:
    """Return the corrected tick whose label a printed value was read from."""
    if value.origin not in (figure_pb2.ORIGIN_PRINTED, figure_pb2.ORIGIN_CORRECTED) or not value.HasField("box"):
        return None
    return next((tick for tick in axis.ticks if tick.is_corrected and tick.box == value.box), None)
