"""A chart and a table seen in the same place: one of them is there."""

from __future__ import annotations

import pytest

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Box
from servers.vision.contest import settle
from servers.vision.geometry import PixelBox
from servers.vision.reading import read_image
from servers.vision.text import Word
from tests.specimens import draw

ROWS = [(("Norway", "12", "7", "31"), 100), (("Peru", "25", "18", "4"), 140), (("Chad", "9", "33", "16"), 180)]


def a_table() -> figure_pb2.Figure:
    """Three rows of four cells."""
    cells = [
        figure_pb2.Cell(
            row=row,
            column=column,
            value=figure_pb2.Value(
                printed=text, box=Box(x_min=100 * column, y_min=y, x_max=100 * column + 30, y_max=y + 12)
            ),
        )
        for row, (texts, y) in enumerate(ROWS)
        for column, text in enumerate(texts)
    ]
    table = figure_pb2.Table(row_count=3, column_count=4, cells=cells)
    return figure_pb2.Figure(box=Box(x_min=0, y_min=90, x_max=400, y_max=200), table=table)


def words() -> list[Word]:
    return [
        Word(text, PixelBox(100 * column, y, 100 * column + 30, y + 12), 0.9)
        for texts, y in ROWS
        for column, text in enumerate(texts)
    ]


def bars_behind(widths: list[float]) -> figure_pb2.Figure:
    """One lying bar behind each row of words."""
    points = [
        figure_pb2.DataPoint(label=texts[0], mark_box=Box(x_min=0, y_min=y - 8, x_max=width, y_max=y + 20))
        for (texts, y), width in zip(ROWS, widths, strict=True)
    ]
    chart = figure_pb2.Chart(
        type=figure_pb2.CHART_TYPE_HORIZONTAL_BAR,
        plot_area=Box(x_min=0, y_min=90, x_max=400, y_max=200),
        series=[figure_pb2.Series(points=points)],
        axes=[figure_pb2.Axis(ticks=[figure_pb2.Tick()], calibration=figure_pb2.Calibration(slope=1))],
    )
    return figure_pb2.Figure(box=chart.plot_area, chart=chart)


def test_stripes_behind_rows_of_text_are_no_bars():
    charts, tables = settle([bars_behind([400, 400, 400])], words(), lambda taken: [] if taken else [a_table()])
    assert (len(charts), len(tables)) == (0, 1)


def test_bars_of_different_lengths_stay_bars():
    charts, tables = settle([bars_behind([400, 260, 130])], words(), lambda taken: [] if taken else [a_table()])
    assert (len(charts), len(tables)) == (1, 0)


@pytest.mark.parametrize("kind", ["table_zebra", "horizontal_whole_stacked_bar"])
def test_what_was_drawn_is_what_is_seen(kind):
    specimen = draw(kind, 11)
    figures = read_image(specimen.rgb).figures
    assert [figure.WhichOneof("content") for figure in figures] == ["table" if "table" in kind else "chart"]
