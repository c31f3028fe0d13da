"""Images of unknown origin: decided from content, bounded from the header, upright, on white."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from servers.kit.errors import DamagedMedia, EmptyFile, TooLarge, TooManyPixels, UnsupportedMediaType
from servers.vision.image import ImageLimits, load_image

LIMITS = ImageLimits(max_bytes=1_000_000, max_pixels=1_000_000)


def stripes(width: int = 40, height: int = 30) -> Image.Image:
    """Left half red, right half blue."""
    picture = Image.new("RGB", (width, height), (255, 0, 0))
    picture.paste((0, 0, 255), (width // 2, 0, width, height))
    return picture


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif"), ("WEBP", "image/webp"), ("BMP", "image/bmp")],
)
def test_each_format_is_known_by_its_content(kind, media_type):
    image = load_image(saved(stripes(), kind), LIMITS)
    assert (image.width_px, image.height_px, image.media_type) == (40, 30, media_type)
    assert image.rgb[15, 5, 0] > 200
    assert image.rgb[15, 35, 2] > 200


def test_no_bytes_are_an_empty_file():
    with pytest.raises(EmptyFile):
        load_image(b"", LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"BM but only text",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"\x00" * 100,
        b"II*\x00" + b"\x00" * 50,
    ],
)
def test_other_bytes_are_an_unsupported_media_type(data):
    with pytest.raises(UnsupportedMediaType, match="none of PNG, JPEG, GIF, WEBP and BMP"):
        load_image(data, LIMITS)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_cut_short_is_damaged(kind, share):
    noise = np.random.default_rng(7).integers(0, 255, (60, 80, 3), np.uint8)
    data = saved(Image.fromarray(noise), kind)
    with pytest.raises(DamagedMedia):
        load_image(data[: int(len(data) * share)], LIMITS)


def test_a_bomb_is_refused_from_its_header_without_decoding():
    tracemalloc.start()
    with pytest.raises(TooManyPixels, match="12000x12000 px, at most 1000000 px"):
        load_image(png_header(12_000, 12_000), LIMITS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_the_largest_header_is_refused_as_too_many_pixels():
    with pytest.raises(TooManyPixels, match="2147483647x2147483647"):
        load_image(png_header(2**31 - 1, 2**31 - 1), LIMITS)


def test_a_webp_canvas_is_bounded_before_the_decoder_allocates_it():
    canvas = (15_999).to_bytes(3, "little") * 2
    data = b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\x00" * 4 + canvas
    with pytest.raises(TooManyPixels, match="16000x16000"):
        load_image(data, LIMITS)


def test_too_many_bytes_are_refused():
    with pytest.raises(TooLarge, match="at most 10 bytes"):
        load_image(saved(stripes(), "PNG"), ImageLimits(max_bytes=10, max_pixels=10))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    upright = stripes()
    # What a camera stores so that the viewer's turn gives `upright` again.
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = load_image(saved(stored, "JPEG", exif=exif, quality=95), LIMITS)
    assert (image.width_px, image.height_px) == (40, 30)
    assert image.rgb[15, 5, 0] > 200
    assert image.rgb[15, 35, 2] > 200


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(kind):
    frames = [Image.new("RGB", (20, 10), color) for color in ("red", "lime", "blue")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
    pixel = load_image(data, LIMITS).rgb[5, 10]
    assert pixel[0] > 240
    assert pixel[1] < 20


def test_transparent_pixels_show_white():
    picture = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    picture.putpixel((0, 0), (0, 0, 0, 255))
    rgb = load_image(saved(picture, "PNG"), LIMITS).rgb
    assert rgb[0, 0].tolist() == [0, 0, 0]
    assert rgb[3, 3].tolist() == [255, 255, 255]


def test_sixteen_bit_grey_is_scaled_to_eight():
    deep = np.array([[0, 257 * 100, 65535]], np.uint16)
    rgb = load_image(saved(Image.fromarray(deep), "PNG"), LIMITS).rgb
    assert rgb[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK"])
def test_every_mode_becomes_rgb(mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = load_image(saved(Image.new("RGB", (8, 6), "white").convert(mode), kind), LIMITS)
    assert image.rgb.shape == (6, 8, 3)
    assert image.rgb.min() > 250
