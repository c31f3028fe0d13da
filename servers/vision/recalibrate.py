"""A figure with what a person saw better, and everything that follows from it; no pixel is read again."""

from __future__ import annotations

from collections.abc import Sequence

from loupe.type.v1 import figure_pb2
from loupe.vision.v1 import vision_pb2
from servers.kit.errors import InvalidField
from servers.vision.dates import parse_date
from servers.vision.fidelity.judge import judge
from servers.vision.measuring import axis_along, values_of
from servers.vision.numbers import parse_number
from servers.vision.remeasure import is_on_line, label_at, remeasure


def recalibrate(
    figure: figure_pb2.Figure, corrections: Sequence[vision_pb2.Correction]
) -> tuple[figure_pb2.Figure, list[str]]:
    """Return the corrected figure, and the ids of the values that differ from before, in the figure's order.

    Corrections are applied in order; an axis is fitted once, when all its ticks have been corrected. A correction that
    already holds changes nothing.

    Raises:
      InvalidField: there is no such tick, series, value or label, a text is no number, or an axis no longer fits.
    """
    corrected = figure_pb2.Figure()
    corrected.CopyFrom(figure)
    # Axis → the last correction of one of its ticks.
    moved: dict[figure_pb2.AxisDimension.ValueType, str] = {}
    for index, correction in enumerate(corrections):
        field = f"corrections[{index}]"
        match correction.WhichOneof("correction"):
            case "tick":
                if _correct_tick(corrected.chart, correction.tick, f"{field}.tick"):
                    moved[correction.tick.dimension] = f"{field}.tick.number"
            case "series":
                _correct_series(corrected.chart, correction.series, f"{field}.series")
            case "value":
                _correct_value(corrected, correction.value, f"{field}.value")
            case "label":
                _correct_label(corrected.chart, correction.label, f"{field}.label")
            case _:
                raise InvalidField(field, "names nothing to correct")
    for dimension, field in moved.items():
        axis = axis_along(corrected.chart, dimension)
        assert axis is not None
        remeasure(corrected.chart, axis, field)
    return corrected, _judged_anew(figure, corrected)


def _judged_anew(figure: figure_pb2.Figure, corrected: figure_pb2.Figure) -> list[str]:
    """Judge a corrected figure; return the ids of the values that differ, all others being left as they came.

    What the message alone says of a value may be less than what reading knew, of a picture that lay askew for one. So
    the figure is judged without the corrections too: only where that makes a difference does a value change.
    """
    uncorrected = figure_pb2.Figure()
    uncorrected.CopyFrom(figure)
    judge(uncorrected)
    judge(corrected)
    changed = []
    for came, before, after in zip(values_of(figure), values_of(uncorrected), values_of(corrected), strict=True):
        if before == after:
            after.CopyFrom(came)
        else:
            changed.append(after.value_id)
    return changed


def _correct_tick(chart: figure_pb2.Chart, correction: vision_pb2.TickCorrection, field: str) -> bool:
    """Give a tick its number; return whether its axis has to be fitted again."""
    axis = axis_along(chart, correction.dimension)
    name = figure_pb2.AxisDimension.Name(correction.dimension).removeprefix("AXIS_DIMENSION_").lower()
    if axis is None or axis.scale == figure_pb2.AXIS_SCALE_CATEGORY:
        raise InvalidField(f"{field}.dimension", f"the figure has no measuring axis {name}")
    if correction.tick >= len(axis.ticks):
        raise InvalidField(f"{field}.tick", f"axis {name} has {len(axis.ticks)} ticks, there is none {correction.tick}")
    if axis.scale == figure_pb2.AXIS_SCALE_LOG and correction.number <= 0:
        raise InvalidField(f"{field}.number", f"a logarithmic axis has no {correction.number:g}")
    tick = axis.ticks[correction.tick]
    is_new = not tick.HasField("number") or tick.number != correction.number
    tick.number, tick.is_corrected = correction.number, True
    return is_new or not is_on_line(axis, tick)


def _correct_series(chart: figure_pb2.Chart, correction: vision_pb2.SeriesCorrection, field: str) -> None:
    if correction.series >= len(chart.series):
        raise InvalidField(
            f"{field}.series", f"the figure has {len(chart.series)} series, there is none {correction.series}"
        )
    chart.series[correction.series].name = correction.name


def _correct_value(figure: figure_pb2.Figure, correction: vision_pb2.ValueCorrection, field: str) -> None:
    for series in figure.chart.series:
        for point in series.points:
            for coordinate in ("x", "x_end", "y"):
                value: figure_pb2.Value = getattr(point, coordinate)
                if point.HasField(coordinate) and value.value_id == correction.value_id:
                    across = axis_along(figure.chart, figure_pb2.AXIS_DIMENSION_X) if coordinate != "y" else None
                    _give(value, _number(correction.printed, across, field), correction.printed)
                    if coordinate == "x" and across is not None:
                        point.label = label_at(across, value.number, point.label)
                    return
    for cell in figure.table.cells:
        if cell.value.value_id == correction.value_id:
            parsed = parse_number(correction.printed)
            _give(cell.value, parsed.number if parsed else None, correction.printed)
            cell.unit = parsed.unit if parsed else ""
            return
    raise InvalidField(f"{field}.value_id", f"the figure has no value {correction.value_id!r}")


def _number(printed: str, axis: figure_pb2.Axis | None, field: str) -> float:
    """Return the number that a text is: of a chart's value, or of a point on a measuring axis, perhaps a date."""
    date = parse_date(printed) if axis is not None and axis.scale == figure_pb2.AXIS_SCALE_DATE else None
    if axis is not None and date is not None and (date.unit == "year") == (axis.unit == "year"):
        return date.number
    parsed = parse_number(printed)
    if parsed is None:
        raise InvalidField(f"{field}.printed", f"{printed!r} is no number")
    return parsed.number


def _give(value: figure_pb2.Value, number: float | None, printed: str) -> None:
    """Put what a person read in place of what was read; the box still shows where."""
    if number is None:
        value.ClearField("number")
    else:
        value.number = number
    value.printed = printed
    value.origin = figure_pb2.ORIGIN_CORRECTED
    value.confidence = 1.0
    value.ClearField("position_px")
    value.ClearField("base_px")


def _correct_label(chart: figure_pb2.Chart, correction: vision_pb2.LabelCorrection, field: str) -> None:
    points = [point for series in chart.series for point in series.points]
    found = [point for point in points if point.label == correction.label]
    if not found and not any(point.label == correction.corrected for point in points):
        raise InvalidField(f"{field}.label", f"no point has the label {correction.label!r}")
    for point in found:
        point.label = correction.corrected
    for axis in chart.axes:
        if axis.scale == figure_pb2.AXIS_SCALE_CATEGORY:
            for tick in axis.ticks:
                if tick.label == correction.label:
                    tick.label = correction.corrected
