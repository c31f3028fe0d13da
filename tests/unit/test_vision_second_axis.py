"""Lines measured by one of two value axes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from loupe.type.v1 import figure_pb2
from servers.vision.charts.axes.second_axis import bind_series
from servers.vision.charts.axes.ticks import find_value_axes
from servers.vision.charts.picture.page import lab_of, prepare
from servers.vision.charts.reader import read_charts
from servers.vision.geometry import PixelBox
from servers.vision.text import Word, read_words

RED, BLUE, BLACK = (200, 30, 30), (30, 60, 200), (20, 20, 20)
PLOT = PixelBox(70, 30, 430, 300)
ROWS = (40.0, 100.0, 160.0, 220.0, 280.0)


def _lab(rgb: tuple[int, int, int]) -> NDArray[np.float32]:
    return np.asarray(lab_of(np.array([[rgb]], np.uint8))[0, 0], np.float32)


def _bound(left: tuple[int, int, int], right: tuple[int, int, int], names: tuple[str, str]) -> tuple[list[int], bool]:
    """Return (series on the second axis, whether that is told) of a blue and a red line."""
    rgb = np.full((340, 500, 3), 255, np.uint8)
    words = []
    for texts, x, ink in (
        (("40", "30", "20", "10", "0"), 40, left),
        (("8", "6", "4", "2", "0"), 450, right),
    ):
        for text, y in zip(texts, ROWS, strict=True):
            width = 6 * len(text)
            rgb[int(y) - 5 : int(y) + 5 : 2, x : x + width] = ink
            words.append(Word(text, PixelBox(x, y - 5, x + width, y + 5), 0.95))
    page = prepare(rgb, words)
    axes = sorted((axis for axis in find_value_axes(page) if axis.direction == "y"), key=lambda axis: axis.box.x_min)
    bound = bind_series(page, PLOT, axes[0], axes[1], [_lab(BLUE), _lab(RED)], names)
    return sorted(bound.on_second), bound.is_told


def test_labels_in_the_colour_of_a_line_tell_its_axis():
    assert _bound(BLUE, RED, ("", "")) == ([1], True)
    assert _bound(RED, BLUE, ("", "")) == ([0], True)


def test_the_legend_may_say_which_line_is_on_the_right():
    assert _bound(BLACK, BLACK, ("Price", "Volume (right axis)")) == ([1], True)
    assert _bound(BLACK, BLACK, ("Price (rhs)", "Volume")) == ([0], True)


def test_without_a_sign_nothing_is_claimed():
    assert _bound(BLACK, BLACK, ("Price", "Volume")) == ([], False)


def test_two_lines_are_read_on_their_own_axes():
    figure = Figure(figsize=(5.5, 3.4), dpi=90)
    left = figure.add_subplot()
    right = left.twinx()
    years = [2015, 2016, 2017, 2018, 2019]
    left.plot(years, [12, 18, 9, 22, 16], color="tab:blue", marker="o")
    right.plot(years, [410, 350, 480, 300, 390], color="tab:red", marker="o")
    left.set_xticks(years)
    for axes, name, color in ((left, "Rain", "tab:blue"), (right, "Sun", "tab:red")):
        axes.set_ylabel(name, color=color)
        axes.tick_params(axis="y", labelcolor=color)
    figure.tight_layout()
    file = io.BytesIO()
    figure.savefig(file, format="png")
    rgb = np.asarray(Image.open(file).convert("RGB"), np.uint8)
    (found,) = read_charts(rgb, read_words(rgb))
    by_axis = {part.value_axis: [point.y.number for point in part.points] for part in found.chart.series}
    assert by_axis[figure_pb2.AXIS_DIMENSION_Y] == pytest.approx([12, 18, 9, 22, 16], abs=0.3)
    assert by_axis[figure_pb2.AXIS_DIMENSION_Y2] == pytest.approx([410, 350, 480, 300, 390], abs=4)
    assert [axis.dimension for axis in found.chart.axes][-1] == figure_pb2.AXIS_DIMENSION_Y2
