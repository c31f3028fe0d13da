"""What holds for every table: a change on the paper changes what was printed there, and nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.type.v1 import figure_pb2
from servers.vision.fidelity.confidence import weigh_cells
from servers.vision.fidelity.judge import judge
from servers.vision.numbers import parse_number
from servers.vision.tables.reader import read_tables
from servers.vision.text import read_words
from tests.vision_pictures import table_picture

ROWS = [
    ["Harbour", "Ships", "Cargo", "Share"],
    ["Rotterdam", "412", "31.5", "44%"],
    ["Antwerp", "238", "20.8", "27%"],
    ["Hamburg", "190", "16.4", "18%"],
    ["Bremen", "97", "8.3", "11%"],
]
_FEW = settings(max_examples=5, deadline=None)


def read(rows):
    picture = table_picture(rows, widths=[120, 80, 80, 80], right=(1, 2, 3), ruled=True)
    (figure,) = read_tables(picture, read_words(picture), [])
    return {(cell.row, cell.column): cell.value.printed for cell in figure.table.cells}


@_FEW
@given(row=st.integers(1, 4), column=st.integers(1, 3), digits=st.integers(2, 9))
def test_one_cell_printed_anew_changes_exactly_that_cell(row, column, digits):
    rows = [list(cells) for cells in ROWS]
    rows[row][column] = (str(digits * 12), f"{digits * 3}.{digits}", f"{digits * 5}%")[column - 1]
    before, after = read(ROWS), read(rows)
    assert {place: text for place, text in after.items() if before[place] != text} == (
        {(row, column): rows[row][column]} if rows[row][column] != ROWS[row][column] else {}
    )


_TEXTS = st.text(alphabet="0123456789.,%$()-+±<nA \u00b9é", max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(_TEXTS, min_size=12, max_size=12),
    heads=st.integers(0, 3),
    sides=st.integers(0, 3),
    sure=st.floats(0, 1),
)
def test_any_table_gets_a_verdict_and_confidences_and_judging_again_changes_nothing(texts, heads, sides, sure):
    figure = figure_pb2.Figure(figure_id="f1", confidence=sure)
    figure.table.row_count, figure.table.column_count = 4, 3
    figure.table.header_row_count, figure.table.header_column_count = heads, sides
    for index, text in enumerate(texts):
        value = figure_pb2.Value(value_id=f"f1.{index}", printed=text, confidence=sure)
        if (parsed := parse_number(text)) is not None:
            value.number = parsed.number
        figure.table.cells.add(row=index // 3, column=index % 3, row_span=1, column_span=1, value=value)
    weigh_cells(figure)
    judge(figure)
    assert figure.fidelity != figure_pb2.FIDELITY_UNSPECIFIED
    assert all(0 <= cell.value.confidence <= 1 for cell in figure.table.cells)
    known = {cell.value.value_id for cell in figure.table.cells}
    assert all(set(reason.value_ids) <= known and reason.message for reason in figure.reasons)
    once = figure.SerializeToString(deterministic=True)
    judge(figure)
    assert figure.SerializeToString(deterministic=True) == once
