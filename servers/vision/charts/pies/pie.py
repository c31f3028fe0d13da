"""Pies and rings: a disc parted by angle into fills."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.picture.colors import Palette
from servers.vision.charts.picture.page import Page
from servers.vision.geometry import PixelBox

_STEP_DEG = 0.25
_LEAST_DIAMETER = 0.2  # of the image's shorter side
_DISC_SHARE = (0.74, 0.83)  # of its box that a disc covers: pi / 4 = 0.785
_LEAST_SECTOR_DEG = 1.0
_EDGE_DEG = 2.0
_EDGE_SHARE = 0.8  # of the radius


@dataclass(frozen=True, slots=True)
class Sector:
    """One slice; angles clockwise from twelve o'clock."""

    fill: int
    start_deg: float
    sweep_deg: float

    @property
    def middle_deg(self) -> float:
        """Direction of the slice's bisector."""
        return (self.start_deg + self.sweep_deg / 2) % 360.0

    @property
    def share(self) -> float:
        """Of the whole, 0 to 1."""
        return self.sweep_deg / 360.0


@dataclass(frozen=True, slots=True)
class Pie:
    """A disc and its slices, clockwise from the first that begins at or after twelve o'clock."""

    x: float
    y: float
    radius: float
    sectors: tuple[Sector, ...]
    is_ring: bool

    @property
    def box(self) -> PixelBox:
        """Around the disc."""
        return PixelBox(self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius)

    def direction_of(self, x: float, y: float) -> float:
        """Return the angle of a point seen from the centre, degrees clockwise from twelve o'clock."""
        return float(np.degrees(np.arctan2(x - self.x, self.y - y)) % 360.0)

    def distance_of(self, x: float, y: float) -> float:
        """Return how far a point is from the centre, in radii."""
        return float(np.hypot(x - self.x, y - self.y) / self.radius)


def find_pie(page: Page, palette: Palette) -> Pie | None:
    """Return the largest disc of at least two fills, or None."""
    text = page.text_mask()
    colored = (palette.labels >= 0).astype(np.uint8)
    # Open first: leader lines and letters hang on the disc; then close over gaps between slices and printed labels.
    body = cv2.morphologyEx(colored, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    body = cv2.morphologyEx(body, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)).astype(np.uint8)
    contours, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    best: Pie | None = None
    for contour in sorted(contours, key=cv2.contourArea, reverse=True)[:4]:
        x, y, w, h = cv2.boundingRect(contour)
        if min(w, h) < _LEAST_DIAMETER * min(page.width, page.height) or not 0.9 < w / h < 1.11:
            continue
        hull = cv2.convexHull(contour)
        if not _DISC_SHARE[0] < cv2.contourArea(hull) / (w * h) < _DISC_SHARE[1]:
            continue
        if cv2.contourArea(contour) < 0.9 * cv2.contourArea(hull):
            continue
        radii = np.hypot(hull[:, 0, 0] - (x + w / 2 - 0.5), hull[:, 0, 1] - (y + h / 2 - 0.5))
        if float(radii.std()) > 0.03 * (w + h) / 4:
            continue
        pie = _slice(palette, text, x + w / 2, y + h / 2, (w + h) / 4)
        if pie is not None and (best is None or pie.radius > best.radius):
            best = pie
    return best


def _slice(palette: Palette, text: NDArray[np.bool_], x: float, y: float, radius: float) -> Pie | None:
    angles = np.arange(0.0, 360.0, _STEP_DEG)
    radii = np.linspace(0.62, 0.95, 24) * radius
    columns = np.clip(
        np.rint(x - 0.5 + np.outer(np.sin(np.radians(angles)), radii)), 0, palette.labels.shape[1] - 1
    ).astype(int)
    rows = np.clip(
        np.rint(y - 0.5 - np.outer(np.cos(np.radians(angles)), radii)), 0, palette.labels.shape[0] - 1
    ).astype(int)
    labels, hidden = palette.labels[rows, columns], text[rows, columns]
    count = len(palette.fills)
    votes = np.stack(
        [
            ((labels == fill) & ~hidden).sum(axis=1) + 0.2 * ((labels == fill) & hidden).sum(axis=1)
            for fill in range(count)
        ]
    )
    winner = np.where(votes.max(axis=0) >= 2, votes.argmax(axis=0), -1)
    bare = ((labels < 0) & ~hidden).mean(axis=1) > _EDGE_SHARE
    sectors = _sectors(winner, bare)
    if len(sectors) < 2:
        return None
    inner = np.linspace(0.02, 0.25, 8) * radius
    columns = np.rint(x - 0.5 + np.outer(np.sin(np.radians(angles[::40])), inner)).astype(int)
    rows = np.rint(y - 0.5 - np.outer(np.cos(np.radians(angles[::40])), inner)).astype(int)
    is_ring = bool((palette.labels[rows, columns] < 0).mean() > 0.6)
    return Pie(x, y, radius, tuple(sectors), is_ring)


def _sectors(winner: NDArray[np.int64], bare: NDArray[np.bool_]) -> list[Sector]:
    """Return the runs of one fill around the circle; thin ones are edges, their angle goes to both neighbours.

    Args:
      winner: int64 [n], the fill at each angle, -1 for none.
      bare: bool [n], where no fill is along the whole radius: an edge, which parts slices of one fill too.
    """
    n = len(winner)
    changes = np.flatnonzero(winner != np.roll(winner, 1))
    if len(changes) < 2:
        return []
    runs = []
    for begin, end in zip(changes.tolist(), np.roll(changes, -1).tolist(), strict=True):
        length = int((end - begin) % n)
        runs.append((int(winner[begin]), int(begin), length))
    kept = [run for run in runs if run[0] >= 0 and run[2] * _STEP_DEG >= _LEAST_SECTOR_DEG]
    merged: list[tuple[int, int, int]] = []
    for fill, begin, length in kept:
        end = merged[-1][1] + merged[-1][2] if merged else 0
        joins = bool(merged) and merged[-1][0] == fill and (begin - end) * _STEP_DEG < _EDGE_DEG
        if joins and not bare[end:begin].any():
            merged[-1] = (fill, merged[-1][1], begin + length - merged[-1][1])
        else:
            merged.append((fill, begin, length))
    if (
        len(merged) > 1
        and merged[0][0] == merged[-1][0]
        and (merged[0][1] + n - merged[-1][1] - merged[-1][2]) * _STEP_DEG < _EDGE_DEG
        and not np.r_[bare[merged[-1][1] + merged[-1][2] :], bare[: merged[0][1]]].any()
    ):
        last = merged.pop()
        merged[0] = (last[0], last[1], merged[0][1] + n - last[1] + merged[0][2])
    edges = []
    for index, (_, begin, _) in enumerate(merged):
        before = merged[index - 1]
        gap = (begin - before[1] - before[2]) % n
        edges.append((begin - gap / 2) * _STEP_DEG)
    sectors = []
    for index, (fill, _, _) in enumerate(merged):
        start, stop = edges[index], edges[(index + 1) % len(edges)]
        sectors.append(Sector(fill, (start - _STEP_DEG / 2) % 360.0, (stop - start) % 360.0 or 360.0))
    return sorted(sectors, key=lambda sector: (sector.start_deg + 2.0) % 360.0)
