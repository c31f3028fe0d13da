"""Reads the numbers behind a matplotlib figure: its axes, and what each series in them draws.

Works on what is drawn, so data of any type that matplotlib took comes out as numbers on an axis. All figures of a run
share one bound on points, one on boxes and one on characters; what is over it is left out, and points are counted.
"""

import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from sandbox.bootstrap import figure_boxes

_MAX_POINTS = 10_000
_MAX_BOXES = 2_000
_MAX_TEXT_BYTES = 150_000  # as the report spells it
_MAX_TEXT_CHARS = 200
_MAX_AXES = 64
_MAX_SERIES = 200
_MAX_CATEGORIES = 1000
_MAX_TICKS = 100
_DAY_S = 86400.0
_DATE_CONVERTERS = {"DateConverter", "ConciseDateConverter", "_SwitchableDateConverter", "DatetimeConverter"}

Json = dict[str, Any]


class FigureReader:
    """Reads the figures of one run."""

    def __init__(self, lines_of: Callable[[Any], Sequence[int]] = lambda artist: ()) -> None:
        """Take what tells the lines of the program that drew an artist."""
        self._lines_of = lines_of
        self._points = _MAX_POINTS
        self._boxes = _MAX_BOXES
        self._bytes = _MAX_TEXT_BYTES
        self._is_measured = False

    def read(self, figure: Any, *, is_measured: bool = False) -> Json:
        """Return what a figure shows, in the form of loupe.sandbox.v1.FigureData.

        Args:
          is_measured: with boxes, while the figure is being written as a picture.
        """
        self._is_measured = is_measured
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            axes = [one for one in figure.axes if one.get_label() != "<colorbar>"]
            return {
                "title": self._text(figure.get_suptitle()),
                "axes": [self._axes(one) for one in axes[:_MAX_AXES]],
                "omitted_axes_count": max(0, len(axes) - _MAX_AXES),
            }

    def give_back(self, figure: Json) -> None:
        """Count as unread what turned out to be known."""
        for axes in figure["axes"]:
            for series in axes["series"]:
                self._points += max(len(series["y"]), len(series["labels"]))
                self._boxes += len(series["boxes"])

    def _axes(self, axes: Any) -> Json:
        x_axis, y_axis = _Scale(axes.xaxis, axes), _Scale(axes.yaxis, axes)
        drawn = [] if axes.name == "3d" else list(_series(axes))
        return {
            "title": self._text(axes.get_title()),
            "x_axis": self._axis(x_axis, axes.get_xlabel(), axes.get_xlim()),
            "y_axis": self._axis(y_axis, axes.get_ylabel(), axes.get_ylim()),
            "series": [self._one(series, x_axis, y_axis, axes) for series in drawn[:_MAX_SERIES]],
            "omitted_series_count": max(0, len(drawn) - _MAX_SERIES),
        }

    def _axis(self, scale: "_Scale", label: str, limits: tuple[float, float]) -> Json:
        lower, upper = (_number(value) for value in scale.converted(limits))
        return {
            "label": self._text(label),
            "kind": scale.kind,
            "scale": self._text(scale.axis.get_scale()),
            "lower": lower,
            "upper": upper,
            "categories": [self._text(name) for name in scale.categories[:_MAX_CATEGORIES]],
            "ticks": [{"value": value, "label": self._text(text)} for value, text in scale.ticks(limits)],
        }

    def _one(self, series: Json, x_axis: "_Scale", y_axis: "_Scale", axes: Any) -> Json:
        is_free = series["kind"] in ("PIE", "IMAGE", "TABLE")
        columns = {
            "x": x_axis.converted(series.get("x", ())),
            "y": series["y"] if is_free else y_axis.converted(series["y"]),
        }
        if "base" in series:
            scale = x_axis if series["kind"] == "BAR_HORIZONTAL" else y_axis
            columns["base"] = scale.converted(series["base"])
        columns = {name: _floats(values) for name, values in columns.items() if len(values)}
        labels = series.get("labels", ())
        count = max((len(values) for values in (*columns.values(), labels)), default=0)
        finite = np.ones(count, bool)
        for values in columns.values():
            finite &= np.isfinite(values)
        kept = np.flatnonzero(finite)[: max(0, self._points)]
        if series["kind"] == "IMAGE" and len(kept) < count:
            kept = kept[:0]  # a part of a grid could not be told from another
        self._points -= len(kept)
        return {
            "name": self._text(series["name"]),
            "kind": series["kind"],
            "x": [],
            "y": [],
            "base": [],
            **{name: values[kept].tolist() for name, values in columns.items()},
            "labels": [self._text(labels[index]) for index in kept] if labels else [],
            "row_count": series.get("row_count", 0),
            "column_count": series.get("column_count", 0),
            "point_count": count,
            "boxes": self._measured(series, axes, kept),
            "lines": self._told(self._lines_of(series["drawn"])),
        }

    def _measured(self, series: Json, axes: Any, kept: Any) -> list[list[int]]:
        if not self._is_measured or not len(kept) or self._boxes <= 0:
            return []
        found = figure_boxes.boxes(series, axes, int(kept[min(len(kept), self._boxes) - 1]) + 1)
        boxes: list[list[int]] = found[kept[kept < len(found)]].tolist()
        self._boxes -= len(boxes)
        return boxes

    def _told(self, lines: Sequence[int]) -> list[int]:
        self._bytes -= len(json.dumps(lines))
        return list(lines) if self._bytes >= 0 else []

    def _text(self, text: object) -> str:
        kept = str(text)[:_MAX_TEXT_CHARS].encode(errors="replace").decode()
        self._bytes -= len(json.dumps(kept))
        return kept if self._bytes >= 0 else ""


class _Scale:
    """One axis: what its numbers stand for."""

    def __init__(self, axis: Any, axes: Any) -> None:
        self.axis = axis
        self.categories: list[str] = []
        self._frequency = None
        converter = type(axis.get_converter()).__name__
        if converter == "StrCategoryConverter":
            self.kind = "CATEGORY"
            self.categories = list(axis.units._mapping)
        elif converter in _DATE_CONVERTERS:
            self.kind = "TIME"
        elif converter == "PeriodConverter" and getattr(axes, "freq", None) and axis is axes.xaxis:
            # How pandas draws over an index of regular times: as the number of the period.
            self.kind, self._frequency = "TIME", axes.freq
        else:
            self.kind = "NUMBER"

    def converted(self, values: Any) -> Any:
        """Return positions on the axis in the unit of its kind."""
        if self.kind != "TIME" or len(values) == 0:
            return values
        if self._frequency is not None:
            pandas = sys.modules["pandas"]
            ordinals = np.nan_to_num(_floats(values)).astype("int64")
            periods = pandas.PeriodIndex.from_ordinals(ordinals, freq=self._frequency)
            return periods.to_timestamp().astype("datetime64[ns]").astype("int64") / 1e9
        epoch = np.datetime64(sys.modules["matplotlib.dates"].get_epoch(), "s").astype("float64")
        return _floats(values) * _DAY_S + epoch

    def ticks(self, limits: tuple[float, float]) -> Iterator[tuple[float, str]]:
        """Yield the labelled ticks within the limits."""
        try:
            places = [place for place in self.axis.get_ticklocs() if min(limits) <= place <= max(limits)][:_MAX_TICKS]
            labels = self.axis.get_major_formatter().format_ticks(places)
        except Exception:  # a formatter of the program's own
            return
        for place, label in zip(self.converted(places), labels, strict=False):
            if label:
                yield _number(place), label


def _series(axes: Any) -> Iterator[Json]:
    """Yield what is drawn in axes, in order, positions still as matplotlib keeps them."""
    bars: dict[int, Any] = {}
    names: dict[int, str] = {}
    parts: set[int] = set()
    for container in axes.containers:
        kind = type(container).__name__
        if kind == "BarContainer" and len(container.patches):
            bars[id(container.patches[0])] = container
            parts.update(id(patch) for patch in container.patches)
        elif kind in ("ErrorbarContainer", "StemContainer"):
            names[id(container[0])] = container.get_label()
            parts.update(id(line) for line in (container[1] if kind == "ErrorbarContainer" else ()))
    wedges: list[Any] = []
    for artist in axes.get_children():
        kind = type(artist).__name__
        found: Json | None = None
        if id(artist) in bars:
            found = _bars(bars[id(artist)])
        elif id(artist) in parts or not artist.get_visible():
            continue
        elif kind in ("Line2D", "AxLine"):
            found = _line(artist, axes)
        elif kind == "PathCollection":
            offsets = _floats(artist.get_offsets())
            found = {"kind": "SCATTER", "x": offsets[:, 0], "y": offsets[:, 1]}
        elif kind == "FillBetweenPolyCollection" and artist.t_direction == "x":
            found = _area(artist)
        elif kind in ("AxesImage", "QuadMesh"):
            found = _image(artist)
        elif kind == "StepPatch":
            values, edges, baseline = artist.get_data()
            base = np.broadcast_to(0.0 if baseline is None else baseline, np.shape(values))
            found = {"kind": "BAR", "x": (edges[:-1] + edges[1:]) / 2, "y": values, "base": base, "edges": edges}
        elif kind == "Table":
            found = _table(artist)
        elif kind == "Wedge":
            wedges.append(artist)
        if found:
            name = _name(names.get(id(artist), found.get("name", artist.get_label())))
            yield {"drawn": artist, "artists": [artist], **found, "name": name}
    if wedges:
        shares = [(wedge.theta2 - wedge.theta1) / 360 for wedge in wedges]
        labels = [_name(wedge.get_label()) for wedge in wedges]
        yield {"kind": "PIE", "name": "", "y": shares, "labels": labels, "drawn": wedges[0], "artists": wedges}


def _line(line: Any, axes: Any) -> Json | None:
    is_drawn = line.get_linestyle() not in ("None", "none", " ", "")
    if not is_drawn and line.get_marker() in ("None", "none", " ", "", None):
        return None
    x, y = (_floats(values) for values in line.get_data(orig=False))
    # A line across all axes has one of its positions as a share of their width or height.
    is_data = line.get_transform().contains_branch_seperately(axes.transData)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    x = x if is_data[0] else left + x * (right - left)
    y = y if is_data[1] else bottom + y * (top - bottom)
    return {"kind": "LINE" if is_drawn else "SCATTER", "x": x, "y": y}


def _bars(container: Any) -> Json:
    boxes = np.array([(bar.get_x(), bar.get_y(), bar.get_width(), bar.get_height()) for bar in container.patches])
    left, bottom, width, height = boxes.astype(float).T
    common = {"name": container.get_label(), "artists": list(container.patches)}
    if container.orientation == "horizontal":
        return common | {"kind": "BAR_HORIZONTAL", "x": left + width, "y": bottom + height / 2, "base": left}
    return common | {"kind": "BAR", "x": left + width / 2, "y": bottom + height, "base": bottom}


def _area(area: Any) -> Json | None:
    """Return the two edges of what lies between them: a path is a corner, one edge, a corner, the other, and back."""
    xs, lows, highs = [], [], []
    for path in area.get_paths():
        vertices = path.vertices
        count = (len(vertices) - 3) // 2
        one, other = vertices[1 : count + 1], vertices[count + 2 : 2 * count + 2][::-1]
        xs.append(one[:, 0])
        lows.append(np.minimum(one[:, 1], other[:, 1]))
        highs.append(np.maximum(one[:, 1], other[:, 1]))
    if not xs:
        return None
    return {"kind": "AREA", "x": np.concatenate(xs), "y": np.concatenate(highs), "base": np.concatenate(lows)}


def _image(image: Any) -> Json | None:
    values = image.get_array()
    if values is None:
        return None
    rows, columns = (*np.shape(values), 1)[:2]
    # Pictures in colours have a size, and no values.
    flat = _floats(np.ma.ravel(values)) if np.ndim(values) == 2 else np.array([])
    return {"kind": "IMAGE", "y": flat, "row_count": rows, "column_count": columns}


def _table(table: Any) -> Json | None:
    cells = table.get_celld()
    if not cells:
        return None
    order = sorted(cells)
    rows, columns = ({place[index] for place in order} for index in (0, 1))
    return {
        "kind": "TABLE",
        "y": (),
        "labels": [cells[place].get_text().get_text() for place in order],
        "row_count": len(rows),
        "column_count": len(columns),
        "artists": [cells[place] for place in order],
    }


def _name(label: object) -> str:
    """Return a label; matplotlib's own, for artists that have none, begin with an underscore."""
    text = str(label)
    return "" if text.startswith("_") else text


def _floats(values: Any) -> Any:
    return np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)


def _number(value: Any) -> float:
    return float(value) if math.isfinite(value) else 0.0
