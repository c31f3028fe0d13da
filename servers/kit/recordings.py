"""What a recording's container is, told from its first bytes; nothing is decoded and no name is believed."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ID3_HEADER_BYTES = 10
# Containers of ISO base media files (MP4) that hold pictures and no track.
_PICTURE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"jxl ")
_AUDIO_BRANDS = (b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ")
# EBML's CodecID (0x86), its length, and the name of a codec of pictures.
_MATROSKA_PICTURES = re.compile(rb"\x86[\x81-\xff]V_")
_OGG_PICTURES = (b"\x80theora", b"\x01video", b"BBCD")
# kbit/s by index 1 to 14 (ISO/IEC 11172-3 and 13818-3), and samples/s of MPEG 1.
_BIT_RATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = (44100, 48000, 32000)


@dataclass(frozen=True, slots=True)
class Container:
    """A kind of file that holds sound, perhaps beside pictures."""

    media_type: str
    name: str
    """For a person: "an MP3 recording"."""

    demuxer: str
    """What FFmpeg calls the one that reads it."""


def container_of(head: bytes) -> Container | None:
    """Return the container that a file begins as, None where it is none that holds sound.

    Args:
      head: the first 64 KiB of the file or more, or all of it.
    """
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return Container("audio/wav", "a WAV recording", "wav")
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return Container("video/x-msvideo", "an AVI clip", "avi")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Container("audio/aiff", "an AIFF recording", "aiff")
    if head[:4] == b"OggS":
        pictures = any(mark in head[:4096] for mark in _OGG_PICTURES)
        return Container("video/ogg" if pictures else "audio/ogg", "an Ogg recording", "ogg")
    if head[:4] == b"\x1aE\xdf\xa3":
        kind = "webm" if b"webm" in head[:64] else "x-matroska"
        pictures = _MATROSKA_PICTURES.search(head) is not None
        return Container(f"{'video' if pictures else 'audio'}/{kind}", "a WebM or Matroska clip", "matroska")
    if head.startswith((b"#!AMR\n", b"#!AMR-WB\n")):
        return Container("audio/amr", "an AMR recording", "amr")
    if head[4:8] == b"ftyp":
        return _mp4(head[8:12])
    return _stream(head)


def _mp4(brand: bytes) -> Container | None:
    if brand in _PICTURE_BRANDS:
        return None
    media_type = "video/mp4"
    if brand in _AUDIO_BRANDS:
        media_type = "audio/mp4"
    elif brand == b"qt  ":
        media_type = "video/quicktime"
    elif brand.startswith(b"3g"):
        media_type = "video/3gpp"
    return Container(media_type, "an MP4 recording or clip", "mov")


def _stream(head: bytes) -> Container | None:
    """Return what has no container of its own: FLAC, MP3 and AAC, perhaps behind an ID3 tag."""
    at = _after_tag(head)
    body = head[at:]
    if body.startswith(b"fLaC"):
        return Container("audio/flac", "a FLAC recording", "flac")
    if _is_adts(body):
        return Container("audio/aac", "an AAC recording", "aac")
    first = _mpeg_frame_bytes(body)
    if at or (first and (_mpeg_frame_bytes(body[first:]) or len(body) <= first)):
        return Container("audio/mpeg", "an MP3 recording", "mp3")
    return None


def _after_tag(head: bytes) -> int:
    """Return where an ID3v2 tag ends, 0 where there is none."""
    if head[:3] != b"ID3" or len(head) < _ID3_HEADER_BYTES or any(byte & 0x80 for byte in head[6:10]):
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return _ID3_HEADER_BYTES + size


def _is_adts(body: bytes) -> bool:
    """Return whether two frames of AAC follow each other (ISO/IEC 13818-7, ADTS), or one fills the file."""

    def frame_bytes(start: int) -> int:
        frame = body[start : start + 7]
        if len(frame) < 7 or frame[0] != 0xFF or frame[1] & 0xF6 != 0xF0 or frame[2] >> 2 & 0xF > 12:
            return 0
        return (frame[3] & 3) << 11 | frame[4] << 3 | frame[5] >> 5

    first = frame_bytes(0)
    return first > 7 and (len(body) <= first or frame_bytes(first) > 7)


def _mpeg_frame_bytes(body: bytes) -> int:
    """Return the length of the frame of MPEG audio that stands first, 0 where none does."""
    if len(body) < 4 or body[0] != 0xFF or body[1] & 0xE0 != 0xE0:
        return 0
    version, layer = body[1] >> 3 & 3, 4 - (body[1] >> 1 & 3)
    rate, frequency, padding = body[2] >> 4, body[2] >> 2 & 3, body[2] >> 1 & 1
    if version == 1 or layer == 4 or rate in (0, 15) or frequency == 3:
        return 0
    bit_rate = _BIT_RATES[1 if version == 3 else 2, layer][rate - 1] * 1000
    sample_rate = _SAMPLE_RATES[frequency] // {3: 1, 2: 2, 0: 4}[version]
    if layer == 1:
        return (12 * bit_rate // sample_rate + padding) * 4
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bit_rate // sample_rate + padding
