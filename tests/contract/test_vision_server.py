"""The vision server with a real files server, asked as a client asks."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio
from google.api.httpbody_pb2 import HttpBody
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from PIL import Image

import servers as servers_package
from loupe.files.v1 import files_pb2
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.type.v1.figure_pb2 import ORIGIN_CORRECTED
from loupe.type.v1.file_ref_pb2 import FileRef
from loupe.vision.v1.vision_pb2 import (
    AnalyzeImageRequest,
    Correction,
    RecalibrateChartRequest,
    RenderOverlayRequest,
    ValueCorrection,
)
from loupe.vision.v1.vision_service_pb2_grpc import VisionServiceStub
from tests.running import running
from tests.vision_pictures import encoded, table_picture, text_picture

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLE = [["Region", "Sales", "Growth"], ["North", "1,250", "12.5%"], ["South", "980", "-3.0%"], ["East", "75", "7.1%"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(module_home):
    async with running("files", module_home) as files:
        environment = {"LOUPE_FILES_ADDRESS": files.address, "LOUPE_VISION_MAX_PIXELS": "2000000"}
        async with running("vision", module_home, environment) as vision:
            yield files, vision


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def files(servers):
    async with servers[0].channel() as channel:
        yield FilesServiceStub(channel)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vision(servers):
    async with servers[1].channel() as channel:
        yield VisionServiceStub(channel)


async def upload(files: Any, content: bytes) -> FileRef:
    async def messages():
        yield files_pb2.UploadFileRequest(file_name="picture", content=HttpBody(data=content))

    stored: FileRef = (await files.UploadFile(messages())).file
    return stored


async def download(files: Any, ref: FileRef) -> bytes:
    return b"".join(
        [part.content.data async for part in files.DownloadFile(files_pb2.DownloadFileRequest(file_id=ref.file_id))]
    )


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def test_a_table_is_read_with_evidence_and_an_overlay(files, vision):
    ref = await upload(files, encoded(table_picture(TABLE, widths=[110, 90, 90], right=(1, 2))))
    answer = await vision.AnalyzeImage(AnalyzeImageRequest(file=ref))
    assert (answer.width_px, answer.height_px) == (330, 152)
    assert answer.engine.name == "builtin"
    assert answer.caption == "A table of 4 rows and 3 columns with 6 numbers."
    (figure,) = answer.figures
    values = {cell.value.value_id: cell.value for cell in figure.table.cells}
    assert values["f1.r1.c1"].number == 1250
    assert values["f1.r2.c2"].number == -3.0
    assert values["f1.r2.c2"].printed == "-3.0%"

    overlay = (await vision.RenderOverlay(RenderOverlayRequest(file=ref, figures=answer.figures))).overlay
    assert overlay.media_type == "image/png"
    again = RenderOverlayRequest(file=ref, figures=answer.figures)
    assert (await vision.RenderOverlay(again, metadata=(("x-request-id", "once"),))).overlay == (
        await vision.RenderOverlay(again, metadata=(("x-request-id", "once"),))
    ).overlay
    picture = Image.open(io.BytesIO(await download(files, overlay)))
    assert picture.size == (330, 152)


async def test_a_corrected_cell_comes_back_with_what_changed(files, vision):
    ref = await upload(files, encoded(table_picture(TABLE, widths=[110, 90, 90], right=(1, 2))))
    (figure,) = (await vision.AnalyzeImage(AnalyzeImageRequest(file=ref))).figures
    wanted = Correction(value=ValueCorrection(value_id="f1.r2.c1", printed="9,800"))
    answer = await vision.RecalibrateChart(RecalibrateChartRequest(figure=figure, corrections=[wanted]))
    assert answer.changed_value_ids == ["f1.r2.c1"]
    (value,) = [cell.value for cell in answer.figure.table.cells if cell.value.value_id == "f1.r2.c1"]
    assert (value.number, value.origin, value.confidence) == (9800, ORIGIN_CORRECTED, 1.0)


async def test_a_correction_of_what_is_not_there_names_its_field(files, vision):
    ref = await upload(files, encoded(table_picture(TABLE, widths=[110, 90, 90], right=(1, 2))))
    (figure,) = (await vision.AnalyzeImage(AnalyzeImageRequest(file=ref))).figures
    wanted = Correction(value=ValueCorrection(value_id="f1.r9.c9", printed="1"))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await vision.RecalibrateChart(RecalibrateChartRequest(figure=figure, corrections=[wanted]))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(refused.value) == "INVALID_FIELD"
    assert refused.value.details() == "corrections[0].value.value_id: the figure has no value 'f1.r9.c9'"


async def test_the_same_image_gives_the_same_answer(files, vision):
    ref = await upload(files, encoded(text_picture([(30, 40, "Total 42")])))
    first = await vision.AnalyzeImage(AnalyzeImageRequest(file=ref))
    assert first == await vision.AnalyzeImage(AnalyzeImageRequest(file=ref))
    assert [block.text for block in first.text_blocks] == ["Total 42"]


async def test_an_image_with_nothing_to_read_is_a_result_with_reasons(files, vision):
    ref = await upload(files, encoded(np.full((120, 160, 3), 255, np.uint8)))
    answer = await vision.AnalyzeImage(AnalyzeImageRequest(file=ref))
    assert not answer.figures
    assert answer.reasons == ["No readable text, no chart and no table was found."]
    assert answer.caption == "An empty image of 160×120 px, mostly white, with no readable text."


async def test_too_many_pixels_are_an_invalid_argument(files, vision):
    ref = await upload(files, encoded(np.zeros((2000, 2000, 3), np.uint8)))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await vision.AnalyzeImage(AnalyzeImageRequest(file=ref))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(refused.value) == "TOO_MANY_PIXELS"
    assert "2000x2000 px, at most 2000000 px" in (refused.value.details() or "")


async def test_an_unknown_file_is_not_found(vision):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await vision.AnalyzeImage(AnalyzeImageRequest(file=FileRef(file_id="file_" + "a" * 26)))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert reason_of(refused.value) == "NOT_FOUND"


async def test_a_missing_file_is_an_invalid_field(vision):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await vision.AnalyzeImage(AnalyzeImageRequest())
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(refused.value) == "INVALID_FIELD"


async def test_another_content_than_the_reference_names_is_refused(files, vision):
    ref = await upload(files, encoded(text_picture([(30, 40, "Total 42")])))
    ref.sha256 = "0" * 64
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await vision.AnalyzeImage(AnalyzeImageRequest(file=ref))
    assert reason_of(refused.value) == "DIGEST_MISMATCH"


async def test_health_answers_while_an_image_is_read(files, servers, vision):
    page = text_picture([(10, 20 * row, "many words on a page " * 5) for row in range(40)], size=(900, 820))
    ref = await upload(files, encoded(page))
    reading = vision.AnalyzeImage(AnalyzeImageRequest(file=ref))
    async with servers[1].channel() as channel:
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert not reading.done()
    assert (await reading).text_blocks


async def test_without_recognition_weights_the_server_stays_up_and_says_what_to_install(module_home, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib\nimport servers.vision.text.recogniser as r\nr._MODEL = pathlib.Path('none')\n",
        encoding="utf8",
    )
    request = AnalyzeImageRequest(file=FileRef(file_id="file_" + "a" * 26))
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(servers_package.__file__).parents[1]}"}
    async with running("vision", module_home, environment, serving=False) as bare, bare.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await VisionServiceStub(channel).AnalyzeImage(request)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "pip install '.[vision]'" in (refused.value.details() or "")
