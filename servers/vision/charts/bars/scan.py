"""Lanes read row by row: which fill a bar has where, and where it begins and ends to a part of a pixel."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.axes.calibration import Floats
from servers.vision.charts.bars.bar import Bar
from servers.vision.charts.bars.frame import Frame
from servers.vision.charts.bars.outlines import Outlines, find_outlines
from servers.vision.charts.picture.colors import FROM_PAPER, Palette, distance_from
from servers.vision.charts.picture.page import Lab, Mask, Page

_SEPARATOR = (2.5, 0.15)  # pixels at least, and letter heights: a line drawn between two parts
_EDGE_ROWS = 2
_RULE = (4.0, 0.3)  # pixels at least, and letter heights that a line is wide
_ON_BOTH_SIDES = 0.5  # of what is seen between lanes that a line covers


@dataclass(frozen=True, slots=True)
class Scan:
    """What the lanes hold."""

    bars: tuple[Bar, ...]
    baseline: float | None
    """Moved into the middle of the line drawn there."""


def scan_lanes(
    page: Page,
    palette: Palette,
    lanes: Sequence[tuple[float, float]],
    holes: Sequence[tuple[float, float]],
    reach: tuple[float, float],
    frame: Frame,
    text: Mask,
    baseline: float | None,
    fills: Sequence[int],
) -> Scan:
    """Return the bars of every lane: labels on a bar hide its pixels but not its colour.

    Args:
      holes: places between lanes where a bar may have been overlooked; its lane counts on from the last.
      reach: along, where to look.
      fills: that bars may have.
    """
    labels, hidden, lab = frame.turned(palette.labels), frame.turned(text), frame.turned(page.lab)
    away = frame.turned(distance_from(page, palette.papers))
    low, high = max(0, int(reach[0])), min(labels.shape[0], int(reach[1]))
    beside = labels[low:high][:, _between(lanes)]
    found: list[list[tuple[int, int, int]]] = []
    inner = [_inside(lane) for lane in (*lanes, *holes)]
    rule_px = max(_RULE[0], _RULE[1] * page.text_height)
    for a, b in inner:
        window, covered = labels[low:high, a:b], hidden[low:high, a:b]
        counts = np.stack([(window == fill).sum(axis=1) for fill in fills])
        free = np.stack([((window == fill) & ~covered).sum(axis=1) for fill in fills])
        open_width = (~covered).sum(axis=1)
        enough = open_width >= 0.15 * (b - a)
        share = np.where(enough, free / np.maximum(open_width, 1), counts / (b - a))
        paper = (away[low:high, a:b] < FROM_PAPER).mean(axis=1)
        # A label that recognition missed covers most of a short bar; what shows beside it still has the bar's colour.
        needed = np.where(paper < 0.3, 0.2, 0.5)
        row_fill = np.where(share.max(axis=0) >= needed, np.array(fills)[share.argmax(axis=0)], -1)
        for fill, v0, v1 in _runs(row_fill):
            if _is_rule(fill, beside[v0:v1], rule_px):
                row_fill[v0:v1] = -1
        runs = _runs(_bridge(row_fill, paper, page.text_height))
        least = rule_px if len(found) >= len(lanes) else 0.0
        found.append([(fill, low + v0, low + v1) for fill, v0, v1 in runs if v1 - v0 > least])
    ends = [
        [(lab[:, a:b], v0, v1, palette.fills[fill].lab) for fill, v0, v1 in runs]
        for (a, b), runs in zip(inner, found, strict=True)
    ]
    outlines = find_outlines(ends, palette.papers, rule_px)
    separator = max(_SEPARATOR[0], _SEPARATOR[1] * page.text_height)
    bars: list[list[Bar]] = []
    for lane, ((a, b), runs) in enumerate(zip(inner, found, strict=True)):
        strip, covered = lab[:, a:b], hidden[:, a:b]
        bars.append([_measured(lane, run, strip, covered, palette, outlines) for run in runs])
    parted = _with_separators(bars, separator)
    oriented = tuple(_oriented(bar, frame, baseline) for lane in parted for bar in lane)
    if baseline is None or any((bar.end - bar.start) * frame.growth < 0 for bar in oriented):
        return Scan(oriented, baseline)
    return Scan(oriented, baseline - frame.growth * outlines.foot(frame.growth))


def _inside(lane: tuple[float, float]) -> tuple[int, int]:
    a, b = round(lane[0]), round(lane[1])
    if b - a > 4:
        a, b = a + 1, b - 1
    return a, max(b, a + 1)


def _between(lanes: Sequence[tuple[float, float]]) -> NDArray[np.int64]:
    """Return the places across that lie between lanes, not at their edges."""
    gaps = [
        np.arange(round(before[1]) + 1, round(after[0]) - 1)
        for before, after in itertools.pairwise(sorted(lanes))
        if after[0] - before[1] >= 4
    ]
    return np.concatenate(gaps).astype(np.int64) if gaps else np.zeros(0, np.int64)


def _is_rule(fill: int, beside: NDArray[np.int16], rule_px: float) -> bool:
    """Tell whether rows of a fill are a line that goes on between the lanes: of the grid, or of the frame.

    Args:
      beside: int16 [along, across], the fills between the lanes in these rows.
    """
    return beside.size > 0 and len(beside) <= rule_px and float((beside == fill).mean()) > _ON_BOTH_SIDES


def _measured(
    lane: int,
    run: tuple[int, int, int],
    strip: Lab,
    covered: Mask,
    palette: Palette,
    outlines: Outlines,
) -> Bar:
    fill, v0, v1 = run
    before, after = outlines.beyond(lane, v0, -1), outlines.beyond(lane, v1, 1)
    start = v0 - (_spill(strip, covered, v0, -1, palette, fill) if before is None else before)
    end = v1 + (_spill(strip, covered, v1 - 1, 1, palette, fill) if after is None else after)
    return Bar(fill, lane, start, end)


def _with_separators(lanes: Sequence[Sequence[Bar]], separator: float) -> list[list[Bar]]:
    """Return the bars with the thin line drawn between two given half to each.

    Where most parts have such a line around them, it took half its width from the ends of the stacks too.
    """
    gaps = [after.start - before.end for bars in lanes for before, after in itertools.pairwise(bars)]
    drawn = [gap for gap in gaps if 0.4 < gap <= separator]
    outer = float(np.median(drawn)) / 2 if drawn and 2 * len(drawn) > len(gaps) else 0.0
    out = []
    for bars in lanes:
        joined = list(bars)
        for index in range(1, len(joined)):
            before, after = joined[index - 1], joined[index]
            if 0 < after.start - before.end <= separator:
                middle = (before.end + after.start) / 2
                joined[index - 1], joined[index] = replace(before, end=middle), replace(after, start=middle)
        if len(joined) > 1:
            joined[0] = replace(joined[0], start=joined[0].start - outer)
            joined[-1] = replace(joined[-1], end=joined[-1].end + outer)
        out.append(joined)
    return out


def _bridge(row_fill: NDArray[np.int64], paper: Floats, text_height: float) -> NDArray[np.int64]:
    """Fill gaps between two pieces of one fill: gridlines over the bar, rows hidden by a label, its letters' colours.

    No stack holds a fill twice with another between, so whatever stands in a gap as low as a label is not a bar.
    """
    out = row_fill.copy()
    _clear_edges(out)
    fills, counts = np.unique(out[out >= 0], return_counts=True)
    for fill in fills[np.argsort(-counts)]:
        for left, right in itertools.pairwise(np.flatnonzero(out == fill)):
            gap = right - left - 1
            bare = gap > 0 and paper[left + 1 : right].max() >= 0.95
            if 0 < gap <= 1.8 * text_height or (gap <= 2.5 * text_height and not bare):
                out[left + 1 : right] = fill
    return out


def _clear_edges(row_fill: NDArray[np.int64]) -> None:
    """Take away rows beside another fill whose colour is but the mixture of it with what follows, in place."""
    cuts = [0, *(int(k) + 1 for k in np.flatnonzero(np.diff(row_fill))), len(row_fill)]
    runs = list(itertools.pairwise(cuts))
    for index, (a, b) in enumerate(runs):
        if row_fill[a] < 0 or b - a > _EDGE_ROWS:
            continue
        beside = [runs[k] for k in (index - 1, index + 1) if 0 <= k < len(runs)]
        thick = [run for run in beside if row_fill[run[0]] >= 0 and run[1] - run[0] > _EDGE_ROWS]
        bare = any(row_fill[run[0]] < 0 for run in beside)
        if len(thick) == 2 or (thick and bare):
            row_fill[a:b] = -1


def _runs(row_fill: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return (fill, begin, end) of each run; slivers beside a run are antialiased edges of two other fills."""
    cuts = [0, *(int(k) + 1 for k in np.flatnonzero(np.diff(row_fill))), len(row_fill)]
    runs = [(int(row_fill[a]), a, b) for a, b in itertools.pairwise(cuts) if row_fill[a] >= 0]
    kept = []
    for index, (fill, a, b) in enumerate(runs):
        before = index > 0 and a - runs[index - 1][2] <= 1
        after = index + 1 < len(runs) and runs[index + 1][1] - b <= 1
        if b - a == 1 or (b - a == 2 and (before or after)):
            continue
        kept.append((fill, a, b))
    return kept


def _spill(lab: Lab, hidden: Mask, edge: int, step: int, palette: Palette, fill: int) -> float:
    """Return how much of the pixel beyond the edge the bar covers, 0 to 1, from its antialiased colour."""
    outside, beyond = edge + step, edge + 2 * step
    if not 0 <= beyond < lab.shape[0] or not 0 <= outside < lab.shape[0] or hidden[outside].mean() > 0.5:
        return 0.0
    inner, pixel, outer = palette.fills[fill].lab, np.median(lab[outside], axis=0), np.median(lab[beyond], axis=0)
    span = inner - outer
    length = float(span @ span)
    if length < 25.0:
        return 0.0
    return float(np.clip((pixel - outer) @ span / length, 0.0, 1.0)) if np.linalg.norm(pixel - inner) > 1e-3 else 0.0


def _oriented(bar: Bar, frame: Frame, baseline: float | None) -> Bar:
    """Return the bar with its end away from the baseline; without one, towards larger values."""
    middle = (bar.start + bar.end) / 2
    grows = frame.growth if baseline is None else (1 if middle > baseline else -1)
    v0, v1 = sorted((bar.start, bar.end))
    return Bar(bar.fill, bar.lane, v0, v1) if grows > 0 else Bar(bar.fill, bar.lane, v1, v0)
