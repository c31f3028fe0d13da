"""Figures as CSV: the exact text for charts, grouped charts, scatter plots and tables."""

from __future__ import annotations

import pytest

from cli.figures_csv import number_text, to_csv
from loupe.type.v1.figure_pb2 import (
    AxisDimension,
    Chart,
    ChartType,
    DataPoint,
    Figure,
    Origin,
    Series,
    Table,
    Value,
)

PRINTED, MEASURED = Origin.ORIGIN_PRINTED, Origin.ORIGIN_INTERPOLATED


def value(number: float, printed: str = "", origin: Origin.ValueType = MEASURED) -> Value:
    return Value(number=number, printed=printed, origin=PRINTED if printed else origin)


def series(name: str, **values: float) -> Series:
    return Series(name=name, points=[DataPoint(label=label, y=value(number)) for label, number in values.items()])


def chart(*all_series: Series, y_title: str = "") -> Figure:
    found = Chart(type=ChartType.CHART_TYPE_BAR, series=all_series)
    found.axes.add(dimension=AxisDimension.AXIS_DIMENSION_X, title="Month")
    found.axes.add(dimension=AxisDimension.AXIS_DIMENSION_Y, title=y_title)
    return Figure(figure_id="f1", chart=found)


def table(rows: int, columns: int, *cells: tuple[int, int, str], header_rows: int = 1, labels: int = 1) -> Figure:
    found = Table(row_count=rows, column_count=columns, header_row_count=header_rows, header_column_count=labels)
    for row, column, printed in cells:
        found.cells.add(row=row, column=column, row_span=1, column_span=1, value=Value(printed=printed))
    return Figure(figure_id="f1", table=found)


def test_a_single_series_without_a_name_is_called_as_its_axis() -> None:
    assert to_csv(chart(series("", Jan=29, Feb=8), y_title="Bags sold")) == ",Bags sold\nJan,29\nFeb,8\n"


def test_a_single_series_that_nothing_names_is_called_value() -> None:
    assert to_csv(chart(series("", Jan=29))) == ",Value\nJan,29\n"


def test_a_second_axis_names_the_series_it_measures() -> None:
    figure = chart(series("", Jan=130), y_title="Rain (mm)")
    figure.chart.axes.add(dimension=AxisDimension.AXIS_DIMENSION_Y2, title="Yield (t/ha)")
    right = figure.chart.series.add(value_axis=AxisDimension.AXIS_DIMENSION_Y2)
    right.points.add(label="Jan", y=value(1.7))

    assert to_csv(figure) == ",Rain (mm),Yield (t/ha)\nJan,130,1.7\n"


def test_several_series_are_joined_on_their_labels() -> None:
    figure = chart(series("Amber", Jan=29, Feb=8), series("Maple", Feb=15, Jan=18))

    assert to_csv(figure) == ",Amber,Maple\nJan,29,18\nFeb,8,15\n"


def test_a_label_that_only_a_later_series_has_stands_where_that_series_has_it() -> None:
    figure = chart(series("Amber", Jan=1, Mar=3), series("Maple", Jan=4, Feb=5, Mar=6), series("Cobalt", Apr=7))

    assert to_csv(figure) == ",Amber,Maple,Cobalt\nJan,1,4,\nFeb,,5,\nMar,3,6,\nApr,,,7\n"


def test_a_label_that_comes_twice_makes_two_rows() -> None:
    twice = Series(name="Sales", points=[DataPoint(label="J", y=value(1)), DataPoint(label="J", y=value(2))])

    assert to_csv(chart(twice)) == ",Sales\nJ,1\nJ,2\n"


def test_a_scatter_plot_has_a_row_for_each_point() -> None:
    points = [(6.7, 11.4), (7.4, 14.3), (7.4, 17.0)]
    dots = Series(points=[DataPoint(x=value(x), y=value(y)) for x, y in points])

    assert to_csv(chart(dots, y_title="Deflection (mm)")) == ",Deflection (mm)\n6.7,11.4\n7.4,14.3\n7.4,17\n"


def test_a_scatter_plot_of_several_groups_names_the_group_of_each_point() -> None:
    harbor, fjord = Series(name="Harbor"), Series(name="Fjord")
    harbor.points.add(label="47", x=value(47.04), y=value(25.9))
    fjord.points.add(label="14", x=value(14), y=value(4.7))
    figure = chart(harbor, fjord, y_title="Deflection (mm)")
    figure.chart.type = ChartType.CHART_TYPE_SCATTER
    figure.chart.axes[0].title = ""

    assert to_csv(figure) == ",x,Deflection (mm)\nHarbor,47.04,25.9\nFjord,14,4.7\n"


def test_a_value_that_could_not_be_read_is_an_empty_cell() -> None:
    gap = Series(name="Sales", points=[DataPoint(label="Jan", y=Value()), DataPoint(label="Feb", y=value(2))])

    assert to_csv(chart(gap)) == ",Sales\nJan,\nFeb,2\n"


def test_commas_quotes_and_line_breaks_in_labels_are_kept_safe() -> None:
    odd = Series(name="a,b", points=[DataPoint(label='say "no",\nnever', y=value(1))])

    assert to_csv(chart(odd)) == ',"a,b"\n"say ""no"", never",1\n'


def test_a_table_gives_its_cells_as_printed() -> None:
    figure = table(2, 3, (0, 0, "Sign"), (0, 1, "Rate"), (0, 2, "n"), (1, 0, "Pain"), (1, 1, "19.4%"), (1, 2, "1,204"))

    assert to_csv(figure) == 'Sign,Rate,n\nPain,19.4%,"1,204"\n'


def test_header_rows_stay_rows_and_a_spanning_header_stands_in_each_of_its_places() -> None:
    figure = table(
        *(3, 4),
        *((0, 0, "Item"), (0, 1, "Doctors"), (0, 3, "P")),
        *((1, 1, "agree"), (1, 2, "disagree")),
        *((2, 0, "First"), (2, 1, "26.3"), (2, 2, "7.1"), (2, 3, "0.01")),
        header_rows=2,
    )
    figure.table.cells[0].row_span = 2
    figure.table.cells[1].column_span = 2
    figure.table.cells[2].row_span = 2

    assert to_csv(figure) == "Item,Doctors,Doctors,P\nItem,agree,disagree,P\nFirst,26.3,7.1,0.01\n"


def test_a_cell_that_spans_rows_or_columns_of_the_body_stands_in_each_place() -> None:
    figure = table(
        *(4, 3),
        *((0, 1, "a"), (0, 2, "b")),
        *((1, 0, "Harbours"),),
        *((2, 0, "North"), (2, 1, "5"), (2, 2, "6"), (3, 1, "7"), (3, 2, "8")),
    )
    figure.table.cells[2].column_span = 3
    figure.table.cells[3].row_span = 2

    assert to_csv(figure) == ",a,b\nHarbours,Harbours,Harbours\nNorth,5,6\nNorth,7,8\n"


def test_a_table_without_a_header_gets_one() -> None:
    figure = table(1, 3, (0, 0, "Pain"), (0, 1, "19"), (0, 2, "20"), header_rows=0)

    assert to_csv(figure) == ",column 2,column 3\nPain,19,20\n"


@pytest.mark.parametrize(
    ("number", "printed", "text"),
    [
        (12345678.0, "12,345,678", "12345678"),
        (29.0, "29.0", "29.0"),
        (8.9, "8.9%", "8.9"),
        (-28.0, "−28", "-28"),
        (1_300_000.0, "$1.3M", "1300000"),
        (2.5, "2,5", "2.5"),
        (0.1 + 0.2, "0.3", "0.3"),
        (28.973482134, "", "28.97"),
        (1657.4721, "", "1657"),
        (123456.7, "", "123457"),
        (0.000123456, "", "0.0001235"),
        (-0.00001, "", "-0.00001"),
        (0.0, "", "0"),
        (0.1 + 0.2, "", "0.3"),
        (float("nan"), "", ""),
        (float("inf"), "", ""),
    ],
)
def test_numbers_keep_the_digits_that_were_read_and_no_noise(number: float, printed: str, text: str) -> None:
    assert number_text(value(number, printed)) == text


def test_no_number_is_no_text() -> None:
    assert number_text(Value(printed="n/a")) == ""
