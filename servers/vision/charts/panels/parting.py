"""A picture parted into the regions of its charts: cut along empty bands that have a proven chart on each side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from servers.vision.charts.axes.ticks import ValueAxis, find_value_axes
from servers.vision.charts.panels.evidence import Drawing, Evidence, drawing_of, find_evidence, is_spread
from servers.vision.charts.picture.bounds import MOST_CUTS, MOST_PARTS
from servers.vision.charts.picture.page import Mask, Page, TextRun, cropped, quantity
from servers.vision.geometry import PixelBox, union

_GUTTER = 0.4  # letter heights between two plots, at least
_FREE_PX = 2
_LEAST_NUMBERS = 2
_LEGEND_GAP = 8.0  # letter heights from one name of a legend to the next
_BANDS = 3  # of one gap that are tried
_HEADED = 1.6  # how much the distance under the labels counts where plots carry titles
_SAME_EDGE_PX = 6.0  # tick marks of the outer plots reach this far over their frames
_DECORATION, _DECORATIONS = 4.0, 2  # height in letters of rules and legends above and below all, and how many


@dataclass(frozen=True, slots=True)
class Part:
    """A region of the picture that holds one chart."""

    box: PixelBox
    evidence: Evidence
    """In the pixels of the picture."""


@dataclass(frozen=True, slots=True)
class _Cut:
    upright: bool
    """The cut runs from top to bottom."""
    place: float
    width: float
    """Of the empty band, weighted by how likely it parts."""
    gap: float
    """Between the pieces on both sides."""
    has_words: bool
    """Labels or a title stand in the gap, as between two charts and not in the break of an axis."""


def find_parts(page: Page) -> list[PixelBox]:
    """Return the regions that hold one chart each, in reading order; the whole page where it is not clearly several."""
    pending = [(PixelBox(0.0, 0.0, float(page.width), float(page.height)), False)]
    done: list[PixelBox] = []
    while pending:
        box, proven = pending.pop(0)
        may_part = len(pending) + len(done) + 1 < MOST_PARTS
        halves = _halves(cropped(page, box), proven=proven) if may_part else None
        if halves is None:
            done.append(box)
        else:
            pending[:0] = [(half.shifted(box.x_min, box.y_min), True) for half in halves]
    return done


def _halves(page: Page, *, proven: bool) -> tuple[PixelBox, PixelBox] | None:
    """Return the two regions on both sides of the best cut that holds, or None.

    Args:
      proven: the page is itself a part of a picture of several charts.
    """
    drawing = drawing_of(page)
    if len(drawing.pieces) < 2:
        return None
    numbers = [run.box for run in page.runs if quantity(run.text) is not None]
    axes: list[ValueAxis] | None = None
    second_best: tuple[PixelBox, PixelBox] | None = None
    for upright in (True, False):
        cuts = sorted(_cuts(page, drawing, upright=upright), key=lambda cut: (-cut.gap, -cut.width))[:MOST_CUTS]
        for cut in cuts:
            halves = _sides(page, drawing, cut)
            if not all(_may_hold_chart(page, drawing, numbers, half) for half in halves):
                continue
            axes = find_value_axes(page) if axes is None else axes
            found = _proof(page, halves, cut, axes, proven=proven)
            if found == "scales":
                return halves
            if found == "frames" and second_best is None:
                second_best = halves
    return second_best


def _may_hold_chart(page: Page, drawing: Drawing, numbers: Sequence[PixelBox], half: PixelBox) -> bool:
    """Tell, without reading anything, whether a region has room and drawing enough for a chart."""
    least = 6 * page.text_height
    inside = [piece for piece in drawing.pieces if half.contains_point(piece.center_x, piece.center_y)]
    if min(half.width, half.height) < least or not inside:
        return False
    if any(min(piece.width, piece.height) > least for piece in inside):
        return True
    around = union(inside)
    near = sum(half.contains_point(box.center_x, box.center_y) for box in numbers)
    return near >= _LEAST_NUMBERS and min(around.width, around.height) > least


def _cuts(page: Page, drawing: Drawing, *, upright: bool) -> Iterator[_Cut]:
    """Yield a cut for each band between pieces that holds neither ink nor words from end to end."""
    pieces = _without_decoration(page, drawing.pieces)
    spans = sorted((piece.x_min, piece.x_max) if upright else (piece.y_min, piece.y_max) for piece in pieces)
    if not spans:
        return
    body = union(pieces)
    low, high = (body.y_min, body.y_max) if upright else (body.x_min, body.x_max)
    ink = drawing.ink[round(low) : round(high)] if upright else drawing.ink[:, round(low) : round(high)].T
    taken = np.asarray(ink.any(axis=0), dtype=bool)
    boxes = [word.box for run in page.runs for word in run.words] + [word.box for word in page.turned]
    for box in boxes:
        begin, end, across = (box.x_min, box.x_max, box.center_y) if upright else (box.y_min, box.y_max, box.center_x)
        if low <= across <= high:
            taken[max(0, round(begin)) : max(0, round(end))] = True
    first, reach = spans[0]
    for begin, end in spans[1:]:
        if begin - reach >= max(_FREE_PX, _GUTTER * page.text_height):
            if upright:
                yield from _within(taken, reach, begin, upright=True, has_words=True)
            else:
                low = _below_labels(page, body, reach, begin)
                has_words = any(reach <= box.center_y <= begin and box.center_x > body.x_min for box in boxes)
                is_headed = _is_headed(page, first)
                yield from _within(taken, low, begin, upright=False, is_headed=is_headed, has_words=has_words)
            first = begin
        reach = max(reach, end)


def _within(
    taken: Mask, begin: float, end: float, *, upright: bool, has_words: bool, is_headed: bool = False
) -> Iterator[_Cut]:
    """Yield cuts through the free bands between two pieces, the most likely first.

    Args:
      is_headed: the plot above carries a title, so that what follows its labels is rather the title of the next.
    """
    free = np.flatnonzero(~taken[round(begin) : round(end)])
    if not len(free):
        return
    bands = [band for band in np.split(free, np.flatnonzero(np.diff(free) > 1) + 1) if len(band) >= _FREE_PX]
    weights = [len(band) * (_HEADED if is_headed and index == 0 else 1.0) for index, band in enumerate(bands)]
    for index in sorted(range(len(bands)), key=lambda index: -weights[index])[:_BANDS]:
        band = bands[index]
        yield _Cut(upright, round(begin) + float(band[0] + band[-1] + 1) / 2, weights[index], end - begin, has_words)


def _is_headed(page: Page, top: float) -> bool:
    """Tell whether words stand right above a plot."""
    return any(0 <= top - run.box.y_max < 2 * page.text_height for run in page.runs)


def _below_labels(page: Page, body: PixelBox, begin: float, end: float) -> float:
    """Return y below the first line of words in the gap where it is a row of labels, else the gap's begin."""
    inside = [run for run in page.runs if begin - 2 <= run.box.center_y <= end]
    if not inside:
        return begin
    first = min(inside, key=lambda run: run.box.center_y)
    line = [run for run in inside if abs(run.box.center_y - first.box.center_y) < 0.6 * page.text_height]
    return max(run.box.y_max for run in line) if is_spread(line, body) else begin


def _without_decoration(page: Page, pieces: Sequence[PixelBox]) -> list[PixelBox]:
    """Return the pieces without the rules and rows of legend keys that stand above and below everything else."""
    ordered = sorted(pieces, key=lambda piece: piece.y_min)
    for _ in range(_DECORATIONS):
        if len(ordered) > 2 and _is_low(page, ordered[0]) and ordered[0].y_max <= min(p.y_min for p in ordered[1:]):
            ordered.pop(0)
    ordered.sort(key=lambda piece: piece.y_max)
    for _ in range(_DECORATIONS):
        if len(ordered) > 2 and _is_low(page, ordered[-1]) and ordered[-1].y_min >= max(p.y_max for p in ordered[:-1]):
            ordered.pop()
    return ordered


def _is_low(page: Page, piece: PixelBox) -> bool:
    return piece.height <= _DECORATION * page.text_height


def _sides(page: Page, drawing: Drawing, cut: _Cut) -> tuple[PixelBox, PixelBox]:
    """Return the regions on both sides of the cut, without the lines of words above and below that both share."""
    width, height = float(page.width), float(page.height)
    if not cut.upright:
        return PixelBox(0.0, 0.0, width, cut.place), PixelBox(0.0, cut.place, width, height)
    body = union(_without_decoration(page, drawing.pieces))
    top, bottom = _shared_lines(page, body, cut.place)
    return PixelBox(0.0, top, cut.place, bottom), PixelBox(cut.place, top, width, bottom)


def _shared_lines(page: Page, body: PixelBox, place: float) -> tuple[float, float]:
    """Return y under the words above the plots that head both sides, and y over those below that close both."""
    top, bottom = 0.0, float(page.height)
    above = _lines([run for run in page.runs if run.box.center_y < body.y_min])
    for index, line in enumerate(above):
        later_both = any(_on_both_sides(other, place) for other in above[index + 1 :])
        if _crosses(line, place) or (later_both and not _on_both_sides(line, place)):
            top = max(run.box.y_max for run in line)
    for line in reversed(_lines([run for run in page.runs if run.box.center_y > body.y_max])):
        if _crosses(line, place) or _is_centred(page, line, body, place):
            bottom = min(run.box.y_min for run in line)
    return top, bottom


def _lines(runs: Sequence[TextRun]) -> list[list[TextRun]]:
    lines: list[list[TextRun]] = []
    for run in sorted(runs, key=lambda run: run.box.center_y):
        if lines and run.box.center_y - lines[-1][0].box.center_y < 0.6 * run.box.height:
            lines[-1].append(run)
        else:
            lines.append([run])
    return lines


def _crosses(line: Sequence[TextRun], place: float) -> bool:
    return any(run.box.x_min < place - 1 and run.box.x_max > place + 1 for run in line)


def _is_centred(page: Page, line: Sequence[TextRun], body: PixelBox, place: float) -> bool:
    """Tell whether the words of a line gather around the cut, as the entries of a shared legend do."""
    if not _on_both_sides(line, place):
        return False
    gap = min(run.box.x_min for run in line if run.box.x_min >= place - 1) - max(
        run.box.x_max for run in line if run.box.x_max <= place + 1
    )
    around = union(run.box for run in line)
    return gap < _LEGEND_GAP * page.text_height and around.width < 0.6 * body.width


def _on_both_sides(line: Sequence[TextRun], place: float) -> bool:
    return any(run.box.x_max <= place + 1 for run in line) and any(run.box.x_min >= place - 1 for run in line)


def _proof(
    page: Page, halves: tuple[PixelBox, PixelBox], cut: _Cut, axes: Sequence[ValueAxis], *, proven: bool
) -> Literal["", "frames", "scales"]:
    """Return what shows that each side is a chart of its own and no scale runs from one into the other."""
    found = []
    for half in halves:
        side = cropped(page, half)
        found.append(find_evidence(side, drawing_of(side)))
    first, second = found
    if not (first.has_scale and second.has_scale):
        is_likely = proven or first.has_scale or second.has_scale
        return "frames" if is_likely and _are_framed_alike(first, second, halves, cut) else ""
    both_measured = all(side.y_axis is not None or side.discs for side in found)
    if any(_runs_through(axis, cut, strict=both_measured) for axis in axes) or _are_twins(found, halves, cut):
        return ""
    return "scales"


def _are_framed_alike(first: Evidence, second: Evidence, halves: tuple[PixelBox, PixelBox], cut: _Cut) -> bool:
    """Tell whether a plot on each side has a frame as high (across a row) or as wide (down a column) as the other's."""
    for one in first.frames:
        mine = one.shifted(halves[0].x_min, halves[0].y_min)
        for other in second.frames:
            its = other.shifted(halves[1].x_min, halves[1].y_min)
            along = (1, 3) if cut.upright else (0, 2)
            if max(abs(mine[edge] - its[edge]) for edge in along) <= _SAME_EDGE_PX:
                return True
    return False


def _runs_through(axis: ValueAxis, cut: _Cut, *, strict: bool) -> bool:
    """Tell whether an axis has ticks on both sides of the cut; one alone may fit its line by chance."""
    if (axis.direction == "x") != cut.upright or len(axis.ticks) < 3:
        return False
    # Two charts in a column look like one axis with a break.
    whole = any(stretch.from_px < cut.place < stretch.to_px for stretch in axis.fit.stretches)
    if axis.fit.stretches and not whole and cut.has_words:
        return False
    before = sum(tick.position < cut.place for tick in axis.ticks)
    fewer = min(before, len(axis.ticks) - before)
    return fewer >= 2 if strict else fewer >= 1


def _are_twins(sides: Sequence[Evidence], halves: tuple[PixelBox, PixelBox], cut: _Cut) -> bool:
    """Tell whether the only scales are a left one on the left and a right one on the right: one plot's two axes."""
    first, second = sides
    if not cut.upright or first.y_axis is None or second.y_axis is None or first.x_axis or second.x_axis:
        return False
    if first.frames and second.frames:
        return False
    return first.y_axis.box.center_x < 0.5 * halves[0].width and second.y_axis.box.center_x > 0.5 * halves[1].width
