"""Which bars belong to one category and which to one series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from servers.vision.charts.bars.bar import Bar, BarChart


@dataclass(frozen=True, slots=True)
class Grouping:
    """Lanes by category, fills by series."""

    groups: tuple[tuple[int, ...], ...]
    """Lane indices of each category, in order."""
    series: tuple[int, ...]
    """Fill of each series, in order; empty where all bars are one series whatever their colours."""

    def center(self, chart: BarChart, group: int) -> float:
        """Return the middle of a category, pixels across."""
        lanes = [chart.lanes[lane] for lane in self.groups[group]]
        return (lanes[0][0] + lanes[-1][1]) / 2

    def span(self, chart: BarChart, group: int) -> tuple[float, float]:
        """Return a category's extent, pixels across."""
        lanes = [chart.lanes[lane] for lane in self.groups[group]]
        return lanes[0][0], lanes[-1][1]


def with_ranked_fills(chart: BarChart) -> BarChart:
    """Return stacks coloured row by row with the first row's colours: there the place in the stack names the series."""
    by_lane = [
        sorted((bar for bar in chart.bars if bar.lane == lane), key=_low_end) for lane in range(len(chart.lanes))
    ]
    sizes = {len(bars) for bars in by_lane}
    fills = {bar.fill for bar in chart.bars}
    size = max(sizes)
    if len(sizes) != 1 or not 2 <= size < len(fills) or len(chart.lanes) < 2:
        return chart
    bars = [
        Bar(first.fill, bar.lane, bar.start, bar.end)
        for row in by_lane
        for first, bar in zip(by_lane[0], row, strict=True)
    ]
    return BarChart(chart.frame, tuple(bars), chart.lanes, chart.baseline)


def _low_end(bar: Bar) -> float:
    return min(bar.start, bar.end)


def group_bars(chart: BarChart, legend_order: Sequence[int]) -> Grouping:
    """Return categories and series of the bars.

    Args:
      legend_order: fills named by the legend, in its order.
    """
    fills = [bar.fill for bar in chart.bars]
    if chart.stacked:
        return Grouping(
            tuple((lane,) for lane in range(len(chart.lanes))),
            _order(chart, legend_order, len(chart.lanes), stacked=True),
        )
    main = [_main_fill(chart, lane) for lane in range(len(chart.lanes))]
    distinct = {fill for fill in main if fill is not None}
    counts = Counter(bar.lane for bar in chart.bars)
    if len(set(fills)) > 1 and float(np.median(list(counts.values()))) >= 2:
        # Bars on both sides of the baseline: each fill is a series.
        order = _order(chart, legend_order, len(chart.lanes), stacked=True)
        return Grouping(tuple((lane,) for lane in range(len(chart.lanes))), order)
    if len(distinct) < 2:
        return Grouping(tuple((lane,) for lane in range(len(chart.lanes))), ())
    groups = _by_gap(chart, main)
    if groups is None and len([fill for fill in legend_order if fill in distinct]) >= 2:
        groups = _by_repetition(main)
    if groups is None:
        several = Counter(fills)
        diverging = max(Counter(bar.lane for bar in chart.bars).values()) > 1 and len(several) <= 6
        return Grouping(
            tuple((lane,) for lane in range(len(chart.lanes))),
            _order(chart, legend_order, len(chart.lanes), stacked=True) if diverging else (),
        )
    return Grouping(tuple(groups), _order(chart, legend_order, len(groups), stacked=False))


def _main_fill(chart: BarChart, lane: int) -> int | None:
    bars = [bar for bar in chart.bars if bar.lane == lane]
    return max(bars, key=lambda bar: abs(bar.end - bar.start)).fill if bars else None


def _by_gap(chart: BarChart, main: Sequence[int | None]) -> list[tuple[int, ...]] | None:
    """Return groups parted by wide gaps, or None where gaps are even or a group would hold a colour twice."""
    gaps = np.array([b[0] - a[1] for a, b in zip(chart.lanes, chart.lanes[1:], strict=False)])
    if len(gaps) < 2 and len(chart.lanes) > 2:
        return None
    if len(chart.lanes) == 2:
        return [(0, 1)] if gaps[0] < 0.25 * chart.thickness else None
    low, high = float(gaps.min()), float(gaps.max())
    if high - low < max(2.5, 0.2 * chart.thickness):
        return None
    limit = (low + high) / 2
    groups: list[list[int]] = [[0]]
    for lane, gap in enumerate(gaps, start=1):
        if gap > limit:
            groups.append([lane])
        else:
            groups[-1].append(lane)
    for group in groups:
        colors = [main[lane] for lane in group]
        if len(set(colors)) < len(colors):
            return None
    if len(groups) < 2 or sum(len(group) for group in groups) < 1.4 * len(groups):
        return None
    return [tuple(group) for group in groups]


def _by_repetition(main: Sequence[int | None]) -> list[tuple[int, ...]] | None:
    """Return groups that begin anew where a colour comes again, for evenly spaced bars with a legend."""
    groups: list[list[int]] = [[]]
    for lane, fill in enumerate(main):
        if fill in [main[other] for other in groups[-1]]:
            groups.append([])
        groups[-1].append(lane)
    sizes = {len(group) for group in groups}
    return [tuple(group) for group in groups] if len(sizes) == 1 and sizes != {1} and len(groups) > 1 else None


def _order(chart: BarChart, legend_order: Sequence[int], places: int, *, stacked: bool) -> tuple[int, ...]:
    """Return the fills in the legend's order, unnamed ones after, in the order of the bars or up the stack."""

    def rank(bar: Bar) -> tuple[float, int]:
        if not stacked:
            return float(bar.lane), 0
        return (bar.start * chart.frame.growth if chart.baseline is None else abs(bar.start - chart.baseline)), bar.lane

    seen: list[int] = []
    for bar in sorted(chart.bars, key=rank):
        if bar.fill not in seen:
            seen.append(bar.fill)
    named = [fill for fill in legend_order if fill in seen]
    counts = Counter(bar.fill for bar in chart.bars)
    rest = [fill for fill in seen if fill not in named and (not named or counts[fill] * 2 >= places)]
    return tuple(named + rest)


def with_gaps_filled(chart: BarChart, grouping: Grouping) -> tuple[BarChart, Grouping]:
    """Return the chart with empty lanes where regular spacing leaves a hole: a bar of length 0 is not drawn."""
    if chart.baseline is None or len(grouping.groups) < 3 or any(len(group) != 1 for group in grouping.groups):
        return chart, grouping
    centers = np.array([grouping.center(chart, index) for index in range(len(grouping.groups))])
    steps = np.diff(centers)
    step = float(np.median(steps))
    half = chart.thickness / 2
    lanes: list[tuple[float, float]] = [chart.lanes[0]]
    moved = {0: 0}
    for index, gap in enumerate(steps, start=1):
        holes = round(float(gap) / step) - 1
        if holes > 0 and abs(gap / step - (holes + 1)) < 0.15 and holes <= 4:
            for k in range(holes):
                middle = float(centers[index - 1] + (k + 1) * gap / (holes + 1))
                lanes.append((middle - half, middle + half))
        moved[index] = len(lanes)
        lanes.append(chart.lanes[index])
    if len(lanes) == len(chart.lanes):
        return chart, grouping
    bars = [Bar(bar.fill, moved[bar.lane], bar.start, bar.end) for bar in chart.bars]
    fill = chart.bars[0].fill
    bars += [
        Bar(fill, lane, chart.baseline, chart.baseline) for lane in range(len(lanes)) if lane not in moved.values()
    ]
    filled = BarChart(chart.frame, tuple(bars), tuple(lanes), chart.baseline)
    return filled, Grouping(tuple((lane,) for lane in range(len(lanes))), grouping.series)
