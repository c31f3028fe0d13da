"""What a reading overlooks in and beside the plot speaks against it."""

from __future__ import annotations

import numpy as np
import pytest

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Box, Color
from servers.vision.charts.explained import account
from servers.vision.geometry import PixelBox
from servers.vision.text import Word

BLUE, RED = (31, 119, 180), (214, 39, 40)


def picture() -> np.ndarray:
    """Two blue bars and a grid line on white."""
    rgb = np.full((200, 300, 3), 255, np.uint8)
    rgb[100] = 200
    rgb[60:180, 40:80] = BLUE
    rgb[120:180, 120:160] = BLUE
    return rgb


def figure(*boxes: tuple[int, int, int, int], kind: figure_pb2.ChartType.ValueType = figure_pb2.CHART_TYPE_BAR):
    chart = figure_pb2.Chart(type=kind, plot_area=Box(x_min=20, x_max=280, y_min=20, y_max=182))
    series = chart.series.add(name="Coal", color=Color(red=BLUE[0], green=BLUE[1], blue=BLUE[2]))
    for x0, y0, x1, y1 in boxes:
        point = series.points.add(label="Jan")
        point.mark_box.CopyFrom(Box(x_min=x0, x_max=x1, y_min=y0, y_max=y1))
    return figure_pb2.Figure(chart=chart, confidence=0.9)


def word(text: str, x: float, y: float) -> Word:
    return Word(text, PixelBox(x, y, x + 40, y + 10), 0.9)


BARS = ((40, 60, 80, 180), (120, 120, 160, 180))


def accounted(rgb: np.ndarray, read: figure_pb2.Figure, *words: Word) -> tuple[float, list[str]]:
    account(rgb, words, read)
    return read.confidence, [reason.code for reason in read.reasons]


def test_bars_that_were_all_read_explain_the_plot():
    confidence, codes = accounted(picture(), figure(*BARS))
    assert confidence == pytest.approx(0.9)
    assert codes == []


def test_a_bar_that_was_overlooked_is_unexplained():
    confidence, codes = accounted(picture(), figure(BARS[0]))
    assert confidence == pytest.approx(0.9 * 4800 / 7200, abs=0.02)
    assert codes == ["unexplained_ink"]


def test_marks_in_a_colour_of_no_series_are_unexplained():
    rgb = picture()
    rgb[40:180, 200:260] = RED
    assert accounted(rgb, figure(*BARS))[1] == ["unexplained_ink"]


def test_a_line_explains_ink_of_its_colour_wherever_it_runs():
    confidence, _ = accounted(picture(), figure(kind=figure_pb2.CHART_TYPE_LINE))
    assert confidence == pytest.approx(0.9)


def test_names_in_the_plot_that_nothing_read_are_told():
    words = [word(name, 200, 30 + 20 * row) for row, name in enumerate(("Norway", "Sweden", "Denmark"))]
    confidence, codes = accounted(picture(), figure(*BARS), *words)
    assert confidence == pytest.approx(0.9 * 2 / 5)
    assert codes == ["unexplained_words"]


def test_words_that_were_read_or_stand_elsewhere_are_no_doubt():
    words = [word("Coal", 200, 30), word("Source", 40, 190), word("percent", -30, 100)]
    confidence, codes = accounted(picture(), figure(*BARS), *words)
    assert confidence == pytest.approx(0.9)
    assert codes == []


def test_a_plot_without_pixels_says_nothing():
    read = figure(*BARS)
    read.chart.plot_area.CopyFrom(Box(x_min=500, x_max=900, y_min=20, y_max=182))
    assert accounted(picture(), read)[0] == pytest.approx(0.9)
