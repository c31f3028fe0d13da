"""Charts that break a habit: two axes of values, a broken axis, a legend on the marks, a dark sheet, several charts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random

import numpy as np
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine

from loupe.type.v1 import figure_pb2
from tests.specimens import areas, bars, canvas, distributions, lines, measures, pies, points, style, words
from tests.specimens.canvas import Drawing
from tests.specimens.measures import TickFormatter
from tests.specimens.style import Look
from tests.specimens.truth import TrueFigure

Draw = Callable[[Axes, Look, Random], TrueFigure]


def draw_combo(axes: Axes, look: Look, rng: Random) -> TrueFigure:
    """Draw bars, and a line measured on a second axis."""
    count = rng.randint(4, 12)
    names = bars.labels_for(rng, count, is_upright=True)
    first, second = measures.pick(rng, is_small=True), measures.pick(rng, is_small=True)
    heads = rng.choice(
        (("Revenue", "Growth"), ("Sales", "Margin"), ("Orders", "Average price"), ("Rain", "Temperature"))
    )
    values, over = first.sample(rng, count), second.finer().walk(rng, count)
    axes.bar(np.arange(count), values, rng.uniform(0.5, 0.8), color=look.color(0), label=heads[0])
    canvas.name_categories(axes, look, names, rng)
    canvas.dress_values(axes, look, first, rng)
    twin = axes.twinx()
    twin.plot(np.arange(count), over, color=look.color(1), marker=rng.choice(("o", "o", "s", "")), label=heads[1])
    twin.set_ylim(0 if rng.random() < 0.6 else None, max(over) * 1.15)
    twin.spines["right"].set_visible(rng.random() < 0.6)
    twin.yaxis.set_major_locator(canvas.locator(rng))
    twin.yaxis.set_major_formatter(TickFormatter(second))
    axes.set_ylabel(heads[0])
    twin.set_ylabel(heads[1])
    title = canvas.give_title(axes, rng)
    handles = [*axes.get_legend_handles_labels()[0], *twin.get_legend_handles_labels()[0]]
    canvas.legend_of(axes, handles, heads, rng.choice(("outside lower center", "outside upper center")), False)
    columns = (dict(zip(names, column, strict=True)) for column in (values, over))
    return TrueFigure(
        figure_pb2.CHART_TYPE_BAR,
        also=(figure_pb2.CHART_TYPE_LINE, figure_pb2.CHART_TYPE_GROUPED_BAR),
        title=title,
        values=dict(zip(heads, columns, strict=True)),
        y=canvas.axis_truth(axes),
        second=canvas.axis_truth(twin),
        on_second=(heads[1],),
    )


def _broken(rng: Random) -> Drawing:
    """Draw bars of which one or two are so much longer that the axis leaves a stretch out."""
    look = style.pick(rng)
    count = rng.randint(4, 8)
    names = words.categories(rng, count, longest=14)
    measure = replace(measures.pick(rng, is_small=True), separator="")
    values = measure.sample(rng, count, low_share=0.3)
    giants = rng.sample(range(count), rng.choice((1, 1, 2)))
    times = rng.uniform(4, 9)
    for giant in giants:
        values[giant] = measure.round(measure.high * times * rng.uniform(0.94, 1.06))
    with look.applied():
        sheet = canvas.figure(look)
        upper, lower = sheet.subplots(2, 1, sharex=True, height_ratios=(1, rng.choice((1, 1.6, 2.2))))
        layout = sheet.get_layout_engine()
        assert isinstance(layout, ConstrainedLayoutEngine)
        layout.set(hspace=0.02, h_pad=0.01)
        thick = rng.uniform(0.5, 0.8)
        for axes in (upper, lower):
            axes.bar(range(count), values, thick, color=look.color(0))
            axes.yaxis.set_major_locator(canvas.locator(rng))
            axes.yaxis.set_major_formatter(TickFormatter(measure))
            canvas.show_grid(axes, look)
            axes.spines["left"].set_visible(True)
        upper.set_ylim(measure.high * times * 0.85, measure.high * times * 1.12)
        lower.set_ylim(0, measure.high * 1.15)
        upper.spines["bottom"].set_visible(False)
        lower.spines["top"].set_visible(False)
        upper.tick_params(bottom=False, labelbottom=False)
        canvas.name_categories(lower, look, names, rng)
        mark = {
            "marker": [(-1, -0.6), (1, 0.6)],
            "markersize": 8,
            "linestyle": "none",
            "color": look.ink,
            "clip_on": False,
        }
        upper.plot([0], [0], transform=upper.transAxes, **mark)
        lower.plot([0], [1], transform=lower.transAxes, **mark)
        title = canvas.give_title(upper, rng)
        rgb, regions = canvas.render(sheet, look, [[upper, lower]])
        span = canvas.axis_truth(lower)
    column = dict(zip(names, values, strict=True))
    return rgb, (TrueFigure(figure_pb2.CHART_TYPE_BAR, title=title, values={"": column}, y=span, region=regions[0]),)


_ANY: tuple[Draw, ...] = (
    partial(bars.draw_single, is_upright=True),
    partial(bars.draw_single, is_upright=False),
    partial(bars.draw_groups, is_upright=True),
    partial(bars.draw_stack, is_upright=True),
    partial(lines.draw_lines, count=1),
    partial(lines.draw_lines, count=3),
    areas.draw_area,
    partial(pies.draw_pie, is_ring=False),
    partial(points.draw_scatter, count=1),
    distributions.draw_histogram,
)
_WITH_LEGEND: tuple[Draw, ...] = (
    partial(bars.draw_groups, is_upright=True),
    partial(bars.draw_stack, is_upright=True),
    partial(lines.draw_lines, count=3),
    partial(lines.draw_dates, kind="months", least=2),
    partial(points.draw_scatter, count=3),
)


def _several(rng: Random) -> Drawing:
    """Draw two to four charts side by side, of one kind or of different ones."""
    rows, columns = rng.choice(((1, 2), (2, 1), (1, 3), (2, 2)))
    look = style.pick(rng)
    panel = (rng.uniform(4.0, 5.2), rng.uniform(3.2, 4.0))
    wide = max(700, min(2000, look.dpi * look.size_in[0] * (0.75 + 0.35 * columns)))
    look = replace(look, size_in=(panel[0] * columns, panel[1] * rows), dpi=wide / (panel[0] * columns))
    look = replace(look, font_pt=max(look.font_pt * 0.85, 9.5 * 72 / look.dpi))
    kinds = [rng.choice(_ANY)] * (rows * columns) if rng.random() < 0.3 else rng.sample(_ANY, rows * columns)
    with look.applied():
        sheet = canvas.figure(look)
        panels = sheet.subfigures(rows, columns, squeeze=False).ravel()
        drawn, artists = [], []
        for index, (part, draw) in enumerate(zip(panels, kinds, strict=True)):
            axes = part.add_subplot()
            truth = draw(axes, replace(look, size_in=panel), rng)
            if rng.random() < 0.3:
                axes.set_title(f"({'abcd'[index]})" + (f" {truth.title}" if truth.title else ""), fontsize="medium")
            drawn.append(truth)
            artists.append([*part.axes, *part.legends])
        rgb, regions = canvas.render(sheet, look, artists)
    return rgb, tuple(replace(truth, region=region) for truth, region in zip(drawn, regions, strict=True))


def _dark(rng: Random) -> Drawing:
    return canvas.alone(style.pick(rng, is_dark=True), rng, rng.choice(_ANY))


def _legend_over(rng: Random) -> Drawing:
    return canvas.alone(replace(style.pick(rng), legend="over"), rng, rng.choice(_WITH_LEGEND))


def _combo(rng: Random) -> Drawing:
    return canvas.alone(style.pick(rng), rng, draw_combo)


KINDS: dict[str, Callable[[Random], Drawing]] = {
    "combo": _combo,
    "broken_axis": _broken,
    "dark": _dark,
    "legend_over": _legend_over,
    "several_charts": _several,
}
