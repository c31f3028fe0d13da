"""The values of a line at its places: measured on its course, or printed beside it and confirmed by that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loupe.type.v1 import figure_pb2
from servers.vision.charts import messages
from servers.vision.charts.axes.calibration import AxisFit, fit_axis
from servers.vision.charts.axes.places import Place, x_value
from servers.vision.charts.lines.strokes import Stroke
from servers.vision.charts.picture.page import Page, TextRun, group_words, quantity
from servers.vision.geometry import PixelBox

_PRINTED_WITHIN = 0.02  # of the axis' range: how far a printed value may be from the line it stands at
_LABEL_REACH = 3.2  # letter heights between a point and its printed value

Printed = tuple[TextRun, float, str]
"""A number printed near the plot: its words, its value and its unit."""


def printed_numbers(page: Page, box: PixelBox, taken: Sequence[PixelBox]) -> list[Printed]:
    """Return the numbers printed in a plot or just beside it, without those that are ticks, names or places."""
    words = [
        word
        for run in page.runs
        for word in run.words
        if box.grown(2 * page.text_height, 2.5 * page.text_height).contains_point(word.box.center_x, word.box.center_y)
        and not any(other.overlap(word.box) > 0.5 for other in taken)
    ]
    return [(run, read.number, read.unit) for run in group_words(words) if (read := quantity(run.text)) is not None]


def fit_by_labels(strokes: Sequence[Stroke], numbers: Sequence[Printed], height: float) -> AxisFit | None:
    """Return the scale on which most printed values stand at their line."""
    pixels, values = [], []
    for run, number, _ in numbers:
        near = [
            (abs(y - run.box.center_y), y)
            for stroke in strokes
            if (y := stroke.at(run.box.center_x, 1.5 * height)) is not None
            and abs(y - run.box.center_y) < _LABEL_REACH * height
        ]
        for _, y in near:
            pixels.append(y)
            values.append(number)
    if len(pixels) < 3:
        return None
    fit = fit_axis(np.array(pixels), np.array(values), tolerance_px=max(3.0, 0.4 * height))
    return fit if fit is not None and len(fit.inliers) >= 3 and fit.slope < 0 else None


def read_point(
    place: Place,
    y: float,
    stroke: Stroke,
    fit: AxisFit,
    numbers: Sequence[Printed],
    used: set[int],
    page: Page,
    spacing: float,
    box: PixelBox,
) -> figure_pb2.DataPoint:
    """Return a line's point at a place: with a printed number that fits what is measured there, else as measured.

    Args:
      y: the line's height there, pixels.
      used: indices of the numbers that are other points' already; the one taken here is added.
      spacing: pixels between places.
      box: of the plot.
    """
    measured = fit.value(y)
    height = page.text_height
    mark = PixelBox(place.x - 2, y - stroke.width / 2 - 1, place.x + 2, y + stroke.width / 2 + 1)
    point = figure_pb2.DataPoint(label=place.label[:500], mark_box=mark.to_proto())
    if place.box is not None:
        point.label_box.CopyFrom(place.box.to_proto())
    if place.number is not None:
        point.x.CopyFrom(x_value(place, place.number, box.y_max))
    reach = abs(fit.value(box.y_min) - fit.value(box.y_max)) if not fit.log else 0.0
    tolerance = max(_PRINTED_WITHIN * reach, 0.02 * abs(measured))
    best: tuple[float, int] | None = None
    for index, (run, number, _) in enumerate(numbers):
        aside, above = abs(run.box.center_x - place.x), abs(run.box.center_y - y)
        if index in used or aside > max(0.5 * spacing, 1.2 * height) or above > _LABEL_REACH * height:
            continue
        if abs(number - measured) <= tolerance:
            cost = abs(number - measured) / max(tolerance, 1e-12) + 0.3 * aside / height + 0.2 * above / height
            if best is None or cost < best[0]:
                best = (cost, index)
    if best is not None:
        used.add(best[1])
        run, number, _ = numbers[best[1]]
        point.y.CopyFrom(messages.printed(number, run.text, run.box, 0.96))
        return point
    pixel = abs(fit.value(y + 1) - fit.value(y - 1)) / 2
    sigma = (0.6 + fit.residual_px) * pixel
    confidence = float(np.clip(1.0 - np.exp(-0.5 * (0.05 * abs(measured) / max(sigma, 1e-12))), 0.05, 0.95))
    point.y.CopyFrom(messages.measured(measured, mark, confidence, position=y, guessed=not fit.measures(y)))
    return point
