"""Signs that their column shows to be misread: S for 5, O for 0, l for 1 among numbers, 96 for % among shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from servers.vision.charts.picture.percent_signs import percent_reader
from servers.vision.numbers import parse_number
from servers.vision.tables.grid import Grid, GridCell, Piece

_LIKE_DIGITS = str.maketrans("SsOoQDlI|i!ZzBgq", "5500001111122899")
_LEAST_NUMBERS = 2
_SHARE = 0.7  # of the other cells of the column
_MENDED = 0.8
"""The most confidence that a mended cell keeps."""


def mend_digits(grid: Grid) -> None:
    """Turn letters into the digits they look like, in cells that are numbers then, where their column holds numbers."""
    for column in range(grid.column_count):
        cells = [
            cell
            for cell in grid.filled()
            if cell.column == column and cell.column_span == 1 and cell.row >= grid.head_count
        ]
        numbers = [cell for cell in cells if _is_numeric(cell.text)]
        odd = [cell for cell in cells if cell not in numbers]
        if len(numbers) >= max(_LEAST_NUMBERS, _SHARE * (len(cells) - 1)):
            _mend(odd)
            _mend_shares(cells)


def _mend(cells: Sequence[GridCell]) -> None:
    for cell in cells:
        digits = cell.text.translate(_LIKE_DIGITS)
        if digits != cell.text and _is_numeric(digits):
            cell.pieces = [_as_digits(piece) for piece in cell.pieces]


def _mend_shares(cells: Sequence[GridCell]) -> None:
    """Give shares their sign back where the others of the column have it, with as many decimals."""
    decimals = [parsed.decimals for cell in cells if (parsed := parse_number(cell.text)) and parsed.unit == "%"]
    if len(decimals) < max(_LEAST_NUMBERS, _SHARE * (len(cells) - 1)) or len(set(decimals)) > 1:
        return
    restore = percent_reader([cell.text for cell in cells])
    for cell in cells:
        parsed = parse_number(cell.text)
        if restore is None or len(cell.pieces) != 1 or (parsed is not None and parsed.unit == "%"):
            continue
        mended = parse_number(restore(cell.text))
        if mended is not None and mended.unit == "%" and mended.decimals == decimals[0]:
            piece = cell.pieces[0]
            cell.pieces = [replace(piece, text=restore(cell.text), confidence=min(piece.confidence, _MENDED))]


def _as_digits(piece: Piece) -> Piece:
    return replace(piece, text=piece.text.translate(_LIKE_DIGITS), confidence=min(piece.confidence, _MENDED))


def _is_numeric(text: str) -> bool:
    """Tell whether a text is a number, or several with signs between: an interval, a mean and its error."""
    parts = text.replace("(", " ").replace(")", " ").replace("\u00b1", " ").replace("\u2013", " ").split()
    return bool(parts) and all(parse_number(part) is not None for part in parts)
