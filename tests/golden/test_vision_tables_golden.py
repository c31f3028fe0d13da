"""Whole tables, from pixels to verdict."""

from __future__ import annotations

import pytest

from loupe.type.v1 import figure_pb2
from servers.vision.reading import read_image
from tests.vision_pictures import table_picture

BUDGET = [
    ["Department", "2022", "2023", "Change"],
    ["Health", "1,250", "1,410", "12.8%"],
    ["Schools", "980", "955", "-2.6%"],
    ["Roads", "415", "520", "25.3%"],
    ["Parks", "105", "98", "-6.7%"],
    ["Total", "2,750", "2,983", "8.5%"],
]
NUMBERS = [
    [1250, 1410, 12.8],
    [980, 955, -2.6],
    [415, 520, 25.3],
    [105, 98, -6.7],
    [2750, 2983, 8.5],
]


@pytest.mark.parametrize("ruled", [True, False])
def test_a_table_with_its_verdict(ruled):
    picture = table_picture(BUDGET, widths=[130, 90, 90, 90], right=(1, 2, 3), ruled=ruled)
    (figure,) = read_image(picture).figures
    table = figure.table
    assert (table.row_count, table.column_count) == (6, 4)
    assert (table.header_row_count, table.header_column_count) == (1, 1)
    cells = {(cell.row, cell.column): cell for cell in table.cells}
    assert [[cells[row, column].value.printed for column in range(4)] for row in range(6)] == BUDGET
    assert [[cells[row, column].value.number for column in range(1, 4)] for row in range(1, 6)] == NUMBERS
    assert [cells[row, 3].unit for row in range(1, 6)] == ["%"] * 5
    assert [place for place, cell in cells.items() if not cell.is_header] == [
        (row, column) for row in range(1, 6) for column in range(1, 4)
    ]
    for (row, column), cell in cells.items():
        box = cell.value.box
        left = 20 + (0 if column == 0 else 130 + 90 * (column - 1))
        assert left <= box.x_min < box.x_max <= left + (130 if column == 0 else 90)
        assert 20 + 28 * row <= box.y_min < box.y_max <= 48 + 28 * row
        assert cell.value.origin == figure_pb2.ORIGIN_PRINTED
    assert min(cells[row, column].value.confidence for row in range(1, 6) for column in range(1, 4)) > 0.85
    assert list(figure.reasons) == []
    assert figure.fidelity == figure_pb2.FIDELITY_PASS


def test_a_table_whose_columns_cannot_be_told_apart_does_not_pass():
    crowded = [[row[0], f"{row[1]} {row[2]}", row[3]] for row in BUDGET]
    (figure,) = read_image(table_picture(crowded, widths=[130, 140, 90], ruled=True)).figures
    assert "cells_hold_several" in [reason.code for reason in figure.reasons]
    assert figure.fidelity == figure_pb2.FIDELITY_REVIEW
