"""The codegen server, asked as a client asks."""

from __future__ import annotations

import hashlib

import grpc
import pytest
import pytest_asyncio

from loupe.codegen.v1 import codegen_pb2 as pb
from loupe.codegen.v1.codegen_service_pb2_grpc import CodegenServiceStub
from loupe.critic.v1.critic_pb2 import Finding, Verdict
from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Analysis, Operand, Operation, Selection
from tests.running import running
from tests.unit.reasoning_programs import chart

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIGURE = chart({"Sales": {"North": 4, "South": 9}})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(module_home):
    async with running("codegen", module_home) as up:
        yield up


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stub(server):
    async with server.channel() as channel:
        yield CodegenServiceStub(channel)


def total(*categories: str) -> Analysis:
    operand = Operand(selection=Selection(categories=categories))
    return Analysis(question="total?", operations=[Operation(kind=plan.OPERATION_KIND_TOTAL, operands=[operand])])


async def test_a_program_comes_with_its_digest_and_its_engine(stub):
    reply = await stub.GenerateCode(pb.GenerateCodeRequest(figures=[FIGURE], analysis=total()))
    assert reply.program.sha256 == hashlib.sha256(reply.program.source.encode()).hexdigest()
    assert reply.program.source.startswith('"""Answers from a figure: total?')
    assert (reply.engine.name, reply.engine.revision) == ("builtin", "2")


async def test_the_same_request_gives_the_same_program(stub):
    request = pb.GenerateCodeRequest(figures=[FIGURE], analysis=total())
    assert await stub.GenerateCode(request) == await stub.GenerateCode(request)


async def test_a_category_that_is_not_there_is_an_invalid_argument(stub):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.GenerateCode(pb.GenerateCodeRequest(figures=[FIGURE], analysis=total("East")))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "East" in (refused.value.details() or "")


async def test_an_analysis_without_operations_is_an_invalid_argument(stub):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.GenerateCode(pb.GenerateCodeRequest(figures=[FIGURE], analysis=Analysis(question="?")))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_denied_import_is_taken_out(stub):
    verdict = Verdict(findings=[Finding(rule="import-not-allowed", is_blocking=True, line=1)])
    request = pb.RepairCodeRequest(
        figures=[FIGURE], analysis=total(), source="import os\nprint(1)\n", verdict=verdict, repair_number=1
    )
    assert (await stub.RepairCode(request)).program.source == "print(1)\n"


async def test_a_call_without_a_key_is_unauthenticated(server):
    async with server.channel(key="") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await CodegenServiceStub(channel).GenerateCode(pb.GenerateCodeRequest(figures=[FIGURE], analysis=total()))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
