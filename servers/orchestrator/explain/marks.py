"""The marks of chart.png: what a run told of its drawing, as numbers with the names that stand beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from loupe.sandbox.v1.figure_data_pb2 import Axis, AxisKind, FigureData, Series, SeriesKind
from loupe.type.v1.geometry_pb2 import Box
from servers.orchestrator.explain.cells import number_of
from servers.orchestrator.explain.items import name_of, written

CHART = "chart.png"
MOST_MARKS = 4000

_WORDS = {
    SeriesKind.SERIES_KIND_LINE: "vertex",
    SeriesKind.SERIES_KIND_SCATTER: "point",
    SeriesKind.SERIES_KIND_BAR: "bar",
    SeriesKind.SERIES_KIND_BAR_HORIZONTAL: "bar",
    SeriesKind.SERIES_KIND_AREA: "vertex of an area",
    SeriesKind.SERIES_KIND_PIE: "slice",
    SeriesKind.SERIES_KIND_IMAGE: "cell of a grid",
    SeriesKind.SERIES_KIND_TABLE: "cell of a table",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read the number of a mark: a point of a line stands for its height, or for how far right it is."""

    number: float
    names: frozenset[str]
    """Of its place: the category below it, the x it stands at."""
    has_words: bool
    """The names are the chart's own words: what goes by another name is not meant."""
    reach: float = 0.0


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands for one number in the chart."""

    readings: tuple[Reading, ...]
    """The likeliest first."""
    label: str
    """The category beside it, for a person; empty where none is."""
    box: Box | None


@dataclass
class DrawnSeries:
    """Marks that one call drew."""

    word: str
    name: str
    lines: Sequence[int]
    is_share: bool
    """Their numbers are shares of a whole."""
    marks: list[Mark] = field(default_factory=list)


def chart_of(figures: Sequence[FigureData]) -> FigureData | None:
    """Return what a run told of the figure that chart.png shows: the last that was saved under this name."""
    return next((figure for figure in reversed(figures) if CHART in figure.artifact_names), None)


def marks_of(chart: FigureData) -> tuple[list[DrawnSeries], int]:
    """Return the marks of a chart in the order of drawing, at most 4000, and how many there are beyond."""
    first_picture = next((name for name in chart.artifact_names if name.endswith(".png")), "")
    has_boxes = first_picture == CHART
    drawn, count, omitted = [], 0, 0
    for axes in chart.axes:
        omitted += axes.omitted_series_count
        for series in axes.series:
            one = DrawnSeries(
                word=_WORDS.get(series.kind, "mark"),
                name=name_of(series.name),
                lines=series.lines,
                is_share=series.kind == SeriesKind.SERIES_KIND_PIE,
            )
            told = len(series.labels) if series.kind == SeriesKind.SERIES_KIND_TABLE else len(series.y)
            omitted += series.point_count - told
            for place, label, readings in _points(series, axes.x_axis, axes.y_axis):
                if count == MOST_MARKS:
                    omitted += 1
                    continue
                box = series.boxes[place] if has_boxes and place < len(series.boxes) else None
                one.marks.append(Mark(readings, label, box))
                count += 1
            if one.marks:
                drawn.append(one)
    return drawn, omitted + chart.omitted_axes_count


def _points(series: Series, x_axis: Axis, y_axis: Axis) -> Iterator[tuple[int, str, tuple[Reading, ...]]]:
    """Yield the place, the label and the readings of each point."""
    below, beside = _Names(x_axis), _Names(y_axis)
    match series.kind:
        case SeriesKind.SERIES_KIND_TABLE:
            yield from _cells_of_table(series)
        case SeriesKind.SERIES_KIND_IMAGE:
            for place, number in enumerate(series.y):
                row, column = divmod(place, max(1, series.column_count))
                names = [name for name in (beside.at(row), below.at(column)) if name]
                yield place, ", ".join(names), (Reading(number, frozenset(map(name_of, names)), has_words=True),)
        case SeriesKind.SERIES_KIND_PIE:
            for place, number in enumerate(series.y):
                label = series.labels[place] if series.labels else ""
                yield place, label, (Reading(number, frozenset({name_of(label)} - {""}), has_words=True),)
        case SeriesKind.SERIES_KIND_BAR_HORIZONTAL:
            for place, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
                base = series.base[place] if series.base else 0.0
                yield place, beside.at(y), _lengths(x, base, beside, y)
        case _:
            for place, y in enumerate(series.y):
                x = series.x[place] if series.x else 0.0
                if beside.has_words and series.kind in (SeriesKind.SERIES_KIND_LINE, SeriesKind.SERIES_KIND_SCATTER):
                    yield place, beside.at(y), (Reading(x, beside.names(y), has_words=True),)
                else:
                    yield place, below.at(x), _lengths(y, series.base[place] if series.base else 0.0, below, x)


def _lengths(end: float, base: float, axis: _Names, place: float) -> tuple[Reading, ...]:
    """Return how long something is, and where it ends. The length went through a sum: its rounding counts."""
    reach = 1e-12 * max(abs(end), abs(base))
    names = axis.names(place)
    found = (Reading(end - base, names, axis.has_words, reach), Reading(end, names, axis.has_words))
    return found if base else found[1:]


def _cells_of_table(series: Series) -> Iterator[tuple[int, str, tuple[Reading, ...]]]:
    columns = max(1, series.column_count)
    for place, text in enumerate(series.labels):
        read = number_of(text)
        if read is None:
            continue  # a word names; it stands for no number
        row, column = divmod(place, columns)
        around = [series.labels[row * columns], series.labels[column]]
        names = frozenset(name_of(name) for name in around if number_of(name) is None or name != text)
        label = ", ".join(filter(None, around))
        yield place, label, (Reading(read[0], names - {""}, has_words=True, reach=read[1]),)


class _Names:
    """What stands along an axis."""

    def __init__(self, axis: Axis) -> None:
        self._axis = axis
        places = sorted(tick.value for tick in axis.ticks)
        gaps = [after - before for before, after in pairwise(places) if after > before]
        # Categories are drawn one apart; beside a place are the bars of its group.
        self._reach = 0.5 * min([1.0, *gaps])
        self._is_measured = all(_is_its_number(tick.label, tick.value) for tick in axis.ticks)
        self.has_words = axis.kind == AxisKind.AXIS_KIND_CATEGORY or (
            axis.kind == AxisKind.AXIS_KIND_NUMBER and not self._is_measured
        )

    def at(self, place: float) -> str:
        """Return the name that stands at a place, else the number that the axis has there."""
        if self._axis.kind == AxisKind.AXIS_KIND_CATEGORY:
            index = round(place)
            return self._axis.categories[index] if 0 <= index < len(self._axis.categories) else ""
        if self.has_words:
            near = [tick for tick in self._axis.ticks if abs(tick.value - place) < self._reach]
            return min(near, key=lambda tick: abs(tick.value - place)).label if near else ""
        exact = [tick.label for tick in self._axis.ticks if tick.value == place]
        return exact[0] if exact else written(place)

    def names(self, place: float) -> frozenset[str]:
        """Return all that a place may be called."""
        found = {self.at(place)}
        if not self.has_words:
            found.add(written(place))
        return frozenset(map(name_of, found)) - {""}


def _is_its_number(label: str, value: float) -> bool:
    read = number_of(label)
    return read is not None and abs(read[0] - value) <= read[1] * 1.000001
