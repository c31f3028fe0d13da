"""Printed values: the number that stands on, in or beside each bar, read again where recognition left a gap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from servers.vision.charts.bars.bar import BarChart
from servers.vision.charts.picture.colors import Palette
from servers.vision.charts.picture.page import Page, TextRun, group_words, quantity
from servers.vision.charts.picture.percent_signs import percent_reader
from servers.vision.geometry import PixelBox

_LEAST_SHARE = 0.3  # of the bars that carry a number, for the rest to be searched for theirs
_MOST_REREADS = 48  # about 6 ms each
_FAR = 1e6


@dataclass(frozen=True, slots=True)
class PrintedValue:
    """A number as it stands beside its bar."""

    text: str
    number: float
    unit: str
    box: PixelBox
    reread: bool


def printed_values(
    page: Page, chart: BarChart, palette: Palette, *, taken: Sequence[PixelBox]
) -> dict[int, PrintedValue]:
    """Return the printed value of each bar that has one, by the bar's index.

    Args:
      taken: boxes of ticks, categories, titles and legends, which are not values.
    """
    # A run may join a number with its neighbour's; words are regrouped without what is taken.
    words = [word for run in page.runs for word in run.words if not any(box.overlap(word.box) > 0.5 for box in taken)]
    runs = [(run, read) for run in _with_percent_signs(group_words(words)) if (read := quantity(run.text)) is not None]
    found = _inside(page, chart, runs) if chart.stacked else _at_ends(page, chart, runs)
    if chart.stacked:
        found |= _read_inside(page, chart, palette, found, rereads=_MOST_REREADS)
    elif max(1, _LEAST_SHARE * len(chart.bars)) <= len(found) < len(chart.bars):
        found |= _read_at_ends(page, chart, found)
    elif not found:
        inside = _read_inside(page, chart, palette, found, rereads=_MOST_REREADS)
        found = inside if len(inside) * 2 >= len(chart.bars) else {}
    restore = percent_reader([value.text for value in found.values()])
    if restore is None:
        return found
    return {index: _printed(restore(v.text), v.box, reread=v.reread) or v for index, v in found.items()}


def _with_percent_signs(runs: Sequence[TextRun]) -> list[TextRun]:
    """Return the runs with the percent signs restored that recognition took for digits, where most numbers have one."""
    restore = percent_reader([run.text for run in runs])
    return list(runs) if restore is None else [replace(run, text=restore(run.text)) for run in runs]


def _at_ends(page: Page, chart: BarChart, runs: Sequence[tuple[TextRun, object]]) -> dict[int, PrintedValue]:
    height = page.text_height
    cost = np.full((len(chart.bars), len(runs)), _FAR)
    for row, bar in enumerate(chart.bars):
        lane = chart.lanes[bar.lane]
        middle = sum(lane) / 2
        for column, (run, _) in enumerate(runs):
            across, along = chart.frame.across(run.box), chart.frame.along(run.box)
            aside = abs(sum(across) / 2 - middle)
            if aside > 0.5 * (lane[1] - lane[0]) + 0.35 * height:
                continue
            sign = 1 if bar.end >= bar.start else -1
            near, far = (along[0], along[1]) if sign > 0 else (along[1], along[0])
            outside = (near - bar.end) * sign
            inside = (bar.end - far) * sign
            within = (near - bar.start) * sign
            if -0.5 * height <= outside <= 2.2 * height:
                gap = abs(outside)
            elif inside >= -0.5 * height and within >= -0.5 * height:
                gap = 0.5 * height + 0.1 * max(0.0, inside)
            else:
                continue
            cost[row, column] = aside / max(1.0, lane[1] - lane[0]) + 0.25 * gap / height
    return _pick(cost, runs)


def _inside(page: Page, chart: BarChart, runs: Sequence[tuple[TextRun, object]]) -> dict[int, PrintedValue]:
    cost = np.full((len(chart.bars), len(runs)), _FAR)
    for row, bar in enumerate(chart.bars):
        lo, hi = chart.lanes[bar.lane]
        v0, v1 = sorted((bar.start, bar.end))
        for column, (run, _) in enumerate(runs):
            across, along = sum(chart.frame.across(run.box)) / 2, sum(chart.frame.along(run.box)) / 2
            if lo <= across <= hi and v0 - 1 <= along <= v1 + 1:
                cost[row, column] = abs(along - (v0 + v1) / 2) / max(1.0, v1 - v0)
    return _pick(cost, runs)


def _pick(cost: np.ndarray, runs: Sequence[tuple[TextRun, object]]) -> dict[int, PrintedValue]:
    if not cost.size:
        return {}
    found = {}
    for row, column in zip(*linear_sum_assignment(cost), strict=True):
        if cost[row, column] < _FAR:
            run = runs[column][0]
            value = _printed(run.text, run.box, reread=False)
            if value is not None:
                found[int(row)] = value
    return found


def _printed(text: str, box: PixelBox, *, reread: bool) -> PrintedValue | None:
    # No value begins with two digits of which the first is zero: its point was lost in small print.
    read = quantity(re.sub(r"^([-−–]?\D?0)(?=\d)", r"\1.", text.strip()))
    return PrintedValue(text.strip(), read.number, read.unit, box, reread) if read is not None else None


def _read_at_ends(page: Page, chart: BarChart, found: dict[int, PrintedValue]) -> dict[int, PrintedValue]:
    """Return values read where the found labels stand relative to their bars' ends."""
    frame, height = chart.frame, page.text_height
    offsets, extents = [], []
    for index, known in found.items():
        bar = chart.bars[index]
        sign = 1 if bar.end >= bar.start else -1
        offsets.append((sum(frame.along(known.box)) / 2 - bar.end) * sign)
        extents.append(known.box.width)
    offset, width = float(np.median(offsets)), float(np.max(extents))
    tall = float(np.median([value.box.height for value in found.values()]))
    taken = [value.box for value in found.values()]
    out: dict[int, PrintedValue] = {}
    for index, bar in enumerate(chart.bars):
        if index in found or len(out) > _MOST_REREADS:
            continue
        lane = chart.lanes[bar.lane]
        middle = sum(lane) / 2
        sign = 1 if bar.end >= bar.start else -1
        place = bar.end + sign * offset
        if frame.vertical:
            box = PixelBox(middle - width / 2 - 2, place - tall / 2 - 3, middle + width / 2 + 2, place + tall / 2 + 3)
        else:
            box = PixelBox(
                place - width / 2 - 2, middle - tall / 2 - 3, place + width / 2 + 0.5 * height, middle + tall / 2 + 3
            )
        if any(box.overlap(other) > 0.4 for other in taken):
            continue
        value = _printed(page.read(box, digits_only=True), box, reread=True)
        if value is not None:
            out[index] = value
    return out


def _read_inside(
    page: Page, chart: BarChart, palette: Palette, found: dict[int, PrintedValue], *, rereads: int
) -> dict[int, PrintedValue]:
    """Return values read inside bars whose pixels show lettering that recognition of the whole image missed."""
    height = page.text_height
    out: dict[int, PrintedValue] = {}
    for index, bar in enumerate(chart.bars):
        if index in found or rereads <= 0:
            continue
        box = chart.box_of(bar).grown(-1.5, -1.5)
        if box.width < 0.6 * height or box.height < 0.8 * height:
            continue
        x0, y0, x1, y1 = (round(edge) for edge in box.clipped(page.width, page.height))
        patch = page.lab[y0:y1, x0:x1]
        ink = np.linalg.norm(patch - palette.fills[bar.fill].lab, axis=2) > 25.0
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        if len(rows) < 0.5 * height or len(columns) < 2 or ink.mean() > 0.6:
            continue
        letters = PixelBox(x0 + columns[0], y0 + rows[0], x0 + columns[-1] + 1, y0 + rows[-1] + 1)
        if letters.height > 2.2 * height:
            continue
        rereads -= 1
        value = _printed(page.read(letters.grown(2.5, 2.5), digits_only=True), letters, reread=True)
        if value is not None:
            out[index] = value
    return out
