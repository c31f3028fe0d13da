"""Series names without keys: words over the columns of the first row of bars, or in the marks' own colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servers.vision.charts.bars.bar import BarChart
from servers.vision.charts.legends.legend import LABEL_COLOR, label_color
from servers.vision.charts.picture.colors import Palette
from servers.vision.charts.picture.page import Page, TextRun, quantity
from servers.vision.geometry import PixelBox, union

_WIDEST = 0.75  # of the plot: wider lines are titles
_HIGHEST = 4.5  # letter heights over the first bar
_CLEARLY = 0.6  # of the difference to the next colour


def names_over_bars(
    page: Page, chart: BarChart, palette: Palette, fills: Sequence[int], plot: PixelBox
) -> dict[int, TextRun]:
    """Return the words that stand over each fill's bar in the first lane of lying stacked bars, by fill.

    Where words have the bars' colours these tell, else what stands nearest.
    """
    if chart.frame.vertical:
        return {}
    height = page.text_height
    first = [bar for bar in chart.bars if bar.lane == 0 and bar.fill in fills]
    if len(first) < 2:
        return {}
    top = chart.lanes[0][0]
    runs = [
        run
        for run in page.runs
        if top - 4.5 * height <= run.box.y_min
        and run.box.y_max <= top + 0.3 * height
        and quantity(run.text) is None
        and run.box.center_x >= plot.x_min - height
        and run.box.width <= _WIDEST * (plot.x_max - plot.x_min)
    ]
    blocks = blocks_of(runs, height)
    colored = _by_color(page, palette, fills, blocks)
    if len(colored) == len(fills):
        return colored
    middles = np.array([(bar.start + bar.end) / 2 for bar in first])
    named: dict[int, tuple[float, TextRun]] = {}
    for block in blocks:
        index = int(np.argmin(np.abs(middles - block.box.center_x)))
        off = abs(float(middles[index]) - block.box.center_x)
        reach = abs(first[index].end - first[index].start) / 2 + 3 * height
        fill = first[index].fill
        if off <= reach and (fill not in named or off < named[fill][0]):
            named[fill] = (off, block)
    return {fill: run for fill, (_, run) in named.items()}


def _by_color(page: Page, palette: Palette, fills: Sequence[int], blocks: Sequence[TextRun]) -> dict[int, TextRun]:
    """Return the blocks by the fill whose colour their letters have, each clearly nearer to it than to another."""
    named: dict[int, tuple[float, TextRun]] = {}
    for block in blocks:
        color = label_color(page, block.box, palette.papers)
        if color is None:
            continue
        away = sorted((float(np.linalg.norm(palette.fills[fill].lab - color)), fill) for fill in fills)
        off, fill = away[0]
        clear = len(away) < 2 or off < _CLEARLY * away[1][0]
        if off < LABEL_COLOR and clear and (fill not in named or off < named[fill][0]):
            named[fill] = (off, block)
    return {fill: block for fill, (_, block) in named.items()}


def blocks_of(runs: Sequence[TextRun], height: float) -> list[TextRun]:
    """Return the runs with lines that stand over each other joined, top to bottom."""
    blocks: list[list[TextRun]] = []
    for run in sorted(runs, key=lambda run: run.box.y_min):
        for block in blocks:
            box = union(member.box for member in block)
            overlap = min(box.x_max, run.box.x_max) - max(box.x_min, run.box.x_min)
            if overlap > 0.3 * min(box.width, run.box.width) and run.box.y_min - box.y_max < 0.9 * height:
                block.append(run)
                break
        else:
            blocks.append([run])
    return [
        TextRun(
            tuple(word for run in block for word in run.words),
            union(run.box for run in block),
            " ".join(run.text for run in block),
        )
        for block in blocks
    ]
