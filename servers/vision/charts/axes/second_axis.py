"""Which of two value axes measures a series: as the legend says, or the colours and titles of the axes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.axes.titles import title_beside
from servers.vision.charts.axes.value_axis import ValueAxis
from servers.vision.charts.picture.page import Page
from servers.vision.geometry import PixelBox

_RIGHT = re.compile(
    r"[(\[,]\s*(?:right|rhs|r\.?h\.?s\.?|rh scale|right[- ](?:hand )?(?:axis|scale|side))\s*[)\]]?$|"
    r"\bright[- ](?:hand )?(?:axis|scale|side)\b",
    re.IGNORECASE,
)
_LEFT = re.compile(
    _RIGHT.pattern.replace("right", "left").replace("rhs", "lhs").replace("r\\.?h", "l\\.?h"), re.IGNORECASE
)
_CHROMA = 18.0  # below it ink is black or grey and says nothing
_SAME = 30.0  # colour difference of a series and the print of its axis; thin letters are paler
_CLEARLY = 12.0  # by which it is nearer to one axis than to the other
_LEAST_INK = 12  # pixels


@dataclass(frozen=True, slots=True)
class Binding:
    """The axis of each series."""

    on_second: frozenset[int]
    """Indices of the series that the second axis measures."""
    titles: tuple[str, str]
    """Of the first and the second axis."""
    is_told: bool
    """False where nothing in the picture says which axis is whose; all series are then on the first."""

    def own_title(self, index: int, series_count: int) -> str:
        """Return the title of a series' axis, if it measures no other: then it names the series."""
        on_right = index in self.on_second
        alone = len(self.on_second) == 1 if on_right else series_count - len(self.on_second) == 1
        return self.titles[on_right] if alone and self.is_told else ""


def bind_series(
    page: Page,
    plot: PixelBox,
    first: ValueAxis,
    second: ValueAxis,
    colors: Sequence[NDArray[np.float32]],
    names: Sequence[str],
) -> Binding:
    """Return which series the second axis measures.

    Args:
      colors: Lab [3] of each series.
      names: of each series, empty where unknown.
    """
    titles = [_title(page, axis, plot) for axis in (first, second)]
    prints = [_print_color(page, axis, plot) for axis in (first, second)]
    sides: list[int | None] = []
    for color, name in zip(colors, names, strict=True):
        side = _by_words(name, titles, (first.unit, second.unit))
        sides.append(side if side is not None else _by_color(color, prints))
    told = {side for side in sides if side is not None}
    # Both axes measure something: what is left over belongs to the one that has nothing yet.
    if len(told) == 1:
        other = 1 - next(iter(told))
        sides = [other if side is None else side for side in sides]
    is_told = bool(told) and None not in sides
    on_second = frozenset(index for index, side in enumerate(sides) if side == 1)
    return Binding(on_second, (titles[0], titles[1]), is_told)


def _title(page: Page, axis: ValueAxis, plot: PixelBox) -> str:
    if axis.box.center_x < page.width / 2:
        return title_beside(page, 0.0, axis.box.x_min, plot.y_min, plot.y_max)
    return title_beside(page, axis.box.x_max, page.width, plot.y_min, plot.y_max)


def _by_words(name: str, titles: Sequence[str], units: Sequence[str]) -> int | None:
    if _RIGHT.search(name):
        return 1
    if _LEFT.search(name):
        return 0
    plain = _plain(name)
    if not plain:
        return None
    same = [bool(_plain(title)) and (_plain(title) in plain or plain in _plain(title)) for title in titles]
    if same[0] != same[1]:
        return int(same[1])
    in_percent = ["%" in (unit, title[-1:], title[-2:-1]) for unit, title in zip(units, titles, strict=True)]
    if in_percent[0] != in_percent[1] and "%" in name:
        return int(in_percent[1])
    return None


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def _by_color(color: NDArray[np.float32], prints: Sequence[NDArray[np.float32] | None]) -> int | None:
    """Return the axis printed in the series' colour; hue decides, as thin letters mix with the paper."""
    if float(np.hypot(color[1], color[2])) < _CHROMA:
        grey = [side for side, ink in enumerate(prints) if ink is None]
        return grey[0] if len(grey) == 1 else None
    distance = [_hue_distance(color, ink) if ink is not None else float("inf") for ink in prints]
    nearest = int(np.argmin(distance))
    clear = distance[nearest] < _SAME and distance[1 - nearest] - distance[nearest] > _CLEARLY
    return nearest if clear else None


def _hue_distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the distance on the circle of hues, as a chord at the first colour's chroma."""
    angle = math.atan2(one[2], one[1]) - math.atan2(other[2], other[1])
    return 2 * math.hypot(one[1], one[2]) * abs(math.sin(angle / 2))


def _print_color(page: Page, axis: ValueAxis, plot: PixelBox) -> NDArray[np.float32] | None:
    """Return the colour of an axis's labels, or of its title where those are black; None for grey print."""
    height = page.text_height
    on_left = axis.box.center_x < page.width / 2
    labels = [tick.box for tick in axis.ticks]
    titles = [
        word.box
        for word in page.turned
        if (word.box.center_x < axis.box.x_min if on_left else word.box.center_x > axis.box.x_max)
        and plot.y_min - height <= word.box.center_y <= plot.y_max + height
    ]
    for boxes in (labels, titles):
        inks = []
        for box in boxes:
            x0, y0, x1, y1 = (round(edge) for edge in box.clipped(page.width, page.height))
            lab = page.lab[y0:y1, x0:x1].reshape(-1, 3)
            inks.append(lab[np.linalg.norm(lab - page.background, axis=1) > _SAME])
        ink = np.concatenate(inks) if inks else np.zeros((0, 3), np.float32)
        if len(ink) < _LEAST_INK:
            continue
        # The cores of strokes, not their soft edges.
        away = np.linalg.norm(ink - page.background, axis=1)
        color = np.median(ink[away >= np.quantile(away, 0.6)], axis=0).astype(np.float32)
        if float(np.hypot(color[1], color[2])) >= _CHROMA:
            return np.asarray(color, dtype=np.float32)
    return None
