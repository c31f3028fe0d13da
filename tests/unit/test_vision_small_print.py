"""What recognition loses in small print and charts restore: percent signs, decimal points, dashes of ranges."""

from __future__ import annotations

import numpy as np
import pytest

from servers.vision.charts.picture.lost_points import with_points
from servers.vision.charts.picture.page import lab_of
from servers.vision.charts.picture.percent_signs import percent_reader, with_percent_signs
from servers.vision.charts.picture.ranges import with_ranges
from servers.vision.geometry import PixelBox
from servers.vision.text import Word


def column(*texts: str) -> list[Word]:
    return [
        Word(text, PixelBox(30 - 6 * len(text), 20 * row, 30, 20 * row + 10), 0.9) for row, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        (["4296", "5896", "50%6", "45%"], ["42%", "58%", "50%", "45%"]),
        (["2⁰0", "1500", "300"], ["2%", "15%", "3%"]),
        (["8096", "6096", "4096", "096"], ["80%", "60%", "40%", "0%"]),
    ],
)
def test_numbers_that_all_end_in_what_a_percent_sign_reads_as_are_shares(printed, read):
    restore = percent_reader(printed)
    assert restore is not None
    assert [restore(text) for text in printed] == read


@pytest.mark.parametrize(
    "texts", [["1992", "1996", "2000", "2004"], ["100", "200", "300"], ["96", "12%", "1,296", "7"]]
)
def test_years_and_round_numbers_are_no_shares(texts):
    assert percent_reader(texts) is None


def test_ticks_in_a_column_get_their_percent_signs_back():
    words = with_percent_signs(column("8096", "6096", "4096", "2096", "096"), 10.0)
    assert [word.text for word in words] == ["80%", "60%", "40%", "20%", "0%"]


def test_ticks_in_a_column_get_their_decimal_points_back():
    assert [word.text for word in with_points(column("005-", "004", "003"), 10.0)] == ["0.05", "0.04", "0.03"]
    assert [word.text for word in with_points(column("05", "04", "03"), 10.0)] == ["05", "04", "03"]


def test_two_numbers_with_a_dash_drawn_between_them_are_a_range():
    rgb = np.full((20, 60, 3), 255, np.uint8)
    words = [Word("18", PixelBox(2, 4, 18, 16), 0.9), Word("24", PixelBox(32, 4, 48, 16), 0.8)]
    paper = np.array([100, 0, 0], np.float32)
    assert [word.text for word in with_ranges(words, lab_of(rgb), paper)] == ["18", "24"]
    rgb[10:12, 21:29] = 0
    assert [word.text for word in with_ranges(words, lab_of(rgb), paper)] == ["18–24"]
