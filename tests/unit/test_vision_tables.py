"""Tables drawn with known cells are read cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from loupe.type.v1.figure_pb2 import ORIGIN_PRINTED
from servers.vision.geometry import PixelBox
from servers.vision.tables.reader import read_tables
from servers.vision.text import read_words
from tests.vision_pictures import font, table_picture, text_picture

SALES = [
    ["Region", "Sales", "Growth", "Profit"],
    ["North", "1,250", "12.5%", "(340)"],
    ["South", "980", "-3.0%", "75"],
    ["East", "2,410", "7.1%", "1,020"],
    ["West", "15", "0.4%", "(8)"],
]


def only_table(rgb):
    figures = read_tables(rgb, read_words(rgb), [])
    assert len(figures) == 1
    return figures[0].table


def texts(table):
    """The printed text by place, spans repeated."""
    grid = [[""] * table.column_count for _ in range(table.row_count)]
    for cell in table.cells:
        for row in range(cell.row, cell.row + cell.row_span):
            for column in range(cell.column, cell.column + cell.column_span):
                assert grid[row][column] == ""
                grid[row][column] = cell.value.printed
    return grid


def cell_at(table, row, column):
    return next(cell for cell in table.cells if (cell.row, cell.column) == (row, column))


@pytest.mark.parametrize("ruled", [True, False])
@pytest.mark.parametrize("size_px", [13, 16])
def test_a_table_is_read_with_and_without_rules(ruled, size_px):
    table = only_table(table_picture(SALES, widths=[110, 90, 90, 90], right=(1, 2, 3), ruled=ruled, size_px=size_px))
    assert texts(table) == SALES
    assert (table.header_row_count, table.header_column_count) == (1, 1)


def test_numbers_units_and_evidence_of_cells():
    table = only_table(table_picture(SALES, widths=[110, 90, 90, 90], right=(1, 2, 3)))
    growth = cell_at(table, 2, 2)
    assert (growth.value.number, growth.unit, growth.is_header) == (-3.0, "%", False)
    profit = cell_at(table, 1, 3)
    assert (profit.value.number, profit.value.printed) == (-340, "(340)")
    assert profit.value.origin == ORIGIN_PRINTED
    assert not cell_at(table, 1, 0).value.HasField("number")
    assert cell_at(table, 0, 2).is_header
    assert cell_at(table, 3, 0).is_header
    box = cell_at(table, 1, 1).value.box
    assert 130 <= box.x_min < box.x_max <= 222
    assert 48 <= box.y_min < box.y_max <= 77


@pytest.mark.parametrize("ruled", [True, False])
def test_a_heading_that_spans_columns_has_their_span(ruled):
    rows = [
        ["", "2019 results", "", "2020 results", ""],
        ["Plant", "Output", "Waste", "Output", "Waste"],
        ["Lyon", "410", "3.2", "455", "2.9"],
        ["Turin", "388", "4.1", "402", "3.8"],
        ["Porto", "120", "1.7", "133", "1.2"],
    ]
    table = only_table(
        table_picture(
            rows, widths=[90, 80, 80, 80, 80], right=(1, 2, 3, 4), ruled=ruled, spans={(0, 1): (1, 2), (0, 3): (1, 2)}
        )
    )
    assert texts(table)[0] == ["", "2019 results", "2019 results", "2020 results", "2020 results"]
    assert texts(table)[1:] == rows[1:]
    assert cell_at(table, 0, 1).column_span == 2
    assert table.header_row_count == 2


def test_a_ruled_cell_that_spans_rows_has_their_span():
    rows = [["Group", "Item", "Count"], ["Fruit", "Apples", "12"], ["", "Pears", "30"], ["Bread", "Rye", "7"]]
    table = only_table(table_picture(rows, widths=[90, 90, 80], ruled=True, spans={(1, 0): (2, 1)}))
    assert cell_at(table, 1, 0).row_span == 2
    assert texts(table)[2] == ["Fruit", "Pears", "30"]


def test_empty_cells_have_a_place():
    rows = [["Name", "First", "Second"], ["Alpha", "1.5", "2.5"], ["Beta", "", "4.0"], ["Gamma", "3.5", ""]]
    table = only_table(table_picture(rows, widths=[110, 100, 100], right=(1, 2)))
    assert texts(table) == rows
    assert len(table.cells) == 12
    assert cell_at(table, 2, 1).value.printed == ""
    assert not cell_at(table, 2, 1).value.HasField("box")


def test_a_label_that_wraps_is_one_cell():
    page = text_picture(
        [
            (20, 20, "Measure"), (260, 20, "Before"), (350, 20, "After"),
            (20, 52, "Share of households"), (260, 52, "41.0"), (350, 52, "47.5"),
            (20, 72, "with access to water"),
            (20, 104, "Literacy"), (260, 104, "88.2"), (350, 104, "91.0"),
            (20, 136, "Employment"), (260, 136, "64.1"), (350, 136, "66.9"),
        ],
        size=(440, 180),
        size_px=15,
    )  # fmt: skip
    assert texts(only_table(page)) == [
        ["Measure", "Before", "After"],
        ["Share of households with access to water", "41.0", "47.5"],
        ["Literacy", "88.2", "91.0"],
        ["Employment", "64.1", "66.9"],
    ]


def test_years_in_the_first_row_are_headings():
    rows = [["Country", "2018", "2019", "2020"], ["Chile", "4.0", "0.7", "-6.1"], ["Peru", "4.0", "2.2", "-10.9"]]
    table = only_table(table_picture(rows, widths=[110, 80, 80, 80], right=(1, 2, 3)))
    assert texts(table) == rows
    assert table.header_row_count == 1


def test_two_tables_are_two_figures():
    first = table_picture(SALES, widths=[110, 90, 90, 90], ruled=True)
    rows = [["Team", "Won"], ["Red", "12"], ["Blue", "9"], ["Green", "4"]]
    second = table_picture(rows, widths=[110, 270], ruled=True)
    page = np.concatenate([first, np.full((60, first.shape[1], 3), 255, np.uint8), second])
    figures = read_tables(page, read_words(page), [])
    assert [(figure.table.row_count, figure.table.column_count) for figure in figures] == [(5, 4), (4, 2)]


def test_running_text_is_no_table():
    lines = ["The river rose two metres in a night and", "the lower town was flooded before the", "bells could ring."]
    page = text_picture([(20, 20 + 24 * row, line) for row, line in enumerate(lines)], size=(420, 120))
    assert read_tables(page, read_words(page), []) == []


def test_what_lies_inside_a_chart_is_no_table():
    page = table_picture(SALES, widths=[110, 90, 90, 90])
    whole = PixelBox(0, 0, page.shape[1], page.shape[0])
    assert read_tables(page, read_words(page), [whole]) == []


def test_labels_over_the_fills_of_a_picture_are_no_table():
    picture = Image.new("RGB", (420, 300), "white")
    draw = ImageDraw.Draw(picture)
    for row in range(4):
        for column in range(3):
            x, y = 30 + 130 * column, 20 + 70 * row
            draw.ellipse((x, y, x + 100, y + 56), fill="#2a5caa")
            draw.text((x + 50, y + 28), str(11 * (row + 1) + column), "white", font(14), anchor="mm")
    page = np.asarray(picture)
    assert read_tables(page, read_words(page), []) == []


def test_an_empty_page_has_no_table():
    page = np.full((80, 120, 3), 255, np.uint8)
    assert read_tables(page, [], []) == []


def test_the_same_pixels_give_the_same_table():
    page = table_picture(SALES, widths=[110, 90, 90, 90])
    words = read_words(page)
    first, second = read_tables(page, words, [])[0], read_tables(page, words, [])[0]
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_rules_that_stop_short_of_a_label_let_it_span_rows():
    rows = [
        ["Area", "Model", "Error"],
        ["Urban", "Linear", "0.394"],
        ["", "Forest", "0.483"],
        ["Rural", "Linear", "57.9"],
        ["", "Forest", "58.5"],
    ]
    picture = Image.fromarray(table_picture(rows, widths=[110, 110, 100]))
    draw = ImageDraw.Draw(picture)
    for row in (2, 4):
        draw.line((134, 20 + 28 * row, 340, 20 + 28 * row), "#888888")
    draw.line((20, 20 + 28 * 3, 340, 20 + 28 * 3), "#888888")
    table = only_table(np.asarray(picture))
    assert [row[0] for row in texts(table)] == ["Area", "Urban", "Urban", "Rural", "Rural"]
    assert cell_at(table, 1, 0).row_span == 2


def ruled_lines(picture, *rules, color="black"):
    draw = ImageDraw.Draw(picture)
    for x0, y, x1 in rules:
        draw.line((x0, y, x1, y), color)
    return picture


def test_journal_print_of_five_pixels_is_read_with_its_rules_alone():
    rows = [["Type of delay", "Mean", "SD"], ["Patient", "55.3", "40.0"], ["Services", "76.5", "91.2"]]
    picture = Image.new("RGB", (4 * 260, 4 * 64), "white")
    draw = ImageDraw.Draw(picture)
    for row, cells in enumerate(rows):
        for column, text in enumerate(cells):
            draw.text((4 * (6, 140, 200)[column], 4 * (8 + 17 * row)), text, "black", font(38))
    for y in (3, 22, 58):
        draw.rectangle((8, 4 * y, 4 * 256, 4 * y + 3), "black")
    small = np.asarray(picture.resize((260, 64), Image.Resampling.BOX))
    table = only_table(small)
    assert texts(table) == rows
    assert cell_at(table, 2, 1).value.number == 76.5


def test_a_group_heading_spans_the_table_and_indented_rows_stay_rows():
    page = text_picture(
        [
            (20, 20, "Variable"), (220, 20, "Ratio"), (320, 20, "p"),
            (20, 50, "Gender of the patient"),
            (34, 76, "Male"), (220, 76, "1.000"), (320, 76, "0.142"),
            (34, 102, "Female"), (220, 102, "0.426"), (320, 102, "0.310"),
        ],
        size=(400, 140),
        size_px=15,
    )  # fmt: skip
    page = np.asarray(ruled_lines(Image.fromarray(page), (16, 14, 390), (16, 42, 390), (16, 126, 390)))
    table = only_table(page)
    assert texts(table)[1] == ["Gender of the patient"] * 3
    assert texts(table)[2:] == [["Male", "1.000", "0.142"], ["Female", "0.426", "0.310"]]


def test_dotted_rules_part_rows_and_leave_a_label_its_rows():
    page = text_picture(
        [
            (20, 12, "metric"), (140, 12, "model"), (260, 12, "error"),
            (20, 42, "Index"), (140, 42, "linear"), (260, 42, "0.394"),
            (140, 72, "forest"), (260, 72, "0.483"),
            (20, 102, "Income"), (140, 102, "linear"), (260, 102, "57.9"),
            (140, 132, "forest"), (260, 132, "58.5"),
        ],
        size=(330, 164),
        size_px=14,
    )  # fmt: skip
    picture = Image.fromarray(page)
    draw = ImageDraw.Draw(picture)
    for x0, y in ((14, 36), (130, 66), (14, 96), (130, 126), (14, 156)):
        for x in range(x0, 316, 4):
            draw.point((x, y), "#a0508c")
    table = only_table(np.asarray(picture))
    assert [row[0] for row in texts(table)] == ["metric", "Index", "Index", "Income", "Income"]


def test_dashes_say_that_a_value_is_missing_and_keep_their_place():
    rows = [
        ["Country", "2019", "2020"],
        ["Chile", "\u2014", "410"],
        ["Peru", "388", "\u2014"],
        ["Mali", "\u2014", "12"],
    ]
    table = only_table(table_picture(rows, widths=[110, 90, 90], right=(1, 2)))
    assert texts(table) == rows
    assert not cell_at(table, 1, 1).value.HasField("number")


def test_a_note_below_the_rules_is_no_row():
    picture = table_picture(SALES, widths=[110, 90, 90, 90])
    page = np.full((picture.shape[0] + 30, picture.shape[1], 3), 255, np.uint8)
    page[: picture.shape[0]] = picture
    noted = ruled_lines(Image.fromarray(page), (20, 18, 400), (20, picture.shape[0] - 16, 400))
    ImageDraw.Draw(noted).text((22, picture.shape[0] - 8), "Figures are not audited.", "black", font(13))
    assert texts(only_table(np.asarray(noted))) == SALES


def test_headings_over_the_middle_of_their_columns_span_them_without_rules():
    rows = [
        ["", "Rural", "", "", "Urban", "", ""],
        ["Item", "Low", "Mid", "High", "Low", "Mid", "High"],
        ["Rice", "1.5", "2.5", "3.5", "4.5", "5.5", "6.5"],
        ["Wheat", "2.1", "3.1", "4.1", "5.1", "6.1", "7.1"],
        ["Maize", "3.2", "4.2", "5.2", "6.2", "7.2", "8.2"],
    ]
    table = only_table(
        table_picture(rows, widths=[90, *[64] * 6], spans={(0, 1): (1, 3), (0, 4): (1, 3)}, head_rule=False)
    )
    assert texts(table)[0][1:] == ["Rural"] * 3 + ["Urban"] * 3
    assert table.header_row_count == 2
