"""What is made of words and figures: numbers and ids, blocks, captions, rescaling, the overlay."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from loupe.type.v1 import figure_pb2 as f
from loupe.type.v1.geometry_pb2 import Box
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.vision.caption import describe
from servers.vision.description import describe_image
from servers.vision.geometry import PixelBox
from servers.vision.identify import number_figures
from servers.vision.layout import text_blocks
from servers.vision.overlay import AXIS, COLOURS, FRAME, draw_overlay
from servers.vision.rescale import rescale
from servers.vision.text import Word

WHITE = np.full((200, 300, 3), 255, np.uint8)


def bar_chart(box=(10, 10, 290, 190)):
    """Two bars, the first printed, the second measured."""
    values = [
        (
            30.0,
            f.ORIGIN_PRINTED,
            Box(x_min=40, y_min=40, x_max=60, y_max=50),
            Box(x_min=40, y_min=60, x_max=80, y_max=180),
        ),
        (12.5, f.ORIGIN_INTERPOLATED, Box(x_min=120, y_min=120, x_max=160, y_max=180), None),
    ]
    points = [
        f.DataPoint(
            label="AB"[index],
            y=f.Value(number=number, origin=origin, box=where, confidence=0.9),
            mark_box=mark or where,
        )
        for index, (number, origin, where, mark) in enumerate(values)
    ]
    axis = f.Axis(
        dimension=f.AXIS_DIMENSION_Y,
        scale=f.AXIS_SCALE_LINEAR,
        ticks=[
            f.Tick(label="40", number=40, position_px=30, box=Box(x_min=12, y_min=25, x_max=26, y_max=35)),
            f.Tick(label="0", number=0, position_px=180, box=Box(x_min=18, y_min=175, x_max=26, y_max=185)),
        ],
        calibration=f.Calibration(slope=-40 / 150, intercept=48, residual_px=0.2, tick_count=2),
    )
    x_min, y_min, x_max, y_max = box
    return f.Figure(
        box=Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max),
        chart=f.Chart(type=f.CHART_TYPE_BAR, axes=[axis], series=[f.Series(points=points)], title="Sales"),
    )


def small_table(box):
    x_min, y_min, x_max, y_max = box
    cells = [
        f.Cell(row=row, column=column, row_span=1, column_span=1, value=f.Value(printed=text))
        for row, column, text in [(0, 0, "a"), (0, 1, "b"), (1, 0, "c"), (1, 1, "5")]
    ]
    return f.Figure(
        box=Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max),
        table=f.Table(row_count=2, column_count=2, cells=cells),
    )


def word(text, x, y, *, height=10, confidence=0.9, angle=0):
    return Word(text, PixelBox(x, y, x + 6 * len(text), y + height), confidence, angle)


def test_figures_are_numbered_by_rows_and_values_named():
    right, left, below = small_table((200, 12, 290, 90)), bar_chart((5, 20, 150, 95)), small_table((5, 120, 90, 190))
    figures = number_figures([below, right, left])
    assert [figure.figure_id for figure in figures] == ["f1", "f2", "f3"]
    assert [figure.box.x_min for figure in figures] == [5, 200, 5]
    assert [point.y.value_id for point in figures[0].chart.series[0].points] == ["f1.s0.p0.y", "f1.s0.p1.y"]
    assert not figures[0].chart.series[0].points[0].HasField("x")
    assert [cell.value.value_id for cell in figures[1].table.cells] == ["f2.r0.c0", "f2.r0.c1", "f2.r1.c0", "f2.r1.c1"]


def test_lines_that_follow_each_other_are_one_block_ranked_by_size():
    words = [
        word("Title", 10, 5, height=24),
        word("first", 10, 50), word("line", 44, 50),
        word("second", 10, 64), word("line", 50, 64),
        word("far", 10, 150),
    ]  # fmt: skip
    blocks = text_blocks(words)
    assert [block.text for block in blocks] == ["Title", "first line\nsecond line", "far"]
    assert [block.font_size_rank for block in blocks] == [1, 2, 2]
    assert (blocks[1].box.x_min, blocks[1].box.y_min, blocks[1].box.x_max, blocks[1].box.y_max) == (10, 50, 74, 74)


def test_cells_of_a_row_stay_apart_from_those_below():
    words = [word(text, x, y) for y in (10, 24) for x, text in ((10, "aa"), (80, "bb"), (150, "cc"))]
    assert [block.text for block in text_blocks(words)] == ["aa", "bb", "cc", "aa", "bb", "cc"]


def test_text_that_runs_upward_is_a_block_of_its_own():
    upward = [
        Word("Share", PixelBox(10, 60, 20, 95), 0.9, 90),
        Word("of", PixelBox(10, 40, 20, 55), 0.9, 90),
    ]
    assert [block.text for block in text_blocks([word("Label", 40, 70), *upward])] == ["Label", "Share of"]


def test_no_words_are_no_blocks():
    assert text_blocks([]) == []


def test_a_caption_says_what_was_measured():
    answer = AnalyzeImageResponse(width_px=300, height_px=200, figures=[bar_chart()])
    caption, reasons = describe(answer)
    assert caption == "A bar chart with 2 categories titled “Sales”."
    assert reasons == []


def test_a_caption_of_a_chart_whose_marks_were_not_read_tells_its_axes():
    answer = AnalyzeImageResponse(width_px=160, height_px=120)
    chart = answer.figures.add(figure_id="f1").chart
    chart.title = "Sales"
    axis = chart.axes.add(dimension=f.AXIS_DIMENSION_Y, title="Tonnes")
    for label, number in (("40", 40), ("20", 20), ("0", 0)):
        axis.ticks.add(label=label, number=number)
    caption, _ = describe(answer)
    assert caption == "A chart titled “Sales” with axis y (Tonnes) from 0 to 40, whose marks could not be read."


def test_a_caption_of_two_figures_names_both():
    answer = AnalyzeImageResponse(figures=[bar_chart(), small_table((0, 0, 9, 9))])
    caption, _ = describe(answer)
    assert caption == "A bar chart with 2 categories titled “Sales”; a table of 2 rows and 2 columns with 0 numbers."


def test_an_image_with_nothing_to_read_is_described_by_size_and_colour():
    picture = np.full((120, 160, 3), (31, 100, 200), np.uint8)
    answer = AnalyzeImageResponse(width_px=160, height_px=120)
    answer.description.CopyFrom(describe_image(picture, answer))
    caption, reasons = describe(answer)
    assert caption == "An empty image of 160×120 px, mostly blue, with no readable text."
    assert reasons == ["No readable text, no chart and no table was found."]


def test_an_image_of_text_says_so():
    answer = AnalyzeImageResponse(text_blocks=[f.TextBlock(text="Dear all,\nplease note")])
    caption, reasons = describe(answer)
    assert caption == "Text of 4 words, beginning “Dear all,”; no chart or table."
    assert len(reasons) == 1


def test_an_answer_is_enlarged_with_its_calibration():
    answer = AnalyzeImageResponse(figures=[bar_chart()])
    measured = answer.figures[0].chart.series[0].points[1].y
    measured.position_px, measured.base_px = 120, 180
    rescale(answer, 2.0, 2.0)
    chart = answer.figures[0].chart
    axis = chart.axes[0]
    assert (answer.figures[0].box.x_min, answer.figures[0].box.y_max) == (20, 380)
    assert chart.series[0].points[1].mark_box.x_min == 240
    assert [tick.position_px for tick in axis.ticks] == [60, 360]
    value = chart.series[0].points[1].y
    assert (value.position_px, value.base_px) == (240, 360)
    for tick in axis.ticks:
        assert axis.calibration.slope * tick.position_px + axis.calibration.intercept == pytest.approx(tick.number)
    assert axis.calibration.residual_px == 0.4


def painted(figures):
    data = draw_overlay(WHITE, figures)
    assert data.startswith(b"\x89PNG")
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_the_overlay_paints_each_box_in_the_colour_of_its_origin():
    picture = painted(number_figures([bar_chart()]))
    assert picture.shape == WHITE.shape
    printed, measured = COLOURS[f.ORIGIN_PRINTED], COLOURS[f.ORIGIN_INTERPOLATED]
    assert tuple(picture[100, 10]) == FRAME  # the figure's left side
    assert tuple(picture[45, 40]) == printed  # the printed label
    assert tuple(picture[150, 79]) == printed  # its bar, at the last pixel inside
    assert tuple(picture[150, 80]) == (255, 255, 255)
    assert tuple(picture[150, 120]) == measured  # the measured bar
    assert tuple(picture[30, 12]) == AXIS  # a tick's label


def test_a_doubtful_value_has_a_thinner_box():
    figure = bar_chart()
    figure.chart.series[0].points[1].y.confidence = 0.3
    picture = painted([figure])
    assert tuple(picture[150, 120]) == COLOURS[f.ORIGIN_INTERPOLATED]
    assert tuple(picture[150, 121]) == (255, 255, 255)


def test_the_overlay_marks_the_cells_of_a_table():
    figure = small_table((5, 5, 100, 60))
    figure.table.cells[3].value.box.CopyFrom(Box(x_min=60, y_min=40, x_max=80, y_max=52))
    figure.table.cells[3].value.origin = f.ORIGIN_PRINTED
    assert tuple(painted([figure])[45, 60]) == COLOURS[f.ORIGIN_PRINTED]


def test_boxes_outside_the_image_are_survived():
    figure = small_table((-50, -20, 9000, 9000))
    figure.table.cells[0].value.box.CopyFrom(Box(x_min=500, y_min=500, x_max=400, y_max=400))
    assert painted([figure]).shape == WHITE.shape


def test_the_overlay_is_the_same_each_time():
    assert draw_overlay(WHITE, [bar_chart()]) == draw_overlay(WHITE, [bar_chart()])


def test_the_overlay_of_a_very_large_image_is_smaller_with_its_boxes_in_place():
    figure = bar_chart((0, 0, 4000, 4000))
    data = draw_overlay(np.full((4000, 4000, 3), 255, np.uint8), [figure])
    picture = np.asarray(Image.open(io.BytesIO(data)))
    assert picture.shape == (2828, 2828, 3)
    assert tuple(picture[1000, 0]) == FRAME
    assert tuple(picture[1000, 2827]) == FRAME
    assert figure.box.x_max == 4000
