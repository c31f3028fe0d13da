"""Single points: scatter with filled, hollow and plus markers, on linear and log axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from matplotlib.axes import Axes

from loupe.type.v1 import figure_pb2
from tests.specimens import canvas, lines, measures, style, words
from tests.specimens.canvas import Drawing
from tests.specimens.style import Look
from tests.specimens.truth import TrueFigure

_FILLED = ("o", "s", "^", "D", "v")
_OPEN = ("+", "x", "1", "*")


def draw_scatter(
    axes: Axes, look: Look, rng: Random, *, count: int, is_log: bool = False, marks: str = "filled"
) -> TrueFigure:
    """Draw one to four series of points.

    Args:
      marks: "filled", "hollow" or "plus".
    """
    heads = words.series(rng, count) if count > 1 else [""]
    x_measure, y_measure = measures.pick(rng, is_small=True), measures.pick(rng)
    size = rng.uniform(12, 60)
    points = {}
    per_series = rng.randint(6, 40 if count == 1 else 18)
    decades = (rng.choice((-1, 0, 1)), rng.choice((-2, 0, 2)))
    for index, head in enumerate(heads):
        pairs = _log_cloud(rng, per_series, decades) if is_log else _cloud(rng, per_series)
        if not is_log:
            pairs = [(x_measure.round(x * x_measure.high), y_measure.round(y * y_measure.high)) for x, y in pairs]
        points[head] = tuple(pairs)
        xs, ys = zip(*pairs, strict=True)
        color = look.color(index) if marks != "plus" or rng.random() < 0.7 else look.ink
        shape = rng.choice(_FILLED) if count > 1 and rng.random() < 0.5 else "o"
        how: dict[str, Any]
        if marks == "filled":
            how = {
                "color": color,
                "alpha": rng.choice((1.0, 1.0, 0.7)),
                "edgecolors": rng.choice(("none", "none", look.plot)),
            }
        elif marks == "hollow":
            how = {"facecolors": "none", "edgecolors": color, "linewidths": rng.choice((1.0, 1.5))}
        else:
            shape, how = _OPEN[(index + rng.randrange(2)) % len(_OPEN)], {"color": color, "linewidths": 1.2}
        axes.scatter(xs, ys, s=size, marker=shape, label=head or None, **how)
    if is_log:
        axes.set_xscale("log")
        axes.set_yscale("log")
        lines.log_ticks(axes, rng, "x")
        lines.log_ticks(axes, rng, "y")
        canvas.show_grid(axes, look)
        axes.set_xlabel(x_measure.title)
        axes.set_ylabel(y_measure.title)
    else:
        canvas.dress_values(axes, look, x_measure, rng, "x")
        canvas.dress_values(axes, look, y_measure, rng, "y")
    title = canvas.give_title(axes, rng)
    if count > 1:
        canvas.place_legend(axes, look, rng, count)
    return TrueFigure(
        figure_pb2.CHART_TYPE_SCATTER,
        title=title,
        points=points,
        x=canvas.axis_truth(axes, "x", "log" if is_log else "linear"),
        y=canvas.axis_truth(axes, "y", "log" if is_log else "linear"),
    )


def _cloud(rng: Random, count: int) -> list[tuple[float, float]]:
    """Return points in the unit square, around a line or in a heap, no two on the same spot."""
    slope, spread = rng.uniform(-0.9, 0.9), rng.choice((0.06, 0.12, 0.25))
    middle = (rng.uniform(0.35, 0.65), rng.uniform(0.35, 0.65))
    pairs: list[tuple[float, float]] = []
    for _ in range(count * 30):
        x = rng.uniform(0.04, 1)
        y = middle[1] + slope * (x - middle[0]) + rng.gauss(0, spread)
        if 0.02 <= y <= 1 and all(math.hypot(x - a, y - b) > 0.03 for a, b in pairs):
            pairs.append((x, y))
        if len(pairs) == count:
            break
    return pairs


def _log_cloud(rng: Random, count: int, decades: tuple[int, int]) -> list[tuple[float, float]]:
    return [
        (_three_digits(10 ** (decades[0] + 3.5 * x)), _three_digits(10 ** (decades[1] + 4 * y)))
        for x, y in _cloud(rng, count)
    ]


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def _alone(**how: Any) -> Callable[[Random], Drawing]:
    def drawing(rng: Random) -> Drawing:
        count = rng.choice((1, 1, 2, 3)) if "count" not in how else how["count"]
        return canvas.alone(style.pick(rng), rng, partial(draw_scatter, **{**how, "count": count}))

    return drawing


KINDS: dict[str, Callable[[Random], Drawing]] = {
    "scatter": _alone(marks="filled"),
    "scatter_hollow": _alone(marks="hollow"),
    "scatter_plus": _alone(marks="plus"),
    "scatter_log": _alone(is_log=True),
}
