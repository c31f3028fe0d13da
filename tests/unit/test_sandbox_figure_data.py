"""What is read of a matplotlib figure: the numbers that were drawn, bounded."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pandas  # type: ignore[import-untyped]  # it ships no types
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loupe.sandbox.v1.figure_data_pb2 import AxisKind, SeriesKind
from sandbox.bootstrap.figure_data import FigureReader
from sandbox.runners import report


def read(figure: Figure, reader: FigureReader | None = None) -> Any:
    """A figure's data as the service would hold it after the way through the report."""
    shown = (reader or FigureReader()).read(figure) | {"files": []}
    lines: tuple[dict[str, Any], ...] = (
        {"error": None, "figures": [], "notes": []},
        {"figures": [shown], "value": None},
    )
    parsed = report.parse("\n".join(json.dumps(line) for line in lines).encode())
    assert len(parsed.figures) == 1
    return parsed.figures[0].data


def axes() -> Axes:
    return Figure().subplots()


def series_of(drawn: Axes) -> list[tuple[str, str, list[float], list[float], list[float]]]:
    assert isinstance(drawn.figure, Figure)
    (one,) = read(drawn.figure).axes
    return [
        (item.name, SeriesKind.Name(item.kind)[12:], list(item.x), list(item.y), list(item.base)) for item in one.series
    ]


def test_titles_labels_scales_and_limits_come_as_set():
    figure = Figure()
    figure.suptitle("All")
    left, right = figure.subplots(1, 2)
    left.set(title="Left", xlabel="Year", ylabel="Items", xlim=(2000, 2010), ylim=(100, 1))
    left.set_yscale("log")
    right.plot([1, 2], [3, 4])
    data = read(figure)
    assert (data.title, [one.title for one in data.axes]) == ("All", ["Left", ""])
    x_axis, y_axis = data.axes[0].x_axis, data.axes[0].y_axis
    assert (x_axis.label, x_axis.scale, x_axis.lower, x_axis.upper) == ("Year", "linear", 2000, 2010)
    assert (y_axis.label, y_axis.scale, y_axis.lower, y_axis.upper) == ("Items", "log", 100, 1)
    assert [(tick.value, tick.label) for tick in x_axis.ticks][:2] == [(2000, "2000"), (2002, "2002")]


def test_lines_and_points_come_with_their_names():
    drawn = axes()
    drawn.plot([1, 2, 3], [4, 5, 6], label="sales")
    drawn.plot([1, 2], [7, 8], "o")
    drawn.scatter([1, 2], [3, 4], label="dots")
    assert series_of(drawn) == [
        ("sales", "LINE", [1, 2, 3], [4, 5, 6], []),
        ("", "SCATTER", [1, 2], [7, 8], []),
        ("dots", "SCATTER", [1, 2], [3, 4], []),
    ]


def test_stacked_bars_say_where_each_begins():
    drawn = axes()
    drawn.bar(["jan", "feb"], [3, 4], label="a")
    drawn.bar(["jan", "feb"], [1, 2], bottom=[3, 4], label="b")
    assert series_of(drawn) == [("a", "BAR", [0, 1], [3, 4], [0, 0]), ("b", "BAR", [0, 1], [4, 6], [3, 4])]
    assert isinstance(drawn.figure, Figure)
    x_axis = read(drawn.figure).axes[0].x_axis
    assert (x_axis.kind, list(x_axis.categories)) == (AxisKind.AXIS_KIND_CATEGORY, ["jan", "feb"])


def test_horizontal_bars_histograms_and_stairs():
    drawn = axes()
    drawn.barh([1, 2], [5, 6], left=1)
    drawn.hist([1, 1, 3], bins=[0, 2, 4])
    drawn.stairs([7, 8], [0, 1, 3])
    assert series_of(drawn) == [
        ("", "BAR_HORIZONTAL", [6, 7], [1, 2], [1, 1]),
        ("", "BAR", [1, 3], [2, 1], [0, 0]),
        ("", "BAR", [0.5, 2], [7, 8], [0, 0]),
    ]


def test_areas_pies_and_grids():
    drawn = axes()
    drawn.fill_between([1, 2, 3], [4, 5, 6], [1, 1, 0], label="band")
    assert series_of(drawn) == [("band", "AREA", [1, 2, 3], [4, 5, 6], [1, 1, 0])]
    drawn = axes()
    drawn.pie([1, 3], labels=["few", "many"])
    assert isinstance(drawn.figure, Figure)
    (pie,) = read(drawn.figure).axes[0].series
    assert (pie.kind, list(pie.y), list(pie.labels)) == (SeriesKind.SERIES_KIND_PIE, [0.25, 0.75], ["few", "many"])
    figure = Figure()
    drawn = figure.subplots()
    figure.colorbar(drawn.imshow([[1, 2, 3], [4, 5, 6]]))
    (only,) = read(figure).axes  # a colour bar is none
    (grid,) = only.series
    assert (grid.row_count, grid.column_count, list(grid.y)) == (2, 3, [1, 2, 3, 4, 5, 6])


def test_times_are_seconds_also_where_pandas_drew_them():
    drawn = axes()
    drawn.plot([date(2024, 1, 1), date(2024, 1, 2)], [1, 2])  # type: ignore[arg-type]  # matplotlib takes dates
    seconds = [1704067200.0, 1704153600.0]
    assert series_of(drawn) == [("", "LINE", seconds, [1, 2], [])]
    drawn = axes()
    frame = pandas.DataFrame({"v": [1, 2]}, index=pandas.date_range("2024-01-01", periods=2, freq="D"))
    frame.plot(ax=drawn)
    assert series_of(drawn) == [("v", "LINE", seconds, [1, 2], [])]
    assert isinstance(drawn.figure, Figure)
    assert read(drawn.figure).axes[0].x_axis.kind == AxisKind.AXIS_KIND_TIME


def test_a_line_across_all_axes_ends_at_their_limits():
    drawn = axes()
    drawn.set_xlim(0, 10)
    drawn.axhline(5)
    assert series_of(drawn) == [("", "LINE", [0, 10], [5, 5], [])]


def test_the_caps_of_error_bars_are_no_series():
    drawn = axes()
    drawn.errorbar([1, 2], [3, 4], yerr=1, capsize=2, label="measured")
    assert series_of(drawn) == [("measured", "LINE", [1, 2], [3, 4], [])]


def test_points_that_are_no_numbers_are_left_out_and_counted():
    drawn = axes()
    drawn.plot([1, 2, 3], [4, float("nan"), 6])
    assert isinstance(drawn.figure, Figure)
    (line,) = read(drawn.figure).axes[0].series
    assert (list(line.x), list(line.y), line.point_count) == ([1, 3], [4, 6], 3)


def test_all_figures_share_one_bound_on_points():
    reader = FigureReader()
    counts = []
    for _ in range(3):
        drawn = axes()
        drawn.plot(range(4000))
        assert isinstance(drawn.figure, Figure)
        (line,) = read(drawn.figure, reader).axes[0].series
        counts.append((len(line.y), line.point_count))
    assert counts == [(4000, 4000), (4000, 4000), (2000, 4000)]


@pytest.mark.parametrize("draw", [Axes.quiver, Axes.contour], ids=["arrows", "contours"])
def test_what_has_no_series_of_ours_has_none_here(draw):
    drawn = axes()
    draw(drawn, [[0, 1], [2, 3]], *([[[0, 1], [2, 3]]] if draw is Axes.quiver else []))
    assert series_of(drawn) == []
