"""One sentence that says what was measured, and no more."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from loupe.type.v1.figure_pb2 import Chart, ChartType, Figure, Table
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse

_COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (214, 39, 40),
    "orange": (255, 127, 14),
    "yellow": (240, 220, 60),
    "green": (44, 160, 44),
    "teal": (23, 160, 160),
    "blue": (31, 100, 200),
    "purple": (130, 80, 180),
    "pink": (230, 120, 190),
    "brown": (140, 86, 60),
}


def describe(rgb: NDArray[np.uint8], answer: AnalyzeImageResponse) -> tuple[str, list[str]]:
    """Return (caption, reasons why there are no figures) for what was read from the pixels, uint8 [h, w, 3]."""
    if answer.figures:
        parts = [_figure(figure) for figure in answer.figures]
        return _limited("; ".join(parts)[:1].upper() + "; ".join(parts)[1:] + "."), []
    palette = _palette(rgb)
    if answer.text_blocks:
        words = sum(len(block.text.split()) for block in answer.text_blocks)
        first = answer.text_blocks[0].text.split("\n")[0]
        caption = f"Text of {words} {'word' if words == 1 else 'words'}, beginning “{first[:80]}”; no chart or table."
        return caption, ["No chart that this engine knows and no grid of aligned text was found; the text was read."]
    caption = f"An image of {answer.width_px}×{answer.height_px} px, mostly {palette}, with no readable text."
    return caption, ["No readable text, no chart and no table was found."]


def _figure(figure: Figure) -> str:
    return _chart(figure.chart) if figure.HasField("chart") else _table(figure.table)


def _chart(chart: Chart) -> str:
    kind = ChartType.Name(chart.type).removeprefix("CHART_TYPE_").replace("_", " ").lower()
    article = "an" if kind[0] in "aeiou" else "a"
    counts = f"{len(chart.series)} series" if len(chart.series) > 1 else ""
    points = max((len(series.points) for series in chart.series), default=0)
    marks = {"pie": "slices", "donut": "slices", "line": "points", "scatter": "points"}.get(kind, "categories")
    of = f"{points} {marks if points != 1 else marks.removesuffix('s').replace('ie', 'y')}"
    title = f" titled “{chart.title}”" if chart.title else ""
    return f"{article} {kind} chart with {of}{f' in {counts}' if counts else ''}{title}"


def _table(table: Table) -> str:
    numbers = sum(cell.value.HasField("number") for cell in table.cells)
    title = f" titled “{table.title}”" if table.title else ""
    return f"a table of {table.row_count} rows and {table.column_count} columns with {numbers} numbers{title}"


def _palette(rgb: NDArray[np.uint8]) -> str:
    small = cv2.resize(rgb, (32, 32), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.int32)
    named = np.array(list(_COLOURS.values()), np.int32)
    nearest = np.square(small[:, None] - named[None]).sum(axis=2).argmin(axis=1)
    shares = np.bincount(nearest, minlength=len(named))
    names = list(_COLOURS)
    order = np.argsort(-shares, kind="stable")
    return " and ".join(names[index] for index in order[:2] if shares[index] >= 0.15 * len(small))


def _limited(text: str) -> str:
    return text if len(text) <= 1000 else f"{text[:999]}…"
