"""Reading order: the angle with most text first, row by row within each."""

from __future__ import annotations

import numpy as np

from servers.vision.geometry import PixelBox, union
from servers.vision.text.reading import Reading


def in_order(readings: list[Reading]) -> list[Reading]:
    """Return the readings by angle, the angle with the most letters first, and row by row within each."""
    groups: dict[int, list[Reading]] = {}
    for reading in readings:
        if reading.words:
            groups.setdefault(reading.angle_deg, []).append(reading)
    ordered: list[Reading] = []
    for angle, group in sorted(groups.items(), key=lambda item: (-sum(len(r.text) for r in item[1]), item[0])):
        placed = [(reading, _turned(reading, angle)) for reading in group]
        placed.sort(key=lambda item: (item[1].center_y, item[1].x_min))
        rows: list[list[tuple[Reading, PixelBox]]] = []
        for item in placed:
            if rows and item[1].center_y < rows[-1][0][1].y_max - 0.25 * rows[-1][0][1].height:
                rows[-1].append(item)
            else:
                rows.append([item])
        for row in rows:
            ordered += [reading for reading, _ in sorted(row, key=lambda item: item[1].x_min)]
    return ordered


def _turned(reading: Reading, angle: int) -> PixelBox:
    """Return the reading's box on the page turned so that the text is upright."""
    box = union(word.box for word in reading.words)
    turn = np.deg2rad(angle)
    cosine, sine = float(np.cos(turn)), float(np.sin(turn))
    corners = [(x * cosine - y * sine, x * sine + y * cosine) for x in box[::2] for y in box[1::2]]
    xs, ys = zip(*corners, strict=True)
    return PixelBox(min(xs), min(ys), max(xs), max(ys))
