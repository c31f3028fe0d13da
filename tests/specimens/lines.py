"""Lines: told apart by colour, dashes or names at their ends, over categories, years and dates, on log scales."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

import matplotlib.dates as mdates
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatterMathtext, LogLocator, NullFormatter, NullLocator

from loupe.type.v1 import figure_pb2
from tests.specimens import canvas, measures, style, words
from tests.specimens.canvas import Drawing
from tests.specimens.measures import Measure, TickFormatter
from tests.specimens.style import Look
from tests.specimens.truth import Axis, TrueFigure

_LINE = figure_pb2.CHART_TYPE_LINE
_DASHES = ("-", "--", ":", "-.", (0, (8, 3)), (0, (1, 1)), (0, (3, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "x", "+", "*")


def draw_lines(
    axes: Axes, look: Look, rng: Random, *, count: int, by: str = "color", is_log: bool = False
) -> TrueFigure:
    """Draw lines over evenly spaced labels, every label printed.

    Args:
      by: what tells the lines apart: "color", "dashes" (one colour) or "ends" (names at their right ends).
    """
    length = rng.randint(4, 12)
    names = _labels(rng, length)
    heads = words.series(rng, count) if count > 1 else [""]
    measure = measures.pick(rng, is_small=by == "ends")
    is_printed = by != "ends" and count == 1 and rng.random() < 0.2 and not is_log
    fine = measure if is_printed else measure.finer()
    columns = log_columns(rng, count, length) if is_log else _apart(fine, rng, count, length)
    if is_log:
        measure = Measure(measure.title, max(map(max, columns)), decimals=2)
    marked = rng.choice(("all", "none", "each")) if length > 5 else rng.choice(("all", "each", "none"))
    for index, (head, column) in enumerate(zip(heads, columns, strict=True)):
        marker = {"all": "o", "none": "", "each": _MARKERS[index]}[marked]
        axes.plot(
            range(length),
            column,
            label=head or None,
            color=look.color(index) if by != "dashes" else look.ink,
            linestyle=_DASHES[index] if by == "dashes" else "-",
            marker=marker,
            markersize=rng.choice((3, 4, 5, 6)) if marker else 0,
            markerfacecolor=look.plot if by == "dashes" and marked == "each" and rng.random() < 0.5 else None,
        )
    canvas.name_categories(axes, look, names, rng)
    dress(axes, look, measure, rng, is_log=is_log)
    if is_printed:
        for place, value in enumerate(columns[0]):
            axes.annotate(
                measure.label(value), (place, value), (0, 5), textcoords="offset points", ha="center", fontsize="small"
            )
        axes.margins(y=0.15)
    elif not is_log and rng.random() < 0.4:
        axes.set_ylim(0)
    title = canvas.give_title(axes, rng)
    if count > 1:
        if by == "ends":
            name_ends(axes, look, heads, [(length - 1, column[-1]) for column in columns])
        else:
            canvas.place_legend(axes, look, rng, count)
    values = {head: dict(zip(names, column, strict=True)) for head, column in zip(heads, columns, strict=True)}
    return TrueFigure(_LINE, title=title, values=values, y=canvas.axis_truth(axes, scale="log" if is_log else "linear"))


def draw_dates(axes: Axes, look: Look, rng: Random, *, kind: str, least: int = 1) -> TrueFigure:
    """Draw one to three lines over a date axis whose ticks are fewer than the points.

    Args:
      kind: "months", "days", "quarters" or "years".
      least: lines at least.
    """
    count = max(least, rng.choice((1, 1, 2, 3)))
    heads = words.series(rng, count) if count > 1 else [""]
    days = _days(rng, kind)
    measure = measures.pick(rng, is_small=True)
    columns = _apart(measure.finer(), rng, count, len(days))
    marker = "o" if len(days) < 30 and rng.random() < 0.4 else ""
    for index, (head, column) in enumerate(zip(heads, columns, strict=True)):
        axes.plot(
            mdates.date2num(days), column, label=head or None, color=look.color(index), marker=marker, markersize=3.5
        )
    if rng.random() < 0.5:
        axes.margins(x=0.0)
    dress(axes, look, measure, rng)
    if rng.random() < 0.4:
        axes.set_ylim(0)
    ticks, has_year = _date_ticks(axes, look, rng, kind, days)
    title = canvas.give_title(axes, rng)
    if count > 1:
        canvas.place_legend(axes, look, rng, count)
    low, high = axes.get_xlim()
    points = {
        head: tuple((_seconds(day), value) for day, value in zip(days, column, strict=True))
        for head, column in zip(heads, columns, strict=True)
    }
    x = Axis("date", low * 86400, high * 86400, ticks, has_year)
    return TrueFigure(_LINE, title=title, points=points, x=x, y=canvas.axis_truth(axes))


def dress(axes: Axes, look: Look, measure: Measure, rng: Random, *, is_log: bool = False) -> None:
    """Give the value axis of lines its ticks."""
    canvas.dress_values(axes, look, measure, rng)
    if is_log:
        axes.set_yscale("log")
        log_ticks(axes, rng)
        canvas.show_grid(axes, look)


def log_ticks(axes: Axes, rng: Random, side: canvas.Side = "y") -> None:
    """Print powers of ten as powers, or in full."""
    axis = axes.yaxis if side == "y" else axes.xaxis
    axis.set_major_locator(LogLocator(10))
    low, high = axes.get_ylim() if side == "y" else axes.get_xlim()
    axis.set_major_formatter(
        LogFormatterMathtext() if rng.random() < 0.5 or high / low > 1e6 else TickFormatterAlone(rng.choice(("", ",")))
    )
    axis.set_minor_formatter(NullFormatter())
    if rng.random() < 0.4:
        axis.set_minor_locator(NullLocator())


class TickFormatterAlone(TickFormatter):
    """Prints each tick with the decimals it needs itself: 0.1, 1, 10."""

    def __init__(self, separator: str) -> None:
        super().__init__(Measure("", 1.0, separator=separator))

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        return [self(float(value)) for value in values]


def log_columns(rng: Random, count: int, length: int) -> list[list[float]]:
    """Return series that cover two to five powers of ten."""
    low = rng.choice((-1, 0, 0, 1, 2))
    columns = []
    for _ in range(count):
        at, rise = rng.uniform(0, 1), rng.uniform(2, 4.5) / length
        column = []
        for _ in range(length):
            value = 10 ** (low + at)
            digits = max(0, 2 - int(low + at))
            column.append(round(value, digits))
            at = max(0.0, at + rise * rng.uniform(0.0, 2.0))
        columns.append(column if rng.random() < 0.7 else column[::-1])
    return columns


def name_ends(axes: Axes, look: Look, heads: list[str], ends: list[tuple[float, float]]) -> None:
    """Write each line's name in its colour beside its last point, moved apart where they would touch."""
    low, high = axes.get_ylim()
    line_high = look.font_pt * 1.35 / 72 / (look.size_in[1] * 0.75) * (high - low)
    order = sorted(range(len(ends)), key=lambda index: ends[index][1])
    at = low - line_high
    for index in order:
        x, y = ends[index]
        at = max(y, at + line_high)
        color = look.color(index)
        if abs(style.brightness(color) - style.brightness(look.plot)) < 90:
            color = look.ink
        axes.annotate(heads[index], (x, at), (6, 0), textcoords="offset points", va="center", color=color,
                      annotation_clip=False)  # fmt: skip
    axes.set_ylim(low, high)


def _labels(rng: Random, length: int) -> list[str]:
    chance = rng.random()
    if chance < 0.6:
        return [str(year) for year in words.years(rng, length, step=rng.choice((1, 1, 1, 2, 5)))]
    if chance < 0.8:
        return list(words.MONTHS[:length])
    first = rng.randint(2015, 2021)
    return [f"Q{index % 4 + 1} {first + index // 4}" for index in range(length)]


def _apart(measure: Measure, rng: Random, count: int, length: int) -> list[list[float]]:
    """Return walks; half of the time the lines keep to bands of their own, so that they cross little."""
    if rng.random() < 0.5:
        return [measure.walk(rng, length) for _ in range(count)]
    order = rng.sample(range(count), count)
    return [
        [measure.round((value + band * measure.high) / count) for value in measure.walk(rng, length)] for band in order
    ]


def _days(rng: Random, kind: str) -> list[datetime.date]:
    first = datetime.date(rng.randint(1995, 2022), rng.randint(1, 12), 1)
    if kind == "days":
        count, step = rng.randint(20, 180), rng.choice((1, 1, 7))
        return [first + datetime.timedelta(days=step * index) for index in range(count)]
    if kind == "years":
        return [datetime.date(first.year - 10 + index, 1, 1) for index in range(rng.randint(12, 35))]
    step = 3 if kind == "quarters" else 1
    start = first.year * 12 + (0 if kind == "quarters" else first.month - 1)
    months = [start + step * index for index in range(rng.randint(10, 60) if step == 1 else rng.randint(8, 28))]
    return [datetime.date(month // 12, month % 12 + 1, 1) for month in months]


def _date_ticks(
    axes: Axes, look: Look, rng: Random, kind: str, days: list[datetime.date]
) -> tuple[dict[str, float], bool]:
    """Set ticks at months, days, quarters or years; return printed label → seconds, and whether years are printed."""
    room = max(3, int(look.size_in[0] * 0.8 / (look.font_pt / 72 * 0.56 * 10)))
    wanted = rng.randint(min(4, room), min(8, max(4, room)))
    span = (days[-1] - days[0]).days
    low, high = axes.get_xlim()
    if kind == "years" or span > 366 * 6:
        step = max(1, round(span / 365 / wanted))
        form = rng.choice(("%Y", "%Y", "'%y"))
        ticks = [datetime.date(year, 1, 1) for year in range(1950, 2060) if year % step == 0]
    elif kind == "days" and span < 100:
        step = max(1, round(span / wanted))
        form = rng.choice(("%Y-%m-%d", "%b %-d", "%-d %b", "%d.%m.%Y", "%m/%d"))
        ticks = [days[0] + datetime.timedelta(days=step * index) for index in range(span // step + 1)]
    else:
        step = next((step for step in (1, 2, 3, 6, 12) if span / 30.4 / step <= wanted), 12)
        form = rng.choice(("%b %Y", "%Y-%m", "%b '%y", "%b\n%Y", "%m/%Y", "%B %Y" if wanted <= 4 else "%b %y"))
        if kind == "quarters" and step == 3 and rng.random() < 0.6:
            form = "quarter"
        ticks = [datetime.date(year, month, 1) for year in range(1990, 2040) for month in range(1, 13, step)]
    ticks = [tick for tick in ticks if low - 1e-6 <= mdates.date2num(tick) <= high + 1e-6]
    labels = [f"Q{(t.month + 2) // 3} {t.year}" if form == "quarter" else t.strftime(form) for t in ticks]
    axes.set_xticks([mdates.date2num(tick) for tick in ticks], labels)
    if max(len(part) for label in labels for part in label.split("\n")) * len(labels) > room * 9 or rng.random() < 0.12:
        canvas.turn(axes, rng.choice((30, 45, 90)))
    times = {label.replace("\n", " "): _seconds(tick) for label, tick in zip(labels, ticks, strict=True)}
    return times, form == "quarter" or "y" in form.lower()


def _seconds(day: datetime.date) -> float:
    return float((day - datetime.date(1970, 1, 1)).days * 86400)


def _alone(draw: Callable[..., TrueFigure], **how: Any) -> Callable[[Random], Drawing]:
    def drawing(rng: Random) -> Drawing:
        return canvas.alone(style.pick(rng), rng, partial(draw, **how))

    return drawing


def _several(**how: Any) -> Callable[[Random], Drawing]:
    def drawing(rng: Random) -> Drawing:
        return canvas.alone(style.pick(rng), rng, partial(draw_lines, count=rng.randint(2, 5), **how))

    return drawing


KINDS: dict[str, Callable[[Random], Drawing]] = {
    "line": _alone(draw_lines, count=1),
    "lines": _several(),
    "lines_by_dashes": _several(by="dashes"),
    "lines_named_at_ends": _several(by="ends"),
    "lines_log": _several(is_log=True),
    "line_months": _alone(draw_dates, kind="months"),
    "line_days": _alone(draw_dates, kind="days"),
    "line_quarters": _alone(draw_dates, kind="quarters"),
    "line_years": _alone(draw_dates, kind="years"),
}
