"""Category labels in two levels."""

from __future__ import annotations

import numpy as np

from servers.vision.charts.axes.categories import labels_below
from servers.vision.charts.picture.page import prepare
from servers.vision.geometry import PixelBox
from servers.vision.text import Word

CENTERS = [50.0 + 40 * k for k in range(8)]


def _labels(below: list[tuple[str, float]]) -> list[str]:
    words = [Word(f"Q{k % 4 + 1}", PixelBox(x - 6, 210, x + 6, 220), 0.95) for k, x in enumerate(CENTERS)] + [
        Word(text, PixelBox(x - 12, 232, x + 12, 242), 0.95) for text, x in below
    ]
    page = prepare(np.full((260, 400, 3), 255, np.uint8), words)
    return [label.text for label in labels_below(page, CENTERS, 205.0)]


def test_labels_that_repeat_take_the_name_of_their_group():
    assert _labels([("2019", 110), ("2020", 270)]) == [
        *("Q1 2019", "Q2 2019", "Q3 2019", "Q4 2019"),
        *("Q1 2020", "Q2 2020", "Q3 2020", "Q4 2020"),
    ]


def test_a_title_below_is_no_group():
    assert _labels([("Quarter", 190)]) == ["Q1", "Q2", "Q3", "Q4", "Q1", "Q2", "Q3", "Q4"]
