"""Charts drawn here with known numbers, in the styles of plotting libraries."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

CITIES = ("Oslo", "Lima", "Cairo", "Quito", "Hanoi")
YEARS = ("2016", "2017", "2018", "2019", "2020", "2021")


@dataclass(frozen=True)
class Drawn:
    """A picture of a chart and the table behind it."""

    rgb: NDArray[np.uint8]
    labels: tuple[str, ...]
    series: Mapping[str, tuple[float, ...]]


def _render(draw: Callable[[Axes], None], style: str, size: tuple[float, float], dpi: int) -> NDArray[np.uint8]:
    with mpl.style.context(style), mpl.rc_context({"font.family": "DejaVu Sans"}):
        figure = Figure(figsize=size, dpi=dpi)
        axes = figure.add_subplot()
        draw(axes)
        figure.tight_layout()
        file = io.BytesIO()
        figure.savefig(file, format="png")
    return np.asarray(Image.open(file).convert("RGB"), dtype=np.uint8)


def drawn(draw: Callable[[Axes], None], *, style: str = "default", dpi: int = 100) -> NDArray[np.uint8]:
    """Return the picture of one chart."""
    return _render(draw, style, (6.4, 4.2), dpi)


def bars(
    values: Sequence[float] = (34, 61, 18, 47, 72),
    *,
    labels: Sequence[str] = CITIES,
    style: str = "default",
    horizontal: bool = False,
    printed: bool = False,
    dpi: int = 100,
) -> Drawn:
    """Draw one bar for each label."""

    def draw(axes: Axes) -> None:
        if horizontal:
            marks = axes.barh(labels, values)
            axes.set_xlabel("Visitors (thousand)")
        else:
            marks = axes.bar(labels, values)
            axes.set_ylabel("Visitors (thousand)")
        if printed:
            axes.bar_label(marks)
        axes.set_title("Visitors by city")

    return Drawn(
        _render(draw, style, (6.4, 4.2), dpi), tuple(labels), {"Visitors (thousand)": tuple(map(float, values))}
    )


def bar_groups(*, stacked: bool = False, style: str = "default") -> Drawn:
    """Draw three series of bars beside or on each other."""
    series = {"North": (22.0, 35.0, 41.0, 28.0), "South": (31.0, 18.0, 26.0, 44.0), "West": (12.0, 24.0, 15.0, 33.0)}
    labels = YEARS[:4]

    def draw(axes: Axes) -> None:
        places = np.arange(len(labels), dtype=float)
        foot = np.zeros(len(labels))
        for index, (name, values) in enumerate(series.items()):
            if stacked:
                axes.bar(places, values, 0.6, bottom=foot, label=name)
                foot = foot + np.array(values)
            else:
                axes.bar(places + 0.26 * (index - 1), values, 0.25, label=name)
        axes.set_xticks(places, labels)
        axes.set_ylim(0, 130 if stacked else 60)
        axes.legend()
        axes.set_ylabel("Sales")

    return Drawn(_render(draw, style, (6.4, 4.2), 100), labels, series)


def lines(*, style: str = "default", log: bool = False) -> Drawn:
    """Draw two lines with a legend over years."""
    series = {"Bread": (12.0, 15.0, 11.0, 19.0, 23.0, 21.0), "Milk": (30.0, 27.0, 33.0, 36.0, 31.0, 40.0)}
    if log:
        series = {"Bread": (12.0, 40.0, 95.0, 310.0, 900.0, 2400.0)}

    def draw(axes: Axes) -> None:
        for name, values in series.items():
            axes.plot(YEARS, values, marker="o", label=name)
        if log:
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, 50)
            axes.legend(loc="lower right")
        axes.set_ylabel("Price")

    return Drawn(_render(draw, style, (6.4, 4.2), 100), YEARS, series)


def pie(*, ring: bool = False) -> Drawn:
    """Draw slices with names around and percentages inside."""
    labels, values = ("Rail", "Road", "Air", "Sea"), (42.0, 28.0, 19.0, 11.0)

    def draw(axes: Axes) -> None:
        axes.pie(values, labels=labels, autopct="%1.0f%%", pctdistance=0.8, wedgeprops={"width": 0.4 if ring else 1.0})

    return Drawn(_render(draw, "default", (5.2, 4.4), 100), labels, {"": values})


def area(*, style: str = "default") -> Drawn:
    """Draw two stacked areas."""
    series = {"Coal": (20.0, 24.0, 18.0, 15.0, 12.0, 9.0), "Wind": (5.0, 8.0, 14.0, 20.0, 27.0, 33.0)}

    def draw(axes: Axes) -> None:
        axes.stackplot(YEARS, *series.values(), labels=list(series))
        axes.legend(loc="upper left")
        axes.set_ylim(0, 60)
        axes.set_ylabel("Output")

    return Drawn(_render(draw, style, (6.4, 4.2), 100), YEARS, series)


def scatter(*, style: str = "default") -> Drawn:
    """Draw single points; the labels are the x."""
    xs, ys = (5.0, 12.0, 20.0, 27.0, 33.0, 41.0, 48.0), (11.0, 18.0, 14.0, 29.0, 35.0, 31.0, 44.0)

    def draw(axes: Axes) -> None:
        axes.scatter(xs, ys, s=40)
        axes.set_xlabel("Load (kN)")
        axes.set_ylabel("Bend (mm)")

    return Drawn(_render(draw, style, (6.0, 4.2), 100), tuple(f"{x:g}" for x in xs), {"Bend (mm)": ys})
