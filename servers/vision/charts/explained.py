"""How much of what is drawn in a chart's plot its reading accounts for: what was overlooked speaks against the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from loupe.type.v1 import figure_pb2
from servers.vision.geometry import PixelBox, box_of
from servers.vision.text import Word

_VISIBLE = 18.0
"""Colour difference (CIE 1976) from the paper from which a pixel is drawn on."""
_SAME = 16.0
"""Colour difference to a colour, or to a mixture of it with the paper, up to which a pixel is of that colour."""
_RULE_SHARE = 0.35
"""Of the plot's width or height that a grid line covers in one row or column."""
_GREY = 12.0
_MARGIN_PX = 3.0
_FEWEST_PIXELS = 60
_LONG_WORD = 3
_SAME_PLACE = 0.5
_LEAST_INK, _LEAST_NAMES = 0.85, 0.7
_Lab = NDArray[np.float32]
_Mask = NDArray[np.bool_]


def account(rgb: NDArray[np.uint8], words: Sequence[Word], figure: figure_pb2.Figure) -> None:
    """Lower a chart's confidence by the share of ink and words in and beside its plot that nothing read explains.

    Ink is explained by its colour where a series or a point has it; in charts of boxes also only inside their boxes.
    Grid lines and frames explain themselves. Words are looked at inside the plot and right of it, where legends and
    names of lines stand. Where much is left over, a reason says so.
    """
    ink, names = _ink(rgb, words, figure.chart), _names(words, figure.chart)
    figure.confidence *= ink * names
    if ink < _LEAST_INK:
        message = f"only {ink:.0%} of what is drawn in the plot belongs to what was read"
        figure.reasons.add(code="unexplained_ink", message=message)
    if names < _LEAST_NAMES:
        message = "words in or beside the plot, perhaps a legend, were not understood"
        figure.reasons.add(code="unexplained_words", message=message)


def _ink(rgb: NDArray[np.uint8], words: Sequence[Word], chart: figure_pb2.Chart) -> float:
    height, width = rgb.shape[:2]
    box = box_of(chart.plot_area).clipped(width, height)
    x0, y0, x1, y1 = (round(edge) for edge in box)
    if x1 - x0 < 10 or y1 - y0 < 10:
        return 1.0
    crop = np.ascontiguousarray(rgb[y0:y1, x0:x1])
    lab = _to_lab((crop / np.float32(255)).astype(np.float32))
    colours = _colours(chart)
    if not colours:
        return 1.0
    paper = _paper(crop, lab, colours)
    ink = np.linalg.norm(lab - paper, axis=2) > _VISIBLE
    ink &= ~_rules(ink, lab)
    for word in words:
        _clear(ink, word.box.grown(1, 1), x0, y0)
    if ink.sum() < _FEWEST_PIXELS:
        return 1.0
    of_colour = np.zeros(ink.shape, dtype=bool)
    for colour in colours:
        of_colour |= _mixed(lab, paper, colour)
    # Edges are mixtures of two colours: a pixel beside a mark of its own is no mark.
    near = cv2.dilate((of_colour & ink).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    explained = of_colour | near
    if chart.type in _BOXED:
        inside = np.zeros(ink.shape, dtype=bool)
        for mark in _marks(chart):
            _set(inside, mark.grown(_MARGIN_PX, _MARGIN_PX), x0, y0)
        explained &= inside
    return float((explained & ink).sum() / ink.sum())


_BOXED = frozenset(
    {
        figure_pb2.CHART_TYPE_BAR,
        figure_pb2.CHART_TYPE_HORIZONTAL_BAR,
        figure_pb2.CHART_TYPE_GROUPED_BAR,
        figure_pb2.CHART_TYPE_HORIZONTAL_GROUPED_BAR,
        figure_pb2.CHART_TYPE_STACKED_BAR,
        figure_pb2.CHART_TYPE_HORIZONTAL_STACKED_BAR,
        figure_pb2.CHART_TYPE_HISTOGRAM,
        figure_pb2.CHART_TYPE_SCATTER,
    }
)


def _to_lab(rgb: _Lab) -> _Lab:
    """Return sRGB, 0 to 1, as CIE Lab."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB), np.float32)


def _paper(crop: NDArray[np.uint8], lab: _Lab, colours: Sequence[_Lab]) -> _Lab:
    """Return the commonest colour of the plot that is not that of marks, in CIE Lab."""
    of_marks = np.zeros(crop.shape[:2], dtype=bool)
    for colour in colours:
        of_marks |= np.linalg.norm(lab - colour, axis=2) <= _VISIBLE
    codes = (crop >> 3).astype(np.int32) @ np.array([1024, 32, 1], dtype=np.int32)
    left = codes[~of_marks] if not of_marks.all() else codes.ravel()
    code = int(np.bincount(left).argmax())
    return np.asarray(lab[codes == code].mean(axis=0))


def _rules(ink: _Mask, lab: _Lab) -> _Mask:
    """Return the grey pixels of rows and columns that lines cross for a good part."""
    grey = ink & (np.hypot(lab[..., 1], lab[..., 2]) < _GREY)
    rows, columns = grey.mean(axis=1) > _RULE_SHARE, grey.mean(axis=0) > _RULE_SHARE
    return np.asarray(grey & (rows[:, None] | columns[None, :]), bool)


def _mixed(lab: _Lab, paper: _Lab, colour: _Lab) -> _Mask:
    """Return the pixels of a colour, and of its mixtures with the paper as at the edge of thin lines."""
    way = colour - paper
    length = float(way @ way)
    if length < 1:
        return np.asarray(np.linalg.norm(lab - colour, axis=2) <= _SAME)
    share = np.clip(((lab - paper) @ way) / length, 0.3, 1.1)
    return np.asarray(np.linalg.norm(lab - (paper + share[..., None] * way), axis=2) <= _SAME)


def _colours(chart: figure_pb2.Chart) -> list[_Lab]:
    found = {
        (colour.red, colour.green, colour.blue)
        for series in chart.series
        for colour in [series.color, *(point.color for point in series.points if point.HasField("color"))]
    }
    if not found or not any(series.HasField("color") for series in chart.series):
        return []
    pixels = np.array(sorted(found), np.float32).reshape(1, -1, 3) / np.float32(255)
    return list(_to_lab(pixels)[0])


def _marks(chart: figure_pb2.Chart) -> Iterator[PixelBox]:
    for series in chart.series:
        for point in series.points:
            if point.HasField("mark_box"):
                yield box_of(point.mark_box)


def _clear(mask: _Mask, box: PixelBox, x0: int, y0: int) -> None:
    _slice(mask, box, x0, y0)[...] = False


def _set(mask: _Mask, box: PixelBox, x0: int, y0: int) -> None:
    _slice(mask, box, x0, y0)[...] = True


def _slice(mask: _Mask, box: PixelBox, x0: int, y0: int) -> _Mask:
    left, top = max(0, int(box.x_min) - x0), max(0, int(box.y_min) - y0)
    right, bottom = max(left, int(np.ceil(box.x_max)) - x0), max(top, int(np.ceil(box.y_max)) - y0)
    return mask[top:bottom, left:right]


def _names(words: Sequence[Word], chart: figure_pb2.Chart) -> float:
    """Return the share of the words in and right of the plot that were read as part of the chart."""
    plot = box_of(chart.plot_area)
    used, boxes = set(_texts(chart)), list(_boxes(chart))
    known = found = 0
    for word in words:
        text = "".join(letter for letter in word.text.casefold() if letter.isalpha())
        if (
            len(text) < _LONG_WORD
            or not plot.y_min <= word.box.center_y <= plot.y_max
            or word.box.center_x < plot.x_min
        ):
            continue
        found += 1
        known += any(text in other for other in used) or any(box.overlap(word.box) > _SAME_PLACE for box in boxes)
    return (known + 2) / (found + 2)


def _boxes(chart: figure_pb2.Chart) -> Iterator[PixelBox]:
    """Yield where the words of a chart were read; recognition may have read them otherwise at first."""
    for series in chart.series:
        yield box_of(series.name_box)
        for point in series.points:
            yield box_of(point.label_box)
            if point.y.printed:
                yield box_of(point.y.box)
    yield box_of(chart.title_box)


def _texts(chart: figure_pb2.Chart) -> Iterator[str]:
    raw = [chart.title, chart.source_note]
    raw += [text for axis in chart.axes for text in (axis.title, axis.unit, *(tick.label for tick in axis.ticks))]
    for series in chart.series:
        raw.append(series.name)
        raw += [text for point in series.points for text in (point.label, point.y.printed)]
    for text in raw:
        joined = "".join(letter for letter in text.casefold() if letter.isalpha())
        if joined:
            yield joined
