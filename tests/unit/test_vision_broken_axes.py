"""Broken axes: two stretches, each with its own line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from loupe.type.v1 import figure_pb2
from servers.vision.charts import messages
from servers.vision.charts.axes.ticks import find_value_axes
from servers.vision.charts.picture.page import Page, prepare
from servers.vision.geometry import PixelBox
from servers.vision.text import Word


def _page(labels: Sequence[tuple[str, float]], spine: Sequence[tuple[int, int]] = ()) -> Page:
    """Return a page with right-aligned labels at these y, and an axis line drawn between these y."""
    rgb = np.full((400, 500, 3), 255, np.uint8)
    for top, bottom in spine:
        rgb[top:bottom, 66] = 0
    words = [Word(text, PixelBox(60 - 6 * len(text), y - 5, 60, y + 5), 0.95) for text, y in labels]
    return prepare(rgb, words)


UPPER = [("900", 60), ("850", 100), ("800", 140)]
LOWER = [("60", 220), ("40", 260), ("20", 300), ("0", 340)]


def test_each_stretch_measures_by_its_own_line():
    (axis,) = find_value_axes(_page([*UPPER, *LOWER], [(40, 160), (190, 340)]))
    assert axis.fit.value(120) == pytest.approx(825)
    assert axis.fit.value(280) == pytest.approx(30)
    assert axis.fit.pixel(875) == pytest.approx(80)
    assert axis.fit.pixel(10) == pytest.approx(320)
    assert [axis.fit.measures(y) for y in (150, 175, 200)] == [True, False, True]


def test_the_message_has_a_calibration_for_each_stretch_and_none_for_all():
    (axis,) = find_value_axes(_page([*UPPER, *LOWER], [(40, 160), (190, 340)]))
    message = messages.value_axis(axis, figure_pb2.AXIS_DIMENSION_Y, "", "")
    assert not message.HasField("calibration")
    assert [(part.from_px < part.to_px, part.tick_count) for part in message.segments] == [(True, 3), (True, 4)]
    assert message.segments[0].to_px == 160
    assert message.segments[1].from_px == 190
    assert len(message.ticks) == 7


def test_a_misread_label_at_the_end_breaks_no_axis():
    (axis,) = find_value_axes(_page([("180", 60), ("80", 140), ("60", 220), ("40", 300), ("20", 380)]))
    assert axis.fit.stretches == ()
    assert axis.fit.value(60) == pytest.approx(100)


def test_two_labels_beyond_count_only_with_a_gap_or_the_same_scale():
    two = [("900", 60), ("850", 110)]
    (whole,) = [axis for axis in find_value_axes(_page([*two, *LOWER], [(40, 340)])) if len(axis.ticks) > 2]
    assert whole.fit.stretches == ()
    (parted,) = [
        axis for axis in find_value_axes(_page([*two, *LOWER], [(40, 140), (190, 340)])) if len(axis.ticks) > 2
    ]
    assert len(parted.fit.stretches) == 2
