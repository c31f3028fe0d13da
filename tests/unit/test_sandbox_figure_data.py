"""What is read of a matplotlib figure: the numbers that were drawn and where in the picture, bounded."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import numpy
import pandas  # type: ignore[import-untyped]  # it ships no types
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from PIL import Image

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


@contextmanager
def read_while_written() -> Iterator[list[Any]]:
    """What each picture's figure is read as at the moment at which the sandbox reads it."""
    print_png, seen = FigureCanvasAgg.print_png, []

    @functools.wraps(print_png)
    def print_and_read(canvas: Any, *args: Any, **kwargs: Any) -> None:
        print_png(canvas, *args, **kwargs)
        seen.append(FigureReader().read(canvas.figure, is_measured=True))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FigureCanvasAgg, "print_png", print_and_read)
        yield seen


def written(drawn: Axes, **how: Any) -> tuple[Any, list[list[list[int]]]]:
    """The picture that a figure is written as [row, column, channel], and the boxes of each of its series."""
    assert isinstance(drawn.figure, Figure)
    buffer = io.BytesIO()
    with read_while_written() as seen:
        drawn.figure.savefig(buffer, **how)
    pixels = numpy.asarray(Image.open(buffer).convert("RGB"))
    return pixels, [series["boxes"] for series in seen[-1]["axes"][0]["series"]]


def red_within(pixels: Any) -> list[int]:
    """The box of all that is red."""
    rows, columns = numpy.nonzero((pixels[..., 0] > 200) & (pixels[..., 1:].max(axis=2) < 60))
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


WRITTEN = pytest.mark.parametrize(
    "how",
    [{}, {"dpi": 63}, {"bbox_inches": "tight"}, {"bbox_inches": "tight", "dpi": 180, "pad_inches": 0.4}],
    ids=["plain", "small", "cut", "cut and large"],
)


@WRITTEN
def test_the_box_of_a_bar_is_where_the_picture_has_it(how):
    drawn = axes()
    drawn.bar([1, 2, 3], [4, 8, 6], color=["blue", "red", "blue"])
    pixels, boxes = written(drawn, **how)
    assert max(abs(a - b) for a, b in zip(boxes[0][1], red_within(pixels), strict=True)) <= 1


@WRITTEN
def test_the_box_of_a_dot_a_vertex_a_slice_and_a_table_cell_are_where_the_picture_has_them(how):
    drawn = axes()
    drawn.scatter([1, 2, 3], [4, 8, 6], s=300, color=["blue", "red", "blue"], linewidths=0)
    pixels, boxes = written(drawn, **how)
    assert max(abs(a - b) for a, b in zip(boxes[0][1], red_within(pixels), strict=True)) <= 1
    drawn = axes()
    drawn.plot([1, 2, 3], [4, 8, 6], color="blue")
    drawn.plot([2], [5], "s", markersize=20, color="red", markeredgewidth=0)
    pixels, boxes = written(drawn, **how)
    assert max(abs(a - b) for a, b in zip(boxes[1][0], red_within(pixels), strict=True)) <= 1
    drawn = axes()
    drawn.pie([1, 2, 5], colors=["blue", "red", "blue"])
    pixels, boxes = written(drawn, **how)
    assert max(abs(a - b) for a, b in zip(boxes[0][1], red_within(pixels), strict=True)) <= 2  # its tips are thin
    drawn = axes()
    drawn.set_axis_off()
    drawn.table([["", ""], ["", ""]], cellColours=[["blue", "red"], ["blue", "blue"]])
    pixels, boxes = written(drawn, **how)
    assert max(abs(a - b) for a, b in zip(boxes[0][1], red_within(pixels), strict=True)) <= 3  # less its black frame


def test_the_boxes_of_areas_steps_and_grids_are_where_the_picture_has_them():
    drawn = axes()
    drawn.stairs([4, 8, 6], [0, 1, 2, 3], color="red", fill=True)
    pixels, boxes = written(drawn)
    whole = [min(box[0] for box in boxes[0]), boxes[0][1][1], boxes[0][2][2], boxes[0][1][3]]
    assert max(abs(a - b) for a, b in zip(whole, red_within(pixels), strict=True)) <= 1
    drawn = axes()
    drawn.fill_between([1, 2, 3], [4, 8, 4], [1, 1, 1], color="red", linewidth=0)
    pixels, boxes = written(drawn)
    assert max(abs(a - b) for a, b in zip(boxes[0][1][1::2], red_within(pixels)[1::2], strict=True)) <= 2
    drawn = axes()
    drawn.imshow([[0, 0, 0], [0, 0, 1]], cmap=ListedColormap(["blue", "red"]), interpolation="nearest")
    pixels, boxes = written(drawn)
    assert max(abs(a - b) for a, b in zip(boxes[0][5], red_within(pixels), strict=True)) <= 1


def test_a_point_that_the_axes_do_not_show_has_a_box_of_no_size():
    drawn = axes()
    drawn.scatter([1, 2, 30], [1, 2, 30])
    drawn.set(xlim=(0, 3), ylim=(0, 3))
    _, boxes = written(drawn)
    assert [box[0] < box[2] and box[1] < box[3] for box in boxes[0]] == [True, True, False]


def test_points_that_are_no_numbers_have_no_box_and_two_thousand_boxes_come():
    drawn = axes()
    drawn.scatter([1, 2, 3], [4, numpy.nan, 6])
    drawn.plot(range(4000))
    _, (dots, line) = written(drawn)
    assert (len(dots), len(line)) == (2, 1998)


def test_a_drawn_table_comes_as_its_texts():
    drawn = axes()
    drawn.table([["3", "4"], ["5", "6"]], colLabels=["Jan", "Feb"])
    assert isinstance(drawn.figure, Figure)
    (table,) = read(drawn.figure).axes[0].series
    assert SeriesKind.Name(table.kind) == "SERIES_KIND_TABLE"
    assert (table.row_count, table.column_count, list(table.labels)) == (3, 2, ["Jan", "Feb", "3", "4", "5", "6"])
    assert (table.point_count, list(table.y)) == (6, [])
