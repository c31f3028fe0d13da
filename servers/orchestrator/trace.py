"""Holds an answer against the figures it was made from: every number of it must come from a value that was read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from loupe.type.v1.answer_pb2 import Answer, AnswerStatus
from loupe.type.v1.figure_pb2 import Figure, Value

_NUMBER = re.compile(r"\d+(?:[.,\u00a0\u202f]\d+)*")


def untraced(answer: Answer, figures: Iterable[Figure], question: str) -> str:
    """Return what can't be traced, for a person; empty when everything can.

    A number in the text is traced when it stands in one of the answer's values, in a label, title or unit of a figure,
    or in the question. Each of the answer's values must name values that exist.
    """
    if answer.status == AnswerStatus.ANSWER_STATUS_UNANSWERABLE:
        return "" if answer.reason else "it is unanswerable and gives no reason"
    if answer.status != AnswerStatus.ANSWER_STATUS_ANSWERED:
        return "it has no status"
    if not answer.text:
        return "it has no text"
    figures = list(figures)
    known = {value.value_id for figure in figures for value in values_of(figure)}
    for value in answer.values:
        if not value.value_ids:
            return f"{value.name!r} names no value that it was computed from"
        strangers = [value_id for value_id in value.value_ids if value_id not in known]
        if strangers:
            return f"{value.name!r} names {strangers[0]}, which was not read"
    sources = [question, *(value.text for value in answer.values), *(text for f in figures for text in _labels(f))]
    traced = {number for source in sources for number in _numbers(source)}
    strangers = [number for number in _numbers(f"{answer.text} {answer.short_text}") if number not in traced]
    return f"its text holds {strangers[0]}, which none of its values holds" if strangers else ""


def _numbers(text: str) -> list[str]:
    """Return the numbers of a text as digits and points: 1,234.5 and 1234.5 are the same number, written twice."""
    return [re.sub(r"[,\u00a0\u202f]", "", token) for token in _NUMBER.findall(text)]


def values_of(figure: Figure) -> Iterator[Value]:
    """Yield every value of a figure."""
    for series in figure.chart.series:
        for point in series.points:
            if point.HasField("x"):
                yield point.x
            if point.HasField("x_end"):
                yield point.x_end
            if point.HasField("y"):
                yield point.y
    for cell in figure.table.cells:
        yield cell.value


def _labels(figure: Figure) -> Iterator[str]:
    chart = figure.chart
    yield chart.title
    for axis in chart.axes:
        yield axis.title
        yield axis.unit
        yield from (tick.label for tick in axis.ticks)
    for series in chart.series:
        yield series.name
        yield series.unit
        yield from (point.label for point in series.points)
        yield from (f"{point.x.number:.6f}".rstrip("0").rstrip(".") for point in series.points if point.HasField("x"))
        yield from _made_names([point.label for point in series.points])
    yield from _made_names([series.name for series in chart.series])
    yield figure.table.title
    yield from _made_names([cell.value.printed for cell in figure.table.cells if cell.is_header])
    yield from (f"{max(cell.row, cell.column) + 1}" for cell in figure.table.cells if not cell.value.printed)
    yield from (cell.value.printed for cell in figure.table.cells)
    yield from (value.printed for value in values_of(figure))


def _made_names(names: list[str]) -> Iterator[str]:
    """Yield what names are called that a figure gives twice or not at all: "(2)", "row 3" (see Analysis)."""
    copies: Counter[str] = Counter()
    for place, name in enumerate(names, start=1):
        copies[name] += 1
        if copies[name] > 1:
            yield str(copies[name])
        if not name:
            yield str(place)
