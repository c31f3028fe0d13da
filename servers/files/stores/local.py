"""Blobs in a local folder: FOLDER/ab/abcdef..., written beside and renamed, so a blob is whole or absent."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import RawIOBase
from pathlib import Path

from servers.kit.errors import StorageUnavailable


class LocalStore:
    """A folder that one files server owns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"

    def start(self) -> None:
        """Make the folder, and drop what an earlier process left half-written."""
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in self._incoming.iterdir():
            leftover.unlink()

    @asynccontextmanager
    async def create(self) -> AsyncIterator[PendingFile]:
        """Return a place for bytes that arrive."""
        try:
            descriptor, name = tempfile.mkstemp(dir=self._incoming)
        except OSError as error:
            raise StorageUnavailable(f"the file store refused: {error.strerror}") from error
        # Unbuffered: a full disk is told by the write that met it, and by no flush behind our back.
        with os.fdopen(descriptor, "w+b", buffering=0) as file:
            try:
                yield PendingFile(file, Path(name), self._folder)
            finally:
                await asyncio.to_thread(Path(name).unlink, missing_ok=True)

    async def read(self, sha256: str, chunk_bytes: int) -> AsyncIterator[bytes]:
        """Yield a blob in pieces."""
        try:
            with await asyncio.to_thread(_path(self._folder, sha256).open, "rb") as file:
                while chunk := await asyncio.to_thread(file.read, chunk_bytes):
                    yield chunk
        except OSError as error:
            raise StorageUnavailable(f"the file store can't read a blob: {error.strerror}") from error

    async def delete(self, sha256: str) -> None:
        """Remove a blob; one that is not there is fine."""
        try:
            await asyncio.to_thread(self.path(sha256).unlink, missing_ok=True)
        except OSError as error:
            raise StorageUnavailable(f"the file store can't remove a blob: {error.strerror}") from error

    async def listing(self) -> AsyncIterator[tuple[str, datetime]]:
        """Yield every blob's digest and when it was stored."""
        for sha256, status in await asyncio.to_thread(self._found):
            yield sha256, datetime.fromtimestamp(status.st_mtime, UTC)

    async def address(self, sha256: str, *, media_type: str, valid_s: int) -> str:
        """Return the empty string: only the files server itself gives these bytes out."""
        return ""

    def sizes(self) -> dict[str, int]:
        """Return the size of every blob by its digest."""
        return {sha256: status.st_size for sha256, status in self._found()}

    def path(self, sha256: str) -> Path:
        """Return where a blob is, or would be."""
        return _path(self._folder, sha256)

    def _found(self) -> list[tuple[str, os.stat_result]]:
        return [(path.name, path.stat()) for path in self._folder.glob("??/*") if len(path.name) == 64]


class PendingFile:
    """Bytes on their way into a local folder."""

    def __init__(self, file: RawIOBase, path: Path, folder: Path) -> None:
        self._file = file
        self.path = path
        self.size_bytes = 0
        self._folder = folder

    async def append(self, data: bytes) -> None:
        """Add bytes."""
        try:
            await asyncio.to_thread(self._write, data)
            self.size_bytes += len(data)
        except OSError as error:
            raise StorageUnavailable(f"the file store refused: {error.strerror}") from error

    async def head(self, size_bytes: int) -> bytes:
        """Return the first bytes."""
        try:
            return await asyncio.to_thread(os.pread, self._file.fileno(), size_bytes, 0)
        except OSError as error:
            raise StorageUnavailable(f"the file store can't read what it wrote: {error.strerror}") from error

    async def commit(self, sha256: str) -> None:
        """Make the blob durable under its digest."""
        try:
            await asyncio.to_thread(self._commit, sha256)
        except OSError as error:
            raise StorageUnavailable(f"the file store refused: {error.strerror}") from error

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _commit(self, sha256: str) -> None:
        target = _path(self._folder, sha256)
        if target.exists():
            return
        os.fsync(self._file.fileno())
        target.parent.mkdir(mode=0o700, exist_ok=True)
        self.path.rename(target)
        # The name is durable only once its folder is.
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _path(folder: Path, sha256: str) -> Path:
    return folder / sha256[:2] / sha256
