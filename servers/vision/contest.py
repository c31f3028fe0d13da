"""Decides between a chart and a table that were seen in the same place: stripes behind rows of text are no bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loupe.type.v1 import figure_pb2
from servers.vision.geometry import PixelBox, box_of, union
from servers.vision.numbers import parse_number
from servers.vision.text import Word

_FEWEST_STRIPES = 2
_FEWEST_TEXTS = 2.0
"""In a stripe, on average, each apart from the next: a bar holds one, its value."""
_STRIPED = 0.6  # of the stripes, that hold several texts
_SAME_END_PX, _SAME_END = 4.0, 0.03  # of a stripe's length
_APART = 0.8  # of a word's height, between texts of two columns
_SAME_PLACE = 0.6  # overlap of boxes
_FEWEST_ROWS = 3
_FILLED = 0.6  # of a table's cells, that hold text
_LABELLED = 0.6  # of the values of several series
_FEW_VALUES = 2
_MANY_CELLS, _NUMERIC = 12, 0.4
"""Of a table over a chart whose marks say nothing: lines of values along a course are never so many in rows."""


def settle(
    charts: Sequence[figure_pb2.Figure],
    words: Sequence[Word],
    tables_beside: Callable[[Sequence[PixelBox]], list[figure_pb2.Figure]],
) -> tuple[list[figure_pb2.Figure], list[figure_pb2.Figure]]:
    """Return the charts that are charts, and the tables.

    Args:
      charts: all that were seen.
      words: of the image.
      tables_beside: returns the image's tables outside the given boxes.
    """
    doubtful = [
        index
        for index, chart in enumerate(charts)
        if _is_striped(chart, words) or _is_written_over(chart, words) or _says_little(chart)
    ]
    if doubtful:
        sure = [chart for index, chart in enumerate(charts) if index not in doubtful]
        rivals = [table for table in tables_beside([box_of(chart.box) for chart in sure]) if _is_well_filled(table)]
        lost = {index for index in doubtful if any(_beats(table, charts[index], words) for table in rivals)}
        if lost:
            charts = [chart for index, chart in enumerate(charts) if index not in lost]
    return list(charts), tables_beside([box_of(chart.box) for chart in charts])


def _is_striped(figure: figure_pb2.Figure, words: Sequence[Word]) -> bool:
    """Tell whether a chart's marks are bands of one length, with texts of several columns in most of them."""
    marks = _marks(figure)
    if len(marks) < _FEWEST_STRIPES:
        return False
    across = union(marks)
    near = max(_SAME_END_PX, _SAME_END * max(across.width, across.height))
    level = all(mark.x_min <= across.x_min + near and mark.x_max >= across.x_max - near for mark in marks)
    upright = all(mark.y_min <= across.y_min + near and mark.y_max >= across.y_max - near for mark in marks)
    if level == upright:
        return False
    counts = [_texts_in(mark, words, level) for mark in marks]
    several = sum(count >= _FEWEST_TEXTS for count in counts)
    return sum(counts) >= _FEWEST_TEXTS * len(counts) and several >= _STRIPED * len(counts)


def _marks(figure: figure_pb2.Figure) -> list[PixelBox]:
    points = [point for series in figure.chart.series for point in series.points]
    return [box_of(point.mark_box) for point in points if point.HasField("mark_box")]


def _texts_in(mark: PixelBox, words: Sequence[Word], level: bool) -> int:
    """Return how many texts stand in a mark, those in a level one side by side, in an upright one line under line."""
    inside = [word.box for word in words if mark.contains_point(word.box.center_x, word.box.center_y)]
    spans = sorted((box.x_min, box.x_max, box.height) if level else (box.y_min, box.y_max, 0.0) for box in inside)
    count, reach = 0, float("-inf")
    for begin, end, height in spans:
        count += begin > reach + _APART * height
        reach = max(reach, end)
    return count


def _is_written_over(figure: figure_pb2.Figure, words: Sequence[Word]) -> bool:
    """Tell whether a chart that no axis measures has as many words in its plot as a table."""
    if any(axis.ticks and (axis.HasField("calibration") or axis.segments) for axis in figure.chart.axes):
        return False
    if len(figure.chart.series) > 1 and _labelled_inside(figure) >= _LABELLED:
        return False
    plot = box_of(figure.chart.plot_area)
    return sum(plot.contains_point(word.box.center_x, word.box.center_y) for word in words) >= _MANY_CELLS


def _says_little(figure: figure_pb2.Figure) -> bool:
    """Tell whether a chart has hardly a value: a table's rules look like axes and grid lines, its header like a bar."""
    return sum(len(series.points) for series in figure.chart.series) <= _FEW_VALUES


def _labelled_inside(figure: figure_pb2.Figure) -> float:
    """Return the share of a chart's values that are printed inside their own marks, as parts of stacks are."""
    points = [point for series in figure.chart.series for point in series.points]
    inside = [
        point
        for point in points
        if point.y.printed
        and box_of(point.mark_box).contains_point(box_of(point.y.box).center_x, box_of(point.y.box).center_y)
    ]
    return len(inside) / len(points) if points else 0.0


def _is_well_filled(table: figure_pb2.Figure) -> bool:
    grid = table.table
    filled = _filled(table)
    return grid.row_count >= _FEWEST_ROWS and len(filled) >= _FILLED * grid.row_count * grid.column_count


def _filled(table: figure_pb2.Figure) -> list[figure_pb2.Cell]:
    return [cell for cell in table.table.cells if cell.value.printed]


def _beats(table: figure_pb2.Figure, chart: figure_pb2.Figure, words: Sequence[Word]) -> bool:
    place = box_of(table.box)
    if place.overlap(box_of(chart.chart.plot_area)) < _SAME_PLACE:
        return False
    if _is_striped(chart, words):
        return True
    if _says_little(chart):
        over = _filled(table)
    elif _is_written_over(chart, words):
        plot = box_of(chart.chart.plot_area)
        over = [
            cell
            for cell in _filled(table)
            if plot.contains_point(box_of(cell.value.box).center_x, box_of(cell.value.box).center_y)
        ]
    else:
        return False
    numeric = sum(parse_number(cell.value.printed) is not None for cell in over)
    return len(over) >= _MANY_CELLS and numeric >= _NUMERIC * len(over)
