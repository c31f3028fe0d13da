"""A question of each family through the real servers, from figures to the program's answer out of the sandbox."""

from __future__ import annotations

import io
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from PIL import Image

from loupe.orchestrator.v1 import orchestrator_pb2
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from loupe.type.v1.answer_pb2 import AnswerStatus
from servers.kit.files_client import FilesClient
from tests.contract.scripted_peers import Script, scripted
from tests.running import running
from tests.unit.reasoning_figures import GROWING, LAKES, OUTPUT, PIE, SCORES, TRADE, TREES, WAGES

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVERS = ("files", "reasoning", "codegen", "critic", "sandbox")
ASKED = {
    "dots": ([TREES], "What is the slope of the regression line?", "1.888"),
    "bins": ([SCORES], "What share of students scored below 40?", "15%"),
    "boxes": ([WAGES], "Which occupation has the most outliers?", "Nurses"),
    "courses": ([GROWING], "Forecast the users in 2021.", "171.3"),
    "colours": ([PIE], "Which colour is Norway?", "blue"),
    "cells": ([LAKES], "Which country has the capital Lima?", "Peru"),
    "several figures": ([TRADE, OUTPUT], "Which year had the highest exports to GDP ratio?", "2020"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(module_home):
    """Real servers, but for vision, which sees what the script says; the script, a picture and the orchestrator."""
    async with AsyncExitStack() as stack:
        environment, script = {}, Script()
        for name in SERVERS:
            server = await stack.enter_async_context(running(name, module_home))
            environment[f"LOUPE_{name.upper()}_ADDRESS"] = server.address
            if name == "files":
                files = FilesClient(await stack.enter_async_context(server.channel()))
        environment["LOUPE_VISION_ADDRESS"] = await stack.enter_async_context(scripted(script, files))
        orchestrator = await stack.enter_async_context(running("orchestrator", module_home, environment))
        channel = await stack.enter_async_context(orchestrator.channel())
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), "white").save(buffer, "PNG")
        picture = await files.write(buffer.getvalue(), "picture.png")
        yield script, picture, OrchestratorServiceStub(channel)


@pytest.mark.parametrize("family", ASKED)
async def test_a_question_of_each_family_is_answered_out_of_the_sandbox(mesh, family):
    script, picture, stub = mesh
    script.figures, question, expected = ASKED[family]
    spec = orchestrator_pb2.JobSpec(question=question, inputs=[picture])
    events = stub.RunJob(orchestrator_pb2.RunJobRequest(spec=spec))
    steps = [event.step async for event in events if event.HasField("step")]
    assert steps[-1].job_state == orchestrator_pb2.JOB_STATE_SUCCEEDED, steps[-1].incident
    answer = steps[-1].answer.answer
    assert answer.status == AnswerStatus.ANSWER_STATUS_ANSWERED, answer
    assert answer.short_text == expected
    repairs = [step for step in steps if step.action.HasField("repair_code")]
    assert repairs == []
