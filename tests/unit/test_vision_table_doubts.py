"""What speaks for and against the cells of a table, from its message alone."""

from __future__ import annotations

import pytest

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Box
from servers.vision.fidelity.cell_terms import cell_terms
from servers.vision.fidelity.cells import form_of
from servers.vision.fidelity.confidence import weigh_cells
from servers.vision.fidelity.judge import judge
from servers.vision.numbers import parse_number

SALES = [
    ["Region", "Units", "Share"],
    ["North", "1,250", "12.5%"],
    ["South", "980", "3.0%"],
    ["East", "2,410", "7.1%"],
    ["West", "1,115", "40.4%"],
    ["Centre", "1,903", "37.0%"],
]


def table(rows, *, heads=1, sides=1, sure=0.99):
    """A table whose letters are 8 px wide, numbers set to the right."""
    figure = figure_pb2.Figure(figure_id="f1", confidence=0.9)
    figure.table.row_count, figure.table.column_count = len(rows), len(rows[0])
    figure.table.header_row_count, figure.table.header_column_count = heads, sides
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            value = figure_pb2.Value(
                value_id=f"f1.{row}.{column}", printed=text, confidence=sure, origin=figure_pb2.ORIGIN_PRINTED
            )
            parsed = parse_number(text)
            if parsed is not None:
                value.number = parsed.number
            if text:
                end, wide = 120 * (column + 1), sum(4 if mark in ".," else 13 if mark == "%" else 8 for mark in text)
                value.box.CopyFrom(Box(x_min=end - wide, x_max=end, y_min=24 * row, y_max=24 * row + 12))
            is_header = row < heads or column < sides
            figure.table.cells.add(row=row, column=column, row_span=1, column_span=1, is_header=is_header, value=value)
    return figure


def verdict(rows, **told):
    figure = table(rows, **told)
    weigh_cells(figure)
    judge(figure)
    return figure


def reasons(rows, **told):
    return {reason.code: list(reason.value_ids) for reason in verdict(rows, **told).reasons}


def changed(row, column, text):
    return [
        [text if (r, c) == (row, column) else cell for c, cell in enumerate(cells)] for r, cells in enumerate(SALES)
    ]


def test_a_clean_table_passes():
    figure = verdict(SALES)
    assert list(figure.reasons) == []
    assert figure.fidelity == figure_pb2.FIDELITY_PASS
    data = [cell.value.confidence for cell in figure.table.cells if not cell.is_header]
    assert min(data) > 0.8


@pytest.mark.parametrize(
    ("row", "column", "text", "code"),
    [
        (1, 2, "12.596", "cells_unlike_column"),
        (2, 1, "9B0", "cells_unlike_column"),
        (3, 1, "2.410", "cells_unlike_column"),
        (4, 1, "1,115 40", "cells_hold_several"),
    ],
)
def test_a_misread_cell_is_named(row, column, text, code):
    assert reasons(changed(row, column, text))[code] == [f"f1.{row}.{column}"]


def test_a_lost_point_is_named():
    rows = [["City", "Rate"], ["A", "1.25"], ["B", "2.50"], ["C", "0.75"], ["D", "3.10"], ["E", "1.90"], ["F", "310"]]
    assert reasons(rows)["cells_unlike_column"] == ["f1.6.1"]


@pytest.mark.parametrize("text", ["-", "n/a", "0%", "100%", ""])
def test_what_people_print_for_nothing_or_all_is_no_doubt(text):
    assert reasons(changed(2, 2, text)) == {}


def test_a_share_among_amounts_is_no_doubt():
    rows = [["", "2024"], ["Sales", "1,250"], ["Costs", "980"], ["Tax", "24"], ["Profit", "246"], ["Margin", "19.7%"]]
    assert reasons(rows) == {}


def test_columns_and_rows_without_names_are_named():
    assert reasons(changed(0, 1, "")) == {"columns_unnamed": [f"f1.{row}.1" for row in range(1, 6)]}
    assert reasons(changed(3, 0, "")) == {"rows_unnamed": ["f1.3.1", "f1.3.2"]}
    assert reasons(changed(0, 1, "Share"))["duplicate_column_names"] == [
        f"f1.{row}.{column}" for column in (1, 2) for row in range(1, 6)
    ]


def test_a_heading_that_is_hardly_readable_makes_its_table_a_case_for_review():
    figure = table(SALES)
    figure.table.cells[1].value.confidence = 0.3
    weigh_cells(figure)
    judge(figure)
    assert [(reason.code, list(reason.value_ids)) for reason in figure.reasons] == [("names_uncertain", ["f1.0.1"])]
    assert figure.fidelity == figure_pb2.FIDELITY_REVIEW


def test_headings_that_hold_data_and_data_that_holds_headings_are_doubted():
    assert "header_unclear" in reasons(changed(0, 1, "1,250"))
    rows = [["", "Men", "Women"], ["", "2019", "2020"], ["Oslo", "4.5", "5.1"], ["Rome", "3.2", "3.3"]]
    assert reasons(rows)["header_unclear"] == ["f1.1.1", "f1.1.2"]


def test_a_total_that_does_not_come_out_is_doubted_where_the_others_do():
    rows = [
        ["Region", "2021", "2022", "2023"],
        ["North", "10", "20", "30"],
        ["South", "15", "25", "35"],
        ["East", "12", "18", "24"],
        ["Total", "37", "63", "98"],
    ]
    assert reasons(rows)["totals_disagree"] == ["f1.1.3", "f1.2.3", "f1.3.3", "f1.4.3"]
    rows[4][3] = "89"
    assert reasons(rows) == {}
    assert [terms.get("sum agrees") for terms in cell_terms(table(rows))][5:8] == [1.0, 1.0, 1.0]
    rows[4] = ["Total", "50", "80", "95"]
    assert reasons(rows) == {}


def test_a_cell_that_a_person_gave_is_not_doubted():
    figure = verdict(changed(1, 2, "12.596"))
    cell = next(cell for cell in figure.table.cells if cell.value.value_id == "f1.1.2")
    cell.value.origin, cell.value.confidence = figure_pb2.ORIGIN_CORRECTED, 1.0
    judge(figure)
    assert list(figure.reasons) == []
    assert figure.fidelity == figure_pb2.FIDELITY_PASS


def test_a_number_too_wide_for_its_text_is_told():
    figure = table(SALES)
    figure.table.cells[4].value.box.x_min -= 16
    wide, usual = cell_terms(figure)[4], cell_terms(figure)[7]
    assert wide["width fits"] < 0.3
    assert usual["width fits"] > 0.7


def test_names_keep_the_certainty_of_their_recognition():
    figure = verdict(SALES, sure=0.9)
    assert {cell.value.confidence for cell in figure.table.cells if cell.is_header} == {0.9}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("12.5%", "number .1 %"),
        ("(1,250)", "number .0 "),
        ("$9.99", "number .2 "),
        ("12.1 ± 0.4", "9.9 ± 9.9"),
        ("<0.001", "<9.9"),
        ("—", ""),
        ("n/a", ""),
        ("North", "words"),
    ],
)
def test_the_form_of_a_text(text, form):
    assert form_of(text) == form


def test_a_table_of_nothing_is_judged():
    figure = figure_pb2.Figure(table=figure_pb2.Table(row_count=2, column_count=2), confidence=0.6)
    figure.table.cells.add(row=0, column=0, value=figure_pb2.Value(value_id="a", confidence=1.0))
    weigh_cells(figure)
    judge(figure)
    assert figure.fidelity != figure_pb2.FIDELITY_UNSPECIFIED
