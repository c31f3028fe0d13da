"""Bytes on a disk that fills, and what they are."""

from __future__ import annotations

import errno
import json
import os
import resource
from pathlib import Path

import pytest

from servers.files.media import HEAD_BYTES, identify_artifact
from servers.files.stores import local
from servers.files.stores.local import LocalStore
from servers.kit.errors import StorageUnavailable


@pytest.fixture
def small_disk():
    """No file of this process may grow over 100 kB: a write then fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("chunk", [1000, 99_999, 300_000])
async def test_a_full_disk_refuses_in_our_words_and_leaves_nothing_behind(tmp_path: Path, small_disk, chunk):
    store = LocalStore(tmp_path / "files")
    store.start()
    with pytest.raises(StorageUnavailable, match="the file store refused: File too large"):
        async with store.create() as pending:
            for _ in range(300_000 // chunk + 1):
                await pending.append(bytes(chunk))
            await pending.commit("0" * 64)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_bytes_come_back_as_they_went_in_and_only_when_committed(tmp_path: Path):
    store = LocalStore(tmp_path / "files")
    store.start()
    async with store.create() as pending:
        for part in (b"one ", b"", b"two"):
            await pending.append(part)
        assert await pending.head(5) == b"one t"
        with pytest.raises(StorageUnavailable):
            await anext(store.read("a" * 64, 4))
        await pending.commit("a" * 64)
    assert [part async for part in store.read("a" * 64, 4)] == [b"one ", b"two"]
    await store.delete("a" * 64)
    await store.delete("a" * 64)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_blob_whose_name_is_not_safe_is_no_blob(tmp_path: Path, monkeypatch):
    store = LocalStore(tmp_path / "files")
    store.start()

    def refuse(folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as bad_disk:
        bad_disk.setattr(local, "_sync", refuse)
        async with store.create() as pending:
            await pending.append(b"one")
            with pytest.raises(StorageUnavailable, match="the file store refused: Input/output error"):
                await pending.commit("a" * 64)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert store.outage.is_active
    async with store.create() as pending:
        await pending.append(b"one")
        await pending.commit("a" * 64)
    with monkeypatch.context() as bad_disk:
        bad_disk.setattr(local, "_sync", refuse)
        async with store.create() as pending:
            await pending.append(b"one")
            with pytest.raises(StorageUnavailable):  # nor may the same bytes be promised again
                await pending.commit("a" * 64)
    assert [part async for part in store.read("a" * 64, 4)] == [b"one"]  # somebody else has them


LARGE_JSON = json.dumps([{"label": "Ä" * 20, "number": 1.5, "none": None}] * 20_000, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b'{"a": [1]}', "application/json"),
        (b"[1, 2", "text/plain"),
        (b"[" * 50_000, "text/plain"),
        (b'["' + b"x" * HEAD_BYTES, "application/json"),
        (LARGE_JSON[:HEAD_BYTES], "application/json"),
        (LARGE_JSON[: HEAD_BYTES - 1] + b"?", "application/json"),
        (b"[not json]" + b" " * HEAD_BYTES, "text/plain"),
        (b",Sales\nJan,3\n", "text/plain"),
        ("é".encode() * HEAD_BYTES, "text/plain"),
        (b"a\x00b", "application/octet-stream"),
        (b"\xff\xfe\x00", "application/octet-stream"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_a_server_made_is_told_from_its_beginning(content, media_type):
    assert identify_artifact(content[:HEAD_BYTES], max_pixels=100).media_type == media_type
