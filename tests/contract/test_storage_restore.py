"""Files and their records, backed up, wiped and restored as docs/storage.md says; servers over both settings."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from loupe.files.v1 import files_pb2
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from tests.contract.test_files_server import png, reason_of, upload
from tests.object_store import ObjectStore
from tests.postgres import PostgresServer
from tests.running import running


def shared(postgres: PostgresServer, url: str, store: ObjectStore, bucket: str) -> Mapping[str, str]:
    return {
        "LOUPE_DATABASE_URL": url,
        "LOUPE_FILES_S3_ENDPOINT": store.endpoint,
        "LOUPE_FILES_S3_BUCKET": bucket,
        "LOUPE_FILES_S3_ACCESS_KEY": "tester",
        "LOUPE_FILES_S3_SECRET_KEY": "of-the-tests",
        "LOUPE_FILES_S3_RETRY_S": "0.05",
    }


async def download(stub: Any, file_id: str) -> bytes:
    parts = stub.DownloadFile(files_pb2.DownloadFileRequest(file_id=file_id))
    return b"".join([part.content.data async for part in parts])


async def test_sqlite_and_a_folder_come_back_from_copies(home: Path):
    async with running("files", home) as up, up.channel() as channel:
        ref = await upload(FilesServiceStub(channel), png())
        # While it runs: the records first, the bytes after, so that no record lacks its bytes.
        backup = home / "backup"
        backup.mkdir()
        with sqlite3.connect(home / "files.sqlite") as source, sqlite3.connect(backup / "files.sqlite") as target:
            source.backup(target)
        source.close()
        target.close()
        shutil.copytree(home / "files", backup / "files")
    for path in home.glob("files.sqlite*"):
        path.unlink()
    shutil.rmtree(home / "files")
    shutil.copy(backup / "files.sqlite", home)
    shutil.copytree(backup / "files", home / "files")
    async with running("files", home) as up, up.channel() as channel:
        assert await download(FilesServiceStub(channel), ref.file_id) == png()


async def test_postgresql_and_a_bucket_come_back_from_a_dump_and_a_copy(home, postgres, object_store):
    url = postgres.new_database()
    async with running("files", home, shared(postgres, url, object_store, "original")) as up, up.channel() as channel:
        ref = await upload(FilesServiceStub(channel), png())
        dump = postgres.dump(url.rpartition("/")[2])
        objects = object_store.objects("original")
    restored = postgres.new_database()
    postgres.restore(restored.rpartition("/")[2], dump)
    object_store.client().make_bucket(bucket_name="restored")
    for key, content in objects.items():
        object_store.overwrite("restored", key, content)
    shutil.rmtree(home / "files")
    async with (
        running("files", home, shared(postgres, restored, object_store, "restored")) as up,
        up.channel() as channel,
    ):
        assert await download(FilesServiceStub(channel), ref.file_id) == png()


async def test_two_servers_over_one_schema_and_bucket_are_one(home, postgres, object_store):
    environment = shared(postgres, postgres.new_database(), object_store, "replicas")
    async with (
        running("files", home / "a", environment) as first,
        running("files", home / "b", environment) as second,
        first.channel() as one,
        second.channel() as two,
    ):
        ref = await upload(FilesServiceStub(one), png(), request_id="r")
        assert (await upload(FilesServiceStub(two), png(), request_id="r")).file_id == ref.file_id
        assert await download(FilesServiceStub(two), ref.file_id) == png()


async def test_a_database_that_restarts_under_a_server_is_unavailable_and_then_not(home, postgres, object_store):
    environment = shared(postgres, postgres.new_database(), object_store, "restarting")
    async with running("files", home, environment) as up, up.channel() as channel:
        stub = FilesServiceStub(channel)
        ref = await upload(stub, png())
        postgres.stop()
        try:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetFile(files_pb2.GetFileRequest(file_id=ref.file_id), timeout=20)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
            assert reason_of(caught.value) == "STORAGE_UNAVAILABLE"
        finally:
            postgres.start()
        assert await download(stub, ref.file_id) == png()
        log = up.log.read_text()
    assert log.count('"condition began"') == log.count('"condition ended"') == 1
    assert "of-the-tests" not in log


async def test_a_store_that_is_away_at_the_start_refuses_no_upload(home, postgres, object_store):
    environment = shared(postgres, postgres.new_database(), object_store, "late")
    object_store.stop()
    try:
        async with running("files", home, environment) as up, up.channel() as channel:
            stub = FilesServiceStub(channel)
            ref = await upload(stub, png())
            assert await download(stub, ref.file_id) == png()
    finally:
        object_store.start()
    async with running("files", home, environment) as up, up.channel() as channel:
        assert await download(FilesServiceStub(channel), ref.file_id) == png()


async def test_an_address_at_the_object_store_gives_the_bytes_without_a_key(home, postgres, object_store):
    environment = shared(postgres, postgres.new_database(), object_store, "addresses")
    async with running("files", home, environment) as up, up.channel() as channel, httpx.AsyncClient() as client:
        stub = FilesServiceStub(channel)
        ref = await upload(stub, png())
        answer = await stub.GetDownloadAddress(files_pb2.GetDownloadAddressRequest(file_id=ref.file_id))
        got = await client.get(answer.address)
    assert (got.content, got.headers["content-type"]) == (png(), "image/png")


async def test_an_owner_is_erased_with_a_proof_whose_bytes_lie_in_no_bucket(home, postgres, object_store):
    environment = shared(postgres, postgres.new_database(), object_store, "erasing")
    async with running("files", home, environment) as up, up.channel() as channel:
        stub = FilesServiceStub(channel)
        refs = [await upload(stub, png(10 + index)) for index in range(3)]
        for _ in range(2):  # again: the same proof
            call = stub.EraseOwner(files_pb2.EraseOwnerRequest(owner="local"))
            told = [message async for message in call]
            assert {file.sha256 for file in told[0].files.files} == {ref.sha256 for ref in refs}
            assert told[-1].total == files_pb2.ErasedTotal(file_count=3)
        assert (await stub.ListFiles(files_pb2.ListFilesRequest())).files == []
    assert object_store.objects("erasing") == {}


async def test_bytes_on_the_servers_own_disk_have_no_address(home):
    async with running("files", home) as up, up.channel() as channel:
        stub = FilesServiceStub(channel)
        ref = await upload(stub, png())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetDownloadAddress(files_pb2.GetDownloadAddressRequest(file_id=ref.file_id))
    assert reason_of(caught.value) == "WRONG_STATE"
