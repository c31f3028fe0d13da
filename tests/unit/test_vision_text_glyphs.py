"""Letters that recognition used to lose: heavy, lone, turned and slanted ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from servers.vision.geometry import PixelBox
from servers.vision.text import Word, read_words
from servers.vision.text.page import _once_each, has_paper
from tests.vision_pictures import font, text_picture


def letter_row(letters, *, turned):
    """Capitals under a horizontal axis with a tick at each, upright or running upward."""
    picture = Image.new("RGB", (60 + 45 * len(letters), 120), "white")
    draw = ImageDraw.Draw(picture)
    draw.line((30, 40, picture.width - 20, 40), "#888888")
    for index, letter in enumerate(letters):
        x = 50 + 45 * index
        draw.line((x, 40, x, 45), "#888888")
        tile = Image.new("RGB", (24, 24), "white")
        ImageDraw.Draw(tile).text((12, 12), letter, "black", font(13), anchor="mm")
        picture.paste(tile.rotate(90) if turned else tile, (x - 12, 52))
    return np.asarray(picture)


@pytest.mark.parametrize("size_px", [16, 20, 24, 30])
@pytest.mark.parametrize("name", ["DejaVuSans-Bold", "DejaVuSerif-Bold", "DejaVuSansMono-Bold"])
def test_heavy_letters_are_not_taken_for_markers(size_px, name):
    line = "Majority wants human rights"
    picture = text_picture([(20, 20, line)], size=(30 * size_px, 3 * size_px), size_px=size_px, name=name)
    assert " ".join(word.text for word in read_words(picture)) == line


@pytest.mark.parametrize("side_px", [8, 12, 16])
def test_discs_and_squares_are_still_no_letters(side_px):
    picture = Image.new("RGB", (300, 120), "white")
    draw = ImageDraw.Draw(picture)
    for x in (40, 100, 160):
        draw.rectangle((x, 20, x + side_px, 20 + side_px), fill="#4c78a8")
        draw.ellipse((x, 70, x + side_px, 70 + side_px), fill="#f58518")
    assert read_words(np.asarray(picture)) == []


@pytest.mark.parametrize("letters", ["ABCDEFGHI", "BAC", "XYZ", "WSOC"])
def test_lone_capitals_under_an_axis_keep_their_case_and_a_bare_stroke_is_i(letters):
    words = read_words(letter_row(letters, turned=False))
    assert [word.text for word in words] == list(letters)
    assert {word.angle_deg for word in words} == {0}


@pytest.mark.parametrize("letters", ["ABC", "BACD"])
def test_lone_capitals_that_run_upward_are_turned_back(letters):
    words = sorted(read_words(letter_row(letters, turned=True)), key=lambda word: word.box.x_min)
    assert [word.text for word in words] == list(letters)
    assert {word.angle_deg for word in words} == {90}


def test_the_boxes_of_lone_letters_lie_on_them():
    words = read_words(letter_row("ABC", turned=False))
    assert [round(word.box.center_x) for word in words] == pytest.approx([50, 95, 140], abs=2)
    assert [round(word.box.center_y) for word in words] == pytest.approx([64, 64, 64], abs=2)


def slanted_labels(labels):
    picture = Image.new("RGB", (60 + 70 * len(labels), 130), "white")
    for index, text in enumerate(labels):
        tile = Image.new("L", (90, 22), 0)
        ImageDraw.Draw(tile).text((86, 11), text, 255, font(14), anchor="rm")
        turned = tile.rotate(45, expand=True, resample=Image.Resampling.BICUBIC)
        picture.paste("black", (10 + 70 * index, 20), turned)
    return np.asarray(picture)


@pytest.mark.parametrize(
    "labels", [["Dec 18", "Jan 19", "Feb 19", "Mar 19"], ["Class A", "Class B", "Class D"], ["2000", "2001", "2002"]]
)
def test_slanted_labels_keep_their_short_second_word(labels):
    words = read_words(slanted_labels(labels))
    # A narrow space may be missed: "ClassA".
    letters = sorted("".join(word.text for word in words))
    assert letters == sorted("".join(labels).replace(" ", ""))
    assert {word.angle_deg for word in words} == {45}


def test_noise_has_no_paper_for_letters_and_a_noisy_scan_has():
    random = np.random.default_rng(1)
    noise = np.repeat(random.integers(0, 256, (300, 400, 1), dtype=np.uint8), 3, axis=2)
    assert read_words(noise) == []
    scan = np.full((120, 400, 3), 255, np.uint8)
    cv2.putText(scan, "Harvest", (30, 80), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 4)
    rough = np.clip(scan + random.normal(0, 12, scan.shape), 0, 255).astype(np.uint8)
    assert has_paper(rough)


def test_a_piece_of_a_word_inside_its_box_is_not_a_word_of_its_own():
    whole = Word("Peru", PixelBox(10, 10, 50, 20), 0.9)
    piece = Word("ru", PixelBox(30, 10, 50, 20), 0.8)
    apart = Word("ru", PixelBox(80, 10, 100, 20), 0.8)
    assert _once_each([whole, piece, apart]) == [whole, apart]
