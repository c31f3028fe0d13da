"""Distributions: histograms whose bars touch, and box plots with single points beyond the whiskers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from loupe.type.v1 import figure_pb2
from tests.specimens import canvas, measures, style, words
from tests.specimens.canvas import Drawing
from tests.specimens.measures import Measure, TickFormatter
from tests.specimens.style import Look
from tests.specimens.truth import Bin, FiveNumbers, TrueFigure


def draw_histogram(axes: Axes, look: Look, rng: Random) -> TrueFigure:
    """Draw counts over five to twenty-five bins of equal width."""
    measure = measures.pick(rng, is_small=True)
    count = rng.randint(5, 25)
    edges = _edges(measure, rng, count)
    counts = _counts(rng, count)
    edge: dict[str, Any] = rng.choice(({}, {"edgecolor": "white"}, {"edgecolor": "black"}, {"edgecolor": look.plot}))
    if edge:
        edge["linewidth"] = rng.choice((0.5, 0.8, 1.0))
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=look.color(0), **edge)
    if count <= 9 and rng.random() < 0.4:
        axes.set_xticks(edges)
        axes.xaxis.set_major_formatter(TickFormatter(measure))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(rng.choice((5, 6, 8)), min_n_ticks=4, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(TickFormatter(measure))
    if rng.random() < 0.7:
        axes.set_xlabel(measure.title)
    canvas.dress_values(axes, look, Measure(rng.choice(("Count", "Frequency", "Number")), max(counts)), rng)
    title = canvas.give_title(axes, rng)
    bins = tuple(Bin(float(a), float(b), n) for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True))
    return TrueFigure(
        figure_pb2.CHART_TYPE_HISTOGRAM,
        title=title,
        bins=bins,
        x=canvas.axis_truth(axes, "x"),
        y=canvas.axis_truth(axes),
    )


def draw_boxes(axes: Axes, look: Look, rng: Random, *, is_upright: bool) -> TrueFigure:
    """Draw one to eight boxes, some with outliers."""
    count = rng.randint(1, 8) if rng.random() < 0.1 else rng.randint(2, 7)
    names = words.categories(rng, count, longest=14 if is_upright else 30)
    measure = measures.pick(rng, is_small=True)
    spread = rng.uniform(0.1, 0.22)
    boxes = {name: _five(measure, rng, spread) for name in names}
    stats = [
        {
            "med": five.median,
            "q1": five.lower_quartile,
            "q3": five.upper_quartile,
            "whislo": five.lower_whisker,
            "whishi": five.upper_whisker,
            "fliers": list(five.outliers),
        }
        for five in boxes.values()
    ]
    is_filled = rng.random() < 0.6
    tint = rng.choice(("one", "each"))
    ink = rng.choice(("#000000", "#333333", look.color(0))) if not look.is_dark else look.ink
    drawn = axes.bxp(
        stats,
        positions=list(range(count)),
        widths=rng.uniform(0.35, 0.7),
        orientation="vertical" if is_upright else "horizontal",
        patch_artist=is_filled,
        showfliers=True,
        showcaps=rng.random() < 0.85,
        boxprops={"edgecolor" if is_filled else "color": ink},
        whiskerprops={"color": ink, "linestyle": rng.choice(("-", "-", "--"))},
        capprops={"color": ink},
        medianprops={"color": rng.choice((ink, "#ff7f0e", "#d62728")), "linewidth": rng.choice((1.0, 1.5, 2.0))},
        flierprops={
            "marker": rng.choice(("o", "o", "+", "x", "D", ".")),
            "markersize": rng.uniform(3.5, 6),
            "markeredgecolor": ink,
            "markerfacecolor": rng.choice(("none", "none", ink)),
        },
    )
    if is_filled:
        for index, patch in enumerate(drawn["boxes"]):
            patch.set_facecolor(look.color(index if tint == "each" else 0))
            patch.set_edgecolor(ink)
    canvas.name_categories(axes, look, names, rng, "x" if is_upright else "y")
    side: canvas.Side = "y" if is_upright else "x"
    canvas.dress_values(axes, look, measure, rng, side)
    if not is_upright and rng.random() < 0.5:
        axes.invert_yaxis()
    title = canvas.give_title(axes, rng)
    return TrueFigure(figure_pb2.CHART_TYPE_BOX, title=title, boxes=boxes, y=canvas.axis_truth(axes, side))


def _edges(measure: Measure, rng: Random, count: int) -> list[float]:
    """Return bin edges, on round numbers or, as programs choose them by default, on any."""
    wide = measure.high / count
    if rng.random() < 0.5:
        size = 10 ** math.floor(math.log10(wide))
        wide = size * rng.choice((1, 2, 2.5, 5))
        start = wide * rng.randint(0, 8)
    else:
        start = rng.uniform(0, measure.high)
    return [float(f"{start + wide * index:.8g}") for index in range(count + 1)]


def _counts(rng: Random, count: int) -> list[float]:
    """Return a bell, a slope or two bells of counts, none empty but at the ends."""
    shape, size = rng.choice(("bell", "slope", "two")), 10 ** rng.uniform(1.1, 3.5)
    counts = []
    for index in range(count):
        at = (index + 0.5) / count
        if shape == "bell":
            share = math.exp(-(((at - 0.5) / 0.2) ** 2))
        elif shape == "slope":
            share = math.exp(-3 * at)
        else:
            share = math.exp(-(((at - 0.27) / 0.13) ** 2)) + 0.7 * math.exp(-(((at - 0.74) / 0.12) ** 2))
        counts.append(float(max(1, round(size * (0.03 + share) * rng.uniform(0.8, 1.2)))))
    return counts


def _five(measure: Measure, rng: Random, spread: float) -> FiveNumbers:
    middle = rng.uniform(0.4, 0.62)
    low, high = middle - spread * rng.uniform(0.35, 1), middle + spread * rng.uniform(0.35, 1)
    shares = (low - spread * rng.uniform(0.4, 1.2), low, middle, high, high + spread * rng.uniform(0.4, 1.2))
    five = [measure.round(share * measure.high * 1.2) for share in shares]
    outliers: list[float] = []
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        beyond = rng.uniform(0.05, 0.22)
        at = shares[0] - beyond if rng.random() < 0.35 and shares[0] > beyond else shares[4] + beyond
        value = measure.round(at * measure.high * 1.2)
        if all(abs(value - other) > 0.03 * measure.high for other in (*outliers, five[0], five[4])):
            outliers.append(value)
    return FiveNumbers(five[0], five[1], five[2], five[3], five[4], tuple(sorted(outliers)))


def _alone(draw: Callable[..., TrueFigure], **how: bool) -> Callable[[Random], Drawing]:
    def drawing(rng: Random) -> Drawing:
        return canvas.alone(style.pick(rng), rng, partial(draw, **how))

    return drawing


KINDS: dict[str, Callable[[Random], Drawing]] = {
    "histogram": _alone(draw_histogram),
    "box": _alone(draw_boxes, is_upright=True),
    "horizontal_box": _alone(draw_boxes, is_upright=False),
}
