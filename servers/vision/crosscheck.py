"""What was measured held against what a model says: where they differ, both are shown and the value counts less.

A figure that was measured and is fit for use stays as it is, but for its doubts. Where nothing fit for use was
measured, the model's own figures come in, as what they are: words about an image, with no pixel to show for them.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Box
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.vision.fidelity.evidence import NEAR
from servers.vision.fidelity.judge import judge
from servers.vision.fidelity.opinions import DISAGREES, ONLY, SEES_NONE, SEES_OTHER
from servers.vision.fidelity.reason import reason
from servers.vision.identify import name_values
from servers.vision.measuring import values_of

_MOST_SHOWN = 20
_LEAST_ALIKE = 0.3
"""Of a figure's names, that a model's figure must have for the two to be the same one."""
_LEAST_COMPARED = 0.5
"""Of a figure's values, that a model must have seen too, lest it be a doubt that it saw another figure."""
_PLAIN = re.compile(r"[^\w%.+-]+")


def cross_check(answer: AnalyzeImageResponse, seen: Sequence[figure_pb2.Figure]) -> None:
    """Write into an answer that was measured what a model's figures say of it, and judge it anew."""
    left = list(seen)
    for figure in answer.figures:
        same = _counterpart(figure, left, is_alone=len(answer.figures) == len(seen) == 1)
        if same is None:
            figure.reasons.append(reason(SEES_NONE, "a model that was shown the image does not see this figure"))
        else:
            left.remove(same)
            figure.reasons.extend(_differences(figure, same))
        judge(figure)
        if same is not None and figure.fidelity == figure_pb2.FIDELITY_FAIL:
            left.append(same)
    if any(figure.fidelity != figure_pb2.FIDELITY_FAIL for figure in answer.figures):
        if left:
            told = f"A model sees {len(left)} more {'figure' if len(left) == 1 else 'figures'}"
            answer.reasons.append(f"{told}; nothing of it was measured, so it is left out.")
        return
    for figure in left:
        _take_in(answer, figure)


def _counterpart(
    figure: figure_pb2.Figure, seen: Sequence[figure_pb2.Figure], *, is_alone: bool
) -> figure_pb2.Figure | None:
    """Return the model's figure that is the same one: of its kind, with most of its names."""
    rivals = [one for one in seen if one.WhichOneof("content") == figure.WhichOneof("content")]
    names = _names(figure)
    shares = [(len(names & _names(one)) / len(names) if names else 0.0, one) for one in rivals]
    share, best = max(shares, key=lambda pair: pair[0], default=(0.0, None))
    return best if share >= _LEAST_ALIKE or is_alone else None


def _differences(figure: figure_pb2.Figure, same: figure_pb2.Figure) -> list[figure_pb2.FidelityReason]:
    measured, said = _numbers(figure), _numbers(same)
    found = []
    both = [key for key in measured if key in said]
    if len(both) < _LEAST_COMPARED * len(measured):
        message = f"a model names {len(both)} of the {len(measured)} values as they were read, and {len(said)} in all"
        found.append(reason(SEES_OTHER, message))
    differing = [(measured[key], said[key].number) for key in both if not _is_near(measured[key].value, said[key])]
    for one, number in differing[:_MOST_SHOWN]:
        how = "printed" if one.value.origin == figure_pb2.ORIGIN_PRINTED else "measured"
        message = f"a model reads {number:g} for {one.name!r}, where {one.value.number:g} was {how}"
        found.append(reason(DISAGREES, message, [one.value]))
    if rest := [one.value for one, _ in differing[_MOST_SHOWN:]]:
        found.append(reason(DISAGREES, f"a model reads {len(rest)} more values otherwise", rest))
    return found


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    value: figure_pb2.Value

    @property
    def number(self) -> float:
        return self.value.number


def _is_near(measured: figure_pb2.Value, said: _Named) -> bool:
    first, second = measured.number, said.number
    return abs(first - second) <= NEAR * max(abs(first), abs(second))


def _numbers(figure: figure_pb2.Figure) -> dict[Hashable, _Named]:
    """Return the figure's numbers by what names them; of several under one name, the first."""
    found: dict[Hashable, _Named] = {}
    if figure.HasField("table"):
        for cell in figure.table.cells:
            if cell.value.HasField("number") and not cell.is_header:
                name = f"row {cell.row + 1}, column {cell.column + 1}"
                found.setdefault((cell.row, cell.column), _Named(name, cell.value))
        return found
    is_single = len(figure.chart.series) == 1
    for series in figure.chart.series:
        for point in series.points:
            # A lone series is often named in one reading only, after the axis or the title.
            names = ("" if is_single else _plain(series.name), _plain(point.label) or f"{point.x.number:g}")
            if point.y.HasField("number"):
                label = point.label or f"{point.x.number:g}"
                found.setdefault(names, _Named(label if is_single else f"{series.name}, {label}", point.y))
    return found


def _names(figure: figure_pb2.Figure) -> set[str]:
    if figure.HasField("table"):
        return {_plain(cell.value.printed) for cell in figure.table.cells if cell.value.printed}
    labels = [point.label or f"{point.x.number:g}" for series in figure.chart.series for point in series.points]
    return {_plain(name) for name in (*labels, *(series.name for series in figure.chart.series)) if name}


def _plain(name: str) -> str:
    return " ".join(_PLAIN.sub(" ", name.casefold()).split())


def _take_in(answer: AnalyzeImageResponse, figure: figure_pb2.Figure) -> None:
    """Add a figure of which nothing was measured; a number that stands in the image once gets that text's box."""
    added = answer.figures.add()
    added.CopyFrom(figure)
    added.figure_id = f"f{len(answer.figures)}"
    added.box.CopyFrom(Box(x_max=answer.width_px, y_max=answer.height_px))
    name_values(added)
    for value in values_of(added):
        where = [block.box for block in answer.text_blocks if value.printed and value.printed in block.text.split()]
        if len(where) == 1:
            value.box.CopyFrom(where[0])
    added.reasons.append(reason(ONLY, "a model's words alone: nothing of this figure was measured in the image"))
    judge(added)
