"""Recordings: their container and length, read from the header, and their bytes, read where they are by reference."""

from __future__ import annotations

import struct
from typing import NamedTuple

from loupe.router.v1.router_pb2 import TranscribeRequest
from servers.kit.errors import DamagedMedia, TooLarge, UnsupportedMediaType
from servers.kit.files_client import FilesClient

MAX_S = 1_000_000.0
"""Eleven days: what claims to be longer is damaged, whoever says it."""
# The least that speech is usually kept at is 32 kbit/s, so that the estimate says a longer time rather than a shorter.
_ESTIMATED_BYTES_PER_S = 4000
# WAV's formats whose every second has the same number of bytes: PCM, float, A-law, mu-law, and the extensible header.
_STEADY_FORMATS = frozenset((1, 3, 6, 7, 0xFFFE))
# Before a WAV's samples; real ones have a handful.
_MOST_CHUNKS = 1000
_FLAC_STREAMINFO = 0
# ISO BMFF as phones and browsers write it; other brands of `ftyp` are pictures.
_NO_SOUND_BRANDS = frozenset((b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"))


class Container(NamedTuple):
    """What a recording is kept in."""

    media_type: str
    suffix: str
    """By which providers tell it."""


WAV = Container("audio/wav", "wav")
FLAC = Container("audio/flac", "flac")
_MP3 = Container("audio/mpeg", "mp3")
_OGG = Container("audio/ogg", "ogg")
_WEBM = Container("audio/webm", "webm")
_MP4 = Container("audio/mp4", "mp4")
_STARTS = ((b"fLaC", FLAC), (b"ID3", _MP3), (b"OggS", _OGG), (b"\x1a\x45\xdf\xa3", _WEBM))


class Length(NamedTuple):
    """How long a recording is."""

    ms: int
    is_estimated: bool
    """By its number of bytes alone, and rather too long than too short."""


def container_of(content: bytes) -> Container:
    """Return what the bytes begin as. Raises UnsupportedMediaType."""
    for start, container in _STARTS:
        if content.startswith(start):
            return container
    if content[:4] in (b"RIFF", b"RF64") and content[8:12] == b"WAVE":
        return WAV
    if content[4:8] == b"ftyp" and content[8:12] not in _NO_SOUND_BRANDS:
        return _MP4
    # A frame of MPEG audio without a tag before it: eleven bits of sync, then no reserved version or layer.
    if content[:1] == b"\xff" and content[1:2]:
        second = content[1]
        if second & 0xE0 == 0xE0 and second & 0x18 != 0x08 and second & 0x06:
            return _MP3
    raise UnsupportedMediaType("a recording is none of WAV, FLAC, MP3, Ogg, WebM and MP4")


def length_of(content: bytes) -> Length:
    """Return the length; nothing is decoded.

    That of WAV is reckoned from the bytes that are there, that of FLAC is what its header says; of any other container,
    or of a FLAC that was written as a stream, it is estimated.
    Raises:
      UnsupportedMediaType, DamagedMedia.
    """
    container = container_of(content)
    seconds: float | None = None
    try:
        if container is WAV:
            seconds = _wav_s(content)
        elif container is FLAC:
            seconds = _flac_s(content)
    except struct.error as error:
        raise DamagedMedia("a recording is cut short within its header") from error
    if seconds is None:
        return Length(round(len(content) * 1000 / _ESTIMATED_BYTES_PER_S), True)
    if seconds > MAX_S:
        raise DamagedMedia(f"a recording claims to have {seconds:.0f} s, at most {MAX_S:.0f} are believed")
    return Length(round(seconds * 1000), False)


def _wav_s(content: bytes) -> float | None:
    """Return the seconds of a WAV; None where its seconds have no fixed number of bytes."""
    place = 12
    bytes_per_s = 0
    for _ in range(_MOST_CHUNKS):
        if place + 8 > len(content):
            break
        name, size = struct.unpack_from("<4sI", content, place)
        place += 8
        if name == b"fmt ":
            kind, channels, rate, _, block = struct.unpack_from("<HHIIH", content, place)
            if not (channels and rate and block):
                raise DamagedMedia("a WAV's header has no channels, no rate or no samples")
            if kind not in _STEADY_FORMATS:
                return None
            bytes_per_s = rate * block
        elif name == b"data":
            if not bytes_per_s:
                raise DamagedMedia("a WAV has samples before it says of which format")
            # A recorder that was cut off leaves a size of 0, or the most there is.
            there = len(content) - place
            return (min(size, there) if size else there) / bytes_per_s
        place += size + size % 2
    raise DamagedMedia("a WAV has no samples")


def _flac_s(content: bytes) -> float | None:
    """Return the seconds that a FLAC's header tells; None where it tells none."""
    # A block of metadata: its type in seven bits, its length in 24; then sizes in ten bytes, and in the next eight
    # the rate in 20 bits, channels and width in eight, samples in 36 (RFC 9639, sections 8.1 and 8.2).
    if content[4:5] and content[4] & 0x7F != _FLAC_STREAMINFO:
        raise DamagedMedia("a FLAC does not begin with its STREAMINFO")
    (packed,) = struct.unpack_from(">Q", content, 18)
    rate, samples = packed >> 44, packed & (2**36 - 1)
    if not rate:
        raise DamagedMedia("a FLAC's header has no sample rate")
    return samples / rate if samples else None


async def with_content(request: TranscribeRequest, files: FilesClient, *, max_bytes: int) -> TranscribeRequest:
    """Return the request with the recording's bytes; the same one where they came with it.

    Raises:
      NotFound, DigestMismatch: as the files server says.
      TooLarge: the recording has more bytes than a model is sent.
    """
    if not request.audio.HasField("file"):
        return request
    ref = request.audio.file
    size = ref.size_bytes
    if size <= max_bytes:
        content = await files.read(ref)
        size = len(content)
    if size > max_bytes:
        raise TooLarge(f"{ref.file_id} has {size} bytes, at most {max_bytes} are sent to a model")
    filled = TranscribeRequest()
    filled.CopyFrom(request)
    filled.audio.content = content
    return filled
