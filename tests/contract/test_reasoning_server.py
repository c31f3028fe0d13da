"""The reasoning server, asked as a client asks."""

from __future__ import annotations

import grpc
import pytest
import pytest_asyncio

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1 import reasoning_pb2 as pb
from loupe.reasoning.v1.reasoning_service_pb2_grpc import ReasoningServiceStub
from loupe.type.v1.file_ref_pb2 import FileRef
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from tests.running import running
from tests.unit.reasoning_programs import chart

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMAGE = FileRef(file_id="file_" + "a" * 26, media_type="image/png")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(module_home):
    async with running("reasoning", module_home) as up:
        yield up


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stub(server):
    async with server.channel() as channel:
        yield ReasoningServiceStub(channel)


def asked(question: str) -> pb.DecideNextActionRequest:
    figures = AnalyzeImageResponse(figures=[chart({"Sales": {"North": 4, "South": 9}}, measure="Sales")])
    read = pb.Turn(
        action=pb.Action(read_figures=pb.ReadFigures(file=IMAGE)), observation=pb.Observation(figures=figures)
    )
    return pb.DecideNextActionRequest(goal=pb.Goal(question=question, inputs=[IMAGE]), turns=[read])


async def test_the_first_action_reads_the_image(stub):
    reply = await stub.DecideNextAction(pb.DecideNextActionRequest(goal=pb.Goal(inputs=[IMAGE])))
    assert reply.action.read_figures.file == IMAGE
    assert reply.thought == "Read the charts and tables of the image."
    assert (reply.engine.name, reply.engine.revision) == ("builtin", "3")


async def test_a_question_becomes_a_typed_analysis(stub):
    reply = await stub.DecideNextAction(asked("Which bar is the tallest?"))
    operation = reply.action.write_code.analysis.operations[0]
    assert operation.kind == plan.OPERATION_KIND_TOP_K
    assert operation.form == plan.ANSWER_FORM_LABEL
    assert operation.operands[0].selection.order == plan.ORDER_DESCENDING


async def test_a_question_for_a_reason_is_a_result_not_an_error(stub):
    reply = await stub.DecideNextAction(asked("Why is South higher?"))
    assert reply.action.write_code.analysis.refusal.startswith("the figure says how much, not why")


async def test_a_goal_without_inputs_is_an_invalid_argument(stub):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.DecideNextAction(pb.DecideNextActionRequest(goal=pb.Goal(question="?")))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_question_of_twenty_thousand_letters_is_an_invalid_argument(stub):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.DecideNextAction(asked("why " * 5000))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_call_without_a_key_is_unauthenticated(server):
    async with server.channel(key="") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ReasoningServiceStub(channel).DecideNextAction(asked("?"))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
