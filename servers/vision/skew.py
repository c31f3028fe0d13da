"""By how many degrees a picture lies askew, the picture turned straight, and everything read from it turned back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from loupe.type.v1.figure_pb2 import AXIS_DIMENSION_X, AXIS_DIMENSION_Y2, Axis, Chart, Value
from loupe.type.v1.geometry_pb2 import Box
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.vision.geometry import box_of
from servers.vision.rescale import all_inside

_MOST_DEG = 6.0
_LEAST_DEG = 0.35  # less moves the ends of an axis by a few pixels and costs more in sharpness than it gives
_WORKING_PX = 1000  # the longer side while lines are looked for
_EDGE = 18  # of 255
_EVEN = 0.6  # the weakest part of a straight edge beside its strongest
_STRAIGHT_PX = 64  # an edge so long in one row or column is straight: at 1 degree it would leave the row after 57
_STRAIGHT_SHARE = 0.25  # of the shorter side, in larger pictures
_LEAST_SEGMENT = 0.05  # of the longer side
_LEAST_TOTAL = 0.8  # of the longer side, all agreeing segments together
_AGREE_DEG = 0.5
_AGREE_SHARE = 0.6

Rgb = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that makes a picture straight."""

    angle_deg: float
    """How far the picture lies turned clockwise."""
    width_px: int
    height_px: int
    """Of the picture as given."""

    def matrix(self) -> tuple[NDArray[np.float64], tuple[int, int]]:
        """Return (affine 2 x 3 from the given picture to the straight one, its size)."""
        w, h = self.width_px, self.height_px
        matrix = cv2.getRotationMatrix2D((w / 2, h / 2), self.angle_deg, 1.0)
        cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
        size = math.ceil(w * cosine + h * sine), math.ceil(w * sine + h * cosine)
        matrix[0, 2] += (size[0] - w) / 2
        matrix[1, 2] += (size[1] - h) / 2
        return np.asarray(matrix, np.float64), size

    def straightened(self, rgb: Rgb) -> Rgb:
        """Return the whole picture turned straight, the new corners in the colour of its rim."""
        matrix, size = self.matrix()
        rim = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
        paper = tuple(float(channel) for channel in np.median(rim, axis=0))
        # Pixel centres lie at half a pixel in boxes, at whole numbers in OpenCV.
        shifted = matrix.copy()
        shifted[:, 2] += 0.5 * (matrix[:, 0] + matrix[:, 1]) - 0.5
        turned = cv2.warpAffine(
            rgb, shifted, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=paper
        )
        return np.asarray(turned, np.uint8)

    def turn_back(self, answer: AnalyzeImageResponse) -> None:
        """Move everything read from the straight picture to the pixels of the given one, in place.

        A box becomes the upright one around the turned one; a position along an axis stays on that axis's line.
        """
        inverse = np.asarray(cv2.invertAffineTransform(self.matrix()[0]), np.float64)
        for inner in all_inside(answer):
            if isinstance(inner, Chart):
                _turn_positions(inner, inverse)
        for inner in all_inside(answer):
            if isinstance(inner, Box):
                _turn_box(inner, inverse, self.width_px, self.height_px)
        answer.width_px, answer.height_px = self.width_px, self.height_px


def find_turn(rgb: Rgb) -> Turn | None:
    """Return the turn that makes the picture straight, or None where it is straight or nothing tells.

    A picture with one long edge exactly along a row or a column is straight. In others, long lines tell: each leans by
    the same angle from level or upright where a whole page is askew.
    """
    height, width = rgb.shape[:2]
    factor = _WORKING_PX / max(height, width)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    if factor < 1:
        grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    if min(grey.shape) < 40 or _is_straight(np.asarray(grey, np.uint8)):
        return None
    angle = _common_angle(np.asarray(grey, np.uint8))
    return Turn(angle, width, height) if angle is not None and abs(angle) >= _LEAST_DEG else None


def _is_straight(grey: NDArray[np.uint8]) -> bool:
    """Tell whether an edge runs far along one row or one column, evenly: that of a leaning line swells and fades."""
    reach = max(_STRAIGHT_PX, round(_STRAIGHT_SHARE * min(grey.shape)))
    for edges, kernel in (
        (cv2.absdiff(grey[1:], grey[:-1]), np.ones((1, reach), np.uint8)),
        (cv2.absdiff(grey[:, 1:], grey[:, :-1]), np.ones((reach, 1), np.uint8)),
    ):
        least = cv2.erode(edges, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        most = cv2.dilate(edges, kernel)
        if ((least > _EDGE) & (least > _EVEN * most)).any():
            return True
    return False


def _common_angle(grey: NDArray[np.uint8]) -> float | None:
    """Return by how many degrees clockwise most long lines lean from level or upright, or None where they disagree."""
    segments = np.asarray(cv2.createLineSegmentDetector().detect(grey)[0], np.float64)
    if not segments.ndim:  # OpenCV gives None where there are none
        return None
    x0, y0, x1, y1 = segments.reshape(-1, 4).T
    length = np.hypot(x1 - x0, y1 - y0)
    lean = (np.degrees(np.arctan2(y1 - y0, x1 - x0)) + 45) % 90 - 45
    longer = max(grey.shape)
    usable = (length >= max(15.0, _LEAST_SEGMENT * longer)) & (np.abs(lean) <= _MOST_DEG)
    if not usable.any():
        return None
    length, lean = length[usable], lean[usable]
    order = np.argsort(lean)
    middle = float(lean[order][np.searchsorted(np.cumsum(length[order]), length.sum() / 2)])
    agree = np.abs(lean - middle) <= _AGREE_DEG
    total = float(length[agree].sum())
    if total < _LEAST_TOTAL * longer or total < _AGREE_SHARE * float(length.sum()):
        return None
    return float(np.average(lean[agree], weights=length[agree]))


def _turn_box(box: Box, inverse: NDArray[np.float64], width: int, height: int) -> None:
    corners = np.array([(x, y, 1.0) for x in (box.x_min, box.x_max) for y in (box.y_min, box.y_max)])
    xs, ys = (corners @ inverse.T).T
    box.x_min, box.x_max = float(np.clip(xs.min(), 0, width)), float(np.clip(xs.max(), 0, width))
    box.y_min, box.y_max = float(np.clip(ys.min(), 0, height)), float(np.clip(ys.max(), 0, height))


def _turn_positions(chart: Chart, inverse: NDArray[np.float64]) -> None:
    """Move positions along the axes: each to where its axis's line has it in the given picture."""
    plot = box_of(chart.plot_area)
    moves: dict[int, tuple[float, float]] = {}
    for axis in chart.axes:
        row = 0 if _runs_level(axis) else 1
        # The line of the axis: the plot's foot, its left side, or its right side for a second axis.
        side = plot.x_max if axis.dimension == AXIS_DIMENSION_Y2 else plot.x_min
        across = plot.y_max if row == 0 else side
        scale, shift = float(inverse[row, row]), float(inverse[row, 1 - row] * across + inverse[row, 2])
        moves[axis.dimension] = (scale, shift)
        for tick in axis.ticks:
            tick.position_px = scale * tick.position_px + shift
        for fit in [*([axis.calibration] if axis.HasField("calibration") else []), *axis.segments]:
            fit.slope /= scale
            fit.intercept -= fit.slope * shift
            fit.residual_px *= scale
            if fit.HasField("from_px"):
                fit.from_px = scale * fit.from_px + shift
            if fit.HasField("to_px"):
                fit.to_px = scale * fit.to_px + shift
    for series in chart.series:
        for point in series.points:
            _move(point.y, moves.get(series.value_axis))
            for x in (point.x, point.x_end):
                _move(x, moves.get(AXIS_DIMENSION_X))


def _move(value: Value, move: tuple[float, float] | None) -> None:
    if move is None:
        return
    if value.HasField("position_px"):
        value.position_px = move[0] * value.position_px + move[1]
    if value.HasField("base_px"):
        value.base_px = move[0] * value.base_px + move[1]


def _runs_level(axis: Axis) -> bool:
    """Tell whether the ticks run from left to right, whatever the axis is called."""
    if len(axis.ticks) < 2:
        return axis.dimension == AXIS_DIMENSION_X
    first, last = box_of(axis.ticks[0].box), box_of(axis.ticks[-1].box)
    return abs(first.center_x - last.center_x) > abs(first.center_y - last.center_y)
