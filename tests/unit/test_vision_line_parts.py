"""What lines and points rest on: their colours, plot and axis, each by itself on drawings of a few strokes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from servers.vision.charts.axes.calibration import fit_axis
from servers.vision.charts.axes.named_places import slanted_places
from servers.vision.charts.axes.number_labels import tick_value
from servers.vision.charts.axes.plot_area import PlotArea, find_plot_area
from servers.vision.charts.axes.power_labels import raised_powers
from servers.vision.charts.axes.snapping import snapped
from servers.vision.charts.axes.value_axis import TickMark, ValueAxis
from servers.vision.charts.lines.dashes import Pattern
from servers.vision.charts.lines.line_keys import mismatch
from servers.vision.charts.lines.stroke_colors import find_thin, line_colors
from servers.vision.charts.lines.strokes import Stroke
from servers.vision.charts.picture.colors import find_palette
from servers.vision.charts.picture.page import Page, prepare
from servers.vision.geometry import PixelBox
from servers.vision.text import Word

RED, BLUE = (214, 60, 50), (40, 90, 190)
WAY = np.array([[20, 180], [90, 60], [170, 130], [250, 40], [380, 160]], np.int32)


def _blank(color: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    return np.full((220, 400, 3), color, np.uint8)


def _whole(page: Page) -> PlotArea:
    return PlotArea(PixelBox(0, 0, page.width, page.height), np.zeros((page.height, page.width), dtype=bool))


def _ticks(positions: list[float], y: float = 190.0) -> ValueAxis:
    """Return an axis of the years from 2001, labels 40 px wide centred on these pixels."""
    numbers = [2001.0 + k for k in range(len(positions))]
    fit = fit_axis(np.array(positions), np.array(numbers))
    assert fit is not None
    ticks = tuple(
        TickMark(f"{number:.0f}", number, x, PixelBox(x - 20, y, x + 20, y + 30))
        for x, number in zip(positions, numbers, strict=True)
    )
    return ValueAxis("x", ticks, fit, "", True)


def test_what_jpeg_makes_of_a_lines_edges_is_no_line_of_its_own():
    rgb = _blank()
    cv2.polylines(rgb, [WAY], False, RED, 3, cv2.LINE_AA)
    done, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])
    assert done
    worn = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert worn is not None
    page = prepare(np.ascontiguousarray(worn[..., ::-1]), [])
    thin = find_thin(page, find_palette(page), _whole(page), words=np.zeros((220, 400), dtype=bool))
    assert thin is not None
    assert len(line_colors(thin)) == 1


def test_a_panel_that_a_line_cuts_into_pieces_is_paper():
    rgb = _blank()
    rgb[20:200, 40:390] = (235, 235, 235)
    for x in (110, 180, 250, 320):
        rgb[20:200, x : x + 2] = 255
    cv2.line(rgb, (30, 150), (399, 70), RED, 5, cv2.LINE_AA)
    papers = find_palette(prepare(rgb, [])).papers
    assert [round(float(paper[0])) for paper in papers] == [100, 93]


def test_grey_bars_with_paper_between_them_are_no_panel():
    rgb = _blank()
    for x, top in ((40, 30), (120, 34), (200, 30), (280, 40)):
        rgb[top:200, x : x + 60] = (215, 215, 215)
    assert len(find_palette(prepare(rgb, [])).papers) == 1


def test_the_plot_reaches_as_far_as_its_level_rules_not_only_to_the_outer_upright_ones():
    rgb = _blank()
    for y in (40, 80, 120, 160):
        rgb[y, 40:390] = 205
    for x in (90, 190, 290, 340):
        rgb[40:160, x] = 205
    axis = fit_axis(np.array([40.0, 80.0, 120.0, 160.0]), np.array([30.0, 20.0, 10.0, 0.0]))
    assert axis is not None
    ticks = tuple(
        TickMark(f"{n}", n, y, PixelBox(10, y - 5, 30, y + 5))
        for n, y in ((30, 40.0), (20, 80.0), (10, 120.0), (0, 160.0))
    )
    page = prepare(rgb, [Word("30", PixelBox(10, 35, 30, 45), 0.95)])
    plot = find_plot_area(page, find_palette(page), None, ValueAxis("y", ticks, axis, "", False))
    assert (plot.box.x_min, plot.box.x_max) == (40, 390)


@pytest.mark.parametrize(
    ("text", "number"), [("0015", 0.015), ("-0025", -0.025), ("005", 0.05), ("0.5", 0.5), ("0", 0), ("1500", 1500)]
)
def test_a_tick_that_begins_with_a_zero_has_lost_its_point(text, number):
    read = tick_value(text)
    assert read is not None
    assert read.number == pytest.approx(number)


def test_a_ten_with_a_raised_digit_is_a_power_and_a_hundred_is_not():
    rgb = _blank()
    words = []
    for y in (40, 90, 140):
        cv2.putText(rgb, "10", (20, y), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
        cv2.putText(rgb, "3", (44, y - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
        words.append(Word("103", PixelBox(20, y - 18, 53, y + 1), 0.9))
        cv2.putText(rgb, "103", (200, y), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
        words.append(Word("103", PixelBox(200, y - 14, 236, y + 1), 0.9))
    assert [run.box.x_min for run in raised_powers(prepare(rgb, words))] == [20, 20, 20]


def test_turned_labels_are_moved_to_the_ticks_that_are_drawn():
    rgb = _blank()
    rgb[180, 20:390] = 0
    places = (50, 120, 190, 260, 330)
    for x in places:
        rgb[180:186, x] = 0
    words = [Word(f"200{k + 1}", PixelBox(x + 13 - 20, 190, x + 13 + 20, 220), 0.95, 45) for k, x in enumerate(places)]
    axis = snapped(prepare(rgb, words), _ticks([x + 13.5 for x in places]))
    assert [tick.position for tick in axis.ticks] == pytest.approx([x + 0.5 for x in places], abs=0.1)


def test_names_printed_aslant_point_at_the_data():
    words = [
        Word(name, PixelBox(x - 12, 190, x + 12, 214), 0.95, 45)
        for name, x in (("Jan", 50), ("Feb", 150), ("Mar", 250))
    ]
    page = prepare(_blank(), [*words, Word("100", PixelBox(5, 20, 25, 30), 0.95)])
    places = slanted_places(page, PixelBox(30, 10, 300, 186), [49.0, 149.0, 249.0], [])
    assert [(place.label, place.x) for place in places] == [("Jan", 49.0), ("Feb", 149.0), ("Mar", 249.0)]


def _dashed(on: int, off: int, length: int = 200) -> Stroke:
    y = np.full(length, 50.0)
    inked = np.arange(length) % (on + off) < on
    low = np.where(inked, 49.0, np.nan)
    return Stroke(np.zeros(3, np.float32), (0, 0, 0), 0, y, low, low + 2, 2.0, (), 0, Pattern(on, on, off))


def test_a_key_is_most_like_the_line_whose_dashes_begin_as_its_own():
    key = np.arange(40) % 14 < 9
    known = np.ones(40, dtype=bool)
    assert mismatch(key, known, _dashed(9, 5)) == 0.0
    assert mismatch(key, known, _dashed(3, 4)) > 0.2
    assert mismatch(key, known, _dashed(200, 0)) == pytest.approx(13 / 40)


def test_a_marker_in_a_key_says_nothing_of_the_dashes_it_hides():
    key = np.arange(40) % 14 < 9
    key[16:24] = True
    known = np.ones(40, dtype=bool)
    known[16:24] = False
    assert mismatch(key, known, _dashed(9, 5)) == 0.0


@pytest.mark.parametrize(("per_px", "told"), [(0.37, 74.0), (1.4, 280.0), (0.2, 40.0), (0.03, 6.0)])
def test_a_place_is_told_to_the_decimal_that_few_pixels_are_worth(per_px, told):
    fit = fit_axis(np.array([0.0, 100.0]), np.array([0.0, 100.0 * per_px]))
    assert fit is not None
    assert fit.told(200.02) == pytest.approx(told)
