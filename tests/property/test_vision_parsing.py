"""Whatever is printed or sent: numbers keep their value, bytes give an image or a typed error."""

from __future__ import annotations

import contextlib
import io

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from servers.kit.errors import LoupeError
from servers.vision.dates import parse_date
from servers.vision.image import ImageLimits, load_image
from servers.vision.numbers import parse_number

LIMITS = ImageLimits(max_bytes=100_000, max_pixels=100_000)


@given(st.integers(-(10**12), 10**12))
def test_a_grouped_integer_keeps_its_value(number):
    for text in (f"{number}", f"{number:,}", f"{number:,}".replace(",", "\u202f")):
        parsed = parse_number(text)
        assert parsed is not None
        assert parsed.number == number


@given(st.integers(-(10**9), 10**9), st.integers(0, 6))
def test_a_decimal_keeps_its_value_and_its_decimals(digits, decimals):
    number = digits / 10**decimals
    parsed = parse_number(f"{number:.{decimals}f}")
    assert parsed is not None
    assert parsed.number == float(f"{number:.{decimals}f}")
    assert parsed.decimals == decimals


@given(st.integers(1, 10**9))
def test_parentheses_and_a_minus_mean_the_same(number):
    first, second = parse_number(f"({number:,})"), parse_number(f"\u2212{number:,}")
    assert first is not None
    assert second is not None
    assert first.number == second.number == -number


@given(st.floats(0.1, 999, allow_nan=False), st.sampled_from([("k", 1e3), ("M", 1e6), ("bn", 1e9)]))
def test_a_multiplier_multiplies(number, suffix):
    text, factor = suffix
    parsed = parse_number(f"${number:.1f}{text}")
    assert parsed is not None
    assert abs(parsed.number - round(number, 1) * factor) <= 1e-9 * parsed.number
    assert parsed.unit == "$"


@given(st.text(max_size=60))
def test_any_text_is_a_finite_number_or_none(text):
    parsed = parse_number(text)
    assert parsed is None or np.isfinite(parsed.number)
    parse_date(text)


@given(st.binary(max_size=400))
def test_any_bytes_are_an_image_or_a_typed_error(data):
    with contextlib.suppress(LoupeError):
        load_image(data, LIMITS)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=20),
)
def test_a_file_with_flipped_bytes_is_an_image_or_a_typed_error(kind, flips):
    stream = io.BytesIO()
    Image.fromarray(np.arange(24 * 24 * 3, dtype=np.uint8).reshape(24, 24, 3)).save(stream, kind)
    data = bytearray(stream.getvalue())
    for place, value in flips:
        data[int(place * len(data))] = value
    try:
        image = load_image(bytes(data), LIMITS)
    except LoupeError:
        return
    assert image.rgb.dtype == np.uint8
    assert image.width_px * image.height_px <= LIMITS.max_pixels
