"""The files server, asked as a client asks."""

from __future__ import annotations

import hashlib
import io
import zlib
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from PIL import ExifTags, Image

from loupe.files.v1 import files_pb2
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.type.v1.file_ref_pb2 import FileRef
from tests import sounds
from tests.running import Running, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


def png(width: int = 40, height: int = 30, color: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), color).save(buffer, "PNG")
    return buffer.getvalue()


async def upload(stub: Any, content: bytes, *, chunk: int = 256 * 1024, **first: str) -> FileRef:
    async def messages():
        yield files_pb2.UploadFileRequest(content=HttpBody(data=content[:chunk]), **first)
        for start in range(chunk, len(content), chunk):
            yield files_pb2.UploadFileRequest(content=HttpBody(data=content[start : start + chunk]))

    stored: FileRef = (await stub.UploadFile(messages())).file
    return stored


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "loupe"
    return str(info.reason)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(module_home):
    async with running(
        "files", module_home, {"LOUPE_FILES_MAX_UPLOAD_MIB": "1", "LOUPE_FILES_MAX_PIXELS": "1000000"}
    ) as up:
        yield up


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def files(server: Running):
    async with server.channel() as channel:
        yield FilesServiceStub(channel)


async def test_what_goes_in_comes_out(files):
    content = png()
    ref = await upload(files, content, file_name="red.txt", chunk=50)
    assert ref.sha256 == hashlib.sha256(content).hexdigest()
    assert (ref.size_bytes, ref.media_type) == (len(content), "image/png")
    parts = [part async for part in files.DownloadFile(files_pb2.DownloadFileRequest(file_id=ref.file_id))]
    assert b"".join(part.content.data for part in parts) == content
    assert parts[0].content.content_type == "image/png"
    stored = (await files.GetFile(files_pb2.GetFileRequest(file_id=ref.file_id))).file
    assert (stored.file_name, stored.width_px, stored.height_px) == ("red.txt", 40, 30)


async def test_the_same_request_stores_once_and_another_content_not_at_all(files, module_home):
    first = await upload(files, png(), request_id="r1")
    again = await upload(files, png(), request_id="r1")
    other = await upload(files, png())
    assert first.file_id == again.file_id != other.file_id
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await upload(files, png(color="blue"), request_id="r1")
    assert caught.value.code() == grpc.StatusCode.ALREADY_EXISTS
    assert reason_of(caught.value) == "REQUEST_ID_REUSED"
    assert hashlib.sha256(png(color="blue")).hexdigest() not in {path.name for path in blobs(module_home)}


def bomb() -> bytes:
    """A PNG of 20000 x 20000 pixels in a few hundred bytes of header."""
    header = b"IHDR" + (20000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    chunks = [header, b"IDAT" + zlib.compress(bytes(1000))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") for chunk in chunks
    )


def blobs(home: Path) -> set[Path]:
    return {path for path in (home / "files").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        (b"", "INVALID_ARGUMENT", "EMPTY_FILE"),
        (b"hello", "INVALID_ARGUMENT", "UNSUPPORTED_MEDIA_TYPE"),
        (b"%PDF-1.7 ...", "INVALID_ARGUMENT", "UNSUPPORTED_MEDIA_TYPE"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "INVALID_ARGUMENT", "UNSUPPORTED_MEDIA_TYPE"),
        (png()[:20], "INVALID_ARGUMENT", "DAMAGED_MEDIA"),
        (b"\xff\xd8\xff\xe0 no jpeg", "INVALID_ARGUMENT", "DAMAGED_MEDIA"),
        (bomb(), "INVALID_ARGUMENT", "TOO_MANY_PIXELS"),
        (png() + bytes(1024 * 1024), "RESOURCE_EXHAUSTED", "TOO_LARGE"),
    ],
    ids=["empty", "text", "pdf", "svg", "cut", "jpeg in name only", "bomb", "large"],
)
async def test_what_is_no_image_within_limits_and_no_recording_is_refused(files, module_home, content, code, reason):
    before = blobs(module_home)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await upload(files, content)
    assert caught.value.code() == grpc.StatusCode[code]
    assert reason_of(caught.value) == reason
    assert blobs(module_home) == before


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        *(("wav", "audio/wav"), ("aiff", "audio/aiff"), ("flac", "audio/flac"), ("mp3", "audio/mpeg")),
        *(("opus", "audio/ogg"), ("aac", "audio/aac"), ("m4a", "audio/mp4"), ("webm", "audio/webm")),
    ],
)
async def test_a_recording_is_taken_and_told_from_its_content(files, kind, media_type):
    ref = await upload(files, sounds.recorded(sounds.tone(440, 0.5), kind), file_name="picture.png")
    assert ref.media_type == media_type


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
async def test_every_promised_type_is_taken_whatever_its_name(files, kind):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "green").save(buffer, kind)
    ref = await upload(files, buffer.getvalue(), file_name="picture.docx")
    assert ref.media_type == f"image/{kind.lower()}"


async def test_the_size_of_a_photo_is_that_of_the_upright_image(files):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, "JPEG", exif=exif)
    ref = await upload(files, buffer.getvalue())
    stored = (await files.GetFile(files_pb2.GetFileRequest(file_id=ref.file_id))).file
    assert (stored.width_px, stored.height_px) == (30, 40)


async def test_bytes_stay_until_the_last_file_with_them_goes(files, module_home):
    content = png(color="orange")
    first, second = await upload(files, content), await upload(files, content)
    blob = module_home / "files" / first.sha256[:2] / first.sha256
    await files.DeleteFile(files_pb2.DeleteFileRequest(file_id=first.file_id))
    assert blob.exists()
    await files.DeleteFile(files_pb2.DeleteFileRequest(file_id=second.file_id))
    assert not blob.exists()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await files.GetFile(files_pb2.GetFileRequest(file_id=second.file_id))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_pages_are_newest_first_and_complete(files):
    earlier = len((await files.ListFiles(files_pb2.ListFilesRequest(page_size=200))).files)
    made = [(await upload(files, png(10 + index))).file_id for index in range(5)]
    listed, token = [], ""
    while True:
        page = await files.ListFiles(files_pb2.ListFilesRequest(page_size=2, page_token=token))
        listed += [file.ref.file_id for file in page.files]
        token = page.next_page_token
        if not token:
            break
    assert listed[:5] == made[::-1]
    assert len(listed) == len(set(listed)) == earlier + 5
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await files.ListFiles(files_pb2.ListFilesRequest(page_token="nonsense!"))
    assert reason_of(caught.value) == "INVALID_FIELD"


async def test_no_key_of_a_person_lists_the_uploads_of_all(files):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await files.ListOldUploads(files_pb2.ListOldUploadsRequest(uploaded_before=Timestamp(seconds=2**31)))
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_a_malformed_id_is_named_with_its_field(files):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await files.GetFile(files_pb2.GetFileRequest(file_id="../../etc/passwd"))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    bad = error_details_pb2.BadRequest()
    status = rpc_status.from_call(caught.value)
    assert status is not None and status.details[1].Unpack(bad)
    assert bad.field_violations[0].field == "file_id"


async def test_what_was_stored_survives_a_restart(home):
    async with running("files", home) as up, up.channel() as channel:
        ref = await upload(FilesServiceStub(channel), png())
        up.process.kill()
        await up.process.wait()
    async with running("files", home) as up, up.channel() as channel:
        stub = FilesServiceStub(channel)
        parts = [part async for part in stub.DownloadFile(files_pb2.DownloadFileRequest(file_id=ref.file_id))]
    assert b"".join(part.content.data for part in parts) == png()
