"""The gateway as commands use it, over a real files server: uploads, checked downloads, and failures in words."""

from __future__ import annotations

import hashlib
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from PIL import Image

from cli import bundle_folder, connection
from cli.connection import connect, failure
from cli.errors import CommandFailed
from cli.job_stream import watch_job
from loupe.orchestrator.v1.orchestrator_pb2 import Bundle
from loupe.reasoning.v1.reasoning_pb2 import NamedFile
from loupe.type.v1.file_ref_pb2 import FileRef
from tests.running import Running, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def files(module_home):
    async with running("files", module_home) as server:
        yield server


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A PNG file of several upload chunks: noise does not compress."""
    path = tmp_path / "noise.png"
    Image.effect_noise((800, 800), 100).save(path)
    assert path.stat().st_size > 2 * connection.CHUNK_BYTES
    return path


async def test_what_is_uploaded_in_chunks_comes_back_whole(files: Running, picture: Path) -> None:
    async with connect(files.address, files.key) as mesh:
        ref = await mesh.upload(picture)

        assert ref.sha256 == hashlib.sha256(picture.read_bytes()).hexdigest()
        assert ref.media_type == "image/png"
        assert await mesh.download(ref) == picture.read_bytes()

        await mesh.forget(ref)
        with pytest.raises(grpc.aio.AioRpcError) as gone:
            await mesh.download(ref)
        assert gone.value.code() is grpc.StatusCode.NOT_FOUND
        await mesh.forget(ref)  # that it is gone already is fine


async def test_bytes_that_do_not_have_the_digest_are_not_written(files: Running, picture: Path, tmp_path: Path) -> None:
    async with connect(files.address, files.key) as mesh:
        ref = await mesh.upload(picture)
        wrong = FileRef(file_id=ref.file_id, sha256="0" * 64)
        bundle = Bundle(files=[NamedFile(name="chart.png", file=ref), NamedFile(name="data.csv", file=wrong)])

        with pytest.raises(CommandFailed, match="another digest"):
            await bundle_folder.save(mesh, bundle, tmp_path / "bundle")

    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "", ".hidden", "a/b", "x\n"])
async def test_a_bundle_can_not_write_outside_its_folder(files: Running, tmp_path: Path, name: str) -> None:
    async with connect(files.address, files.key) as mesh:
        with pytest.raises(CommandFailed, match="no plain file name"):
            await bundle_folder.save(mesh, Bundle(files=[NamedFile(name=name)]), tmp_path / "bundle")

    assert list(tmp_path.iterdir()) == []


async def test_a_wrong_key_is_told_with_what_may_be_the_cause(files: Running, picture: Path) -> None:
    async with connect(files.address, "lk_wrong") as mesh:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await mesh.upload(picture)

    assert failure(refused.value, "a.png").message == (
        "a.png: the key is not valid: is the mesh running with another LOUPE_HOME?"
    )


async def test_a_file_that_is_no_image_is_refused_once(files: Running, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    async with connect(files.address, files.key) as mesh:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await mesh.upload(tmp_path / "text.png")

    assert connection.reason_of(refused.value) == "UNSUPPORTED_MEDIA_TYPE"
    assert not connection.is_passing(refused.value)


async def test_where_nothing_listens_the_attempts_end_and_status_is_named(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "FIRST_PAUSE_S", 0.001)
    nowhere = f"unix:{tmp_path}/none.sock"
    async with connect(nowhere, "lk_any") as mesh:
        with pytest.raises(grpc.aio.AioRpcError) as unanswered:
            await mesh.upload(picture)
        with pytest.raises(grpc.aio.AioRpcError):
            async for _ in watch_job(mesh, f"job_{'0' * 26}", 0):
                pass

    assert failure(unanswered.value).message == "the mesh does not answer: `loupe status` says how it is"
