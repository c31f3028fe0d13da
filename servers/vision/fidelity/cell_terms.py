"""What speaks for each cell of a table: its text, its place, the names over and beside it, and its column's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from loupe.type.v1 import figure_pb2
from servers.vision.fidelity.cells import TableColumn, TableView, form_of, is_filled, is_measured
from servers.vision.fidelity.sums import summed_cells
from servers.vision.geometry import box_of

_LARGE_TABLE = 20
_LARGE_LETTERS_PX = 14.0
_FEWEST_ALIKE = 4
_UNIFORM = 0.8  # of a column, in one form: another one is odd there
_OFF_EDGE = 0.5  # letter heights
_WIDER = 0.25  # of the usual width of what is printed, that would be a letter more or less
_FEWEST_WIDTHS = 4
_WIDTHS = {".": 0.5, ",": 0.5, ":": 0.5, "'": 0.4, " ": 0.5, "%": 1.6, "(": 0.6, ")": 0.6, "-": 0.6, "<": 1.1, "±": 1.1}
"""Of characters beside digits, in widths of a digit; about alike in all fonts of text."""
_UNKNOWN = 0.5


def cell_terms(figure: figure_pb2.Figure) -> list[dict[str, float]]:
    """Return what speaks for each cell, all between 0 and 1, in the table's order.

    Only before its confidence is anything but the certainty of recognition, which is read from it.
    """
    view = TableView(figure.table)
    shared = _table_terms(figure, view)
    columns = {column.index: _column_terms(column, view) for column in view.columns}
    widths = _Widths(view)
    agreeing = summed_cells(view)
    found = []
    for cell in figure.table.cells:
        sure = min(max(cell.value.confidence, 0.0), 1.0)
        terms = {f"any cell of {_what(cell)}": 1.0} | _over("recognised", sure, (0.0, 0.5, 0.8, 0.9, 0.97)) | shared
        if not view.is_name(cell) and is_filled(cell) and cell.column in columns:
            terms |= columns[cell.column]
            terms |= _own_terms(cell, view, next(c for c in view.columns if c.index == cell.column))
            terms["width fits"] = widths.fit(cell)
            terms["sum agrees"] = float(id(cell) in agreeing)
        found.append(terms)
    return found


def _what(cell: figure_pb2.Cell) -> str:
    if cell.value.HasField("number"):
        return "number"
    return "data" if is_measured(cell.value.printed) else "words"


def _over(name: str, share: float, parts: Sequence[float]) -> dict[str, float]:
    """Return terms that let the weight of a share grow from part to part."""
    return {f"{name} over {part}": max(0.0, share - part) / (1 - part) for part in parts}


def _table_terms(figure: figure_pb2.Figure, view: TableView) -> dict[str, float]:
    table = figure.table
    filled = [cell for cell in table.cells if is_filled(cell)]
    data = view.data
    return {
        "table structure": figure.confidence,
        "table size": min(1.0, len(table.cells) / _LARGE_TABLE),
        "table filled": len(filled) / max(1, len(table.cells)),
        "table columns alike": _mean([_alike(column) for column in view.columns]),
        "table well recognised": _mean([cell.value.confidence for cell in filled]),
        "table rows named": _mean([float(bool(view.labels_of(row))) for row in sorted({c.row for c in data})]),
        "table without spans": _mean([float(cell.row_span <= 1 and cell.column_span <= 1) for cell in data]),
        "table letters": min(1.0, _letter_px(filled) / _LARGE_LETTERS_PX),
    }


def _mean(shares: Sequence[float]) -> float:
    return sum(shares) / len(shares) if shares else 0.0


def _letter_px(cells: Sequence[figure_pb2.Cell]) -> float:
    heights = [cell.value.box.y_max - cell.value.box.y_min for cell in cells if cell.value.HasField("box")]
    return float(np.median(heights)) if heights else 0.0


def _alike(column: TableColumn) -> float:
    """Return the share of a column's cells that are data, or words, as most of them are."""
    data = [form != "words" for form in column.forms]
    return max(data.count(True), data.count(False)) / len(data) if data else 0.0


def _column_terms(column: TableColumn, view: TableView) -> dict[str, float]:
    heads = view.heads_of(column.index)
    return {
        "column full": len(column.cells) / max(1, len(column.cells) + len(column.empty)),
        "column headed": float(bool(heads)),
        "column head sure": min((head.value.confidence for head in heads), default=0.0),
        "column head above": min((_stands_over(head, view) for head in heads), default=0.0),
        "column of one form": column.share,
    }


def _stands_over(head: figure_pb2.Cell, view: TableView) -> float:
    """Return how much of a heading stands over the texts of the columns that it spans, or of these under it."""
    spanned = range(head.column, head.column + max(1, head.column_span))
    boxes = [box_of(cell.value.box) for c in view.columns if c.index in spanned for cell in c.cells]
    if not boxes or not head.value.HasField("box"):
        return _UNKNOWN
    own = box_of(head.value.box)
    start, end = min(box.x_min for box in boxes), max(box.x_max for box in boxes)
    shared = min(own.x_max, end) - max(own.x_min, start)
    return min(1.0, max(0.0, shared) / max(1.0, min(own.width, end - start)))


def _own_terms(cell: figure_pb2.Cell, view: TableView, column: TableColumn) -> dict[str, float]:
    form = form_of(cell.value.printed)
    told = [other for other in column.forms if other]
    uniform = len(told) >= _FEWEST_ALIKE and column.share >= _UNIFORM
    labels = view.labels_of(cell.row)
    return {
        "form shared": told.count(form) / len(told) if form and told else 0.0,
        "form not odd": float(not uniform or form in ("", column.usual)),
        "row label sure": min((label.value.confidence for label in labels), default=0.0),
        "edge shared": _edge_shared(cell, column),
        "one line": float(_is_one_line(cell, column)),
    }


def _edge_shared(cell: figure_pb2.Cell, column: TableColumn) -> float:
    """Return how many of the column's texts end, begin or are centred where this one does: the most of the three."""
    boxes = [box_of(other.value.box) for other in column.cells if other.value.HasField("box")]
    if not cell.value.HasField("box") or len(boxes) < 2:
        return 0.0
    own = box_of(cell.value.box)
    near = _OFF_EDGE * float(np.median([box.height for box in boxes]))
    return max(
        _mean([float(abs(there - here) <= near) for there in places])
        for here, places in (
            (own.x_min, [box.x_min for box in boxes]),
            (own.x_max, [box.x_max for box in boxes]),
            (own.center_x, [box.center_x for box in boxes]),
        )
    )


def _is_one_line(cell: figure_pb2.Cell, column: TableColumn) -> bool:
    heights = [other.value.box.y_max - other.value.box.y_min for other in column.cells]
    return cell.value.box.y_max - cell.value.box.y_min <= 1.6 * float(np.median(heights))


class _Widths:
    """How wide a table's data is printed: a lost point or a letter too many shows in the width of the ink."""

    def __init__(self, view: TableView) -> None:
        sizes = {id(cell): size for cell in view.data if (size := _digit_px(cell)) is not None}
        self._sizes: Mapping[int, float] = sizes
        self._usual = float(np.median(list(sizes.values()))) if len(sizes) >= _FEWEST_WIDTHS else None

    def fit(self, cell: figure_pb2.Cell) -> float:
        """Return how well the width of a cell's ink fits its text, 0.5 where nothing tells."""
        own = self._sizes.get(id(cell))
        if own is None or self._usual is None:
            return _UNKNOWN
        return max(0.0, 1 - abs(own / self._usual - 1) / _WIDER)


def _digit_px(cell: figure_pb2.Cell) -> float | None:
    """Return the width of a digit of a cell as wide as its text; None of words, and of what is too short to tell."""
    text = cell.value.printed.strip().translate(str.maketrans("–—−", "---"))
    widths = [1.0 if character.isdigit() else _WIDTHS.get(character) for character in text]
    known = [width for width in widths if width is not None]
    if not cell.value.HasField("box") or len(known) < len(widths) or sum(known) < 2:
        return None
    return (cell.value.box.x_max - cell.value.box.x_min) / sum(known)
