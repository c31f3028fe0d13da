"""Measures where the points of a series are in the picture that was just drawn, in pixels from its upper left corner.

Only while the figure is being written: afterwards matplotlib sets its resolution and what it cut away back.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def boxes(series: dict[str, Any], axes: Any, most: int) -> Any:
    """Return x_min, y_min, x_max, y_max of a series' first points, at most so many, as integers [n, 4].

    A box is cut at what the axes show: one without width or height does not show.
    """
    artists = series["artists"]
    kind = series["kind"]
    if kind == "LINE" or (kind == "SCATTER" and hasattr(artists[0], "get_xydata")):
        found = _around(_points_of_line(artists[0], most), _reach_of_line(artists[0]))
    elif kind == "SCATTER":
        found = _dots(artists[0], most)
    elif kind == "AREA" or type(artists[0]).__name__ == "StepPatch":
        found = _spans(series, artists[0], axes, most)
    elif kind == "IMAGE":
        found = _cells_of_grid(artists[0], series, axes, most)
    else:
        found = np.array([artist.get_window_extent().extents for artist in artists[:most]], float).reshape(-1, 4)
    return _pixels(found, artists[0], axes)


def _points_of_line(line: Any, most: int) -> Any:
    return line.get_transform().transform(np.column_stack(line.get_data(orig=False)).astype(float)[:most])


def _reach_of_line(line: Any) -> float:
    has_marker = line.get_marker() not in ("None", "none", " ", "", None)
    points = max(line.get_linewidth(), line.get_markersize() if has_marker else 0.0)
    return float(points) * _pixels_a_point(line) / 2


def _dots(collection: Any, most: int) -> Any:
    places = collection.get_offset_transform().transform(np.ma.filled(collection.get_offsets(), np.nan)[:most])
    sizes = np.asarray(collection.get_sizes(), float)
    # A size is an area in points.
    widths = np.sqrt(np.resize(sizes, len(places)) if len(sizes) else np.zeros(len(places)))
    return _around(places, widths[:, None] * _pixels_a_point(collection) / 2)


def _spans(series: dict[str, Any], artist: Any, axes: Any, most: int) -> Any:
    """Return what each place spans from base to value: a step as wide as it is, a place on an edge two pixels."""
    x, low, high = (np.asarray(series[name], float)[:most] for name in ("x", "base", "y"))
    left = right = x
    if "edges" in series:
        left, right = series["edges"][:-1][:most], series["edges"][1:][:most]
    one = axes.transData.transform(np.column_stack([left, low]))
    other = axes.transData.transform(np.column_stack([right, high]))
    margin = np.array([0.0 if "edges" in series else 1.0, 0.0])
    return np.concatenate([np.minimum(one, other) - margin, np.maximum(one, other) + margin], axis=1)


def _cells_of_grid(image: Any, series: dict[str, Any], axes: Any, most: int) -> Any:
    """Return the cells of a picture, row after row; nothing of a grid whose lines are not straight."""
    rows, columns = series["row_count"], series["column_count"]
    if type(image).__name__ != "AxesImage" or not rows * columns:
        return np.empty((0, 4))
    left, right, bottom, top = image.get_extent()
    if image.origin == "upper":
        bottom, top = top, bottom
    row, column = np.divmod(np.arange(min(most, rows * columns)), columns)
    corners = [
        np.column_stack(
            [left + (right - left) * (column + end) / columns, bottom + (top - bottom) * (row + end) / rows]
        )
        for end in (0, 1)
    ]
    one, other = (axes.transData.transform(corner) for corner in corners)
    return np.concatenate([np.minimum(one, other), np.maximum(one, other)], axis=1)


def _around(places: Any, reach: Any) -> Any:
    return np.concatenate([places - reach, places + reach], axis=1)


def _pixels_a_point(artist: Any) -> float:
    return float(artist.get_figure(root=True).dpi) / 72


def _pixels(found: Any, artist: Any, axes: Any) -> Any:
    """Return boxes from the upper left corner, whole pixels, within the picture and what the axes show of it."""
    if not len(found):
        return np.empty((0, 4), int)
    picture = artist.get_figure(root=True).bbox
    height = int(picture.height)
    shown = [0, 0, int(picture.width), height]
    if artist.get_clip_on():
        (x0, y0), (x1, y1) = axes.bbox.get_points()
        shown = [max(0, int(x0)), max(0, height - int(np.ceil(y1))), min(shown[2], int(np.ceil(x1))), height - int(y0)]
    flipped = np.column_stack([found[:, 0], height - found[:, 3], found[:, 2], height - found[:, 1]])
    # Points that are no numbers are left out later: they need a place, and no more.
    whole = np.nan_to_num(flipped, nan=0.0, posinf=1e6, neginf=-1e6)
    whole = np.concatenate([np.floor(whole[:, :2]), np.ceil(whole[:, 2:])], axis=1)
    lower, upper = _bounds(shown, (0, 1)), _bounds(shown, (2, 3))
    return np.concatenate([whole[:, :2].clip(lower, upper), whole[:, 2:].clip(lower, upper)], axis=1).astype(int)


def _bounds(shown: Sequence[int], places: tuple[int, int]) -> Any:
    return np.array([shown[place] for place in places], float)
