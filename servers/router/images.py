"""Images of a prompt: their type and size, read from the header, and their bytes, read where they are by reference."""

from __future__ import annotations

import io
import struct
import warnings

from loupe.router.v1.router_pb2 import CompleteRequest
from servers.kit.errors import DamagedMedia, TooLarge, UnsupportedMediaType
from servers.kit.files_client import FilesClient

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
)


def media_type_of(content: bytes) -> str:
    """Return the media type that the bytes begin as. Raises UnsupportedMediaType."""
    for start, media_type in _STARTS:
        if content.startswith(start):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    raise UnsupportedMediaType("an image is none of PNG, JPEG, GIF, WebP and BMP")


def size_px(content: bytes) -> tuple[int, int]:
    """Return width and height from the header; no pixel is decoded. Raises UnsupportedMediaType, DamagedMedia."""
    # Imported for the first image: most calls have none, and it is 8 MB of memory.
    from PIL import Image as PillowImage
    from PIL import UnidentifiedImageError

    media_type_of(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of many pixels: the caller holds them against the model's limit
            with PillowImage.open(io.BytesIO(content)) as image:
                return image.size
    except (UnidentifiedImageError, PillowImage.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise DamagedMedia("an image is damaged or cut short") from error
    except (struct.error, IndexError) as error:  # headers cut within a field
        raise DamagedMedia("an image is damaged or cut short") from error


def _has_references(request: CompleteRequest) -> bool:
    for message in request.messages:
        for part in message.parts:
            if part.HasField("image") and part.image.HasField("file"):
                return True
    return False


async def with_bytes(request: CompleteRequest, files: FilesClient, *, max_bytes: int) -> CompleteRequest:
    """Return the request with the bytes of every image; the same one where none is by reference.

    Raises:
      NotFound, DigestMismatch: as the files server says.
      TooLarge: an image has more bytes than a model is sent.
    """
    if not _has_references(request):
        return request
    filled = CompleteRequest()
    filled.CopyFrom(request)
    for message in filled.messages:
        for part in message.parts:
            if part.image.HasField("file"):
                ref = part.image.file
                if ref.size_bytes > max_bytes:
                    raise TooLarge(f"{ref.file_id} has {ref.size_bytes} bytes, at most {max_bytes} are sent to a model")
                content = await files.read(ref)
                if len(content) > max_bytes:
                    raise TooLarge(f"{ref.file_id} has {len(content)} bytes, at most {max_bytes} are sent to a model")
                part.image.content = content
    return filled
