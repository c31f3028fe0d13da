"""Pictures of several charts: each is found, read with its own axes, and told in the pixels of the whole picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from loupe.type.v1 import figure_pb2
from servers.vision.charts.panels.parting import find_parts
from servers.vision.charts.picture.page import prepare
from servers.vision.charts.reader import read_charts
from servers.vision.identify import number_figures
from servers.vision.text import read_words

CITIES = ("Oslo", "Lima", "Cairo", "Quito")


def _drawn(
    rows: int,
    columns: int,
    draw: Sequence[Callable[[Axes], object]],
    *,
    title: str = "",
    legend: bool = False,
    shared: bool = False,
) -> tuple[NDArray[np.uint8], list[tuple[float, float, float, float]]]:
    """Return the picture and each plot's box in its pixels."""
    with mpl.rc_context({"font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(4 * columns, 3 * rows + 0.3), dpi=100, layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared)
        for axes, paint in zip(grid.flat, draw, strict=True):
            paint(axes)
        if title:
            figure.suptitle(title)
        if legend:
            figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        file = io.BytesIO()
        figure.savefig(file, format="png")
    rgb = np.asarray(Image.open(file).convert("RGB"), np.uint8)
    extents = [axes.get_window_extent() for axes in grid.flat]
    return rgb, [(box.x0, rgb.shape[0] - box.y1, box.x1, rgb.shape[0] - box.y0) for box in extents]


def _bars(title: str, values: Sequence[float], color: str = "C0") -> Callable[[Axes], object]:
    def paint(axes: Axes) -> None:
        axes.bar(CITIES, values, color=color)
        axes.set_title(title)

    return paint


def _line(title: str, values: Sequence[float]) -> Callable[[Axes], object]:
    def paint(axes: Axes) -> None:
        axes.plot(("2018", "2019", "2020", "2021"), values, marker="o")
        axes.set_title(title)

    return paint


def _read(rgb: NDArray[np.uint8]) -> list[figure_pb2.Figure]:
    return number_figures(read_charts(rgb, read_words(rgb)))


def _values(figure: figure_pb2.Figure) -> dict[str, float]:
    return {point.label: point.y.number for point in figure.chart.series[0].points}


def test_four_charts_are_four_figures_in_reading_order():
    rgb, plots = _drawn(
        2,
        2,
        [
            _bars("Exports", (34, 61, 18, 47)),
            _line("Rainfall", (310, 220, 460, 390)),
            _line("Wages", (1.2, 3.4, 2.2, 4.1)),
            _bars("Traffic", (5200, 3100, 7400, 1800), "C2"),
        ],
        title="The year in four pictures",
    )
    figures = _read(rgb)
    assert [figure.chart.title for figure in figures] == ["Exports", "Rainfall", "Wages", "Traffic"]
    assert _values(figures[0]) == pytest.approx({"Oslo": 34, "Lima": 61, "Cairo": 18, "Quito": 47}, abs=1)
    assert _values(figures[1]) == pytest.approx({"2018": 310, "2019": 220, "2020": 460, "2021": 390}, abs=6)
    assert _values(figures[2]) == pytest.approx({"2018": 1.2, "2019": 3.4, "2020": 2.2, "2021": 4.1}, abs=0.06)
    assert _values(figures[3]) == pytest.approx({"Oslo": 5200, "Lima": 3100, "Cairo": 7400, "Quito": 1800}, abs=90)
    for figure, (left, top, right, bottom) in zip(figures, plots, strict=True):
        for point in figure.chart.series[0].points:
            assert left - 2 <= point.mark_box.x_min < point.mark_box.x_max <= right + 2
            assert top - 2 <= point.mark_box.y_min <= point.mark_box.y_max <= bottom + 2
        axis = next(axis for axis in figure.chart.axes if axis.dimension == figure_pb2.AXIS_DIMENSION_Y)
        tick = axis.ticks[0]
        fit = axis.calibration
        assert top - 2 <= tick.position_px <= bottom + 2
        assert fit.slope * tick.position_px + fit.intercept == pytest.approx(tick.number, abs=2 * abs(fit.slope))


def test_panels_read_the_axes_they_share():
    rgb, _ = _drawn(
        2,
        2,
        [
            _line("North", (34, 61, 18, 47)),
            _line("South", (72, 55, 64, 21)),
            _line("East", (12, 25, 44, 71)),
            _line("West", (66, 48, 39, 15)),
        ],
        shared=True,
    )
    figures = _read(rgb)
    assert [figure.chart.title for figure in figures] == ["North", "South", "East", "West"]
    expected = [(34, 61, 18, 47), (72, 55, 64, 21), (12, 25, 44, 71), (66, 48, 39, 15)]
    for figure, values in zip(figures, expected, strict=True):
        assert list(_values(figure)) == ["2018", "2019", "2020", "2021"]
        assert list(_values(figure).values()) == pytest.approx(list(values), abs=1)
    # The borrowed labels are where they stand, not where they were set.
    boxes = [point.label_box for point in figures[0].chart.series[0].points]
    assert min(box.y_min for box in boxes) > rgb.shape[0] * 0.9


def test_a_legend_under_all_panels_names_the_series_of_each():
    def groups(first: Sequence[float], second: Sequence[float]) -> Callable[[Axes], object]:
        def paint(axes: Axes) -> None:
            places = np.arange(len(CITIES))
            axes.bar(places - 0.2, first, 0.4, label="Girls")
            axes.bar(places + 0.2, second, 0.4, label="Boys")
            axes.set_xticks(places, CITIES)

        return paint

    rgb, _ = _drawn(1, 2, [groups((34, 61, 18, 47), (20, 30, 40, 50)), groups((9, 7, 5, 8), (3, 6, 4, 2))], legend=True)
    figures = _read(rgb)
    assert [[series.name for series in figure.chart.series] for figure in figures] == [["Girls", "Boys"]] * 2
    assert [point.y.number for point in figures[1].chart.series[1].points] == pytest.approx([3, 6, 4, 2], abs=0.2)


def test_a_pie_beside_bars_is_a_figure_of_its_own():
    def pie(axes: Axes) -> None:
        axes.pie((42, 28, 30), labels=("Rail", "Road", "Sea"), autopct="%1.0f%%")

    rgb, _ = _drawn(1, 2, [_bars("Exports", (34, 61, 18, 47)), pie])
    figures = _read(rgb)
    assert [figure.chart.type for figure in figures] == [figure_pb2.CHART_TYPE_BAR, figure_pb2.CHART_TYPE_PIE]
    assert _values(figures[1]) == pytest.approx({"Rail": 42, "Road": 28, "Sea": 30}, abs=0.6)


def _bare_bars(axes: Axes) -> None:
    axes.bar(("2016", "2017", "2018", "2019", "2020", "2021"), (34, 61, 18, 47, 52, 28), width=0.4)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _two_axes(axes: Axes) -> None:
    _bare_bars(axes)
    other = axes.twinx()
    other.set_ylim(0, 900)
    other.spines[:].set_visible(False)
    other.tick_params(length=0)


def _legend_aside(axes: Axes) -> None:
    for index, name in enumerate(("Women", "Men", "Children", "Everybody together")):
        axes.bar(np.arange(4) + 0.2 * index, (index + 3, 6, 4, 2), 0.2, label=name)
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))


def _lying_in_groups(axes: Axes) -> None:
    axes.barh((0, 1, 2, 6, 7, 8), (34, 61, 18, 47, 52, 28), height=0.6)
    axes.set_yticks((0, 1, 2, 6, 7, 8), ("Oslo", "Lima", "Cairo", "Quito", "Hanoi", "Accra"))
    axes.spines[:].set_visible(False)


@pytest.mark.parametrize("paint", [_bare_bars, _two_axes, _legend_aside, _lying_in_groups])
def test_one_chart_stays_one_whatever_gaps_it_has(paint):
    rgb, _ = _drawn(1, 1, [paint])
    assert len(find_parts(prepare(rgb, read_words(rgb)))) == 1
