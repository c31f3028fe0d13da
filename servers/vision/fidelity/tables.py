"""Doubts about a table that its cells themselves raise: names, forms, and sums that don't come out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from loupe.type.v1 import figure_pb2
from servers.vision.fidelity.cells import TableColumn, TableView, form_of, is_filled
from servers.vision.fidelity.reason import reason
from servers.vision.fidelity.sums import Sum, sums
from servers.vision.numbers import parse_number

CODES = frozenset(
    {
        "names_uncertain",
        "columns_unnamed",
        "rows_unnamed",
        "duplicate_column_names",
        "header_unclear",
        "cells_hold_several",
        "cells_unlike_column",
        "totals_disagree",
    }
)
_FEWEST_ALIKE = 5
_UNIFORM = 0.8
"""Of a column's cells, in one form: what else stands there is odd."""
_MOSTLY_NAMED = 0.6
_SURE = 0.5
"""Of the recognition of a heading: a number under another name is wrong."""
_FEW = 0.1
"""Of the rows, whose labels may be unsure without a doubt of the whole table."""
_BARE = frozenset((0.0, 1.0, 100.0))
"""Numbers that people print without the column's sign."""
_YEARS = range(1800, 2200)
_APART = re.compile(r"\s+")
_MIXED = re.compile(r"\d[^\d\s.,:/()<>\u00b1\u2013*\u2020\u2021%-]+\d|%\d|\d[A-Z]")
"""A letter or another sign within a number, or right behind it."""
_TOO_LARGE = 5.0
"""Times the largest other number: a point was lost."""
_GROUP = 3
_SHOWN = 3


def doubts(table: figure_pb2.Table) -> Iterator[figure_pb2.FidelityReason]:
    """Yield what is doubtful about a table's grid and its cells; what a person gave is not doubted."""
    view = TableView(table)
    yield from _unsure_names(view)
    yield from _names(view)
    yield from _headings(view)
    yield from _crowded(view)
    yield from _odd(view)
    yield from _totals(view)


def _unsure_names(view: TableView) -> Iterator[figure_pb2.FidelityReason]:
    heads = {id(head): head for column in view.columns if column.cells for head in view.heads_of(column.index)}
    labels = {id(label): label for cell in view.data for label in view.labels_of(cell.row)}
    unsure = [head for head in heads.values() if head.value.confidence < _SURE]
    unsure_labels = [label for label in labels.values() if label.value.confidence < _SURE]
    if len(unsure_labels) > _FEW * len(labels):
        unsure += [label for label in unsure_labels if id(label) not in heads]
    if unsure:
        yield _doubt("names_uncertain", f"hardly readable names of columns or rows: {_shown(unsure)}", unsure)


def _names(view: TableView) -> Iterator[figure_pb2.FidelityReason]:
    unnamed = [column for column in view.columns if column.cells and not view.heads_of(column.index)]
    if unnamed and view.heads and len(unnamed) < len(view.columns):
        cells = [cell for column in unnamed for cell in column.cells]
        yield _doubt("columns_unnamed", f"{len(unnamed)} of {len(view.columns)} columns have no heading", cells)
    rows = sorted({cell.row for cell in view.data})
    nameless = [row for row in rows if not view.labels_of(row)]
    if nameless and view.sides and len(rows) - len(nameless) >= _MOSTLY_NAMED * len(rows):
        cells = [cell for cell in view.data if cell.row in nameless]
        yield _doubt("rows_unnamed", f"{len(nameless)} of {len(rows)} rows have no label", cells)
    names = {
        column.index: " ".join(head.value.printed for head in view.heads_of(column.index)) for column in view.columns
    }
    for name, count in Counter(name for name in names.values() if name).items():
        if count > 1:
            cells = [cell for column in view.columns if names[column.index] == name for cell in column.cells]
            yield _doubt("duplicate_column_names", f"{count} columns are called {name!r}", cells)


def _headings(view: TableView) -> Iterator[figure_pb2.FidelityReason]:
    """Doubt headings that look like data, and a first row that looks like headings."""
    heads = {id(head): head for column in view.columns for head in view.heads_of(column.index)}
    like_data = [head for head in heads.values() if _is_reading(head)]
    if like_data:
        yield _doubt("header_unclear", f"what is taken for headings holds data: {_shown(like_data)}", like_data)
        return
    first = [cell for cell in view.data if cell.row == view.heads]
    numeric = [column for column in view.columns if column.usual.startswith("number")]
    over = [cell for cell in first if any(cell.column == column.index for column in numeric)]
    names = [cell for cell in over if form_of(cell.value.printed) == "words" or _is_year(cell)]
    differ = [cell for cell in over if not _is_year(cell) or not _holds_years(view, cell.column)]
    if len(over) >= 2 and len(names) == len(over) == len(differ) and not view.labels_of(view.heads):
        yield _doubt("header_unclear", f"the first row of data may be headings: {_shown(first)}", first)


def _is_reading(head: figure_pb2.Cell) -> bool:
    """Tell whether a heading is a number as measured: with decimals or a unit. Years and ranks head columns."""
    parsed = parse_number(head.value.printed)
    return parsed is not None and (parsed.decimals > 0 or parsed.number < 0 or "," in head.value.printed)


def _is_year(cell: figure_pb2.Cell) -> bool:
    text = cell.value.printed.strip()
    return text.isdecimal() and int(text) in _YEARS


def _holds_years(view: TableView, column: int) -> bool:
    below = [cell for c in view.columns if c.index == column for cell in c.cells if cell.row > view.heads]
    return bool(below) and all(_is_year(cell) for cell in below)


def _crowded(view: TableView) -> Iterator[figure_pb2.FidelityReason]:
    """Doubt cells that hold two numbers side by side: the column between them was not seen."""
    crowded = [cell for cell in view.data if not _is_given(cell) and _is_several(cell.value.printed)]
    if crowded:
        yield _doubt("cells_hold_several", f"{len(crowded)} cells hold several numbers: {_shown(crowded)}", crowded)


def _is_several(text: str) -> bool:
    parts = _APART.split(text.strip())
    return (
        len(parts) > 1
        and parse_number(text) is None
        and all(parse_number(part) is not None for part in parts)
        and (not any(part.startswith(("(", "-", "±", "–", "+")) for part in parts[1:]))
    )


def _odd(view: TableView) -> Iterator[figure_pb2.FidelityReason]:
    """Doubt cells unlike their column, where the others are printed alike, in ways that misreading makes."""
    odd = [cell for column in view.columns for cell in _odd_cells(column)]
    if odd:
        yield _doubt("cells_unlike_column", f"printed unlike the rest of their columns: {_shown(odd)}", odd)


def _odd_cells(column: TableColumn) -> list[figure_pb2.Cell]:
    told = [form for form in column.forms if form]
    if len(told) < _FEWEST_ALIKE or column.share < _UNIFORM or not column.usual.startswith("number"):
        return []
    usual = [cell for cell, form in zip(column.cells, column.forms, strict=True) if form == column.usual]
    return [
        cell
        for cell, form in zip(column.cells, column.forms, strict=True)
        if form not in ("", column.usual) and not _is_given(cell) and _is_misread(cell, usual)
    ]


def _is_misread(cell: figure_pb2.Cell, usual: list[figure_pb2.Cell]) -> bool:
    """Tell whether a cell differs from the usual ones by a letter among digits, a lost sign or a lost point.

    Accounts print shares and amounts a share among sums: other decimals alone say nothing.
    """
    text, parsed = cell.value.printed.strip(), parse_number(cell.value.printed)
    model = parse_number(usual[0].value.printed)
    if parsed is None or model is None:
        return any(character.isdigit() for character in text) and _MIXED.search(text) is not None
    if model.unit == "%" and not parsed.unit and abs(parsed.number) not in _BARE:
        return True
    largest = max(abs(other.value.number) for other in usual)
    if parsed.decimals < model.decimals and abs(parsed.number) >= _TOO_LARGE * largest > 0:
        return True
    has_commas = any("," in other.value.printed for other in usual)
    return model.decimals == 0 and parsed.decimals == _GROUP and has_commas and "." in text


def _totals(view: TableView) -> Iterator[figure_pb2.FidelityReason]:
    """Doubt totals that don't come out in a table where others do: elsewhere a total may be of something else."""
    found = list(sums(view))
    rows = {one.total.row for one in found}
    agreeing = {row for row in rows if _mostly_agrees([one for one in found if one.total.row == row])}
    forms = {form_of(one.total.value.printed) for one in found if one.agrees}
    wrong = [
        one
        for one in found
        if not one.agrees and one.total.row in agreeing and form_of(one.total.value.printed) in forms
    ]
    if wrong:
        cells = [cell for one in wrong for cell in (*one.parts, one.total)]
        shown = _shown([one.total for one in wrong])
        yield _doubt("totals_disagree", f"what stands above does not add up to {shown}", cells)


def _mostly_agrees(found: list[Sum]) -> bool:
    agreeing = sum(one.agrees for one in found)
    return agreeing >= 2 and agreeing > len(found) - agreeing


def _is_given(cell: figure_pb2.Cell) -> bool:
    return cell.value.origin == figure_pb2.ORIGIN_CORRECTED


def _shown(cells: list[figure_pb2.Cell]) -> str:
    texts = ", ".join(repr(cell.value.printed) for cell in cells[:_SHOWN] if is_filled(cell))
    return texts + (", ..." if len(cells) > _SHOWN else "")


def _doubt(code: str, message: str, cells: list[figure_pb2.Cell]) -> figure_pb2.FidelityReason:
    return reason(code, message, [cell.value for cell in cells])
