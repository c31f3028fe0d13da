"""What the overlay shows beside boxes: scales, measured places, names, spans, corrections, verdicts."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Box, Color
from servers.vision.overlay import AXIS, COLOURS, DOUBT, FRAME, draw_overlay
from tests.vision_figures import X, Y, axis, bars, scatter, table

WHITE = np.full((400, 400, 3), 255, np.uint8)
CORRECTED = COLOURS[figure_pb2.ORIGIN_CORRECTED]
MEASURED = COLOURS[figure_pb2.ORIGIN_INTERPOLATED]
TICKS = ((300.0, 0.0), (200.0, 10.0), (100.0, 20.0))


def painted(*figures: figure_pb2.Figure) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(draw_overlay(WHITE, figures))).convert("RGB"))


def chart() -> figure_pb2.Figure:
    figure = bars({"Coal": {"Jan": 250.0, "Feb": 150.0}}, TICKS)
    figure.box.CopyFrom(Box(x_min=20, y_min=80, x_max=200, y_max=320))
    figure.fidelity = figure_pb2.FIDELITY_PASS
    del figure.reasons[:]
    figure.chart.plot_area.CopyFrom(Box(x_min=60, y_min=100, x_max=200, y_max=300))
    for tick in figure.chart.axes[0].ticks:
        tick.box.CopyFrom(Box(x_min=30, x_max=50, y_min=tick.position_px - 4, y_max=tick.position_px + 4))
    return figure


def lettering(picture: np.ndarray, box: tuple[int, int, int, int]) -> int:
    """Count the pixels of words."""
    x0, y0, x1, y1 = box
    return int((picture[y0:y1, x0:x1] < 200).any(axis=2).sum())


def orange(picture: np.ndarray, box: tuple[int, int, int, int]) -> int:
    """Count the pixels of words in the colour of doubt, which letters thin to a paler shade."""
    x0, y0, x1, y1 = box
    part = picture[y0:y1, x0:x1].astype(int)
    return int((part[..., 0] - part[..., 2] > 60).sum())


def test_each_tick_is_drawn_at_its_place_on_the_edge_of_the_plot():
    picture = painted(chart())
    assert [tuple(picture[y, 57]) for y in (100, 200, 300)] == [AXIS] * 3
    assert tuple(picture[150, 57]) != AXIS


def test_a_tick_that_the_scale_misses_is_in_the_colour_of_doubt():
    figure = chart()
    figure.chart.axes[0].ticks[1].number = 16
    assert tuple(painted(figure)[200, 57]) == DOUBT


def test_a_corrected_tick_and_value_are_black():
    figure = chart()
    figure.chart.axes[0].ticks[1].is_corrected = True
    value = figure.chart.series[0].points[0].y
    value.origin, value.printed = figure_pb2.ORIGIN_CORRECTED, "5.2"
    value.ClearField("position_px")
    picture = painted(figure)
    assert tuple(picture[200, 57]) == CORRECTED
    assert tuple(picture[270, 0]) == CORRECTED  # the side of the first bar's box


def test_a_line_shows_where_a_mark_was_measured():
    picture = painted(chart())
    assert tuple(picture[150, 38]) == MEASURED  # left of the second bar, which begins at 40


def test_the_name_of_a_series_carries_its_colour():
    figure = chart()
    figure.chart.series[0].color.CopyFrom(Color(red=200, green=30, blue=40))
    figure.chart.series[0].name_box.CopyFrom(Box(x_min=220, x_max=260, y_min=100, y_max=112))
    assert tuple(painted(figure)[106, 266]) == (200, 30, 40)


def test_the_stretches_of_a_broken_axis_are_drawn():
    figure = chart()
    broken = figure.chart.axes[0]
    broken.segments.add(slope=-0.1, intercept=30, tick_count=2, from_px=190, to_px=300)
    broken.segments.add(slope=-1, intercept=200, tick_count=2, from_px=100, to_px=150)
    broken.ClearField("calibration")
    picture = painted(figure)
    assert tuple(picture[250, 60]) == AXIS
    assert tuple(picture[170, 60]) != AXIS


def test_reasons_stand_beside_the_frame_where_there_is_room_and_nowhere_else():
    figure = chart()
    figure.fidelity = figure_pb2.FIDELITY_REVIEW
    figure.reasons.add(code="few_ticks", message="axis y rests on 2 readable ticks")
    below = (20, 336, 300, 348)  # the second line under the frame
    assert orange(painted(figure), below) > 20
    figure.box.CopyFrom(Box(x_min=0, y_min=0, x_max=400, y_max=400))
    assert orange(painted(figure), below) == 0
    assert orange(painted(figure), (0, 0, 100, 20)) > 20


def test_a_value_that_a_reason_names_bears_a_question_mark():
    figure = chart()
    before = orange(painted(figure), (62, 150, 120, 170))
    figure.reasons.add(code="label_geometry_disagree", value_ids=["f1.s0.p1.y"])
    assert before == 0 < orange(painted(figure), (62, 150, 120, 170))


def test_a_spanning_cell_says_how_far_it_spans():
    figure = table([["Region", "Sales"], ["North", "12"]])
    figure.table.cells[0].value.box.CopyFrom(Box(x_min=100, x_max=150, y_min=100, y_max=112))
    before = lettering(painted(figure), (151, 100, 190, 120))
    figure.table.cells[0].column_span = 2
    assert before == 0 < lettering(painted(figure), (151, 100, 190, 120))


def test_several_figures_are_framed_and_do_not_write_into_each_other():
    first, second = chart(), chart()
    second.box.CopyFrom(Box(x_min=20, y_min=322, x_max=200, y_max=399))
    first.reasons.add(code="few_ticks", message="axis y rests on 2 readable ticks")
    first.fidelity = figure_pb2.FIDELITY_REVIEW
    picture = painted(first, second)
    assert tuple(picture[350, 20]) == FRAME
    assert orange(picture, (22, 324, 198, 397)) == 0


def test_figures_with_impossible_boxes_are_survived():
    figure = scatter([(150.0, 150.0)], TICKS, TICKS)
    point = figure.chart.series[0].points[0]
    point.mark_box.x_max = float("nan")
    point.y.position_px = 1e300
    point.label_box.CopyFrom(Box(x_min=-1e300, x_max=1e300, y_min=float("-inf"), y_max=3))
    figure.chart.axes.append(axis(X, TICKS))
    figure.chart.axes.append(axis(Y, TICKS))
    figure.chart.axes[2].ticks[0].position_px = float("nan")
    assert painted(figure).shape == WHITE.shape
