"""Names of lines: from the legend, from words in the line's colour, from words at the line's end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servers.vision.charts.bars.headers import blocks_of
from servers.vision.charts.legends.legend import LABEL_COLOR, LegendEntry, label_color
from servers.vision.charts.lines.strokes import Stroke
from servers.vision.charts.picture.page import Page, TextRun, quantity
from servers.vision.geometry import PixelBox

_MOVED = 8.0  # letter heights by which names of one colour with their line may have been moved out of each other's way


def name_strokes(
    page: Page,
    strokes: Sequence[Stroke],
    legend: Sequence[LegendEntry],
    plot: PixelBox,
    taken_boxes: Sequence[PixelBox],
) -> dict[int, TextRun]:
    """Return the name of each stroke that has one, by its index.

    Args:
      taken_boxes: tick labels, categories and legend names, which name no line.
    """
    names = {entry.color: TextRun((), entry.name_box, entry.name) for entry in legend}
    open_strokes = [index for index in range(len(strokes)) if index not in names]
    if not open_strokes:
        return names
    height = page.text_height
    near = plot.grown(2 * height, height)
    runs = [
        run
        for run in page.runs
        if quantity(run.text) is None
        and sum(character.isalpha() for character in run.text) >= 2
        and run.box.y_max > near.y_min
        and run.box.y_min < near.y_max
        and run.box.x_min > plot.x_min - 2 * height
        and not any(box.overlap(run.box) > 0.3 for box in taken_boxes)
    ]
    blocks = blocks_of(runs, height)
    # Names that stand close below each other are no lines of one name where each line needs its own.
    if len(blocks) < len(open_strokes) <= len(runs):
        blocks = runs
    taken: set[int] = set()
    scored: list[tuple[float, int, int]] = []
    for index in open_strokes:
        stroke = strokes[index]
        for number, block in enumerate(blocks):
            color = label_color(page, block.words[0].box, (page.background,))
            apart = float(np.linalg.norm(color - stroke.lab)) if color is not None else 99.0
            y = stroke.at(block.box.center_x, 10.0)
            off = (
                min(abs(block.box.center_y - y), abs(block.box.y_min - y), abs(block.box.y_max - y))
                if y is not None
                else None
            )
            at_end = block.box.x_min >= stroke.x1 - 1.5 * height and block.box.x_min - stroke.x1 < 6 * height
            end_off = abs(block.box.center_y - float(stroke.y[-1]))
            if at_end and end_off < (_MOVED if apart < LABEL_COLOR else 3.0) * height:
                scored.append((end_off / height + 0.1 * apart, index, number))
            elif apart < LABEL_COLOR and off is not None and off < 8 * height:
                scored.append((3.0 + 0.1 * apart + 0.3 * off / height, index, number))
    for _, index, number in sorted(scored):
        if index not in names and number not in taken:
            names[index] = blocks[number]
            taken.add(number)
    return names
