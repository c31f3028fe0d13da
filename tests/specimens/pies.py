"""Pies and rings, their shares printed inside, outside or in the legend."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from matplotlib.axes import Axes

from loupe.type.v1 import figure_pb2
from tests.specimens import canvas, style, words
from tests.specimens.canvas import Drawing
from tests.specimens.style import Look
from tests.specimens.truth import Axis, TrueFigure


def draw_pie(axes: Axes, look: Look, rng: Random, *, is_ring: bool) -> TrueFigure:
    """Draw two to eight slices that add up to 100."""
    count = rng.choice((2, 3, 3, 4, 4, 5, 5, 6, 7, 8))
    names = words.categories(rng, count, longest=20)
    decimals = rng.choice((0, 0, 1))
    shares = _shares(rng, count, decimals)
    print_as = rng.choice((f"%.{decimals}f%%", f"%.{decimals}f%%", f"%.{decimals}f %%"))
    name_in = rng.choice(("outside", "outside", "legend", "with share"))
    is_printed = rng.random() < 0.85 or name_in == "with share"
    labels = [f"{name}\n{print_as % share}" for name, share in zip(names, shares, strict=True)]
    wedge: dict[str, Any] = {"width": rng.uniform(0.3, 0.5)} if is_ring else {}
    if rng.random() < 0.5:
        wedge |= {"edgecolor": look.plot, "linewidth": rng.choice((1, 2))}
    explode = [0.08 if index == 0 else 0.0 for index in range(count)] if rng.random() < 0.1 and not is_ring else None
    pie = axes.pie(
        shares,
        labels={"outside": names, "legend": None, "with share": labels}[name_in],
        autopct=print_as if is_printed and name_in != "with share" else None,
        colors=[look.color(index) for index in range(count)],
        startangle=rng.choice((0, 90, 90, rng.uniform(0, 360))),
        counterclock=rng.random() < 0.5,
        pctdistance=(1 - float(wedge.get("width", 0.8)) / 2) if is_ring else rng.choice((0.6, 0.7, 0.75)),
        wedgeprops=wedge,
        explode=explode,
        textprops={"fontsize": rng.choice(("small", "medium"))},
    )
    if is_printed and name_in != "with share":
        for index, number in enumerate(pie.texts[-1]):
            number.set_color(style.readable_on(look.color(index)))
    if name_in == "legend":
        place = rng.choice(("outside right center", "outside right upper", "outside lower center"))
        canvas.legend_of(axes, list(pie.wedges), names, place, has_frame=rng.random() < 0.4)
    title = canvas.give_title(axes, rng)
    kind = figure_pb2.CHART_TYPE_DONUT if is_ring else figure_pb2.CHART_TYPE_PIE
    return TrueFigure(kind, title=title, values={"": dict(zip(names, shares, strict=True))}, y=Axis("linear", 0, 100))


def _shares(rng: Random, count: int, decimals: int) -> list[float]:
    weights = [rng.uniform(0.15, 1) ** rng.choice((1, 1.5)) for _ in range(count)]
    least = 4.0 if count < 7 else 3.0
    parts = [round(max(least, 100 * weight / sum(weights)), decimals) for weight in weights]
    largest = max(range(count), key=lambda index: parts[index])
    parts[largest] = round(parts[largest] + 100 - sum(parts), decimals)
    if rng.random() < 0.5:
        parts.sort(reverse=True)
    return parts


def _alone(*, is_ring: bool) -> Callable[[Random], Drawing]:
    def drawing(rng: Random) -> Drawing:
        return canvas.alone(style.pick(rng, widest=1.6), rng, partial(draw_pie, is_ring=is_ring))

    return drawing


KINDS: dict[str, Callable[[Random], Drawing]] = {"pie": _alone(is_ring=False), "donut": _alone(is_ring=True)}
