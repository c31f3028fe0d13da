"""Areas: one filled line, several on each other, as shares of the whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from loupe.type.v1 import figure_pb2
from tests.specimens import canvas, measures, style, words
from tests.specimens.canvas import Drawing
from tests.specimens.measures import Measure
from tests.specimens.style import Look
from tests.specimens.truth import TrueFigure


def draw_area(axes: Axes, look: Look, rng: Random) -> TrueFigure:
    """Draw one line filled down to zero."""
    names = _names(rng)
    measure = measures.pick(rng)
    values = measure.finer().walk(rng, len(names))
    axes.fill_between(range(len(names)), values, color=look.color(0), alpha=rng.choice((0.4, 0.7, 1.0)), linewidth=0)
    if rng.random() < 0.5:
        axes.plot(range(len(names)), values, color=look.color(0))
    _dress(axes, look, measure, names, rng)
    title = canvas.give_title(axes, rng)
    return TrueFigure(
        figure_pb2.CHART_TYPE_AREA,
        title=title,
        values={"": dict(zip(names, values, strict=True))},
        y=canvas.axis_truth(axes),
    )


def draw_stack(axes: Axes, look: Look, rng: Random, *, is_whole: bool = False) -> TrueFigure:
    """Draw two to five areas on each other; `is_whole` makes every column 100 %."""
    heads, names = words.series(rng, rng.randint(2, 5)), _names(rng)
    measure = Measure("Percent", 100.0, suffix="%", decimals=1) if is_whole else measures.pick(rng, is_small=True)
    columns = np.array([measure.finer().walk(rng, len(names), low_share=0.15) for _ in heads])
    if is_whole:
        columns = np.round(100 * columns / columns.sum(axis=0), 1)
        columns[-1] = np.round(100 - columns[:-1].sum(axis=0), 1)
    else:
        columns = np.array([[measure.finer().round(value / len(heads)) for value in column] for column in columns])
    edge: dict[str, Any] = {"edgecolor": look.plot, "linewidth": 0.8} if rng.random() < 0.3 else {}
    axes.stackplot(range(len(names)), columns, labels=heads, colors=[look.color(i) for i in range(len(heads))], **edge)
    _dress(axes, look, measure, names, rng)
    if is_whole:
        axes.set_ylim(0, 100)
    title = canvas.give_title(axes, rng)
    if not is_whole and rng.random() < 0.3:
        axes.set_ylim(0, float(columns.sum(axis=0).max()) * 1.4)
        axes.legend(loc="upper left", ncols=2)
    else:
        canvas.outside_legend(axes, rng, has_frame=rng.random() < 0.4, is_reversed=True)
    values = {h: dict(zip(names, map(float, column), strict=True)) for h, column in zip(heads, columns, strict=True)}
    return TrueFigure(figure_pb2.CHART_TYPE_STACKED_AREA, title=title, values=values, y=canvas.axis_truth(axes))


def _names(rng: Random) -> list[str]:
    if rng.random() < 0.25:
        return list(words.MONTHS[: rng.randint(6, 12)])
    return [str(year) for year in words.years(rng, rng.randint(5, 12))]


def _dress(axes: Axes, look: Look, measure: Measure, names: list[str], rng: Random) -> None:
    canvas.name_categories(axes, look, names, rng)
    canvas.dress_values(axes, look, measure, rng)
    if rng.random() < 0.7:
        axes.margins(x=0)
    axes.set_ylim(0)


def _alone(draw: Callable[..., TrueFigure], **how: bool) -> Callable[[Random], Drawing]:
    def drawing(rng: Random) -> Drawing:
        return canvas.alone(style.pick(rng), rng, partial(draw, **how))

    return drawing


KINDS: dict[str, Callable[[Random], Drawing]] = {
    "area": _alone(draw_area),
    "stacked_area": _alone(draw_stack),
    "whole_stacked_area": _alone(draw_stack, is_whole=True),
}
