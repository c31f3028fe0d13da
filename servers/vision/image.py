"""Bytes of unknown origin become upright RGB pixels, or a typed error before anything large is decoded."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from servers.kit.errors import DamagedMedia, EmptyFile, TooLarge, TooManyPixels, UnsupportedMediaType


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an image may cost."""

    max_bytes: int = 50 * 1024 * 1024
    """Of the encoded file."""
    max_pixels: int = 50_000_000
    """Width times height, from the header. 50 million take 150 MB as RGB."""


@dataclass(frozen=True, slots=True)
class UprightImage:
    """Pixels as a person sees them: EXIF orientation applied, first frame, on white."""

    rgb: NDArray[np.uint8]
    """[height, width, 3], sRGB."""
    media_type: str
    """By content."""

    @property
    def width_px(self) -> int:
        """Columns of the upright image."""
        return int(self.rgb.shape[1])

    @property
    def height_px(self) -> int:
        """Rows of the upright image."""
        return int(self.rgb.shape[0])


# Each plugin is called directly: Image.open would try forty formats, and its own bomb check comes without a size.
_PLUGINS: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "image/png": PngImagePlugin.PngImageFile,
    "image/jpeg": JpegImagePlugin.JpegImageFile,
    "image/gif": GifImagePlugin.GifImageFile,
    "image/webp": WebPImagePlugin.WebPImageFile,
    "image/bmp": BmpImagePlugin.BmpImageFile,
}
# What Pillow's parsers let out on damaged input.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, struct.error)


def media_type_of(data: bytes) -> str:
    """Return the image type that the first bytes say.

    Raises:
      EmptyFile: there are no bytes.
      UnsupportedMediaType: they are none of PNG, JPEG, GIF, WEBP and BMP.
    """
    if not data:
        raise EmptyFile("the file is empty")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith(b"BM") and data[14:18] in _BMP_HEADER_SIZES:
        return "image/bmp"
    raise UnsupportedMediaType("the file is none of PNG, JPEG, GIF, WEBP and BMP")


_BMP_HEADER_SIZES = tuple(struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124))


def load_image(data: bytes, limits: ImageLimits) -> UprightImage:
    """Return the upright pixels of the image's first frame.

    Raises:
      EmptyFile, UnsupportedMediaType, TooLarge, TooManyPixels: decided from the header, nothing was decoded.
      DamagedMedia: the bytes are cut short or broken.
    """
    media_type = media_type_of(data)
    if len(data) > limits.max_bytes:
        raise TooLarge(f"image is {len(data)} bytes, at most {limits.max_bytes} bytes")
    if media_type == "image/webp":
        # Pillow allocates the whole canvas while opening, so WEBP's size is read here first.
        _refuse_too_many(*_webp_size(data), limits)
    if media_type == "image/png" and data[12:16] == b"IHDR" and len(data) >= 24:
        # Pillow reads on to the pixels before it tells a size, and stumbles where a header alone came.
        width, height = struct.unpack(">II", data[16:24])
        _refuse_too_many(width, height, limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on EXIF oddities and Pillow's own bomb limit; ours is checked below
        try:
            picture = _PLUGINS[media_type](BytesIO(data))
        except Image.DecompressionBombError as error:  # a GIF frame larger than its screen
            raise TooManyPixels(f"a frame of the image has more than {limits.max_pixels} px") from error
        except _DAMAGE as error:
            raise DamagedMedia(f"the {media_type} header is damaged") from error
        _refuse_too_many(*picture.size, limits)
        try:
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            rgb = _on_white(upright)
        except _DAMAGE as error:
            raise DamagedMedia(f"the {media_type} data is damaged or cut short") from error
    return UprightImage(rgb, media_type)


def _refuse_too_many(width: int, height: int, limits: ImageLimits) -> None:
    if width * height > limits.max_pixels:
        raise TooManyPixels(f"image is {width}x{height} px, at most {limits.max_pixels} px")
    if width < 1 or height < 1:
        raise DamagedMedia(f"image is {width}x{height} px")


def _on_white(picture: Image.Image) -> NDArray[np.uint8]:
    """Return [h, w, 3]; transparent parts show white, 16-bit grey is scaled to 8."""
    if picture.mode.startswith("I"):
        deep = np.asarray(picture).astype(np.int64)
        grey = (np.clip(deep, 0, 65535) // 257).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        page = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        page.alpha_composite(layer)
        picture = page
    return np.asarray(picture.convert("RGB"))


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) of a WEBP file's canvas.

    Raises:
      DamagedMedia: the first chunk holds no size.
    As in the WebP container specification, "Extended File Format" and "Simple File Format".
    """
    kind, body = data[12:16], data[20:30]
    if len(body) == 10:
        if kind == b"VP8X":
            return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
        if kind == b"VP8L" and body[0] == 0x2F:
            bits = int.from_bytes(body[1:5], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
            width, height = struct.unpack("<HH", body[6:10])
            return width & 0x3FFF, height & 0x3FFF
    raise DamagedMedia("the image/webp header is damaged")
