"""The one place where figures get their numbers and values their ids."""

from __future__ import annotations

from collections.abc import Sequence

from loupe.type.v1.figure_pb2 import Figure


def number_figures(figures: Sequence[Figure]) -> list[Figure]:
    """Return the figures in reading order, named "f1", "f2", ..., and every value with its id.

    Reading order is by rows: a figure is left of another in its row where their boxes share most of their height.
    """
    ordered: list[Figure] = []
    for figure in sorted(figures, key=lambda figure: (figure.box.y_min, figure.box.x_min)):
        place = len(ordered)
        while place and _share_a_row(ordered[place - 1], figure) and figure.box.x_min < ordered[place - 1].box.x_min:
            place -= 1
        ordered.insert(place, figure)
    for number, figure in enumerate(ordered, start=1):
        figure.figure_id = f"f{number}"
        name_values(figure)
    return ordered


def _share_a_row(first: Figure, second: Figure) -> bool:
    shared = min(first.box.y_max, second.box.y_max) - max(first.box.y_min, second.box.y_min)
    return shared > 0.5 * min(first.box.y_max - first.box.y_min, second.box.y_max - second.box.y_min)


def name_values(figure: Figure) -> None:
    """Give every value of a figure its id, which begins with the figure's."""
    name = figure.figure_id
    for s, series in enumerate(figure.chart.series):
        for p, point in enumerate(series.points):
            for coordinate in ("x", "x_end", "y"):
                if point.HasField(coordinate):
                    getattr(point, coordinate).value_id = f"{name}.s{s}.p{p}.{coordinate}"
    for cell in figure.table.cells:
        cell.value.value_id = f"{name}.r{cell.row}.c{cell.column}"
