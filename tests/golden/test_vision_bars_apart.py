"""Bars and what is drawn around, over and between them, read from whole pictures."""

from __future__ import annotations

import numpy as np

from servers.vision.charts.bars.bars import find_bars
from servers.vision.charts.picture.colors import find_palette
from servers.vision.charts.picture.page import Page, prepare

BLUE, RED, BLACK, GREY = (60, 100, 180), (200, 60, 40), (0, 0, 0), (217, 217, 217)


def paper() -> np.ndarray:
    return np.full((300, 400, 3), 255, np.uint8)


def page_of(rgb: np.ndarray) -> Page:
    return prepare(rgb, [])


def test_bars_on_both_sides_of_a_line_at_zero_stand_on_its_middle():
    rgb = paper()
    for left, top, bottom in ((60, 60, 149), (140, 151, 230), (220, 100, 149), (300, 151, 200)):
        rgb[top:bottom, left : left + 40] = BLUE
    rgb[149:151, 40:360] = BLACK
    page = page_of(rgb)
    chart = find_bars(page, find_palette(page))
    assert chart is not None
    assert len(chart.bars) == 4
    assert chart.baseline == 150


def test_grid_lines_between_bars_are_no_bars():
    rgb = paper()
    for y in (50, 100, 150, 200):
        rgb[y : y + 2, 40:360] = GREY
    for left, top in ((60, 60), (140, 120), (220, 90), (300, 180)):
        rgb[top:250, left : left + 40] = BLUE
    page = page_of(rgb)
    chart = find_bars(page, find_palette(page))
    assert chart is not None
    assert [round(bar.end) for bar in chart.bars] == [60, 120, 90, 180]


def test_a_bar_reaches_to_the_middle_of_its_outline():
    rgb = paper()
    for left, top in ((60, 60), (140, 120), (220, 90), (300, 180)):
        rgb[top:252, left : left + 40] = BLACK
        rgb[top + 2 : 250, left + 2 : left + 38] = RED
    page = page_of(rgb)
    chart = find_bars(page, find_palette(page))
    assert chart is not None
    assert [bar.end for bar in chart.bars] == [61, 121, 91, 181]
    assert chart.baseline == 251
