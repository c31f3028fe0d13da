"""Charts as statistics publishers lay them out: heading and subtitle at the left, printed values, a note on the source.

The layouts are our own; what they share with printed ones is the habit: wide names, light grids, no axis where every
value is printed, names beside their lines.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from loupe.type.v1 import figure_pb2
from tests.specimens import canvas, lines, measures, style, words
from tests.specimens.canvas import Drawing
from tests.specimens.style import Look
from tests.specimens.truth import Axis, TrueFigure


def _page(rng: Random, draw: Callable[[Axes, Look, Random], TrueFigure], *, least_wide: float = 1.0) -> Drawing:
    """Draw a chart between a heading with its subtitle and a footer."""
    look = style.pick(rng, is_published=True, widest=1.6)
    look = replace(
        look, size_in=(look.size_in[0], look.size_in[0] / max(least_wide, look.size_in[0] / look.size_in[1]))
    )
    heading = textwrap.wrap(words.title(rng), max(24, int(look.size_in[0] * 72 / (look.font_pt * 0.85))))
    below = words.subtitle(rng) if rng.random() < 0.7 else ""
    notes = [words.source(rng)] if rng.random() < 0.9 else []
    if rng.random() < 0.3:
        notes.append(rng.choice(("OPEN DATA DESK", "© 2023 Figures & Facts", "Get the data • Created with Plotline")))
    line_in = look.font_pt / 72 * 1.45
    head_in = line_in * (1.35 * len(heading) + bool(below) + 0.5)
    foot_in = line_in * 0.85 * (len(notes) + 0.7)
    wide, high = look.size_in[0], look.size_in[1] + head_in + foot_in
    with look.applied():
        sheet = canvas.figure(replace(look, size_in=(wide, high)))
        head, body, foot = sheet.subfigures(
            3, 1, squeeze=False, height_ratios=(head_in, look.size_in[1], foot_in)
        ).ravel()
        drawn = draw(body.add_subplot(), look, rng)
        _write(head, [*heading, below], look, (1.4 * look.font_pt, look.font_pt))
        _write(foot, notes or [""], look, (0.78 * look.font_pt, 0.78 * look.font_pt))
        rgb, regions = canvas.render(sheet, look, [[*body.axes, *body.legends]])
    return rgb, (replace(drawn, title=" ".join(heading), region=regions[0]),)


def _write(part: SubFigure, texts: list[str], look: Look, sizes_pt: tuple[float, float]) -> None:
    """Write lines from the top left; the last one in the second size and paler."""
    high_pt = part.bbox.height / part.figure.dpi * 72
    y = 1 - 0.3 * sizes_pt[0] / high_pt
    for index, text in enumerate(texts):
        is_last = index == len(texts) - 1
        is_head = not is_last and sizes_pt[0] > look.font_pt
        part.text(0.01, y, text, fontsize=sizes_pt[is_last], fontweight="bold" if is_head else "normal",
                  alpha=1.0 if is_head else 0.8, ha="left", va="top")  # fmt: skip
        y -= 1.4 * sizes_pt[is_last] / high_pt


def _bare(axes: Axes) -> None:
    """Leave nothing of the frame but the line the bars stand on."""
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(False)


def _lying(axes: Axes, look: Look, rng: Random) -> TrueFigure:
    """Bars beside wide names, each value printed at its end, no axis."""
    count = rng.randint(4, 14)
    names = words.categories(rng, min(count, 10))
    measure = measures.pick(rng)
    values = measure.sample(rng, len(names))
    colors = [look.color(0)] * len(names)
    if rng.random() < 0.3:
        colors[rng.randrange(len(names))] = look.color(1)
    _bare(axes)
    marks = axes.barh(range(len(names)), values, rng.uniform(0.55, 0.8), color=colors)
    axes.invert_yaxis()
    axes.set_yticks(range(len(names)), [textwrap.fill(name, 22) for name in names])
    axes.xaxis.set_visible(False)
    inside = rng.random() < 0.25 and min(values) > 0.25 * max(values)
    axes.bar_label(
        marks,
        [measure.label(value) for value in values],
        label_type="center" if inside else "edge",
        padding=0 if inside else 4,
        color=style.readable_on(look.color(0)) if inside else look.ink,
        fontweight=rng.choice(("normal", "bold")),
    )
    axes.margins(x=0.12)
    column = dict(zip(names, values, strict=True))
    return TrueFigure(figure_pb2.CHART_TYPE_HORIZONTAL_BAR, values={"": column}, y=canvas.axis_truth(axes, "x"))


def _standing(axes: Axes, look: Look, rng: Random) -> TrueFigure:
    """Bars over years with values above them, over light bands or a dotted grid."""
    count = rng.randint(4, 12)
    names = (
        [str(year) for year in words.years(rng, count)] if rng.random() < 0.6 else words.categories(rng, min(count, 7))
    )
    measure = measures.pick(rng, is_small=True)
    values = measure.sample(rng, len(names), low_share=0.15)
    places = np.arange(len(names))
    if rng.random() < 0.5:
        for place in places[::2]:
            axes.axvspan(place - 0.5, place + 0.5, color=look.ink, alpha=0.04, linewidth=0)
    marks = axes.bar(places, values, rng.uniform(0.45, 0.75), color=look.color(0))
    axes.bar_label(
        marks, [measure.label(value) for value in values], padding=3, fontsize="small" if count > 8 else "medium"
    )
    canvas.name_categories(axes, look, names, rng)
    canvas.dress_values(axes, look, measure, rng)
    axes.margins(y=0.12)
    if rng.random() < 0.35:
        _bare(axes)
        axes.yaxis.set_visible(False)
    column = dict(zip(names, values, strict=True))
    return TrueFigure(figure_pb2.CHART_TYPE_BAR, values={"": column}, y=canvas.axis_truth(axes))


def _opinions(axes: Axes, look: Look, rng: Random) -> TrueFigure:
    """Lying bars of shares, each share printed in its part, the answers named over the first bar or in a legend."""
    heads = rng.choice(
        (
            ["Favorable", "Unfavorable"],
            ["Good", "Neither", "Bad"],
            ["A lot", "Some", "Not much", "Nothing"],
            ["Yes", "No", "Unsure"],
        )
    )
    names = words.categories(rng, rng.randint(3, 9), longest=30)
    parts = []
    for _ in names:
        weights = [rng.uniform(0.25, 1) for _ in heads]
        rest = rng.choice((0, 0, rng.randint(1, 6)))
        shares = [float(round((100 - rest) * weight / sum(weights))) for weight in weights]
        parts.append(shares)
    _bare(axes)
    foot, thick = np.zeros(len(names)), rng.uniform(0.6, 0.75)
    for index, head in enumerate(heads):
        numbers = np.array([shares[index] for shares in parts])
        color = look.color(index)
        marks = axes.barh(range(len(names)), numbers, thick, left=foot, color=color, label=head)
        axes.bar_label(marks, [f"{number:.0f}" for number in numbers],
                       label_type="center", color=style.readable_on(color))  # fmt: skip
        foot = foot + numbers
    axes.invert_yaxis()
    axes.set_yticks(range(len(names)), [textwrap.fill(name, 24) for name in names])
    axes.xaxis.set_visible(False)
    if rng.random() < 0.5:
        at = 0.0
        for index, head in enumerate(heads):
            axes.annotate(head, (at + parts[0][index] / 2, -0.45), (0, 3), textcoords="offset points", ha="center",
                          color=look.ink, fontweight="bold", fontsize="small")  # fmt: skip
            at += parts[0][index]
    else:
        canvas.outside_legend(
            axes, rng, rng.choice(("outside upper center", "outside lower center", "outside upper left"))
        )
    values = {head: {name: parts[i][j] for i, name in enumerate(names)} for j, head in enumerate(heads)}
    return TrueFigure(figure_pb2.CHART_TYPE_HORIZONTAL_STACKED_BAR, values=values, y=Axis("linear", 0, 100))


def _pairs(axes: Axes, look: Look, rng: Random) -> TrueFigure:
    """Two or three lying bars a name, values printed, no axis."""
    heads = words.series(rng, rng.choice((2, 2, 3)))
    names = words.categories(rng, rng.randint(3, 6), longest=26)
    measure = measures.pick(rng, is_small=True)
    values = {head: dict(zip(names, measure.sample(rng, len(names)), strict=True)) for head in heads}
    thick = 0.8 / len(heads)
    _bare(axes)
    for index, (head, column) in enumerate(values.items()):
        at = np.arange(len(names)) + (index - (len(heads) - 1) / 2) * thick
        marks = axes.barh(at, list(column.values()), thick * 0.9, color=look.color(index), label=head)
        axes.bar_label(marks, [measure.label(value) for value in column.values()], padding=3, fontsize="small")
    axes.invert_yaxis()
    axes.set_yticks(range(len(names)), [textwrap.fill(name, 20) for name in names])
    axes.xaxis.set_visible(False)
    axes.margins(x=0.12)
    canvas.outside_legend(axes, rng, rng.choice(("outside upper center", "outside upper left", "outside lower center")))
    span = canvas.axis_truth(axes, "x")
    return TrueFigure(figure_pb2.CHART_TYPE_HORIZONTAL_GROUPED_BAR, values=values, y=span)


def _ranking(axes: Axes, look: Look, rng: Random) -> TrueFigure:
    """Many narrow bars by size, one marked out, names turned, an axis and no printed values."""
    names = words.categories(rng, rng.randint(12, 22), longest=16)
    measure = measures.pick(rng)
    values = sorted(measure.sample(rng, len(names), low_share=0.15), reverse=rng.random() < 0.7)
    colors = [look.color(0)] * len(names)
    colors[rng.randrange(len(names))] = look.color(3)
    axes.bar(range(len(names)), values, rng.uniform(0.5, 0.75), color=colors)
    axes.set_xticks(range(len(names)), names)
    canvas.turn(axes, rng.choice((45, 60, 90)))
    axes.margins(x=0.01)
    canvas.dress_values(axes, look, measure, rng)
    column = dict(zip(names, values, strict=True))
    return TrueFigure(figure_pb2.CHART_TYPE_BAR, values={"": column}, y=canvas.axis_truth(axes))


def _named_lines(axes: Axes, look: Look, rng: Random) -> TrueFigure:
    """Lines over many years, each named at its right end, few ticks, a light dashed grid."""
    count = rng.randint(1, 5)
    heads = words.series(rng, count)
    years = words.years(rng, rng.randint(12, 32))
    measure = measures.pick(rng, is_small=True)
    order, fine = rng.sample(range(count), count), measure.finer()
    columns = [
        [fine.round((value + band * fine.high) / count) for value in fine.walk(rng, len(years))] for band in order
    ]
    is_marked = rng.random() < 0.4
    for index, column in enumerate(columns):
        axes.plot(years, column, color=look.color(index), marker="o" if is_marked else "", markersize=3)
    canvas.dress_values(axes, look, measure, rng)
    if rng.random() < 0.6:
        axes.set_ylim(0)
    step = max(rng.choice((1, 2, 5)), -(-len(years) * 5 // int(look.size_in[0] * 72 / look.font_pt / 0.65)))
    ticks = [year for year in years if year % step == 0] or [years[0], years[-1]]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.grid(axis="x", visible=False)
    lines.name_ends(axes, look, heads, [(years[-1], column[-1]) for column in columns])
    points = {
        head: tuple((float(year), value) for year, value in zip(years, column, strict=True))
        for head, column in zip(heads, columns, strict=True)
    }
    low, high = axes.get_xlim()
    x = Axis("linear", low, high, {str(year): float(year) for year in years})
    return TrueFigure(figure_pb2.CHART_TYPE_LINE, points=points, x=x, y=canvas.axis_truth(axes))


def _whole(draw: Callable[[Axes, Look, Random], TrueFigure], *, least_wide: float = 1.0) -> Callable[[Random], Drawing]:
    return lambda rng: _page(rng, draw, least_wide=least_wide)


KINDS: dict[str, Callable[[Random], Drawing]] = {
    "published_bars": _whole(_lying),
    "published_columns": _whole(_standing),
    "published_opinions": _whole(_opinions, least_wide=1.2),
    "published_pairs": _whole(_pairs),
    "published_ranking": _whole(_ranking, least_wide=1.4),
    "published_lines": _whole(_named_lines),
}
