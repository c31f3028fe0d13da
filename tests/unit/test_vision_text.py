"""Words read from drawn text: size, polarity, angle, place."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from servers.kit.errors import NotReady
from servers.vision.text import read_line, read_words, recogniser
from tests.vision_pictures import font, text_picture


def texts(rgb):
    return [word.text for word in read_words(rgb)]


@pytest.mark.parametrize("size_px", [11, 14, 20, 36])
@pytest.mark.parametrize("name", ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif"])
def test_plain_text_of_any_usual_size_is_read(size_px, name):
    line = "Revenue by region 2019"
    width = int(font(size_px, name).getlength(line)) + 40
    picture = text_picture([(20, 10, line)], size=(width, 3 * size_px), size_px=size_px, name=name)
    assert " ".join(texts(picture)) == line


@pytest.mark.parametrize("number", ["0", "7", "10%", "7.4%", "1,250", "-3.5", "$48M", "98.6", "(12)", "2019"])
def test_a_lone_number_is_read_exactly(number):
    assert texts(text_picture([(150, 80, number)], size_px=13)) == [number]


@pytest.mark.parametrize(
    ("ink", "paper"), [("white", "black"), ("white", "#1f77b4"), ("#888888", "white"), ("#c00000", "#ffe0e0")]
)
def test_any_polarity_and_colour_is_read(ink, paper):
    assert texts(text_picture([(40, 80, "Quarterly growth 12.5%")], ink=ink, paper=paper)) == [
        "Quarterly",
        "growth",
        "12.5%",
    ]


def test_white_labels_on_bars_are_read_beside_black_ones():
    picture = Image.new("RGB", (300, 220), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((40, 60, 110, 200), fill="#2a5caa")
    draw.rectangle((160, 110, 230, 200), fill="#c44e52")
    draw.text((60, 70), "41%", "white", font(16))
    draw.text((180, 120), "27%", "white", font(16))
    draw.text((60, 35), "North", "black", font(14))
    draw.text((180, 85), "South", "black", font(14))
    assert sorted(texts(np.asarray(picture))) == ["27%", "41%", "North", "South"]


@pytest.mark.parametrize(("turns", "angle"), [(1, 90), (2, 180), (3, 270)])
def test_a_turned_page_is_read_in_its_own_order(turns, angle):
    page = text_picture(
        [(20, 20, "The quick brown fox jumps"), (20, 60, "over the lazy dog again"), (20, 100, "and runs far away")],
        size=(300, 140),
    )
    words = read_words(np.ascontiguousarray(np.rot90(page, turns)))
    assert (
        " ".join(word.text for word in words) == "The quick brown fox jumps over the lazy dog again and runs far away"
    )
    assert {word.angle_deg for word in words} == {angle}


def test_an_axis_title_that_runs_upward_is_read_beside_upright_labels():
    page = text_picture([(100, 30, "60%"), (100, 90, "40%"), (100, 150, "20%")], size=(300, 220), size_px=13)
    title = text_picture([(5, 4, "Share of respondents")], size=(170, 22), size_px=13)
    page = page.copy()
    page[25:195, 20:42] = np.rot90(title)
    words = read_words(page)
    assert [word.text for word in words if word.angle_deg == 0] == ["60%", "40%", "20%"]
    assert [word.text for word in words if word.angle_deg == 90] == ["Share", "of", "respondents"]
    for word in words:
        if word.angle_deg == 90:
            assert 20 <= word.box.x_min < word.box.x_max <= 42


def test_slanted_category_labels_are_read():
    label = Image.new("L", (110, 24), 0)
    ImageDraw.Draw(label).text((4, 3), "Manufacturing", 255, font(14))
    turned = label.rotate(45, expand=True, resample=Image.Resampling.BICUBIC)
    page = Image.new("RGB", (320, 160), "white")
    for x in (20, 130, 220):
        page.paste("black", (x, 20), turned)
    words = [word for word in read_words(np.asarray(page)) if word.text == "Manufacturing"]
    assert len(words) == 3
    assert all(38 <= word.angle_deg <= 52 for word in words)


def test_boxes_lie_on_the_letters():
    word = read_words(text_picture([(120, 70, "Total")], size_px=24))[0]
    left, top, right, bottom = font(24).getbbox("Total")
    assert word.box.x_min == pytest.approx(120 + left, abs=2.5)
    assert word.box.y_min == pytest.approx(70 + top, abs=2.5)
    assert word.box.x_max == pytest.approx(120 + right, abs=2.5)
    assert word.box.y_max == pytest.approx(70 + bottom, abs=2.5)


def test_rules_ticks_and_curves_give_no_words():
    picture = Image.new("RGB", (400, 300), "white")
    draw = ImageDraw.Draw(picture)
    draw.line((50, 20, 50, 270), "black")
    draw.line((50, 270, 380, 270), "black")
    for y in range(20, 271, 50):
        draw.line((45, y, 50, y), "black")
        draw.line((50, y, 380, y), "#dddddd")
    draw.line([(50, 250), (130, 180), (210, 200), (300, 90), (380, 60)], "#d62728", width=2)
    assert texts(np.asarray(picture)) == []


def test_a_tick_is_not_the_minus_sign_of_its_label():
    picture = Image.new("RGB", (200, 260), "white")
    draw = ImageDraw.Draw(picture)
    draw.line((80, 10, 80, 250), "black")
    for row, label in enumerate(["30", "20", "10", "0", "-10"]):
        y = 30 + 48 * row
        draw.line((75, y, 80, y), "black")
        draw.text((71, y), label, "black", font(13), anchor="rm")
    assert texts(np.asarray(picture)) == ["30", "20", "10", "0", "-10"]


def test_nothing_to_read_is_no_words():
    assert read_words(np.full((50, 60, 3), 255, np.uint8)) == []
    assert read_words(np.full((1, 1, 3), 9, np.uint8)) == []


def test_noise_is_survived():
    noise = np.random.default_rng(3).integers(0, 255, (120, 160, 3), np.uint8)
    assert isinstance(read_words(noise), list)


def test_the_same_pixels_give_the_same_words():
    page = text_picture([(20, 20, "Alpha 12.5"), (20, 60, "Beta 7,300"), (20, 100, "Gamma -0.4%")])
    assert read_words(page) == read_words(page)


@pytest.mark.parametrize("text", ["60%", "1,250", "0", "-7.5"])
def test_a_small_crop_is_read_again_as_digits(text):
    crop = text_picture([(4, 3, text)], size=(70, 22), size_px=13)
    assert read_line(crop, digits_only=True).text == text


def test_a_crop_of_light_text_on_dark_is_read():
    word = read_line(text_picture([(6, 4, "Total 93")], size=(90, 26), ink="white", paper="#333333"))
    assert word.text == "Total 93"
    assert word.confidence > 0.8


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 40, 3), (20, 30, 3)])
def test_an_empty_crop_gives_no_text(shape):
    word = read_line(np.full(shape, 200, np.uint8))
    assert (word.text, word.confidence) == ("", 0.0)


def test_missing_weights_say_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(recogniser, "_MODEL", tmp_path / "missing.onnx")
    recogniser._network.cache_clear()
    with pytest.raises(NotReady, match="pip install"):
        recogniser.warm()
