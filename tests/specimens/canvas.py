"""From a matplotlib figure to pixels: axes dressed in a look, legends placed, the picture cut to what was drawn."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox
from PIL import Image

from tests.specimens import truth, words
from tests.specimens.measures import Measure, TickFormatter
from tests.specimens.style import Look

Side = Literal["x", "y"]
_OUTSIDE: dict[str, tuple[str, ...]] = {
    "right": ("outside right upper", "outside right upper", "outside right center"),
    "below": ("outside lower center",),
    "above": ("outside upper center", "outside upper left"),
}
Drawing = tuple[truth.Rgb, tuple[truth.TrueFigure, ...]]
"""A picture before any harm, and what it shows."""


def figure(look: Look) -> Figure:
    """Return an empty sheet of the look's size. Draw on it inside `look.applied()`."""
    sheet = Figure(figsize=look.size_in, dpi=look.dpi, layout="constrained")
    FigureCanvasAgg(sheet)
    return sheet


def alone(look: Look, rng: Random, draw: Callable[[Axes, Look, Random], truth.TrueFigure]) -> Drawing:
    """Return the picture of one chart that has the sheet to itself."""
    with look.applied():
        sheet = figure(look)
        axes = sheet.add_subplot()
        drawn = draw(axes, look, rng)
        rgb, regions = render(sheet, look, [[*sheet.axes, *sheet.legends]])
    return rgb, (replace(drawn, region=regions[0]),)


def render(sheet: Figure, look: Look, charts: Sequence[Sequence[Artist]]) -> tuple[truth.Rgb, list[truth.Region]]:
    """Return the picture, and where on it each chart's artists stand."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        canvas = FigureCanvasAgg(sheet)
        canvas.draw()
        renderer = canvas.get_renderer()
        whole = sheet.get_tightbbox(renderer).padded(look.font_pt / 72 * 0.7)
        # The layout's solver leaves noise in the last digits, which must not decide about a pixel.
        tight = Bbox(np.round(whole.get_points(), 4))
        file = io.BytesIO()
        sheet.savefig(file, format="png", dpi=look.dpi, bbox_inches=tight)
    rgb = np.asarray(Image.open(file).convert("RGB"), dtype=np.uint8)
    inner = [Bbox.union([box for artist in some if (box := artist.get_tightbbox(renderer))]) for some in charts]
    return rgb, [_region(box, tight, look.dpi) for box in inner]


def _region(box: Bbox, tight: Bbox, dpi: float) -> truth.Region:
    def share(at: float, low: float, high: float) -> float:
        return float(round(min(1.0, max(0.0, (at / dpi - low) / (high - low))), 6))

    return truth.Region(
        x_min=share(box.x0, tight.x0, tight.x1),
        x_max=share(box.x1, tight.x0, tight.x1),
        y_min=1 - share(box.y1, tight.y0, tight.y1),
        y_max=1 - share(box.y0, tight.y0, tight.y1),
    )


def dress_values(axes: Axes, look: Look, measure: Measure, rng: Random, side: Side = "y") -> None:
    """Give the axis of values its ticks, their print, its title and the grid."""
    axis = axes.yaxis if side == "y" else axes.xaxis
    axis.set_major_locator(locator(rng))
    axis.set_major_formatter(TickFormatter(measure))
    if rng.random() < 0.65:
        axis.set_label_text(measure.title)
    show_grid(axes, look, side)


def locator(rng: Random) -> MaxNLocator:
    """Return what places four to nine ticks at round numbers."""
    return MaxNLocator(rng.choice((4, 5, 6, 8)), steps=rng.choice(([1, 2, 5, 10], [1, 2, 2.5, 5, 10])), min_n_ticks=4)


def show_grid(axes: Axes, look: Look, side: Side = "y") -> None:
    """Draw the look's grid."""
    if look.grid == "value":
        axes.grid(axis=side)
    elif look.grid == "both":
        axes.grid(axis="both")


def axis_truth(axes: Axes, side: Side = "y", scale: truth.ScaleKind = "linear") -> truth.Axis:
    """Return the ends of a drawn axis."""
    low, high = sorted(axes.get_ylim() if side == "y" else axes.get_xlim())
    return truth.Axis(scale, float(low), float(high))


def name_categories(axes: Axes, look: Look, names: Sequence[str], rng: Random, side: Side = "x") -> None:
    """Set category names at 0, 1, 2, ..., turned or wrapped where they would run into each other."""
    places = range(len(names))
    em_in = look.font_pt / 72
    if side == "y":
        if rng.random() < 0.25:
            names = [textwrap.fill(name, 18) for name in names]
        axes.set_yticks(places, names)
        return
    slot_in = look.size_in[0] * 0.8 / max(1, len(names))
    longest = max(len(name) for name in names) * em_in * 0.56
    if longest <= slot_in * 0.92:
        axes.set_xticks(places, names)
        if rng.random() < 0.06:
            turn(axes, 45)
        return
    room = int(slot_in * 0.92 / (em_in * 0.56))
    wrapped = [textwrap.fill(name, max(6, room), break_long_words=False) for name in names]
    fits = max(len(part) for name in wrapped for part in name.split("\n")) <= room
    if fits and rng.random() < 0.5:
        axes.set_xticks(places, wrapped)
        return
    axes.set_xticks(places, names)
    turn(axes, rng.choice((30, 45, 45, 90)))


def turn(axes: Axes, degrees: float) -> None:
    """Turn the labels below the plot."""
    for label in axes.get_xticklabels():
        label.set_rotation(degrees)
        if degrees < 90:
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")


def place_legend(axes: Axes, look: Look, rng: Random, entries: int) -> None:
    """Put the legend outside, on top, below, or inside where room is made for it; on the marks if the look wants it."""
    frame = rng.random() < 0.4
    if look.legend == "over":
        place: Any = rng.choice(("best", "best", "upper right", "center right", "upper left"))
        axes.legend(loc=place, frameon=True, framealpha=rng.choice((0.7, 0.8, 1.0)))
        return
    where = rng.choice(("right", "below", "above", "inside", "inside"))
    if where != "inside":
        outside_legend(axes, rng, rng.choice(_OUTSIDE[where]), has_frame=frame and where == "right")
        return
    low, high = axes.get_ylim()
    if axes.get_yscale() == "linear":
        axes.set_ylim(low, high + (high - low) * (0.08 + 0.075 * -(-entries // 2)))
    axes.legend(loc=rng.choice(("upper left", "upper right")), ncols=1 if entries <= 2 else 2, frameon=frame)


def outside_legend(
    axes: Axes, rng: Random, place: str = "", *, has_frame: bool = False, is_reversed: bool = False
) -> None:
    """Put the legend beside, above or below the plot."""
    handles, labels = axes.get_legend_handles_labels()
    legend_of(axes, list(handles), labels, place or rng.choice(sum(_OUTSIDE.values(), ())), has_frame, is_reversed)


def legend_of(
    axes: Axes, handles: Sequence[Artist], labels: Sequence[str], place: str, has_frame: bool, is_reversed: bool = False
) -> None:
    """Put a legend of these marks and names outside the plot; `is_reversed` lists a column as its parts are stacked."""
    sheet = axes.get_figure(root=False)
    assert isinstance(sheet, Figure | SubFigure)
    is_column = "right" in place
    if is_column and is_reversed:
        handles, labels = handles[::-1], labels[::-1]
    where: Any = place  # a Literal of two dozen places
    sheet.legend(handles, labels, loc=where, ncols=1 if is_column else min(4, len(labels)), frameon=has_frame)


def give_title(axes: Axes, rng: Random, *, chance: float = 0.75) -> str:
    """Set a heading over the axes now and then; return it, or ""."""
    if rng.random() > chance:
        return ""
    text = words.title(rng)
    axes.set_title(text)
    return text
