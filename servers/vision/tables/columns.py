"""Where the columns of rows of text stand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from servers.vision.tables.rows import Row

# Rows with nearly as many segments as the fullest show the columns; headers that span and sparse rows don't.
_FULL = 0.75
# A gap may be crossed by this share of the full rows: a long label, two columns that OCR joined.
_CROSSED = 0.1
_LEAST_GAP = 0.45  # letter heights

Column = tuple[float, float]


def find_columns(rows: Sequence[Row], letter_height_px: float) -> list[Column]:
    """Return (x_min, x_max) of the columns' text, left to right."""
    most = max(len(row.segments) for row in rows)
    full = [row for row in rows if len(row.segments) >= max(2, round(_FULL * most))]
    if not full:
        return []
    columns = _gaps_between(full, letter_height_px)
    return _with_sparse_columns(columns, rows, letter_height_px)


def _gaps_between(rows: Sequence[Row], letter_height_px: float) -> list[Column]:
    spans = [(segment.box.x_min, segment.box.x_max) for row in rows for segment in row.segments]
    origin = int(min(start for start, _ in spans))
    covered = _coverage(spans, origin)
    is_text = covered > _CROSSED * len(rows)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_text.astype(np.int8), [0]])))
    runs = [(float(start + origin), float(end + origin)) for start, end in edges.reshape(-1, 2)]
    columns: list[Column] = []
    for run in runs:
        if columns and run[0] - columns[-1][1] < _LEAST_GAP * letter_height_px:
            columns[-1] = (columns[-1][0], run[1])
        else:
            columns.append(run)
    return columns


def _coverage(spans: Sequence[Column], origin: int) -> NDArray[np.int32]:
    width = int(max(end for _, end in spans)) - origin + 2
    steps = np.zeros(width + 1, np.int32)
    for start, end in spans:
        steps[round(start) - origin] += 1
        steps[max(round(end), round(start) + 1) - origin] -= 1
    return np.cumsum(steps)[:width].astype(np.int32)


def _with_sparse_columns(columns: list[Column], rows: Sequence[Row], letter_height_px: float) -> list[Column]:
    """Add the columns that only rows with few segments fill, such as a p value per group."""
    lost = [
        (segment.box.x_min, segment.box.x_max)
        for row in rows
        if len(row.segments) > 1
        for segment in row.segments
        if all(
            segment.box.x_min > end + _LEAST_GAP * letter_height_px
            or segment.box.x_max < start - _LEAST_GAP * letter_height_px
            for start, end in columns
        )
    ]
    for start, end in sorted(lost):
        if columns and any(start < other_end and end > other_start for other_start, other_end in columns):
            index = next(i for i, (s, e) in enumerate(columns) if start < e and end > s)
            columns[index] = (min(columns[index][0], start), max(columns[index][1], end))
        else:
            columns.append((start, end))
            columns.sort()
    return columns
