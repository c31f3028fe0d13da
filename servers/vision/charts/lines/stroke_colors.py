"""The colours of the lines in a plot: those of ink that is thin, and reaches across."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.axes.plot_area import PlotArea
from servers.vision.charts.picture.bounds import MOST_INK_COLORS, MOST_LINE_COLORS
from servers.vision.charts.picture.colors import Palette, distance_from
from servers.vision.charts.picture.inks import Inks, find_inks
from servers.vision.charts.picture.page import Mask, Page

Color = NDArray[np.float32]

_INK = 16.0  # colour difference from the paper at which a pixel may be the core of a line
SAME_LINE = 13.0
_SAME_SHADE = 30.0
_BESIDE = 0.4
_CORE_SHADE = 0.6
_CORE_QUANTILE = 0.85
_PUREST = 0.6
_LEAST_PURER = 1.15  # of the pixels in the colour itself
_OFF_CORE = 7.0
_DEEP, _DEEPEST = 1.35, 2.6
_OFF_MIX = 16.0  # how far an antialiased pixel may lie off the straight mix of line and paper
_OFF_BLUR = 20.0  # the same for what JPEG makes of its flanks
_CLOSE = 18.0  # difference of two shades that JPEG makes of one small mark
_LEAST_SPAN = 0.18  # of the plot's width that a line covers
_MOST_LINES = 14
_BROAD = 1.3  # letter heights: no line is as thick, no error band as thin
_BROAD_SHARE = 0.01  # of the plot
_SAME_BROAD = 8.0
_BESIDE_MIX, _BESIDE_BLUR = 0.6, 0.75  # share of a flank's pixels that have the line next to them
_LETTERING = 0.6  # share of a piece of ink in words from which it is a letter


class Thin:
    """The thin ink of a plot: its pixels by colour, without areas, words and rules."""

    def __init__(self, page: Page, palette: Palette, plot: PlotArea, words: Mask, inks: Inks) -> None:
        self.x0, self.y0, x1, y1 = (round(edge) for edge in plot.box)
        window = (slice(self.y0, y1), slice(self.x0, x1))
        self.page, self.palette, self.inks = page, palette, inks
        self.words: Mask = words[window]
        self.rules: Mask = plot.rules[window]
        self.covered: Mask = np.zeros(self.rules.shape, dtype=bool)
        self.away = distance_from(page, palette.papers)[window]
        self.broad = _broad_colors(page, palette, window)
        self._window = window

    def hide(self, mask: Mask) -> None:
        """Leave pixels out under which nothing can be seen, bool [h, w] of the image: a legend's box."""
        self.covered = self.covered | mask[self._window]

    def bare(self) -> Mask:
        """Return where nothing is drawn, bool [h, w]: paper and error bands."""
        is_bare = np.min(
            np.stack([self.inks.distance_to(color) for color in (*self.palette.papers, *self.broad)]), axis=0
        )
        return np.asarray((is_bare < _SAME_BROAD)[self.inks.owner], dtype=bool)

    def coverage(self, color: Color, others: Sequence[Color], *, deeper: bool = False) -> NDArray[np.float32]:
        """Return how much of each pixel a line of the colour covers, float32 [h, w], 0 to 1.

        Args:
          others: colours of other lines; pixels nearer to one of them count little.
          deeper: count colours farther from the paper too, as where translucent marks overlap.
        """
        share = _mixed(self.inks.lab, self.palette.papers, color, _DEEPEST if deeper else _DEEP)
        if others:
            closest = np.min(np.stack([self.inks.distance_to(other) for other in others]), axis=0)
            share[closest < self.inks.distance_to(color)] *= 0.3
        for band in self.broad:
            share[self.inks.distance_to(band) < _SAME_BROAD] = 0.0
        ink = share[self.inks.owner]
        ink[self._lettering(ink) | self.rules | self.covered] = 0.0
        return ink

    def _lettering(self, ink: NDArray[np.float32]) -> Mask:
        """Return the pieces of ink that stand in words and don't go on beyond them, as a line's do, bool [h, w]."""
        if not (self.words & (ink > 0.3)).any():
            return self.words
        count, pieces = cv2.connectedComponents((ink > 0.3).astype(np.uint8), connectivity=8)
        size = np.bincount(pieces.ravel(), minlength=count)
        inside = np.bincount(pieces[self.words], minlength=count)
        in_words = inside > _LETTERING * size
        in_words[0] = False
        return np.asarray(in_words[pieces] | (self.words & (pieces == 0)), dtype=bool)


def find_thin(page: Page, palette: Palette, plot: PlotArea, *, words: Mask) -> Thin | None:
    """Return the thin ink of the plot, or None where the plot is too small or has the colours of a photo.

    Args:
      words: where words stand, bool [h, w].
    """
    x0, y0, x1, y1 = (round(edge) for edge in plot.box)
    if x1 - x0 < 20 or y1 - y0 < 20:
        return None
    inks = find_inks(page.rgb[y0:y1, x0:x1])
    if len(inks) > MOST_INK_COLORS:
        page.cuts.add("many_shades", f"the plot has {len(inks)} different colours; no line was looked for in it")
        return None
    return Thin(page, palette, plot, words, inks)


def line_colors(thin: Thin, *, least_span: float = _LEAST_SPAN) -> list[Color]:
    """Return the colours of line cores that reach across enough columns, the longest first.

    Args:
      least_span: share of the plot's columns.

    A core is where the difference from the paper is greatest among its neighbours above and below or left and right:
    antialiased flanks are not.
    """
    page, inks, away = thin.page, thin.inks, thin.away
    vertical = cv2.dilate(away, np.ones((3, 1), np.uint8))
    horizontal = cv2.dilate(away, np.ones((1, 3), np.uint8))
    core = (away > _INK) & ((away >= vertical - 0.5) | (away >= horizontal - 0.5)) & ~thin.words & ~thin.rules
    rows, columns = np.nonzero(core)
    if len(rows) < 10:
        return []
    inked = inks.owner[rows, columns]
    bins = np.round(inks.lab / 6.0).astype(np.int64) + 64
    _, bin_of = np.unique(bins @ np.array([1 << 16, 1 << 8, 1]), return_inverse=True)
    inverse = bin_of[inked]
    counts = np.bincount(inverse)
    pixels_of = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
    centers: list[Color] = []
    for position in np.argsort(counts)[::-1][:60]:
        if counts[position] < 4:
            break
        color = np.median(inks.lab[inked[pixels_of[position]]], axis=0)
        if all(np.linalg.norm(color - other) >= SAME_LINE for other in centers):
            centers.append(color.astype(np.float32))
    centers = _strongest(centers, inks, core, page.background)
    if not centers:
        return []
    distances = np.stack([inks.distance_to(center) for center in centers])
    shades = np.stack([_mixed(inks.lab, thin.palette.papers, center) for center in centers]) > _CORE_SHADE
    near = np.where(shades & (distances < _SAME_SHADE), distances, np.inf).min(axis=0) < np.inf
    owner = np.where((distances.min(axis=0) < SAME_LINE) | near, distances.argmin(axis=0), -1)[inked]
    width = thin.rules.shape[1]
    kept = []
    for index, center in enumerate(centers):
        if any(float(np.linalg.norm(center - band)) < _SAME_BROAD for band in thin.broad):
            continue
        reach = int(np.count_nonzero(np.bincount(columns[owner == index], minlength=width)))
        if reach >= least_span * width:
            kept.append((reach, center))
    kept.sort(key=lambda item: -item[0])
    if len(kept) > MOST_LINE_COLORS:
        page.cuts.add("many_line_colors", f"{len(kept)} colours run across the picture; no line was looked for in it")
        return []
    bare = away < 3.0
    paper = np.median(inks.lab[inks.owner[bare]], axis=0) if bare.any() else np.array([100.0, 0.0, 0.0], np.float32)
    colors = [
        _core(center, [other for _, other in kept if other is not center], inks, away, core, paper)
        for _, center in kept
    ]
    return [color for color in colors if not _is_flank(color, colors, inks, paper)][:_MOST_LINES]


def is_mix(color: Color, other: Color, paper: NDArray[np.floating]) -> bool:
    """Tell whether a colour is the other one mixed with the paper, as antialiased pixels are."""
    span = paper - other
    t = float((color - other) @ span) / max(float(span @ span), 1e-6)
    return 0.12 < t < 0.9 and float(np.linalg.norm(color - other - t * span)) < 9.0


def _core(
    center: Color, others: Sequence[Color], inks: Inks, away: NDArray[np.float32], core: Mask, paper: Color
) -> Color:
    """Return a line's colour where it covers whole pixels: thin slanted lines show it in a few places only."""
    span = paper - inks.lab
    length = np.maximum((span * span).sum(axis=1), 1e-6)
    t = ((center - inks.lab) * span).sum(axis=1) / length
    off = np.linalg.norm(center - inks.lab - t[:, None] * span, axis=1)
    purer = (t > 0.0) & (t < _PUREST) & (off < _OFF_CORE)
    for other in others:
        purer &= inks.distance_to(other) > SAME_LINE
    own = (inks.distance_to(center) < SAME_LINE)[inks.owner] & core
    # Only beside the colour itself: dark letters are purer than a grey line too, but elsewhere.
    beside = cv2.dilate(own.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    same = (purer[inks.owner] & core & beside) | own
    if same.sum() < _LEAST_PURER * own.sum() or not own.any():
        return center
    strong = same & (away >= float(np.quantile(away[same], _CORE_QUANTILE)))
    return np.asarray(np.median(inks.lab[inks.owner[strong]], axis=0), dtype=np.float32)


def _strongest(centers: Sequence[Color], inks: Inks, core: Mask, paper: Color) -> list[Color]:
    """Return the colours without those that a thin line shows where pixels part it: a little paler than its core."""
    kept = []
    for color in centers:
        purer = [
            other
            for other in centers
            if other is not color and float(np.linalg.norm(color - other)) < _SAME_SHADE and is_mix(color, other, paper)
        ]
        if not any(_is_beside(color, other, inks, core) for other in purer):
            kept.append(color)
    return kept


def _is_beside(color: Color, other: Color, inks: Inks, core: Mask) -> bool:
    """Tell whether a good part of a colour's pixels have the other colour next to them."""
    here = (inks.distance_to(color) < SAME_LINE * 0.7)[inks.owner] & core
    there = (inks.distance_to(other) < SAME_LINE).astype(np.uint8)[inks.owner]
    beside = cv2.dilate(there, np.ones((7, 7), np.uint8)).astype(bool)
    return bool(here.any()) and float(beside[here].mean()) > _BESIDE


def _is_flank(color: Color, colors: Sequence[Color], inks: Inks, paper: NDArray[np.floating]) -> bool:
    """Tell whether a colour is the flank of a stronger line: a mix of it with the paper, and beside it.

    JPEG keeps colour more coarsely than light: its flanks are as dark as the line and paler in hue only.
    """
    mixed = [
        (other, _BESIDE_MIX if is_mix(color, other, paper) or _is_close(color, other) else _BESIDE_BLUR)
        for other in colors
        if other is not color and (is_mix(color, other, paper) or _is_blur(color, other, paper))
    ]
    if not mixed:
        return False
    here = (inks.distance_to(color) < SAME_LINE * 0.7)[inks.owner]
    for other, least in mixed:
        strong = (inks.distance_to(other) < SAME_LINE).astype(np.uint8)[inks.owner]
        beside = cv2.dilate(strong, np.ones((5, 5), np.uint8)).astype(bool)
        if float(beside[here].mean()) > least:
            return True
    return False


def _is_close(color: Color, other: Color) -> bool:
    return float(np.linalg.norm(color - other)) < _CLOSE


def _is_blur(color: Color, other: Color, paper: NDArray[np.floating]) -> bool:
    """Tell whether a colour lies about on the way from the paper to another one, and not beyond it."""
    span = other - paper
    t = float((color - paper) @ span) / max(float(span @ span), 1e-6)
    return 0.1 < t < 1.0 and float(np.linalg.norm(color - paper - t * span)) < _OFF_BLUR


def _broad_colors(page: Page, palette: Palette, window: tuple[slice, slice]) -> list[Color]:
    """Return the colours of areas in the window that are thicker than any line: error bands, bars, panels."""
    labels = palette.labels[window]
    side = max(7, round(_BROAD * page.text_height))
    square = np.ones((side, side), np.uint8)
    found = []
    for index in np.unique(labels[labels >= 0]).tolist():
        mask = (labels == index).astype(np.uint8)
        if mask.mean() < _BROAD_SHARE:
            continue
        if cv2.erode(mask, square).any() and cv2.morphologyEx(mask, cv2.MORPH_OPEN, square).mean() > _BROAD_SHARE:
            found.append(palette.fills[index].lab)
    return found


def _mixed(
    lab: NDArray[np.float32], papers: Sequence[Color], color: Color, deepest: float = _DEEP
) -> NDArray[np.float32]:
    """Return the place of each colour [n, 3] between paper and line, 0 to 1; 0 off the straight way between them."""
    best = np.zeros(len(lab), dtype=np.float32)
    for paper in papers:
        span = color - paper
        length = float(span @ span)
        if length < 100.0:
            continue
        t = (lab - paper) @ span / length
        off = np.linalg.norm(lab - paper - t[:, None] * span, axis=1)
        value = np.where((off < _OFF_MIX) & (t < deepest), np.clip(t, 0, 1), 0)
        best = np.maximum(best, value.astype(np.float32))
    return best
