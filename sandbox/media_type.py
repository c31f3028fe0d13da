"""The media type of an artifact, from its first bytes alone: nothing is decoded."""

from __future__ import annotations

import csv
import json

HEAD_BYTES = 65536
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"\x93NUMPY", "application/x-npy"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
)
_TABLE_ROWS = 20


def sniff(head: bytes, *, is_whole: bool) -> str:
    """Return the media type.

    Args:
      head: at most HEAD_BYTES from the start.
      is_whole: the file has no more than that.
    """
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    text = _text(head, is_whole)
    if text is None:
        return "application/octet-stream"
    return _kind_of_text(text, is_whole)


def _text(head: bytes, is_whole: bool) -> str | None:
    """Return the head as text, less a character that the cut may have split; None if it is none."""
    if b"\x00" in head:
        return None
    for cut in range(1 if is_whole else 4):
        try:
            return head[: len(head) - cut].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
    return None


def _kind_of_text(text: str, is_whole: bool) -> str:
    start = text.lstrip()
    if start.startswith(("{", "[")) and _is_json(start, is_whole):
        return "application/json"
    if start.startswith("<") and "<svg" in start[:2000]:
        return "image/svg+xml"
    if start[:20].lower().startswith(("<!doctype html", "<html")):
        return "text/html"
    return "text/csv" if _is_table(text, is_whole) else "text/plain"


def _is_json(text: str, is_whole: bool) -> bool:
    if not is_whole:
        return '"' in text[:2000]
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_table(text: str, is_whole: bool) -> bool:
    """Say whether every row has the same number of fields, at least two, over at least two rows."""
    lines = text.splitlines()
    lines = (lines if is_whole else lines[:-1])[:_TABLE_ROWS]
    try:
        widths = {len(row) for row in csv.reader(lines, strict=True)}
    except csv.Error:
        return False
    return len(lines) > 1 and len(widths) == 1 and max(widths) > 1
