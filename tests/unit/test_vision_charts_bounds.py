"""Pictures that are no charts: nothing is invented, and the work on them is bounded by counts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from servers.vision.charts import reader
from servers.vision.charts.bars import bars
from servers.vision.charts.lines import courses
from servers.vision.charts.picture.bounds import MOST_FILLS, MOST_RECTANGLES
from servers.vision.charts.picture.colors import find_palette
from servers.vision.charts.picture.drawn import drawn_share
from servers.vision.charts.picture.page import prepare
from servers.vision.charts.reader import examine
from servers.vision.geometry import PixelBox
from servers.vision.text import Word
from tests.golden.chart_factory import bars as drawn_bars

WIDTH, HEIGHT = 640, 480


def _noise(scale):
    random = np.random.default_rng(scale)
    small = random.integers(0, 256, (HEIGHT // scale, WIDTH // scale, 3)).astype(np.uint8)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_NEAREST)


def _gradient():
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 255 // WIDTH, y * 255 // HEIGHT, (x + y) * 255 // (WIDTH + HEIGHT)], axis=2).astype(np.uint8)


def _clouds(seed):
    random = np.random.default_rng(seed)
    layers = [
        (scale / 128) * cv2.resize(random.random((HEIGHT // scale + 2, WIDTH // scale + 2, 3)), (WIDTH, HEIGHT))
        for scale in (128, 64, 32, 16, 8, 4)
    ]
    total = np.sum(layers, axis=0)
    return np.asarray(255 * (total - total.min()) / np.ptp(total), np.uint8)


def _landscape():
    """A sky, three textured ridges and grain."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    share = (y / HEIGHT)[..., None]
    picture = np.array([90, 150, 230]) * (1 - share) + np.array([220, 230, 245]) * share
    for k, color in enumerate([(120, 130, 150), (80, 110, 80), (50, 80, 40)]):
        ridge = (0.45 + 0.15 * k) * HEIGHT + 30 * np.sin(x / 70 + k) + 12 * np.sin(x / 19 + 2 * k)
        texture = _clouds(k).mean(axis=2, keepdims=True) - 128
        picture = np.where((y > ridge)[..., None], np.array(color) + 0.5 * texture, picture)
    return np.clip(picture + random.normal(0, 5, (HEIGHT, WIDTH, 1)), 0, 255).astype(np.uint8)


def _blobs(count):
    random = np.random.default_rng(count)
    image = Image.new("RGB", (WIDTH, HEIGHT), (230, 225, 210))
    draw = ImageDraw.Draw(image)
    for _ in range(count):
        x, y, w, h = random.integers(0, (WIDTH, HEIGHT, 60, 60)).tolist()
        red, green, blue = random.integers(0, 256, 3).tolist()
        draw.ellipse((x, y, x + w + 10, y + h + 10), fill=(red, green, blue))
    return np.array(image)


def _checkerboard(side):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.repeat((((x // side + y // side) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)


def _screen():
    """Return a mail program's window and its words."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (245, 246, 248))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH, 28), fill=(36, 41, 47))
    draw.rectangle((0, 28, 130, HEIGHT), fill=(232, 234, 238))
    words = []

    def write(x, y, text, fill):
        draw.text((x, y), text, fill=fill)
        for word in text.split():
            left = x + draw.textlength(text[: text.index(word)])
            words.append(Word(word, PixelBox(left, y + 2, left + draw.textlength(word), y + 11), 0.95))

    write(12, 8, "File Edit View Help", (255, 255, 255))
    for row, text in enumerate(["Inbox 12", "Drafts 3", "Spam 48", "Archive", "Trash"]):
        draw.rectangle((10, 44 + 26 * row, 20, 54 + 26 * row), fill=[(200, 60, 50), (60, 120, 200)][row % 2])
        write(28, 43 + 26 * row, text, (30, 30, 30))
    for row in range(10):
        y = 36 + 44 * row
        draw.rounded_rectangle((140, y, 630, y + 38), radius=6, fill="white", outline=(210, 210, 215))
        draw.ellipse((148, y + 8, 170, y + 30), fill=[(250, 170, 60), (80, 160, 220), (150, 90, 200)][row % 3])
        write(180, y + 5, f"From sender {row + 1}", (20, 20, 20))
        write(180, y + 21, "the meeting on Thursday, 14 slides", (120, 120, 120))
        draw.rounded_rectangle((550, y + 10, 620, y + 28), radius=4, fill=(30, 110, 220))
        write(560, y + 13, f"{9 + row}:{10 + row} AM", (255, 255, 255))
    return np.array(image), words


PICTURES = {
    "pixel noise": _noise(1),
    "coarse noise": _noise(4),
    "soft noise": _noise(16),
    "large spots": _noise(64),
    "gradient": _gradient(),
    "clouds": _clouds(0),
    "landscape": _landscape(),
    "posterised clouds": (_clouds(5) // 64 * 64).astype(np.uint8),
    "blobs": _blobs(60),
    "many blobs": _blobs(900),
    "checkerboard": _checkerboard(8),
    "large checkerboard": _checkerboard(40),
}
TEXTURES = ["pixel noise", "coarse noise", "soft noise", "large spots", "gradient", "clouds"]


@pytest.mark.parametrize("name", PICTURES)
def test_no_chart_is_read_out_of_a_picture_of_something_else(name):
    assert examine(PICTURES[name], []).figures == ()


def test_a_screenshot_of_a_program_is_no_chart():
    rgb, words = _screen()
    assert examine(rgb, words).figures == ()


@pytest.mark.parametrize("name", TEXTURES)
def test_a_texture_without_an_axis_is_left_before_its_colours_are_sought(name, monkeypatch):
    monkeypatch.setattr(reader, "find_palette", lambda page: pytest.fail("the colours were sought"))
    (reason,) = examine(PICTURES[name], []).reasons
    assert reason.startswith("No axis was read and only ")


def test_a_drawn_chart_is_drawn_even_as_a_poor_jpeg():
    rgb = drawn_bars().rgb
    poor = cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 15])[1], cv2.IMREAD_COLOR)
    assert drawn_share(rgb) > 0.7
    assert drawn_share(np.asarray(poor, np.uint8)) > 0.4


def test_of_more_colours_than_a_chart_has_only_the_most_frequent_are_kept():
    page = prepare(_blobs(900), [])
    palette = find_palette(page)
    assert len(palette.fills) == MOST_FILLS == 40
    assert list(page.cuts.found) == ["many_colors"]


def test_only_the_largest_shapes_are_held_against_each_other(monkeypatch):
    seen = []
    layout = bars._layout

    def counted(page, palette, rects, *rest):
        seen.append(len(rects))
        return layout(page, palette, rects, *rest)

    monkeypatch.setattr(bars, "_layout", counted)
    reading = examine(_checkerboard(8), [])
    assert seen
    assert max(seen) == MOST_RECTANGLES == 1500
    assert "Of 2400 shapes only the 1500 largest were looked at." in reading.reasons


def test_a_colour_scattered_over_all_heights_is_not_followed_as_a_line():
    stripes = np.zeros((200, 50), np.float32)
    stripes[::8] = 1.0
    assert courses.column_runs(stripes) is None
    stripes[40:] = 0.0
    runs = courses.column_runs(stripes)
    assert runs is not None
    assert [len(column) for column in runs] == [5] * 50
    assert runs[0][1] == (8.5, 8.0, 9.0, 1.0)
