"""The call that draws a program's chart: one that shows the method at work, else the figure with the answer marked."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Operation
from loupe.type.v1 import figure_pb2
from loupe.type.v1.figure_pb2 import Figure
from servers.codegen.programs.literals import string
from servers.codegen.programs.methods import forecast_method

_DRAWN_BY = {
    figure_pb2.CHART_TYPE_HORIZONTAL_BAR: "draw_horizontal_bars",
    figure_pb2.CHART_TYPE_HORIZONTAL_GROUPED_BAR: "draw_horizontal_bars",
    figure_pb2.CHART_TYPE_STACKED_BAR: "draw_stacked_bars",
    figure_pb2.CHART_TYPE_HORIZONTAL_STACKED_BAR: "draw_stacked_bars",
    figure_pb2.CHART_TYPE_STACKED_AREA: "draw_stacked_bars",
    figure_pb2.CHART_TYPE_LINE: "draw_lines",
    figure_pb2.CHART_TYPE_AREA: "draw_lines",
    figure_pb2.CHART_TYPE_PIE: "draw_pie",
    figure_pb2.CHART_TYPE_DONUT: "draw_pie",
    figure_pb2.CHART_TYPE_SCATTER: "draw_dots",
    figure_pb2.CHART_TYPE_HISTOGRAM: "draw_histogram",
    figure_pb2.CHART_TYPE_BOX: "draw_boxes",
}
_FITS = (
    plan.OPERATION_KIND_CORRELATION,
    plan.OPERATION_KIND_FIT,
    plan.OPERATION_KIND_FARTHEST,
    plan.OPERATION_KIND_OUTLIERS,
)


def draw_call(figure: Figure, operation: Operation, title: str) -> str:
    """Return the statement that draws; it reads `values` and `used`, the ids that the answer stands on."""
    common = f'values, used, {string(title)}, "chart.png"'
    if operation.kind == plan.OPERATION_KIND_FORECAST:
        method = string(forecast_method(operation))
        return f"draw_forecast({common}, {method}, {string(operation.course.time)})"
    kind = figure.chart.type if figure.HasField("chart") else figure_pb2.CHART_TYPE_UNSPECIFIED
    is_fit = operation.kind in _FITS and len(operation.operands) == 1
    if is_fit and kind == figure_pb2.CHART_TYPE_SCATTER:
        return f"draw_dots({common}, with_line=True)"
    if operation.kind == plan.OPERATION_KIND_FIT and is_fit:
        return f"draw_course({common})"
    return f"{_DRAWN_BY.get(kind, 'draw_bars')}({common})"
