"""Pictures that lie askew are read straight, and everything read from them stands where it was seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from loupe.type.v1.geometry_pb2 import Box
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.vision.reading import read_image
from servers.vision.skew import Turn, find_turn
from tests.golden.chart_factory import bars

Rgb = NDArray[np.uint8]


def _turned(rgb: Rgb, degrees: float) -> Rgb:
    """Return the picture turned counter-clockwise on a larger white sheet."""
    height, width = rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    matrix[:, 2] += (30, 30)
    size = (width + 60, height + 60)
    return np.asarray(cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_CUBIC, borderValue=(255.0,) * 3), np.uint8)


@pytest.mark.parametrize("degrees", [-4.5, -1.5, 2.0, 5.0])
def test_the_angle_of_a_chart_is_found_to_a_tenth_of_a_degree(degrees):
    turn = find_turn(_turned(bars().rgb, degrees))
    assert turn is not None
    assert turn.angle_deg == pytest.approx(-degrees, abs=0.1)


def test_straight_pictures_blank_ones_and_noise_are_left_alone():
    assert find_turn(bars().rgb) is None
    assert find_turn(np.full((200, 300, 3), 250, np.uint8)) is None
    noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3)).astype(np.uint8)
    assert find_turn(noise) is None


def test_a_chart_askew_gives_the_values_of_the_straight_one():
    drawn = bars()
    turned = _turned(drawn.rgb, 3.0)
    answer = read_image(turned)
    assert (answer.width_px, answer.height_px) == (turned.shape[1], turned.shape[0])
    (figure,) = answer.figures
    (series,) = figure.chart.series
    assert [point.label for point in series.points] == list(drawn.labels)
    assert [point.y.number for point in series.points] == pytest.approx([34, 61, 18, 47, 72], abs=0.5)
    axis = next(axis for axis in figure.chart.axes if axis.HasField("calibration"))
    for tick in axis.ticks:
        line = axis.calibration
        assert line.slope * tick.position_px + line.intercept == pytest.approx(tick.number, abs=0.3)


def test_boxes_are_the_upright_ones_around_the_turned():
    turn = Turn(5.0, 400, 300)
    matrix, (width, height) = turn.matrix()
    answer = AnalyzeImageResponse(width_px=width, height_px=height)
    center = matrix @ np.array([100.0, 200.0, 1.0])
    answer.text_blocks.add().box.CopyFrom(
        Box(x_min=center[0] - 20, x_max=center[0] + 20, y_min=center[1] - 5, y_max=center[1] + 5)
    )
    turn.turn_back(answer)
    box = answer.text_blocks[0].box
    assert ((box.x_min + box.x_max) / 2, (box.y_min + box.y_max) / 2) == pytest.approx((100, 200))
    assert (box.x_max - box.x_min, box.y_max - box.y_min) == pytest.approx((40.72, 13.45), abs=0.01)
    assert (answer.width_px, answer.height_px) == (400, 300)
