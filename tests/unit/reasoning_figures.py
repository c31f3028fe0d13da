"""Figures of every kind to ask about: dots, bins, boxes, months, pairs of charts, as vision gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loupe.type.v1 import figure_pb2 as pb
from tests.unit.reasoning_programs import chart, grid_table

Dots = Sequence[tuple[float, float]]
FIVE = ("lower whisker", "lower quartile", "median", "upper quartile", "upper whisker")


def measured(value_id: str, number: float) -> pb.Value:
    return pb.Value(value_id=value_id, number=number, origin=pb.ORIGIN_INTERPOLATED, confidence=0.9)


def framed(kind: pb.ChartType.ValueType, x: str, y: str, title: str, unit: str = "") -> pb.Chart:
    content = pb.Chart(type=kind, title=title)
    content.axes.add(dimension=pb.AXIS_DIMENSION_X, scale=pb.AXIS_SCALE_LINEAR, title=x)
    content.axes.add(dimension=pb.AXIS_DIMENSION_Y, scale=pb.AXIS_SCALE_LINEAR, title=y, unit=unit)
    return content


def figure(content: pb.Chart, figure_id: str = "f1") -> pb.Figure:
    return pb.Figure(figure_id=figure_id, chart=content, confidence=0.9, fidelity=pb.FIDELITY_PASS)


def scatter(series: Mapping[str, Dots], x: str, y: str, title: str = "", figure_id: str = "f1") -> pb.Figure:
    """Make a scatter plot; a dot is labelled by its x, as vision does."""
    content = framed(pb.CHART_TYPE_SCATTER, x, y, title)
    for place, (name, dots) in enumerate(series.items()):
        row = content.series.add(name=name, value_axis=pb.AXIS_DIMENSION_Y)
        for spot, (across, up) in enumerate(dots):
            stem = f"{figure_id}.s{place}.p{spot}"
            row.points.add(label=f"{across:g}", x=measured(f"{stem}.x", across), y=measured(f"{stem}.y", up))
    return figure(content, figure_id)


def histogram(
    edges: Sequence[float], counts: Sequence[float], x: str, y: str = "Count", title: str = "", figure_id: str = "f1"
) -> pb.Figure:
    """Make a histogram; a bin is labelled by its edges."""
    content = framed(pb.CHART_TYPE_HISTOGRAM, x, y, title)
    row = content.series.add(value_axis=pb.AXIS_DIMENSION_Y)
    for spot, count in enumerate(counts):
        stem = f"{figure_id}.s0.p{spot}"
        low, high = edges[spot], edges[spot + 1]
        row.points.add(
            label=f"{low:g}–{high:g}",
            x=measured(f"{stem}.x", low),
            x_end=measured(f"{stem}.x_end", high),
            y=measured(f"{stem}.y", count),
        )
    return figure(content, figure_id)


def boxes(
    groups: Mapping[str, Sequence[float]], outliers: Mapping[str, Sequence[float]], y: str, title: str = ""
) -> pb.Figure:
    """Make a box plot from the five numbers of each group and the points that stand apart."""
    content = pb.Chart(type=pb.CHART_TYPE_BOX, title=title)
    content.axes.add(dimension=pb.AXIS_DIMENSION_X, scale=pb.AXIS_SCALE_CATEGORY)
    content.axes.add(dimension=pb.AXIS_DIMENSION_Y, scale=pb.AXIS_SCALE_LINEAR, title=y)
    for place, name in enumerate(FIVE):
        row = content.series.add(name=name, value_axis=pb.AXIS_DIMENSION_Y)
        for spot, (group, numbers) in enumerate(groups.items()):
            row.points.add(label=group, y=measured(f"f1.s{place}.p{spot}.y", numbers[place]))
    apart = [(group, number) for group, numbers in outliers.items() for number in numbers]
    if apart:
        row = content.series.add(name="outlier", value_axis=pb.AXIS_DIMENSION_Y)
        for spot, (group, number) in enumerate(apart):
            row.points.add(label=group, y=measured(f"f1.s5.p{spot}.y", number))
    return figure(content)


# y is 10 + 2 x but for the last dot, which lies 15 above.
TREES = scatter(
    {"": [(1, 12), (2, 14), (3, 16), (4, 18), (5, 20), (6, 22), (7, 24), (8, 26), (9, 28), (4.5, 34)]},
    x="Age",
    y="Height",
    title="Height of trees by age",
)
# Cars: dearer the faster. Vans: cheaper the faster.
PRICES = scatter(
    {
        "Cars": [(100, 10), (120, 13), (140, 15), (160, 20), (180, 22)],
        "Vans": [(90, 30), (110, 26), (130, 25), (150, 21), (170, 18)],
    },
    x="Speed",
    y="Price",
)
CLOUDS = scatter(
    {
        "": [
            *((1, 1), (1.2, 0.9), (0.9, 1.1), (1.1, 1.2)),
            *((9, 9), (9.1, 8.8), (8.9, 9.2), (9.2, 9.1)),
            *((1, 9), (1.1, 9.1), (0.9, 8.9), (1.2, 9.2)),
        ]
    },
    x="Width",
    y="Length",
)
SCORES = histogram([0, 20, 40, 60, 80, 100], [5, 10, 25, 40, 20], x="Score", y="Students", title="Exam scores")
# Medians 20, 35, 28; quartile ranges 10, 20, 6; whisker ranges 25, 45, 20.
WAGES = boxes(
    {"Nurses": (10, 15, 20, 25, 35), "Pilots": (15, 25, 35, 45, 60), "Clerks": (20, 25, 28, 31, 40)},
    {"Nurses": [50, 55, 3], "Clerks": [70]},
    y="Wage",
    title="Wages by occupation",
)
EXPORTS = chart(
    {
        "Chile": {str(2010 + place): number for place, number in enumerate([10, 12, 15, 14, 18, 21, 20, 25])},
        "Peru": {str(2010 + place): number for place, number in enumerate([18, 17, 16, 15, 15, 14, 16, 17])},
    },
    kind=pb.CHART_TYPE_LINE,
    title="Exports by country",
    measure="Exports",
)
GROWING = chart(
    {"Users": {str(2015 + place): number for place, number in enumerate([100, 110, 121, 133.1, 146.41, 161.051])}},
    kind=pb.CHART_TYPE_LINE,
    title="Users of the service",
    measure="Users",
    named=False,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SALES = (20, 22, 30, 34, 40, 48, 60, 55, 42, 35, 28, 24)
ICE = chart(
    {
        "Sales": {
            f"{month} {2020 + year}": float(number + 6 * year)
            for year in range(3)
            for month, number in zip(_MONTHS, _SALES, strict=True)
        }
    },
    kind=pb.CHART_TYPE_LINE,
    title="Ice cream sales",
    measure="Sales",
    named=False,
)
LAKES = grid_table(
    [
        ["Country", "Capital", "Population", "Lakes"],
        ["Peru", "Lima", "33", "12,000"],
        ["Chile", "Santiago", "19", "15,000"],
        ["Bolivia", "La Paz", "12", "9,000"],
    ],
    title="Lakes of South America",
)
PIE = chart(
    {"v": {"Norway": 40, "Sweden": 35, "Finland": 25}}, kind=pb.CHART_TYPE_PIE, title="Visitors", unit="%", named=False
)
for _point, _rgb in zip(PIE.chart.series[0].points, ((31, 119, 180), (214, 39, 40), (44, 160, 44)), strict=True):
    _point.color.red, _point.color.green, _point.color.blue = _rgb
TRADE = chart(
    {"v": {"2017": 20, "2018": 24, "2019": 30, "2020": 27}},
    title="Exports in billion",
    measure="Exports",
    named=False,
    figure_id="f1",
)
OUTPUT = chart(
    {"v": {"2017": 200, "2018": 200, "2019": 240, "2020": 180}},
    kind=pb.CHART_TYPE_LINE,
    title="GDP in billion",
    measure="GDP",
    named=False,
    figure_id="f2",
)
TRADE.box.x_max, TRADE.box.y_max = 400, 300
OUTPUT.box.x_min, OUTPUT.box.x_max, OUTPUT.box.y_max = 420, 800, 300
SECOND_PIE = pb.Figure()
SECOND_PIE.CopyFrom(PIE)
SECOND_PIE.figure_id = "f2"
for _place, _point in enumerate(SECOND_PIE.chart.series[0].points):
    _point.y.value_id = f"f2.s0.p{_place}.y"
