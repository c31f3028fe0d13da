"""Bars: rectangles of one fill that share a thickness and a baseline, and what is stacked on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from servers.vision.charts.axes.calibration import Floats
from servers.vision.charts.bars.bar import Bar, BarChart
from servers.vision.charts.bars.frame import Frame
from servers.vision.charts.bars.lanes import find_baseline, find_lanes, holes_between, overlaps
from servers.vision.charts.bars.rectangles import (
    Rect,
    find_rectangles,
    is_lettering,
    is_sizeable,
    line_fills,
    rule_fills,
)
from servers.vision.charts.bars.scan import Scan, scan_lanes
from servers.vision.charts.picture.bounds import MOST_RECTANGLES
from servers.vision.charts.picture.colors import FROM_PAPER, Palette, distance_from
from servers.vision.charts.picture.page import Mask, Page
from servers.vision.geometry import PixelBox, union

# Bars of one chart differ in thickness by rounding, and by what compression takes from bars that touch.
_THICKNESS_SPREAD = (1.5, 3.0, 0.12)
# Where bars end on both sides of a line drawn at zero they are as far apart as it is wide.
_BASELINE_PX, _BASELINE = 2.5, 0.2  # at least, and in letter heights
_LEAST_SHARE_OF_INK = 0.35  # of all filled pixels; where bars hold less, the chart is of another kind
# Of the ink of the bars' own colours around them. Measured 2026-11-21: 60 bar charts 0.94 and more, 130 drawings of
# lines and points that had passed for bars 0.67 and less.
_LEAST_HELD = 0.8
_INK_AROUND = 0.15
_STANDING, _FLOATING = 0.6, 0.3  # of the lanes that stand on one baseline; letter heights of paper under a marker
_MOST_FLOATING = 0.4
_CROSSING = 0.5  # letter heights that a line over bars may take out of them


def find_bars(
    page: Page, palette: Palette, *, ignore: Sequence[PixelBox] = (), named: Sequence[int] = ()
) -> BarChart | None:
    """Return the image's bars, or None where no rectangles stand like bars.

    Args:
      ignore: boxes of legend patches.
      named: fills of the legend, which bars may have even where labels hide nearly all of them.
    """
    text = page.text_mask()
    rules, lines = rule_fills(page, palette), line_fills(page, palette)
    bridge_px = max(5, int(_CROSSING * page.text_height) | 1) if lines else 5
    inked = distance_from(page, palette.papers) >= FROM_PAPER
    best: list[tuple[float, BarChart] | None] = []
    for bridged in (inked, np.zeros_like(inked)):
        rects = [
            rect
            for rect in find_rectangles(palette, text, bridged, lines, bridge_px)
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
    near = [np.abs(thick - t) <= _spread(t) for t in thick]
    best = near[int(np.argmax([weight[others].sum() for others in near]))]
    typical = float(np.average(thick[best], weights=weight[best]))
    alike = [rect for rect, t in zip(rects, thick, strict=True) if abs(t - typical) <= _spread(typical)]
    within = max(_BASELINE_PX, _BASELINE * page.text_height)
    baseline, standing = find_baseline(alike, frame, within)
    chained = set(_chained(alike, standing, frame))
    members = [rect for rect in alike if rect in chained]
    if not members or (len(members) == 1 and members[0].box.area < 0.02 * page.width * page.height):
        return None
    lanes = find_lanes(members, frame)
    margin = max(3.0, 1.6 * page.text_height) if named else 3.0
    ends = [edge for rect in members for edge in frame.along(rect.box)]
    fills = sorted({rect.fill for rect in members} | set(named))
    foot = baseline if len(standing) >= 2 else None
    holes = holes_between(lanes) if foot is not None else []
    scan = scan_lanes(page, palette, lanes, holes, (min(ends) - margin, max(ends) + margin), frame, text, foot, fills)
    lanes, bars = _with_filled_holes(lanes, holes, scan, within)
    if foot is not None and len(standing) >= _STANDING * len(lanes):
        bars = _without_floating(bars, foot, max(within, _FLOATING * page.text_height))
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
    on_base = [lane for lane in lanes if any(overlaps(frame.across(r.box), lane) for r in standing)]
    shared = len(on_base) / len(lanes)
    # Bars of one chart are equally thick and of different lengths; the wrong frame has it the other way round.
    uneven = float(np.std(lengths) / max(1.0, np.mean(lengths))) if len(lengths) > 1 else 0.0
    score = ink + 0.6 * shared + 0.4 * min(1.0, uneven) + 0.5 * min(1.0, len(lanes) / 4)
    alone = baseline if len(bars) == 1 else None
    return score, BarChart(frame, tuple(bars), tuple(lanes), scan.baseline if foot is not None else alone)


def _with_filled_holes(
    lanes: Sequence[tuple[float, float]], holes: Sequence[tuple[float, float]], scan: Scan, within_px: float
) -> tuple[list[tuple[float, float]], list[Bar]]:
    """Return lanes in order, holes among them in which a bar stands on the baseline, and the bars."""
    held = {
        bar.lane
        for bar in scan.bars
        if bar.lane >= len(lanes) and scan.baseline is not None and abs(bar.start - scan.baseline) <= within_px
    }
    every = [*lanes, *holes]
    order = sorted([*range(len(lanes)), *held], key=lambda lane: every[lane])
    place = {lane: index for index, lane in enumerate(order)}
    return [every[lane] for lane in order], [
        replace(bar, lane=place[bar.lane])
        for bar in sorted(scan.bars, key=lambda bar: place.get(bar.lane, -1))
        if bar.lane in place
    ]


def _without_floating(bars: Sequence[Bar], baseline: float, gap_px: float) -> list[Bar]:
    """Return the bars without fills that nowhere stand on the baseline or on what stands there: markers of a line."""
    floating: Counter[int] = Counter()
    lanes: dict[tuple[int, bool], list[Bar]] = {}
    for bar in bars:
        lanes.setdefault((bar.lane, bar.end > baseline), []).append(bar)
    for lane in lanes.values():
        reach = 0.0
        for bar in sorted(lane, key=lambda bar: abs(bar.start - baseline)):
            if abs(bar.start - baseline) - reach > gap_px:
                floating[bar.fill] += 1
            else:
                reach = max(reach, abs(bar.end - baseline))
    counts = Counter(bar.fill for bar in bars)
    return [bar for bar in bars if floating[bar.fill] <= _MOST_FLOATING * counts[bar.fill]]


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


def _spread(thickness: float) -> float:
    """Return by how many pixels bars of a thickness may differ."""
    least, most, share = _THICKNESS_SPREAD
    return max(least, min(most, 0.25 * thickness), share * thickness)
