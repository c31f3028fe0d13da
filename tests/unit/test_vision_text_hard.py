"""Text that is small, crossed by grid lines, set beside marks or outside ASCII, and the language of a block."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from servers.vision.layout import text_blocks
from servers.vision.text import language_of, read_line, read_words
from tests.vision_pictures import font, text_picture


def texts(rgb):
    return [word.text for word in read_words(rgb)]


@pytest.mark.parametrize("label", ["0.153", "12.9%", "William", "France fiscal", "1996"])
def test_letters_that_grid_lines_cross_stay_whole(label):
    picture = Image.new("RGB", (300, 160), "white")
    draw = ImageDraw.Draw(picture)
    for y in range(20, 160, 40):
        draw.line((0, y, 300, y), "#cccccc")
    for x in range(25, 300, 50):
        draw.line((x, 0, x, 160), "#cccccc")
    draw.text((108, 52), label, "black", font(14))
    assert " ".join(texts(np.asarray(picture))) == label


@pytest.mark.parametrize("size_px", [8, 9, 10])
def test_small_print_of_a_table_is_read_through_jpeg(size_px):
    rows = [("Upper rectum", "0.716"), ("Male", "1.267"), ("Tumor size", "0.329")]
    lines = [(x, 12 + 18 * row, cells[x > 10]) for row, cells in enumerate(rows) for x in (10, 140)]
    packed = io.BytesIO()
    Image.fromarray(text_picture(lines, size=(220, 70), size_px=size_px)).save(packed, "JPEG", quality=85)
    read = texts(np.asarray(Image.open(packed).convert("RGB")))
    assert read == ["Upper", "rectum", "0.716", "Male", "1.267", "Tumor", "size", "0.329"]


@pytest.mark.parametrize(
    "text", ["≤69", "≥ 40", "5.2 ± 0.3", "1990–2000", "25 €", "Zürich", "São Paulo", "Español", "[0, 1]"]
)
def test_signs_and_accents_are_read(text):
    read = " ".join(texts(text_picture([(40, 30, text)], size=(260, 80), size_px=18)))
    assert read.replace("-", "–") == text


def test_the_swatch_of_a_legend_is_outside_the_box_of_its_name():
    picture = Image.new("RGB", (200, 60), "white")
    draw = ImageDraw.Draw(picture)
    draw.line((20, 31, 44, 31), "#1f77b4", width=2)
    draw.text((52, 22), "Juniper", "black", font(14))
    (word,) = read_words(np.asarray(picture))
    assert word.text == "Juniper"
    assert word.box.x_min == pytest.approx(52, abs=2.5)


def test_numbers_with_a_one_are_not_parted():
    words = ["13%", "1580", "11.1", "2011", "1,150"]
    assert texts(text_picture([(20, 15 + 30 * row, text) for row, text in enumerate(words)], size=(160, 170))) == words


def test_error_bars_and_ticks_are_not_letters():
    picture = Image.new("RGB", (320, 220), "white")
    draw = ImageDraw.Draw(picture)
    for x, y in ((90, 80), (150, 120), (210, 60), (270, 140)):
        draw.line((x, y - 15, x, y + 15), "black", width=2)
        draw.line((x - 4, y - 15, x + 4, y - 15), "black", width=2)
        draw.line((x - 4, y + 15, x + 4, y + 15), "black", width=2)
    draw.text((20, 190), "Response time", "black", font(14))
    assert texts(np.asarray(picture)) == ["Response", "time"]


def test_a_frame_at_the_edge_of_a_crop_is_not_read():
    crop = Image.new("RGB", (60, 24), "white")
    draw = ImageDraw.Draw(crop)
    draw.line((0, 0, 0, 23), "black")
    draw.line((0, 23, 59, 23), "black")
    draw.text((12, 4), "48.5", "black", font(13))
    assert read_line(np.asarray(crop)).text == "48.5"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Share of adults who say they use social media daily", "en"),
        ("Umsatz nach Region und Jahr", "de"),
        ("Part des répondants selon la région", "fr"),
        ("Población de España por edad", "es"),
        ("2016 2017 2018 12.5%", ""),
        ("Year", ""),
    ],
)
def test_the_language_of_a_text_is_told_where_it_can_be(text, code):
    assert language_of(text) == code


def test_columns_of_a_page_are_blocks_of_their_own():
    left = ["Rivers carry water from", "the mountains down to", "the sea all year long."]
    right = ["Markets open early in", "the morning and close", "when everything is sold."]
    lines = [(x, 20 + 20 * row, text) for x, column in ((20, left), (300, right)) for row, text in enumerate(column)]
    blocks = text_blocks(read_words(text_picture(lines, size=(560, 110), size_px=15)))
    assert [block.text for block in blocks] == ["\n".join(left), "\n".join(right)]
    assert [block.language for block in blocks] == ["en", "en"]
