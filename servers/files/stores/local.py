"""Blobs in a local folder: FOLDER/ab/abcdef..., written beside and renamed, so a blob is whole or absent."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from io import RawIOBase
from pathlib import Path
from weakref import WeakValueDictionary

from servers.kit.conditions import Condition
from servers.kit.errors import StorageUnavailable


class LocalStore:
    """A folder that one files server owns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._names = _Names()
        self.outage = Condition("disk_refuses")

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Say of a disk that refused when it takes bytes again, until the block ends."""
        async with self.outage.ended_by(lambda: asyncio.to_thread(self._takes_bytes)):
            yield

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
            raise self.refused(error) from error
        # Unbuffered: a full disk is told by the write that met it, and by no flush behind our back.
        with os.fdopen(descriptor, "w+b", buffering=0) as file:
            try:
                yield PendingFile(self, file, Path(name))
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

    def refused(self, error: OSError) -> StorageUnavailable:
        """Note that the disk refused, and return what callers are told."""
        reason = f"the file store refused: {error.strerror}"
        self.outage.begin(reason)
        return StorageUnavailable(reason)

    def keep(self, descriptor: int, path: Path, sha256: str) -> None:
        """Give a file that is open its name as a blob, durable both, or leave no blob.

        Raises:
          OSError: the disk refused. A sync that failed is not asked for again: the kernel may have dropped what it
            could not write, and would call the next one a success. Whoever comes again brings the bytes again.
        """
        target = self.path(sha256)
        with self._names.held(sha256):  # or another upload of the same bytes could count on a name that is taken back
            is_new = not target.exists()
            if is_new:
                os.fsync(descriptor)
                if not target.parent.exists():
                    target.parent.mkdir(mode=0o700, exist_ok=True)
                    _sync(self._folder)
                path.rename(target)
            # The name is durable only once its folder is; an earlier process may have ended before it was.
            try:
                _sync(target.parent)
            except OSError:
                if is_new:
                    target.unlink(missing_ok=True)
                raise

    def _takes_bytes(self) -> bool:
        try:
            with tempfile.TemporaryFile(dir=self._incoming, buffering=0) as file:
                file.write(b"\0")
                os.fsync(file.fileno())
        except OSError:
            return False
        return True

    def _found(self) -> list[tuple[str, os.stat_result]]:
        return [(path.name, path.stat()) for path in self._folder.glob("??/*") if len(path.name) == 64]


class PendingFile:
    """Bytes on their way into a local folder."""

    def __init__(self, store: LocalStore, file: RawIOBase, path: Path) -> None:
        self._store = store
        self._file = file
        self.path = path
        self.size_bytes = 0

    async def append(self, data: bytes) -> None:
        """Add bytes."""
        try:
            await asyncio.to_thread(self._write, data)
            self.size_bytes += len(data)
        except OSError as error:
            raise self._store.refused(error) from error

    async def head(self, size_bytes: int) -> bytes:
        """Return the first bytes."""
        try:
            return await asyncio.to_thread(os.pread, self._file.fileno(), size_bytes, 0)
        except OSError as error:
            raise StorageUnavailable(f"the file store can't read what it wrote: {error.strerror}") from error

    async def commit(self, sha256: str) -> None:
        """Make the blob durable under its digest."""
        try:
            await asyncio.to_thread(self._store.keep, self._file.fileno(), self.path, sha256)
        except OSError as error:
            raise self._store.refused(error) from error

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]


class _Names:
    """Lets one thread at a time give a name, for each name."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, _Lock] = WeakValueDictionary()
        self._own = threading.Lock()

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        with self._own:
            lock = self._locks.setdefault(name, _Lock())
        with lock.lock:
            yield


class _Lock:
    """A lock that can be referred to weakly."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _path(folder: Path, sha256: str) -> Path:
    return folder / sha256[:2] / sha256
