"""A figure as a grid of numbers, series by categories, under the names that `Analysis` says."""

from __future__ import annotations

from dataclasses import dataclass, field

from loupe.type.v1 import figure_pb2 as pb

_STACKED = (
    pb.CHART_TYPE_STACKED_BAR,
    pb.CHART_TYPE_HORIZONTAL_STACKED_BAR,
    pb.CHART_TYPE_STACKED_AREA,
    pb.CHART_TYPE_PIE,
    pb.CHART_TYPE_DONUT,
)
BOX_ALIASES = {
    "lower whisker": ("bottom whisker", "lower end of the whisker", "minimum whisker"),
    "lower quartile": ("first quartile", "q1", "25th percentile", "bottom quartile", "lower edge of the box"),
    "median": ("middle line", "middle value", "50th percentile", "second quartile", "q2", "centre line", "center line"),
    "upper quartile": ("third quartile", "q3", "75th percentile", "top quartile", "upper edge of the box"),
    "upper whisker": ("top whisker", "upper end of the whisker", "maximum whisker"),
}
"""Other words for the five numbers of a box."""


@dataclass
class Grid:
    """The numbers of one figure and the words around them."""

    figure_id: str
    series: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    numbers: dict[tuple[str, str], float] = field(default_factory=dict)
    """By series and category; what could not be read is not in it."""
    colors: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """sRGB by series, where the figure has one."""
    units: set[str] = field(default_factory=set)
    title: str = ""
    series_is_named: bool = False
    """Whether the figure prints a name for its series: a legend or a header."""
    category_title: str = ""
    value_titles: list[str] = field(default_factory=list)
    is_stacked: bool = False
    is_table: bool = False
    text_columns: list[str] = field(default_factory=list)
    """Columns of a table that hold no numbers."""
    texts_at: dict[tuple[str, str], str] = field(default_factory=dict)
    """By column and row, what the cells of those columns print."""
    kind: pb.ChartType.ValueType = pb.CHART_TYPE_UNSPECIFIED
    """Of a chart."""
    xs: dict[tuple[str, str], float] = field(default_factory=dict)
    """The x of each value that has one, by series and category."""
    labels: dict[tuple[str, str], str] = field(default_factory=dict)
    """What a category was called before names were told apart, where that differs."""
    mark_colors: dict[tuple[str, str], tuple[int, int, int]] = field(default_factory=dict)
    """sRGB of single marks, by series and category."""
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """x_min, y_min, x_max, y_max of the figure in its image."""
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Other words for a series."""

    @property
    def is_single(self) -> bool:
        """Whether there is one series only."""
        return len(self.series) == 1

    @property
    def texts(self) -> list[str]:
        """What the figure says of itself, apart from its series and categories."""
        return [text for text in (self.title, self.category_title, *self.value_titles, *self.units) if text]


def grid_of(figure: pb.Figure) -> Grid:
    """Return a figure's grid."""
    grid = _of_chart(figure) if figure.HasField("chart") else _of_table(figure)
    grid.box = (figure.box.x_min, figure.box.y_min, figure.box.x_max, figure.box.y_max)
    return grid


def _of_chart(figure: pb.Figure) -> Grid:
    chart = figure.chart
    grid = Grid(figure.figure_id, title=chart.title, is_stacked=chart.type in _STACKED, kind=chart.type)
    grid.aliases = BOX_ALIASES if chart.type == pb.CHART_TYPE_BOX else {}
    axes = {axis.dimension: axis for axis in chart.axes}
    value_axes = {series.value_axis for series in chart.series}
    for dimension, axis in axes.items():
        if dimension not in value_axes:
            grid.category_title = axis.title
    for series in chart.series:
        axis = axes.get(series.value_axis, pb.Axis())
        name = _unused(series.name or axis.title or "Value", grid.series)
        grid.series.append(name)
        grid.series_is_named = grid.series_is_named or bool(series.name)
        if axis.title and axis.title not in grid.value_titles:
            grid.value_titles.append(axis.title)
        if unit := series.unit or axis.unit:
            grid.units.add(unit)
        if series.HasField("color"):
            grid.colors[name] = (series.color.red, series.color.green, series.color.blue)
        categories: list[str] = []
        for place, point in enumerate(series.points, start=1):
            x = f"{point.x.number:.6f}".rstrip("0").rstrip(".") if point.x.HasField("number") else ""
            label = " ".join((point.label or x or f"row {place}").split())
            categories.append(_unused(label, categories))
            spot = name, categories[-1]
            if point.y.HasField("number"):
                grid.numbers[spot] = point.y.number
            if point.x.HasField("number"):
                grid.xs[spot] = point.x.number
            if label != categories[-1]:
                grid.labels[spot] = label
            if point.HasField("color"):
                grid.mark_colors[spot] = (point.color.red, point.color.green, point.color.blue)
        grid.categories += [category for category in categories if category not in grid.categories]
    return grid


def _of_table(figure: pb.Figure) -> Grid:
    table = figure.table
    grid = Grid(figure.figure_id, title=table.title, series_is_named=table.header_row_count > 0)
    cells = {
        (row, column): cell
        for cell in table.cells
        for row in range(cell.row, cell.row + max(1, cell.row_span))
        for column in range(cell.column, cell.column + max(1, cell.column_span))
    }
    first_row = table.header_row_count
    first_column = max(1, table.header_column_count) if table.column_count > 1 else 0
    for row in range(first_row, table.row_count):
        name = _joined([cells[row, column] for column in range(first_column) if (row, column) in cells])
        grid.categories.append(_unused(name or f"row {row - first_row + 1}", grid.categories))
    grid.category_title = _joined([cells[row, 0] for row in range(first_row) if first_column and (row, 0) in cells])
    names: list[str] = []
    for column in range(first_column, table.column_count):
        header = _joined([cells[row, column] for row in range(first_row) if (row, column) in cells])
        names.append(_unused(header or f"column {column + 1}", names))
        for place, category in enumerate(grid.categories):
            cell = cells.get((first_row + place, column))
            if cell is not None and cell.value.HasField("number"):
                grid.numbers[names[-1], category] = cell.value.number
                grid.units |= {cell.unit} if cell.unit else set()
    grid.is_table = True
    grid.series = [name for name in names if any((name, category) in grid.numbers for category in grid.categories)]
    grid.text_columns = [name for name in names if name not in grid.series]
    for column, name in enumerate(names, start=first_column):
        for place, category in enumerate(grid.categories):
            cell = cells.get((first_row + place, column))
            if cell is not None and name in grid.text_columns and cell.value.printed.strip():
                grid.texts_at[name, category] = " ".join(cell.value.printed.split())
    return grid


def _joined(cells: list[pb.Cell]) -> str:
    texts = [cell.value.printed for place, cell in enumerate(cells) if place == 0 or cell is not cells[place - 1]]
    return " ".join(" ".join(texts).split())


def _unused(name: str, taken: list[str]) -> str:
    plain = " ".join(name.split())
    candidate, copy = plain, 1
    while candidate in taken:
        copy += 1
        candidate = f"{plain} ({copy})"
    return candidate
