"""Bars: single, grouped, stacked, upright and lying, below zero, with a broken axis."""

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


def labels_for(rng: Random, count: int, *, is_upright: bool) -> list[str]:
    """Return names for the bars: words, years, months or quarters."""
    chance = rng.random()
    if is_upright and chance < 0.3:
        return [str(year) for year in words.years(rng, count)]
    if is_upright and chance < 0.4 and count <= 12:
        return list(words.MONTHS[:count])
    if is_upright and chance < 0.46:
        first = rng.randint(2015, 2021)
        return [f"Q{index % 4 + 1} {first + index // 4}" for index in range(count)]
    return words.categories(rng, count, longest=16 if is_upright else 40)


def draw_single(axes: Axes, look: Look, rng: Random, *, is_upright: bool, is_signed: bool = False) -> TrueFigure:
    """Draw one series of bars with an axis."""
    count = rng.randint(3, 12)
    names = labels_for(rng, count, is_upright=is_upright)
    measure = measures.pick(rng)
    values = measure.sample(rng, count)
    if is_signed:
        values = [measure.round(-0.8 * value) if rng.random() < 0.4 else value for value in values]
        values[0] = -abs(values[0])
    colors: str | list[str] = look.color(0)
    if rng.random() < 0.15:
        colors = [look.color(index) for index in range(count)]
    elif rng.random() < 0.12:
        colors = [look.color(1 if index == count // 2 else 0) for index in range(count)]
    elif is_signed and rng.random() < 0.4:
        colors = [look.color(1 if value < 0 else 0) for value in values]
    thick = rng.uniform(0.45, 0.9)
    edge: dict[str, Any] = {"edgecolor": rng.choice(("black", "white"))} if rng.random() < 0.2 else {}
    places = np.arange(count)
    if is_upright:
        marks = axes.bar(places, values, thick, color=colors, **edge)
        canvas.name_categories(axes, look, names, rng)
    else:
        marks = axes.barh(places, values, thick, color=colors, **edge)
        canvas.name_categories(axes, look, names, rng, "y")
        if rng.random() < 0.85:
            axes.invert_yaxis()
        else:
            names, values = names[::-1], values[::-1]
            axes.set_yticks(places, names[::-1])
    side: canvas.Side = "y" if is_upright else "x"
    canvas.dress_values(axes, look, measure, rng, side)
    if rng.random() < 0.35:
        axes.bar_label(marks, [measure.label(mark.get_height() if is_upright else mark.get_width()) for mark in marks],
                       padding=2, fontsize="small")  # fmt: skip
        axes.margins(x=0.14 if side == "x" else None, y=0.14 if side == "y" else None)
        if rng.random() < 0.4 and not is_signed:
            hide_axis(axes, side)
    if is_signed and rng.random() < 0.7:
        (axes.axhline if is_upright else axes.axvline)(0, color=look.ink, linewidth=0.8)
    title = canvas.give_title(axes, rng)
    kind = figure_pb2.CHART_TYPE_BAR if is_upright else figure_pb2.CHART_TYPE_HORIZONTAL_BAR
    return TrueFigure(
        kind, title=title, values={"": dict(zip(names, values, strict=True))}, y=canvas.axis_truth(axes, side)
    )


def hide_axis(axes: Axes, side: canvas.Side) -> None:
    """Take the axis of values away, where the values are printed."""
    axis = axes.yaxis if side == "y" else axes.xaxis
    axis.set_visible(False)
    axes.spines["left" if side == "y" else "bottom"].set_visible(False)
    axes.grid(False)


def draw_groups(axes: Axes, look: Look, rng: Random, *, is_upright: bool) -> TrueFigure:
    """Draw two to four bars beside each other for each label."""
    heads = words.series(rng, rng.choice((2, 2, 3, 3, 4)))
    count = rng.randint(2, 7 if len(heads) < 4 else 5)
    names = labels_for(rng, count, is_upright=is_upright)
    measure = measures.pick(rng)
    values = {head: dict(zip(names, measure.sample(rng, count), strict=True)) for head in heads}
    whole = rng.uniform(0.6, 0.86)
    thick, places = whole / len(heads), np.arange(count)
    gap = rng.choice((0.0, 0.0, 0.08)) * thick
    widest = max(len(measure.label(measure.high)) * look.font_pt * 0.5 / 72, 0.01)
    is_printed = rng.random() < 0.4 and (not is_upright or widest < look.size_in[0] * 0.8 / count * thick)
    for index, (head, column) in enumerate(values.items()):
        at = places + (index - (len(heads) - 1) / 2) * thick
        draw = axes.bar if is_upright else axes.barh
        marks = draw(at, list(column.values()), thick - gap, color=look.color(index), label=head)
        if is_printed:
            axes.bar_label(marks, [measure.label(value) for value in column.values()], padding=2, fontsize="small")
    side: canvas.Side = "y" if is_upright else "x"
    canvas.name_categories(axes, look, names, rng, "x" if is_upright else "y")
    if not is_upright:
        axes.invert_yaxis()
    canvas.dress_values(axes, look, measure, rng, side)
    title = canvas.give_title(axes, rng)
    legend_of_bars(axes, look, rng, len(heads), is_upright=is_upright)
    kind = figure_pb2.CHART_TYPE_GROUPED_BAR if is_upright else figure_pb2.CHART_TYPE_HORIZONTAL_GROUPED_BAR
    return TrueFigure(kind, title=title, values=values, y=canvas.axis_truth(axes, side))


def legend_of_bars(axes: Axes, look: Look, rng: Random, entries: int, *, is_upright: bool) -> None:
    """Place a legend; lying bars have no room for one inside."""
    if is_upright:
        canvas.place_legend(axes, look, rng, entries)
        return
    canvas.outside_legend(axes, rng)


def draw_stack(axes: Axes, look: Look, rng: Random, *, is_upright: bool, is_whole: bool = False) -> TrueFigure:
    """Draw bars of two to five parts; `is_whole` makes each bar 100 %."""
    heads = words.series(rng, rng.choice((2, 3, 3, 4, 5)))
    count = rng.randint(3, 8)
    names = labels_for(rng, count, is_upright=is_upright)
    measure = Measure("Percent", 100.0, suffix="%") if is_whole else measures.pick(rng, is_small=True)
    if is_whole:
        columns = [_shares(rng, len(heads)) for _ in names]
        values = {head: {name: columns[i][j] for i, name in enumerate(names)} for j, head in enumerate(heads)}
    else:
        values = {
            head: dict(zip(names, (measure.round(v / len(heads)) for v in measure.sample(rng, count)), strict=True))
            for head in heads
        }
    foot, places, thick = np.zeros(count), np.arange(count), rng.uniform(0.5, 0.85)
    is_printed = rng.random() < (0.6 if is_whole else 0.25)
    edge: dict[str, Any] = {"edgecolor": look.plot, "linewidth": 1.0} if rng.random() < 0.3 else {}
    for index, (head, column) in enumerate(values.items()):
        numbers = np.array(list(column.values()))
        color = look.color(index)
        if is_upright:
            marks = axes.bar(places, numbers, thick, bottom=foot, color=color, label=head, **edge)
        else:
            marks = axes.barh(places, numbers, thick, left=foot, color=color, label=head, **edge)
        foot = foot + numbers
        if is_printed:
            texts = [measure.label(v) if v > 0.06 * measure.high else "" for v in numbers]
            axes.bar_label(marks, texts, label_type="center", fontsize="small", color=style.readable_on(color))
    side: canvas.Side = "y" if is_upright else "x"
    canvas.name_categories(axes, look, names, rng, "x" if is_upright else "y")
    if not is_upright:
        axes.invert_yaxis()
    if is_whole:
        (axes.set_ylim if is_upright else axes.set_xlim)(0, 100)
    canvas.dress_values(axes, look, measure, rng, side)
    title = canvas.give_title(axes, rng)
    legend_of_bars(axes, look, rng, len(heads), is_upright=is_upright and not is_whole)
    if is_whole and is_printed and rng.random() < 0.4:
        hide_axis(axes, side)
    kind = figure_pb2.CHART_TYPE_STACKED_BAR if is_upright else figure_pb2.CHART_TYPE_HORIZONTAL_STACKED_BAR
    return TrueFigure(kind, title=title, values=values, y=canvas.axis_truth(axes, side))


def _shares(rng: Random, count: int) -> list[float]:
    weights = [rng.uniform(0.2, 1) for _ in range(count)]
    parts = [round(100 * weight / sum(weights)) for weight in weights]
    parts[-1] += 100 - sum(parts)
    return [float(part) for part in parts]


def _alone(draw: Callable[..., TrueFigure], **how: bool) -> Callable[[Random], Drawing]:
    def drawing(rng: Random) -> Drawing:
        return canvas.alone(style.pick(rng), rng, partial(draw, **how))

    return drawing


KINDS: dict[str, Callable[[Random], Drawing]] = {
    "bar": _alone(draw_single, is_upright=True),
    "horizontal_bar": _alone(draw_single, is_upright=False),
    "diverging_bar": _alone(draw_single, is_upright=True, is_signed=True),
    "grouped_bar": _alone(draw_groups, is_upright=True),
    "horizontal_grouped_bar": _alone(draw_groups, is_upright=False),
    "stacked_bar": _alone(draw_stack, is_upright=True),
    "horizontal_stacked_bar": _alone(draw_stack, is_upright=False),
    "whole_stacked_bar": _alone(draw_stack, is_upright=True, is_whole=True),
    "horizontal_whole_stacked_bar": _alone(draw_stack, is_upright=False, is_whole=True),
}
