"""Bars: rectangles of one fill that share a thickness and a baseline, and what is stacked on them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.axes.calibration import Floats
from servers.vision.charts.bars.frame import Frame
from servers.vision.charts.bars.rectangles import Rect, find_rectangles, is_lettering, is_sizeable, rule_fills
from servers.vision.charts.picture.bounds import MOST_RECTANGLES
from servers.vision.charts.picture.colors import FROM_PAPER, Palette, distance_from
from servers.vision.charts.picture.page import Lab, Mask, Page
from servers.vision.geometry import PixelBox, union

_THICKNESS_SPREAD = 0.12  # bars of one chart differ in thickness by rounding only; 12 % is 1 px of 8
# Where bars end on both sides of a line drawn at zero they are as far apart as it is wide.
_BASELINE_PX, _BASELINE = 2.5, 0.2  # at least, and in letter heights
_SEPARATOR_PX = 2.5
_EDGE_ROWS = 2
_LEAST_SHARE_OF_INK = 0.35  # of all filled pixels; where bars hold less, the chart is of another kind
# Of the ink of the bars' own colours around them. Measured 2026-11-21: 60 bar charts 0.94 and more, 130 drawings of
# lines and points that had passed for bars 0.67 and less.
_LEAST_HELD = 0.8
_INK_AROUND = 0.15


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle, in frame coordinates."""

    fill: int
    lane: int
    start: float
    """Along: the end nearer the baseline."""
    end: float
    """Along: the end that shows the value."""


@dataclass(frozen=True, slots=True)
class BarChart:
    """Bars and the lanes they stand in, lanes in reading order."""

    frame: Frame
    bars: tuple[Bar, ...]
    lanes: tuple[tuple[float, float], ...]
    baseline: float | None
    """Along: where most bars start; None where stacks are centred or each starts elsewhere."""

    @property
    def stacked(self) -> bool:
        """Some lane holds more than one bar on the same side of the baseline."""
        counts = Counter((bar.lane, bar.end > bar.start) for bar in self.bars)
        return sum(count > 1 for count in counts.values()) * 2 >= len(self.lanes)

    def box_of(self, bar: Bar) -> PixelBox:
        """Return the bar's pixels."""
        return self.frame.box(self.lanes[bar.lane], (bar.start, bar.end))

    @property
    def thickness(self) -> float:
        """Median across the lanes, pixels."""
        return float(np.median([hi - lo for lo, hi in self.lanes]))


def find_bars(
    page: Page, palette: Palette, *, ignore: Sequence[PixelBox] = (), named: Sequence[int] = ()
) -> BarChart | None:
    """Return the image's bars, or None where no rectangles stand like bars.

    Args:
      ignore: boxes of legend patches.
      named: fills of the legend, which bars may have even where labels hide nearly all of them.
    """
    text = page.text_mask()
    rules = rule_fills(page, palette)
    inked = distance_from(page, palette.papers) >= FROM_PAPER
    best: list[tuple[float, BarChart] | None] = []
    for bridged in (inked, np.zeros_like(inked)):
        rects = [
            rect
            for rect in find_rectangles(palette, text, bridged)
            if rect.fill not in rules
            and not any(rect.box.overlap(patch) > 0.5 for patch in ignore)
            and is_sizeable(rect.box, page)
            and not is_lettering(rect.box, text, page.text_height)
        ]
        if len(rects) > MOST_RECTANGLES:
            page.cuts.add("many_shapes", f"of {len(rects)} shapes only the {MOST_RECTANGLES} largest were looked at")
            rects = sorted(rects, key=lambda rect: -rect.box.area)[:MOST_RECTANGLES]
        scored = (
            [_layout(page, palette, rects, Frame(vertical), text, named) for vertical in (True, False)] if rects else []
        )
        holding = [item for item in scored if item is not None and _holds_its_ink(page, palette, item[1], ignore, text)]
        best.append(max(holding, key=lambda item: item[0], default=None))
    whole, apart = best
    if whole is None or apart is None:
        found = whole or apart
        return found[1] if found else None
    # Outlines part the touching bars of a histogram; bridging them would make one bar of two.
    parted = apart[1].frame == whole[1].frame and len(apart[1].lanes) > len(whole[1].lanes)
    return apart[1] if parted else whole[1]


def _holds_its_ink(page: Page, palette: Palette, chart: BarChart, keys: Sequence[PixelBox], text: Mask) -> bool:
    """Tell whether the bars hold most ink of their colours: markers and steps of a line leave the line out."""
    inside, left_out = np.zeros_like(text), text.copy()
    boxes = [chart.box_of(bar) for bar in chart.bars]
    for mask, held in ((inside, boxes), (left_out, keys)):
        for box in held:
            x0, y0, x1, y1 = (round(edge) for edge in box.grown(2, 2).clipped(page.width, page.height))
            mask[y0:y1, x0:x1] = True
    around = union(boxes).grown(_INK_AROUND * page.width, _INK_AROUND * page.height).clipped(page.width, page.height)
    window = (slice(round(around.y_min), round(around.y_max)), slice(round(around.x_min), round(around.x_max)))
    fills = np.array(sorted({bar.fill for bar in chart.bars}))
    ink = np.isin(palette.labels[window], fills) & ~left_out[window]
    return not ink.any() or float(inside[window][ink].mean()) > _LEAST_HELD


def _layout(
    page: Page, palette: Palette, rects: Sequence[Rect], frame: Frame, text: Mask, named: Sequence[int]
) -> tuple[float, BarChart] | None:
    """Return (how well the rectangles are bars in this frame, the chart)."""
    thick = np.array([hi - lo for lo, hi in (frame.across(rect.box) for rect in rects)])
    weight = np.array([rect.box.area for rect in rects])
    # The thickness that carries most ink: legend patches and icons are many but small.
    support = [weight[np.abs(thick - t) <= max(1.5, _THICKNESS_SPREAD * t)].sum() for t in thick]
    typical = float(thick[int(np.argmax(support))])
    alike = [
        rect for rect, t in zip(rects, thick, strict=True) if abs(t - typical) <= max(1.5, _THICKNESS_SPREAD * typical)
    ]
    baseline, standing = _baseline(alike, frame, max(_BASELINE_PX, _BASELINE * page.text_height))
    chained = set(_chained(alike, standing, frame))
    members = [rect for rect in alike if rect in chained]
    if not members or (len(members) == 1 and members[0].box.area < 0.02 * page.width * page.height):
        return None
    lanes = _lanes(members, frame)
    bars = _scan(page, palette, members, lanes, frame, text, baseline if len(standing) >= 2 else None, named)
    if not bars:
        return None
    lengths = np.array([abs(bar.end - bar.start) for bar in bars])
    if len(bars) == 1 and lengths[0] < 3 * page.text_height:
        return None
    drawn = sum(abs(bar.end - bar.start) * (lanes[bar.lane][1] - lanes[bar.lane][0]) for bar in bars)
    filled = float(((palette.labels >= 0) & palette.flat & ~text).sum())
    if drawn < _LEAST_SHARE_OF_INK * filled:
        return None
    ink = sum(rect.box.area for rect in members) / max(1e-9, float(weight.sum()))
    on_base = [lane for lane in lanes if any(_overlaps(frame.across(r.box), lane) for r in standing)]
    shared = len(on_base) / len(lanes)
    # Bars of one chart are equally thick and of different lengths; the wrong frame has it the other way round.
    uneven = float(np.std(lengths) / max(1.0, np.mean(lengths))) if len(lengths) > 1 else 0.0
    score = ink + 0.6 * shared + 0.4 * min(1.0, uneven) + 0.5 * min(1.0, len(lanes) / 4)
    return score, BarChart(frame, tuple(bars), tuple(lanes), baseline if len(standing) >= 2 or len(bars) == 1 else None)


def _baseline(rects: Sequence[Rect], frame: Frame, within_px: float) -> tuple[float, list[Rect]]:
    """Return the coordinate along which most lanes have an edge, and the bars there.

    Of several that serve as many lanes the lowest counts: stacks of equal parts share more edges than their foot. Where
    bars stand on both sides of a line it is the line's middle.
    """
    lanes = _lanes(rects, frame)
    home = np.array([_lane_of(frame.across(rect.box), lanes) for rect in rects])
    ends = np.array([frame.along(rect.box) for rect in rects])
    best: tuple[tuple[int, float], list[int]] | None = None
    for edge in sorted({edge for rect in rects for edge in frame.along(rect.box)}):
        touching = np.flatnonzero(np.abs(ends - edge).min(axis=1) <= within_px)
        key = (len(np.unique(home[touching])), -frame.growth * edge)
        if best is None or key > best[0]:
            best = (key, touching.tolist())
    if best is None:
        return 0.0, []
    edge = -frame.growth * best[0][1]
    sides = [[e for e in ends[best[1], side] if abs(e - edge) <= within_px] for side in (0, 1)]
    return float(np.mean([np.median(side) for side in sides if side])), [rects[index] for index in best[1]]


def _overlaps(across: tuple[float, float], lane: tuple[float, float]) -> bool:
    return min(across[1], lane[1]) - max(across[0], lane[0]) > 0.5 * min(across[1] - across[0], lane[1] - lane[0])


def _lane_of(across: tuple[float, float], lanes: Sequence[tuple[float, float]]) -> int:
    """Return the lane the extent shares most with."""
    extents = np.array(lanes)
    return int(np.argmax(np.minimum(across[1], extents[:, 1]) - np.maximum(across[0], extents[:, 0])))


def _chained(rects: Sequence[Rect], standing: Sequence[Rect], frame: Frame) -> list[Rect]:
    """Return the bars on the baseline and everything stacked on them or sharing a lane with them."""
    chosen = dict.fromkeys(standing)
    lanes = np.array([frame.across(rect.box) for rect in standing]).reshape(-1, 2)
    extents = np.array([(*frame.across(rect.box), *frame.along(rect.box)) for rect in rects]).reshape(-1, 4)
    for index, rect in enumerate(rects):
        if rect in chosen:
            continue
        lo, hi = frame.across(rect.box)
        shared = np.minimum(hi, lanes[:, 1]) - np.maximum(lo, lanes[:, 0])
        in_lane = bool((shared > 0.6 * np.minimum(hi - lo, lanes[:, 1] - lanes[:, 0])).any())
        if in_lane or _touches_stack(index, extents):
            chosen[rect] = None
    return list(chosen)


def _touches_stack(index: int, extents: Floats) -> bool:
    """Tell whether another bar of the same lane ends where this one begins, as in stacks without a common baseline.

    Args:
      extents: [n, 4], across and along of every bar.
    """
    lo, hi, v0, v1 = extents[index]
    beside = (np.abs(extents[:, 0] - lo) <= 2) & (np.abs(extents[:, 1] - hi) <= 2)
    meets = np.minimum(np.abs(v0 - extents[:, 3]), np.abs(v1 - extents[:, 2])) <= 3
    beside[index] = False
    return bool((beside & meets).any())


def _lanes(rects: Sequence[Rect], frame: Frame) -> list[tuple[float, float]]:
    lanes: list[list[tuple[float, float]]] = []
    for lo, hi in sorted(frame.across(rect.box) for rect in rects):
        if lanes:
            a, b = np.median(np.array(lanes[-1]), axis=0)
            if min(hi, b) - max(lo, a) > 0.5 * min(hi - lo, b - a):
                lanes[-1].append((lo, hi))
                continue
        lanes.append([(lo, hi)])
    return [(float(np.median([lo for lo, _ in lane])), float(np.median([hi for _, hi in lane]))) for lane in lanes]


def _scan(
    page: Page,
    palette: Palette,
    rects: Sequence[Rect],
    lanes: Sequence[tuple[float, float]],
    frame: Frame,
    text: Mask,
    baseline: float | None,
    named: Sequence[int],
) -> list[Bar]:
    """Return the bars of every lane, read row by row: labels on a bar hide its pixels but not its colour."""
    labels, hidden = frame.turned(palette.labels), frame.turned(text)
    lab = frame.turned(page.lab)
    margin = max(3.0, 1.6 * page.text_height) if named else 3.0
    low = max(0, int(min(frame.along(rect.box)[0] for rect in rects) - margin))
    high = min(labels.shape[0], int(max(frame.along(rect.box)[1] for rect in rects) + margin))
    fills = sorted({rect.fill for rect in rects} | set(named))
    away = distance_from(page, palette.papers)
    bars: list[Bar] = []
    for lane, (lo, hi) in enumerate(lanes):
        a, b = round(lo), round(hi)
        if b - a > 4:
            a, b = a + 1, b - 1
        b = max(b, a + 1)
        window, covered = labels[low:high, a:b], hidden[low:high, a:b]
        counts = np.stack([(window == fill).sum(axis=1) for fill in fills])
        free = np.stack([((window == fill) & ~covered).sum(axis=1) for fill in fills])
        open_width = (~covered).sum(axis=1)
        enough = open_width >= 0.15 * (b - a)
        share = np.where(enough, free / np.maximum(open_width, 1), counts / (b - a))
        paper = (frame.turned(away)[low:high, a:b] < FROM_PAPER).mean(axis=1)
        # A label that recognition missed covers most of a short bar; what shows beside it still has the bar's colour.
        needed = np.where(paper < 0.3, 0.2, 0.5)
        row_fill = np.where(share.max(axis=0) >= needed, np.array(fills)[share.argmax(axis=0)], -1)
        row_fill = _bridge(row_fill, paper, page.text_height)
        bars += _joined(
            Bar(
                fill,
                lane,
                low + v0 - _spill(lab[:, a:b], hidden[:, a:b], low + v0, -1, palette, fill),
                low + v1 + _spill(lab[:, a:b], hidden[:, a:b], low + v1 - 1, 1, palette, fill),
            )
            for fill, v0, v1 in _runs(row_fill)
        )
    return [_oriented(bar, frame, baseline) for bar in bars]


def _joined(bars: Iterable[Bar]) -> list[Bar]:
    """Return the bars of one lane, lowest first, with the thin line drawn between two given half to each."""
    out: list[Bar] = []
    for bar in bars:
        if out and 0 < bar.start - out[-1].end <= _SEPARATOR_PX:
            middle = (out[-1].end + bar.start) / 2
            out[-1] = Bar(out[-1].fill, out[-1].lane, out[-1].start, middle)
            bar = Bar(bar.fill, bar.lane, middle, bar.end)
        out.append(bar)
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
    """Take away rows between two other fills whose colour is but the mixture of theirs, in place."""
    cuts = [0, *(int(k) + 1 for k in np.flatnonzero(np.diff(row_fill))), len(row_fill)]
    for before, (a, b), after in zip(cuts, itertools.pairwise(cuts[1:]), cuts[3:], strict=False):
        if b - a <= _EDGE_ROWS and b < len(row_fill) and a - before > _EDGE_ROWS and after - b > _EDGE_ROWS:
            below, above = row_fill[a - 1], row_fill[b]
            if below >= 0 and above >= 0 and below != above and row_fill[a] >= 0:
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
