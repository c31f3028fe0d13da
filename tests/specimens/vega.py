"""Charts as Vega-Lite itself draws them, with its own defaults and themes; rendered in the process, without network."""

from __future__ import annotations

import datetime
import io
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

import numpy as np
import vl_convert
from PIL import Image

from loupe.type.v1 import figure_pb2
from tests.specimens import fonts, measures, words
from tests.specimens.canvas import Drawing
from tests.specimens.truth import Axis, Bin, FiveNumbers, TrueFigure

_VERSION = "5.20"
# The names by which the renderer finds our files; a name it doesn't know would fall back to a font of the system.
_FONTS = {
    "Roboto": "Roboto",
    "Hanken Grotesk": "Hanken Grotesk",
    "Manrope": "Manrope",
    "Caladea": "Caladea",
    "DejaVu Sans": "DejaVu Sans",
}
_THEMES = (
    "excel",
    "fivethirtyeight",
    "ggplot2",
    "googlecharts",
    "latimes",
    "powerbi",
    "quartz",
    "urbaninstitute",
    "dark",
)
_CATEGORY, _VALUE, _SERIES = "category", "value", "series"
Spec = dict[str, Any]


def _single(rng: Random) -> Drawing:
    count, is_upright = rng.randint(3, 14), rng.random() < 0.6
    names = words.categories(rng, min(count, 10), longest=20 if is_upright else 30)
    measure = measures.pick(rng, is_small=True)
    values = measure.sample(rng, len(names))
    order, names, values = _ordered(rng, names, values)
    band = {"field": _CATEGORY, "type": "nominal", **order, **_title(rng)}
    if is_upright and rng.random() < 0.4:
        band["axis"] = {
            "labelAngle": rng.choice((-45, -30, 0) if max(map(len, names)) * len(names) < 60 else (-45, -60))
        }
    length = {"field": _VALUE, "type": "quantitative", **_value_axis(rng, max(values)), **_title(rng, measure.title)}
    encoding: Spec = {"x": band, "y": length} if is_upright else {"y": band, "x": length}
    if rng.random() < 0.2:
        encoding["color"] = {"field": _CATEGORY, "type": "nominal", "legend": None}
    mark: Spec = {"type": "bar", **({"cornerRadiusEnd": 3} if rng.random() < 0.15 else {})}
    spec: Spec = {"encoding": encoding, "layer": [{"mark": mark}]}
    if rng.random() < 0.3:
        how = {"align": "center", "baseline": "bottom", "dy": -3} if is_upright else {"align": "left", "dx": 3}
        text = {"text": {"field": "printed", "type": "nominal"}}
        spec["layer"].append({"mark": {"type": "text", **how}, "encoding": text})
    rows = [{_CATEGORY: n, _VALUE: v, "printed": measure.label(v)} for n, v in zip(names, values, strict=True)]
    kind = figure_pb2.CHART_TYPE_BAR if is_upright else figure_pb2.CHART_TYPE_HORIZONTAL_BAR
    return _drawing(rng, spec, rows, lambda title: TrueFigure(
        kind, title=title, values={"": dict(zip(names, values, strict=True))}, y=_span(values)))  # fmt: skip


def _grouped(rng: Random) -> Drawing:
    heads, names = sorted(words.series(rng, rng.randint(2, 4))), words.categories(rng, rng.randint(3, 6), longest=16)
    measure = measures.pick(rng, is_small=True)
    order, names, _ = _ordered(rng, names, [0.0] * len(names))
    values = {head: dict(zip(names, measure.sample(rng, len(names)), strict=True)) for head in heads}
    is_upright = rng.random() < 0.7
    top = max(v for column in values.values() for v in column.values())
    band = {"field": _CATEGORY, "type": "nominal", **order, **_title(rng)}
    if is_upright and rng.random() < 0.5:
        band["axis"] = {"labelAngle": -45 if max(map(len, names)) * len(names) > 50 else 0}
    length = {"field": _VALUE, "type": "quantitative", **_value_axis(rng, top), **_title(rng, measure.title)}
    shift = {"field": _SERIES, "type": "nominal"}
    color = {"field": _SERIES, "type": "nominal", **_legend(rng)}
    encoding: Spec = {"color": color}
    encoding |= {"x": band, "y": length, "xOffset": shift} if is_upright else {"y": band, "x": length, "yOffset": shift}
    kind = figure_pb2.CHART_TYPE_GROUPED_BAR if is_upright else figure_pb2.CHART_TYPE_HORIZONTAL_GROUPED_BAR
    return _drawing(rng, {"mark": "bar", "encoding": encoding}, _long(values), lambda title: TrueFigure(
        kind, title=title, values=values, y=Axis("linear", 0, top)))  # fmt: skip


def _stacked(rng: Random) -> Drawing:
    heads, names = sorted(words.series(rng, rng.randint(2, 5))), words.categories(rng, rng.randint(3, 8), longest=18)
    measure = measures.pick(rng, is_small=True)
    order, names, _ = _ordered(rng, names, [0.0] * len(names))
    parts = len(heads)
    values = {
        head: dict(zip(names, (measure.round(v / parts) for v in measure.sample(rng, len(names))), strict=True))
        for head in heads
    }
    is_upright = rng.random() < 0.6
    top = max(sum(column[name] for column in values.values()) for name in names)
    band = {"field": _CATEGORY, "type": "nominal", **order, **_title(rng)}
    length = {"field": _VALUE, "type": "quantitative", **_value_axis(rng, top), **_title(rng, measure.title)}
    encoding: Spec = {"color": {"field": _SERIES, "type": "nominal", **_legend(rng)}}
    encoding |= {"x": band, "y": length} if is_upright else {"y": band, "x": length}
    kind = figure_pb2.CHART_TYPE_STACKED_BAR if is_upright else figure_pb2.CHART_TYPE_HORIZONTAL_STACKED_BAR
    return _drawing(rng, {"mark": "bar", "encoding": encoding}, _long(values), lambda title: TrueFigure(
        kind, title=title, values=values, y=Axis("linear", 0, top)))  # fmt: skip


def _lines(rng: Random) -> Drawing:
    count = rng.choice((1, 2, 3, 4))
    heads = sorted(words.series(rng, count)) if count > 1 else [""]
    days, form = _days(rng)
    measure = measures.pick(rng, is_small=True)
    columns = {head: measure.finer().walk(rng, len(days)) for head in heads}
    top = max(map(max, columns.values()))
    # With a format of months, ticks at half months would read alike.
    axis: Spec = {"format": form, "tickCount": min(8, len(days))} if form else {}
    if rng.random() < 0.4:
        axis["labelAngle"] = rng.choice((-45, 0, -90))
    x: Spec = {"field": "date", "type": "temporal", "scale": {"type": "utc"}, "axis": axis, **_title(rng)}
    y = {"field": _VALUE, "type": "quantitative", **_value_axis(rng, top), **_title(rng, measure.title)}
    if rng.random() < 0.3:
        y["scale"] = {"zero": False}
    encoding: Spec = {"x": x, "y": y}
    if count > 1:
        key = rng.choice(("color", "color", "color", "strokeDash"))
        encoding[key] = {"field": _SERIES, "type": "nominal", **_legend(rng)}
    mark: Spec = {"type": "line", "point": rng.random() < 0.3, "interpolate": "linear"}
    rows = [
        {"date": _milliseconds(day), _VALUE: value, _SERIES: head}
        for head, column in columns.items()
        for day, value in zip(days, column, strict=True)
    ]
    points = {
        head: tuple((_milliseconds(day) / 1000, value) for day, value in zip(days, column, strict=True))
        for head, column in columns.items()
    }
    axis_x = Axis("date", _milliseconds(days[0]) / 1000, _milliseconds(days[-1]) / 1000, _tick_labels(days, form))
    return _drawing(rng, {"mark": mark, "encoding": encoding}, rows, lambda title: TrueFigure(
        figure_pb2.CHART_TYPE_LINE, title=title, points=points, x=axis_x, y=Axis("linear", 0, top)))  # fmt: skip


def _areas(rng: Random) -> Drawing:
    heads, years = sorted(words.series(rng, rng.randint(2, 5))), words.years(rng, rng.randint(6, 16))
    measure = measures.pick(rng, is_small=True).finer()
    parts = len(heads)
    values = {
        head: {
            str(y): measure.round(v / parts)
            for y, v in zip(years, measure.walk(rng, len(years), low_share=0.2), strict=True)
        }
        for head in heads
    }
    top = max(sum(column[str(year)] for column in values.values()) for year in years)
    encoding: Spec = {
        "x": {"field": _CATEGORY, "type": "ordinal", **_title(rng, "year")},
        "y": {"field": _VALUE, "type": "quantitative", **_value_axis(rng, top), **_title(rng, measure.title)},
        "color": {"field": _SERIES, "type": "nominal", **_legend(rng)},
    }
    mark: Spec = {"type": "area", "line": rng.random() < 0.3}
    return _drawing(rng, {"mark": mark, "encoding": encoding}, _long(values), lambda title: TrueFigure(
        figure_pb2.CHART_TYPE_STACKED_AREA, title=title, values=values, y=Axis("linear", 0, top)))  # fmt: skip


def _points(rng: Random) -> Drawing:
    count = rng.choice((1, 1, 2, 3))
    heads = sorted(words.series(rng, count)) if count > 1 else [""]
    across, up = measures.pick(rng, is_small=True), measures.pick(rng, is_small=True)
    points = {}
    for head in heads:
        xs, ys = across.sample(rng, rng.randint(6, 25)), up.sample(rng, 25)
        points[head] = tuple(dict.fromkeys(zip(xs, ys, strict=False)))
    wide = max(x for pairs in points.values() for x, _ in pairs)
    high = max(y for pairs in points.values() for _, y in pairs)
    encoding: Spec = {
        "x": {"field": "x", "type": "quantitative", **_value_axis(rng, wide), **_title(rng, across.title)},
        "y": {"field": _VALUE, "type": "quantitative", **_value_axis(rng, high), **_title(rng, up.title)},
    }
    if count > 1:
        encoding["color"] = {"field": _SERIES, "type": "nominal", **_legend(rng)}
        if rng.random() < 0.3:
            encoding["shape"] = {"field": _SERIES, "type": "nominal"}
    mark: Spec = rng.choice(
        ({"type": "point"}, {"type": "circle"}, {"type": "square"}, {"type": "point", "filled": True})
    )
    if mark["type"] != "point":
        encoding.pop("shape", None)
    rows = [{"x": x, _VALUE: y, _SERIES: head} for head, pairs in points.items() for x, y in pairs]
    return _drawing(rng, {"mark": mark | {"size": rng.choice((30, 50, 60))}, "encoding": encoding}, rows,
                    lambda title: TrueFigure(figure_pb2.CHART_TYPE_SCATTER, title=title, points=points,
                                             x=Axis("linear", 0, wide), y=Axis("linear", 0, high)))  # fmt: skip


def _pie(rng: Random) -> Drawing:
    names = sorted(words.categories(rng, rng.randint(3, 7), longest=22))
    weights = [rng.uniform(0.2, 1) for _ in names]
    values = [float(max(3, round(100 * weight / sum(weights)))) for weight in weights]
    values[values.index(max(values))] += 100 - sum(values)
    is_ring, is_printed = rng.random() < 0.5, rng.random() < 0.7
    radius = rng.choice((90, 110))
    arc: Spec = {"type": "arc", "outerRadius": radius, **({"innerRadius": radius * 0.55} if is_ring else {})}
    if rng.random() < 0.3:
        arc |= {"stroke": "#ffffff", "strokeWidth": 2}
    encoding: Spec = {
        "theta": {"field": _VALUE, "type": "quantitative", "stack": True},
        "color": {"field": _CATEGORY, "type": "nominal", **_legend(rng)},
    }
    spec: Spec = {"encoding": encoding, "layer": [{"mark": arc}], "view": {"stroke": None}}
    if is_printed:
        text = {"text": {"field": "printed", "type": "nominal"}}
        spec["layer"].append({"mark": {"type": "text", "radius": radius + 20}, "encoding": text})
    rows = [{_CATEGORY: n, _VALUE: v, "printed": f"{v:.0f}%"} for n, v in zip(names, values, strict=True)]
    kind = figure_pb2.CHART_TYPE_DONUT if is_ring else figure_pb2.CHART_TYPE_PIE
    return _drawing(rng, spec, rows, lambda title: TrueFigure(
        kind, title=title, values={"": dict(zip(names, values, strict=True))}, y=Axis("linear", 0, 100)))  # fmt: skip


def _histogram(rng: Random) -> Drawing:
    count = rng.randint(6, 20)
    step = rng.choice((0.2, 0.5, 1, 2, 5, 10, 20, 50))
    start = step * rng.randint(0, 5)
    middle, size = rng.uniform(0.3, 0.7), rng.uniform(20, 400)
    bins = tuple(
        Bin(
            round(start + step * i, 6),
            round(start + step * (i + 1), 6),
            float(
                max(1, round(size * math.exp(-((((i + 0.5) / count) - middle) ** 2) / 0.06) * rng.uniform(0.8, 1.2)))
            ),
        )
        for i in range(count)
    )
    encoding: Spec = {
        "x": {
            "field": "from",
            "type": "quantitative",
            "bin": {"binned": True, "step": step},
            **_title(rng, "rating (binned)"),
        },
        "x2": {"field": "to"},
        "y": {"field": _VALUE, "type": "quantitative", **_title(rng, "Count of Records")},
    }
    rows = [{"from": b.lower, "to": b.upper, _VALUE: b.count} for b in bins]
    high = max(b.count for b in bins)
    return _drawing(rng, {"mark": "bar", "encoding": encoding}, rows, lambda title: TrueFigure(
        figure_pb2.CHART_TYPE_HISTOGRAM, title=title, bins=bins, x=Axis("linear", bins[0].lower, bins[-1].upper),
        y=Axis("linear", 0, high)))  # fmt: skip


def _boxes(rng: Random) -> Drawing:
    names = sorted(words.categories(rng, rng.randint(2, 6), longest=16))
    measure = measures.pick(rng, is_small=True)
    rows, boxes = [], {}
    for name in names:
        middle, spread = rng.uniform(0.35, 0.6), rng.uniform(0.05, 0.15)
        data = [measure.round(max(0.0, rng.gauss(middle, spread)) * measure.high) for _ in range(rng.randint(25, 60))]
        rows += [{_CATEGORY: name, _VALUE: value} for value in data]
        boxes[name] = _tukey(data)
    band = {"field": _CATEGORY, "type": "nominal", **_title(rng)}
    length = {"field": _VALUE, "type": "quantitative", "scale": {"zero": False}, **_title(rng, measure.title)}
    encoding: Spec = {"x": band, "y": length} if rng.random() < 0.6 else {"y": band, "x": length}
    mark: Spec = {"type": "boxplot", "extent": 1.5, **({"size": rng.choice((20, 30))} if rng.random() < 0.5 else {})}
    values = [number for five in boxes.values() for number in (five.lower_whisker, five.upper_whisker)]
    return _drawing(rng, {"mark": mark, "encoding": encoding}, rows, lambda title: TrueFigure(
        figure_pb2.CHART_TYPE_BOX, title=title, boxes=boxes, y=Axis("linear", min(values), max(values))))  # fmt: skip


def _tukey(data: Sequence[float]) -> FiveNumbers:
    """Return the box Vega-Lite draws: interpolated quartiles, whiskers to the last point within 1.5 IQR."""
    low, middle, high = (float(q) for q in np.quantile(data, (0.25, 0.5, 0.75)))
    reach = 1.5 * (high - low)
    inside = [value for value in data if low - reach <= value <= high + reach]
    outliers = tuple(sorted({value for value in data if value not in inside}))
    return FiveNumbers(min(inside), low, middle, high, max(inside), outliers)


def _ordered(rng: Random, names: list[str], values: list[float]) -> tuple[Spec, list[str], list[float]]:
    """Vega-Lite sorts names by letters unless told not to."""
    if rng.random() < 0.5:
        return {"sort": None}, names, values
    pairs = sorted(zip(names, values, strict=True))
    return {}, [name for name, _ in pairs], [value for _, value in pairs]


def _title(rng: Random, text: str = "") -> Spec:
    """The field's own name, a better one, or none."""
    chance = rng.random()
    if chance < 0.4:
        return {}
    return {"title": None if chance < 0.6 or not text else text}


def _value_axis(rng: Random, top: float) -> Spec:
    chance = rng.random()
    if chance < 0.2 and top >= 2000:
        return {"axis": {"format": "~s"}}
    if chance < 0.3:
        return {"axis": {"grid": False}}
    if chance < 0.4:
        return {"axis": {"tickCount": rng.choice((4, 5, 10))}}
    return {}


def _legend(rng: Random) -> Spec:
    where = rng.choice(("right", "right", "right", "top", "bottom"))
    return {"legend": {"orient": where, **rng.choice(({}, {"title": None}))}}


def _long(values: Mapping[str, Mapping[str, float]]) -> list[Spec]:
    return [{_SERIES: s, _CATEGORY: label, _VALUE: v} for s, column in values.items() for label, v in column.items()]


def _span(values: Sequence[float]) -> Axis:
    return Axis("linear", 0, max(values))


def _days(rng: Random) -> tuple[list[datetime.date], str]:
    first = rng.randint(1995, 2020)
    if rng.random() < 0.4:
        return [datetime.date(first + index, 1, 1) for index in range(rng.randint(6, 25))], rng.choice(("", "%Y"))
    start, count = first * 12 + rng.randrange(12), rng.randint(8, 40)
    months = [datetime.date((start + i) // 12, (start + i) % 12 + 1, 1) for i in range(count)]
    return months, rng.choice(("", "%b %Y", "%Y-%m", "%b ’%y"))


def _tick_labels(days: Sequence[datetime.date], form: str) -> dict[str, float]:
    if not form:
        return {str(day.year): _milliseconds(day) / 1000 for day in days if day.month == 1}
    return {day.strftime(form): _milliseconds(day) / 1000 for day in days}


def _milliseconds(day: datetime.date) -> float:
    return float((day - datetime.date(1970, 1, 1)).days * 86_400_000)


@cache
def _register_fonts() -> None:
    for family in _FONTS:
        vl_convert.register_font_directory(str(fonts.path_of(family).parent))


def _drawing(rng: Random, spec: Spec, rows: list[Spec], truth: Callable[[str], TrueFigure]) -> Drawing:
    """Render a specification in a theme by chance, at one to two pixels a point."""
    _register_fonts()
    font = _FONTS[rng.choice(tuple(_FONTS))]
    title = words.title(rng) if rng.random() < 0.5 else ""
    size = rng.choice((0, 0, 11, 12, 14))
    plain = {"labelFont": font, "titleFont": font}
    config: Spec = {
        "font": font,
        "axis": plain | ({"labelFontSize": size, "titleFontSize": size + 1} if size else {}),
        "legend": plain | ({"labelFontSize": size, "titleFontSize": size + 1} if size else {}),
        # Some themes name fonts here too; a font that is not installed prints nothing.
        **dict.fromkeys(("axisX", "axisY", "header"), plain),
        "title": {"font": font, "subtitleFont": font},
        "text": {"font": font},
    }
    whole: Spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": rows},
        "width": rng.randint(220, 620),
        "height": rng.randint(180, 420),
        "config": config,
        **({"title": title} if title else {}),
        **spec,
    }
    theme: Any = rng.choice(_THEMES) if rng.random() < 0.45 else None  # a Literal of fourteen names
    scale = rng.choice((1.0, 1.5, 2.0, 2.0)) if size else rng.choice((1.25, 1.5, 2.0, 2.0))
    png = vl_convert.vegalite_to_png(whole, vl_version=_VERSION, scale=scale, theme=theme)
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    sheet = Image.new("RGBA", image.size, "#ffffff")  # some themes leave the paper to the page
    rgb = np.asarray(Image.alpha_composite(sheet, image).convert("RGB"), dtype=np.uint8)
    return rgb, (truth(title),)


KINDS: dict[str, Callable[[Random], Drawing]] = {
    "vega_bar": _single,
    "vega_grouped_bar": _grouped,
    "vega_stacked_bar": _stacked,
    "vega_line": _lines,
    "vega_stacked_area": _areas,
    "vega_points": _points,
    "vega_pie": _pie,
    "vega_histogram": _histogram,
    "vega_box": _boxes,
}
