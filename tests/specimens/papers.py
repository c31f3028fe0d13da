"""Charts as articles print them: bars with error bars or hatching, axes whose ticks stand under a common factor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import ScalarFormatter

from loupe.type.v1 import figure_pb2
from tests.specimens import canvas, measures, style, words
from tests.specimens.canvas import Drawing
from tests.specimens.measures import Measure
from tests.specimens.style import Look
from tests.specimens.truth import TrueFigure

_HATCHES = ("//", "\\\\", "xx", "..", "--", "++", "")


def draw_groups(axes: Axes, look: Look, rng: Random, *, has_errors: bool, is_hatched: bool) -> TrueFigure:
    """Draw one to three bars a label, with whiskers of error or told apart by hatching."""
    count = rng.choice((2, 3)) if is_hatched else rng.choice((1, 1, 2, 3))
    heads = words.series(rng, count) if count > 1 else [""]
    names = words.categories(rng, rng.randint(3, 6), longest=14)
    measure = measures.pick(rng, is_small=True)
    values = {head: dict(zip(names, measure.sample(rng, len(names), low_share=0.2), strict=True)) for head in heads}
    thick, places = rng.uniform(0.6, 0.85) / count, np.arange(len(names))
    greys = ("#ffffff", "#bfbfbf", "#7f7f7f")
    is_grey = is_hatched and rng.random() < 0.5
    for index, (head, column) in enumerate(values.items()):
        errors = [rng.uniform(0.02, 0.09) * measure.high for _ in column]
        axes.bar(
            places + (index - (count - 1) / 2) * thick,
            list(column.values()),
            thick,
            color=greys[index] if is_grey else look.color(index),
            edgecolor=look.ink if is_hatched else None,
            hatch=_HATCHES[(index + rng.randrange(2)) % len(_HATCHES)] if is_hatched else None,
            yerr=errors if has_errors else None,
            capsize=rng.choice((0, 2, 4)) if has_errors else 0,
            ecolor=look.ink,
            label=head or None,
        )
    canvas.name_categories(axes, look, names, rng)
    canvas.dress_values(axes, look, measure, rng)
    title = canvas.give_title(axes, rng, chance=0.4)
    if count > 1:
        canvas.place_legend(axes, look, rng, count)
    kind = figure_pb2.CHART_TYPE_GROUPED_BAR if count > 1 else figure_pb2.CHART_TYPE_BAR
    return TrueFigure(kind, title=title, values=values, y=canvas.axis_truth(axes))


def draw_with_factor(axes: Axes, look: Look, rng: Random) -> TrueFigure:
    """Draw bars or a line whose axis prints 0.5, 1.0, 1.5 under "1e6"."""
    power = rng.choice((-4, -3, 5, 6, 7, 8, 9))
    measure = Measure(
        rng.choice(("Population", "Revenue", "Rate", "Requests")), 10**power * rng.uniform(1.2, 9), decimals=8
    )
    names = words.categories(rng, rng.randint(4, 7), longest=12) if power > 0 else [str(y) for y in words.years(rng, 8)]
    values = [float(f"{value:.3g}") for value in measure.sample(rng, len(names), low_share=0.2)]
    is_line = rng.random() < 0.4
    if is_line:
        axes.plot(range(len(names)), values, color=look.color(0), marker="o")
        axes.set_ylim(0)
    else:
        axes.bar(range(len(names)), values, rng.uniform(0.5, 0.8), color=look.color(0))
    canvas.name_categories(axes, look, names, rng)
    formatter = ScalarFormatter(useMathText=rng.random() < 0.5)
    formatter.set_powerlimits((-3, 4))
    axes.yaxis.set_major_locator(canvas.locator(rng))
    axes.yaxis.set_major_formatter(formatter)
    axes.set_ylabel(measure.title)
    canvas.show_grid(axes, look)
    kind = figure_pb2.CHART_TYPE_LINE if is_line else figure_pb2.CHART_TYPE_BAR
    return TrueFigure(kind, values={"": dict(zip(names, values, strict=True))}, y=canvas.axis_truth(axes))


def _alone(draw: Callable[..., TrueFigure], **how: bool) -> Callable[[Random], Drawing]:
    def drawing(rng: Random) -> Drawing:
        return canvas.alone(style.pick(rng), rng, partial(draw, **how))

    return drawing


KINDS: dict[str, Callable[[Random], Drawing]] = {
    "error_bars": _alone(draw_groups, has_errors=True, is_hatched=False),
    "hatched_bars": _alone(draw_groups, has_errors=False, is_hatched=True),
    "axis_factor": _alone(draw_with_factor),
}
