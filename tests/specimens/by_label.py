"""Values that a label names: bars, slices, boxes, cells, lines over categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loupe.type.v1 import figure_pb2
from tests.specimens.items import NO_VALUE, ReadItem, join_headers
from tests.specimens.outcome import ValueScore, is_right, relative_error
from tests.specimens.similarity import assign, harmonic, key_distance, tidy, value_distance
from tests.specimens.truth import BOX_SERIES, OUTLIER, TABLE, TrueFigure, TrueTable


@dataclass(frozen=True)
class TrueItem:
    """One value of the truth."""

    series: str
    label: str
    number: float | None
    text: str
    span: float
    """Of its axis; 0 where it has none."""


def match(
    true: TrueFigure, read: Sequence[ReadItem], figure: figure_pb2.Figure | None
) -> tuple[float, tuple[ValueScore, ...]]:
    """Return the lenient RMS-F1 and the score of each value."""
    items = true_items(true)
    is_table = true.kind == TABLE
    lone = not is_table and len({item.series for item in items}) == 1 and len({item.series for item in read}) <= 1
    f1 = rms_f1(items, read, is_lenient=lone)
    return f1, _values(items, read, is_lenient=lone)


def true_items(true: TrueFigure) -> list[TrueItem]:
    """Return the values of a figure whose labels are printed."""
    if true.table is not None:
        return _cells(true.table)
    if true.boxes:
        span = true.y.high - true.y.low
        found = []
        for label, five in true.boxes.items():
            numbers = (five.lower_whisker, five.lower_quartile, five.median, five.upper_quartile, five.upper_whisker)
            found += [TrueItem(name, label, n, "", span) for name, n in zip(BOX_SERIES, numbers, strict=True)]
            found += [TrueItem(OUTLIER, label, n, "", span) for n in five.outliers]
        return found
    items = []
    for series, column in true.values.items():
        axis = true.axis_of(series)
        span = axis.high - axis.low if axis.scale == "linear" else 0.0
        items += [TrueItem(series, label, number, "", span) for label, number in column.items()]
    return items


def rms_f1(true: Sequence[TrueItem], read: Sequence[ReadItem], *, is_lenient: bool) -> float:
    """Return RMS-F1: the cheapest assignment by keys, each pair worth the product of both similarities."""
    if not true or not read:
        return 0.0
    keys_true = [tidy(_key(item.label, "" if is_lenient else item.series)) for item in true]
    keys_read = [tidy(_key(item.label, "" if is_lenient else item.series)) for item in read]
    worth = 0.0
    distances = [[key_distance(one, other) for other in keys_read] for one in keys_true]
    likeness = [[_value_similarity(one, other) for other in read] for one in true]
    # Among equal keys the nearer value is the partner; too small a weight to change which keys meet.
    costs = [
        [d + 1e-6 * (1 - s) for d, s in zip(row_d, row_s, strict=True)]
        for row_d, row_s in zip(distances, likeness, strict=True)
    ]
    for i, j in assign(costs):
        worth += (1 - distances[i][j]) * likeness[i][j]
    return harmonic(worth / len(read), worth / len(true))


def _values(true: Sequence[TrueItem], read: Sequence[ReadItem], *, is_lenient: bool) -> tuple[ValueScore, ...]:
    """Match series with series and label with label: a right number under a wrong name is not read."""
    costs = []
    for item in true:
        row = []
        for other in read:
            names = 0.0 if is_lenient else key_distance(tidy(item.series), tidy(other.series))
            key = max(names, key_distance(tidy(item.label), tidy(other.label)))
            row.append(key + 1e-6 * (1 - _value_similarity(item, other)))
        costs.append(row)
    pairs = dict(assign(costs))
    scores = []
    for index, item in enumerate(true):
        truth: float | str = item.number if item.number is not None else item.text
        if index not in pairs:
            scores.append(ValueScore.missing(item.series, item.label, truth))
            continue
        other = read[pairs[index]]
        if item.number is None:
            same = tidy(item.text) == tidy(other.text)
            error = 0.0 if same else float("inf")
            scores.append(ValueScore.of(item.series, item.label, truth, other, error, same))
        elif other.number is None:
            scores.append(ValueScore.of(item.series, item.label, truth, other, float("inf"), False))
        else:
            right = is_right(other.number, item.number, item.span)
            error = relative_error(other.number, item.number)
            scores.append(ValueScore.of(item.series, item.label, truth, other, error, right))
    taken = set(pairs.values())
    scores += [ValueScore.invention(other) for index, other in enumerate(read) if index not in taken]
    return tuple(scores)


def _cells(table: TrueTable) -> list[TrueItem]:
    at = table.grid()
    heads, sides = max(1, table.header_row_count), max(1, table.header_column_count)
    return [
        TrueItem(
            series=join_headers([at[row][cell.column] for row in range(heads)]),
            label=join_headers(at[cell.row][:sides]),
            number=cell.number,
            text=cell.text,
            span=0.0,
        )
        for cell in table.cells
        if cell.row >= heads and cell.column >= sides and tidy(cell.text) not in NO_VALUE
    ]


def _key(label: str, series: str) -> str:
    return f"{label} {series}".strip()


def _value_similarity(true: TrueItem, read: ReadItem) -> float:
    if true.number is not None and read.number is not None:
        return 1 - value_distance(read.number, true.number)
    if true.number is None:
        return 1 - key_distance(tidy(true.text), tidy(read.text))
    return 0.0
