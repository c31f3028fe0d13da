"""Rows of the ledger on their way to the database: written to a file before the caller gets the answer.

A write to a file outlives the process, so a crash loses nothing that was answered; the database, which is waited for
in batches, outlives the machine. A file is a segment; once its rows are in the database it goes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from servers.kit.errors import StorageUnavailable


class LedgerRow(NamedTuple):
    """One ask of a provider; the columns are those of `tables.ASKS`. A later row of the same key replaces it."""

    call_id: str
    number: int
    owner: str
    service: str
    job_id: str
    request_id: str
    asked_for: str
    provider: str
    model: str
    upstream_model: str
    revision: str
    arm: str
    is_shadow: bool
    is_cache_hit: bool
    outcome: str
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    is_estimated: bool
    gpu_s: float
    cost_nano_usd: int
    duration_ms: int
    start_time_ms: int
    audio_ms: int = 0
    """Of the recording."""


COLUMNS = LedgerRow._fields
# A row that an older version wrote lacks the columns that came later; they have a default.
_FIRST_COLUMNS = set(COLUMNS) - set(LedgerRow._field_defaults)
_SUFFIX = ".jsonl"


class Journal:
    """The segments in one folder (0700)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._file = -1

    def open(self) -> None:
        """Make the folder and begin a segment after those that an earlier process left."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._number = max((int(path.stem) for path in self.segments()), default=0)
        self.begin()

    def segments(self) -> list[Path]:
        """Return the segments, oldest first."""
        found = [path for path in self._folder.glob(f"*{_SUFFIX}") if path.stem.isdigit()]
        return sorted(found, key=lambda path: int(path.stem))

    def begin(self) -> list[Path]:
        """Begin a new segment and return those before it."""
        before = self.segments()
        self._number += 1
        path = self._folder / f"{self._number}{_SUFFIX}"
        try:
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise StorageUnavailable(f"the ledger's journal can't be written: {error.strerror}") from error
        self.close()
        self._file = opened
        return before

    def append(self, row: LedgerRow) -> None:
        """Write a row. Raises StorageUnavailable: the answer must then not be given."""
        line = orjson.dumps(dict(zip(COLUMNS, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE)
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise StorageUnavailable(f"the ledger's journal can't be written: {error.strerror}") from error
        if written != len(line):
            raise StorageUnavailable("the ledger's journal can't be written: the disk is full")

    def close(self) -> None:
        """Close the running segment."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read_segment(path: Path) -> Iterator[LedgerRow]:
    """Yield the rows of a segment, but not one that a full disk or a power cut left torn."""
    for line in path.read_bytes().splitlines():
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(row, dict) and _FIRST_COLUMNS <= row.keys() <= set(COLUMNS):
            yield LedgerRow(**row)
