"""How well figures were read, held against the truth: RMS-F1 of the whole, and every single value.

RMS-F1 as in Liu et al. 2023, section 3, tau = theta = 0.5, the name of a lone series left out ("lenient"). Where x is
measured (scatter, dates, bins) labels say nothing: there points are matched by place, and lines by the curve they
lie on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Box
from tests.specimens import by_label, by_place
from tests.specimens.items import read_items
from tests.specimens.outcome import ValueScore
from tests.specimens.similarity import assign
from tests.specimens.truth import TABLE, Region, Specimen, TrueFigure, type_name


@dataclass(frozen=True)
class FigureScore:
    """One true figure and what was read of it."""

    true_kind: str
    read_kind: str
    """"" where nothing was read."""
    is_type_right: bool
    f1: float
    values: tuple[ValueScore, ...]
    """One for each true value, then one for each invented one."""
    fidelity: int = 0
    reasons: tuple[str, ...] = ()


def score(specimen: Specimen, figures: Sequence[figure_pb2.Figure]) -> list[FigureScore]:
    """Return a score for each true figure; figures that match none are counted as inventions of the first."""
    height, width = specimen.rgb.shape[:2]
    pairs = _pair(specimen.truth, figures, width, height)
    scores = [score_figure(true, figures[pairs[i]] if i in pairs else None) for i, true in enumerate(specimen.truth)]
    spare = [figure for index, figure in enumerate(figures) if index not in pairs.values()]
    invented = tuple(ValueScore.invention(item) for figure in spare for item in read_items(figure))
    if invented:
        scores[0] = replace(scores[0], values=(*scores[0].values, *invented))
    return scores


def score_figure(true: TrueFigure, figure: figure_pb2.Figure | None) -> FigureScore:
    """Return the score of one figure; None is a figure that nobody read."""
    items = read_items(figure) if figure is not None else []
    if true.points or true.bins:
        f1, values = by_place.match(true, items)
    else:
        f1, values = by_label.match(true, items, figure)
    if figure is None:
        return FigureScore(true.kind_name, "", False, f1, values)
    kind: int | str = TABLE if figure.HasField("table") else figure.chart.type
    return FigureScore(
        true_kind=true.kind_name,
        read_kind=TABLE if isinstance(kind, str) else type_name(kind),
        is_type_right=kind == true.kind or kind in true.also,
        f1=f1,
        values=values,
        fidelity=figure.fidelity,
        reasons=tuple(reason.code for reason in figure.reasons),
    )


def _pair(truth: Sequence[TrueFigure], figures: Sequence[figure_pb2.Figure], width: int, height: int) -> dict[int, int]:
    """Return which figure stands for which true one: by overlap, and where none overlaps by order."""
    if len(truth) == 1 and len(figures) == 1:
        return {0: 0}
    costs = [[1 - overlap(true.region, _share(figure.box, width, height)) for figure in figures] for true in truth]
    pairs = dict(assign(costs))
    if pairs or not figures:
        return pairs
    return {index: index for index in range(min(len(truth), len(figures)))}


def overlap(one: Region, other: Region) -> float:
    """Return the intersection over the union of two regions."""
    wide = min(one.x_max, other.x_max) - max(one.x_min, other.x_min)
    high = min(one.y_max, other.y_max) - max(one.y_min, other.y_min)
    if wide <= 0 or high <= 0:
        return 0.0
    shared = wide * high
    areas = [(r.x_max - r.x_min) * (r.y_max - r.y_min) for r in (one, other)]
    return shared / (sum(areas) - shared)


def _share(box: Box, width: int, height: int) -> Region:
    return Region(box.x_min / width, box.y_min / height, box.x_max / width, box.y_max / height)
