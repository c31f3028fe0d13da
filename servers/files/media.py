"""What bytes are, told from the bytes."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from io import BytesIO

from PIL import ExifTags, Image, UnidentifiedImageError

from servers.kit.errors import DamagedMedia, TooManyPixels, UnsupportedMediaType
from servers.kit.recordings import container_of

# Enough for every image header with an embedded colour profile before the size, which JPEG allows.
HEAD_BYTES = 1024 * 1024
_IMAGES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp", "BMP": "image/bmp"}
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
)
# Orientations that turn the image by a quarter.
_LYING = (5, 6, 7, 8)
_ACCEPTED = "PNG, JPEG, GIF, WEBP, BMP"
_RECORDINGS = "WAV, MP3, Ogg, FLAC, AAC, AIFF, AMR, MP4, WebM, AVI"
# Signatures of what people upload by mistake, for an answer that names it.
_REFUSED = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x7fELF", "a program"),
)


@dataclass(frozen=True, slots=True)
class Media:
    """What a file is."""

    media_type: str
    width_px: int | None = None
    height_px: int | None = None


def identify_upload(head: bytes, *, max_pixels: int) -> Media:
    """Return what a file is that somebody brings: an image, its size read from its header alone, or a recording.

    Args:
      head: the first HEAD_BYTES of the file, or all of it.
    Raises:
      UnsupportedMediaType: neither an image nor a recording of an accepted type, whatever its name.
      DamagedMedia: it begins as an image and its header can't be read.
      TooManyPixels: more than `max_pixels`.
    """
    kind = _signature(head)
    if kind is not None:
        return _image(head, kind, max_pixels)
    # Whether a recording can be decoded is found out by whoever listens to it; FFmpeg has no place here.
    if container := container_of(head):
        return Media(container.media_type)
    raise UnsupportedMediaType(f"this is {_describe(head)}; images are {_ACCEPTED}; recordings are {_RECORDINGS}")


def _image(head: bytes, kind: str, max_pixels: int) -> Media:
    try:
        with warnings.catch_warnings():
            # Pillow warns of many pixels; the limit below says so in our words.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(head), formats=[kind]) as image:
                width, height = image.size
                # Without the data in the header, Pillow would decode the whole image to look for it.
                if "exif" in image.info and image.getexif().get(ExifTags.Base.Orientation) in _LYING:
                    width, height = height, width
    except Image.DecompressionBombError as error:
        raise TooManyPixels(f"the {kind} image has more pixels than the limit of {max_pixels}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DamagedMedia(f"the {kind} image's header can't be read; the file may be cut short") from error
    if width * height > max_pixels:
        raise TooManyPixels(f"the image is {width}x{height} px = {width * height} pixels, at most {max_pixels}")
    return Media(_IMAGES[kind], width, height)


def identify_artifact(head: bytes, *, max_pixels: int) -> Media:
    """Return what a file made by a server of the mesh is; text is told apart by its form.

    Raises: as identify_upload, for images.
    """
    if kind := _signature(head):
        return _image(head, kind, max_pixels)
    is_whole = len(head) < HEAD_BYTES
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        # A multi-byte character may be cut by the end of the head.
        if is_whole or len(head) - error.start >= 4:
            return Media("application/octet-stream")
        text = head[: error.start].decode()
    if "\x00" in text:
        return Media("application/octet-stream")
    return Media("application/json" if _is_json(text, is_whole=is_whole) else "text/plain")


def _is_json(text: str, *, is_whole: bool) -> bool:
    """Return whether text is a JSON object or list; of a beginning, whether it may become one."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        # A text that is right up to its end was only cut there; a string is complained of where it begins.
        return not is_whole and (error.pos >= len(text) - 16 or error.msg.startswith("Unterminated string"))
    except RecursionError:
        return False
    return True


def _signature(head: bytes) -> str | None:
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return None


def _describe(head: bytes) -> str:
    for signature, name in _REFUSED:
        if head.startswith(signature):
            return name
    start = head[:512].lstrip().lower()
    if start.startswith((b"<svg", b"<?xml")) or b"<svg" in start:
        return "an SVG or XML text"
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    return "no image or recording that Loupe knows"
