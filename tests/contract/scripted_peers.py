"""Servers that do as a test tells them, at the gRPC seam: for failures that the real ones can't be made to show.

The mesh tests run the real ones.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message

from loupe.codegen.v1 import codegen_pb2, codegen_service_pb2_grpc
from loupe.critic.v1 import critic_pb2, critic_service_pb2_grpc
from loupe.reasoning.v1 import analysis_pb2, reasoning_pb2, reasoning_service_pb2_grpc
from loupe.sandbox.v1 import sandbox_pb2, sandbox_service_pb2_grpc, session_pb2
from loupe.type.v1.answer_pb2 import Answer, AnswerStatus, AnswerValue
from loupe.type.v1.cost_pb2 import Cost
from loupe.type.v1.engine_pb2 import Engine, EngineState, EngineStatus
from loupe.type.v1.figure_pb2 import Chart, ChartType, DataPoint, Fidelity, Figure, Origin, Series, Value
from loupe.vision.v1 import vision_pb2, vision_service_pb2_grpc
from servers.kit import wire_json
from servers.kit.errors import LoupeError
from servers.kit.files_client import FilesClient
from servers.kit.interceptors.validation import check
from servers.kit.status import to_status

ENGINE = Engine(name="scripted", revision="1")
ANALYSIS = analysis_pb2.Analysis(
    operations=[
        analysis_pb2.Operation(
            kind=analysis_pb2.OPERATION_KIND_TOTAL,
            operands=[analysis_pb2.Operand(selection=analysis_pb2.Selection(figure_id="f1"))],
        )
    ]
)


def figure(figure_id: str = "f1") -> Figure:
    points = [
        DataPoint(
            label=label,
            y=Value(
                value_id=f"{figure_id}.s0.p{index}.y",
                number=number,
                origin=Origin.ORIGIN_PRINTED,
                printed=str(number),
                confidence=0.9,
            ),
        )
        for index, (label, number) in enumerate([("Jan", 3), ("Feb", 4)])
    ]
    chart = Chart(type=ChartType.CHART_TYPE_BAR, title="Sales 2024", series=[Series(name="Sales", points=points)])
    return Figure(figure_id=figure_id, chart=chart, confidence=0.9, fidelity=Fidelity.FIDELITY_PASS)


def answer(text: str = "The total of Sales is 7.", ids: tuple[str, ...] = ("f1.s0.p0.y", "f1.s0.p1.y")) -> Answer:
    total = AnswerValue(name="total of Sales", number=7, text="7", value_ids=ids)
    return Answer(status=AnswerStatus.ANSWER_STATUS_ANSWERED, text=text, short_text="7", values=[total])


def action(**kind: Message) -> reasoning_pb2.Action:
    return reasoning_pb2.Action(**kind)  # type: ignore[arg-type]  # one oneof field, by name


def plan(request: reasoning_pb2.DecideNextActionRequest) -> reasoning_pb2.Action:
    """What a sound planner does: read, write, repair what failed, finish."""
    if not request.turns:
        return action(read_figures=reasoning_pb2.ReadFigures(file=request.goal.inputs[0]))
    last = request.turns[-1].observation
    if last.HasField("figures"):
        return action(write_code=reasoning_pb2.WriteCode(analysis=ANALYSIS))
    if last.HasField("run") and last.run.HasField("answer"):
        return action(finish=reasoning_pb2.Finish(answer=last.run.answer))
    return action(repair_code=reasoning_pb2.RepairCode())


@dataclass
class Script:
    """What each server does; the defaults make a job succeed."""

    plan: Callable[[reasoning_pb2.DecideNextActionRequest], reasoning_pb2.Action] = plan
    figures: list[Figure] = field(default_factory=lambda: [figure()])
    vision_error: LoupeError | None = None
    vision_failures: int = 1_000_000
    """How often the error comes before vision answers."""
    reasoning_error: LoupeError | None = None
    codegen_error: LoupeError | None = None
    approves: Callable[[str], bool] = lambda source: True
    findings: list[critic_pb2.Finding] = field(default_factory=list)
    """Of code that is approved."""
    outcomes: list[sandbox_pb2.RunResult] = field(default_factory=list)
    """Results of the first runs; later ones complete."""
    failing_sources: frozenset[str] = frozenset()
    """Programs that fail however often they run."""
    artifacts: dict[str, bytes] = field(
        default_factory=lambda: {
            "answer.json": wire_json.to_line(answer()).encode(),
            "chart.png": b"\x89PNG not drawn",
            "data.csv": b",Sales\nJan,3\nFeb,4\n",
        }
    )
    leaves: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    """What runs of these programs leave in place of `artifacts`."""
    writers: list[Engine] = field(default_factory=list)
    """What wrote the first programs; the scripted engine wrote the others."""
    cost: Cost | None = field(default_factory=Cost)
    """What each server says that it spent on models; None: those of a release that does not say."""
    hang: asyncio.Event | None = None
    """Set: the sandbox never answers."""
    before: Callable[[str], Awaitable[None]] | None = None
    """Set: awaited before each answer, with the name of the call."""

    runs: list[sandbox_pb2.RunSpec] = field(default_factory=list)
    run_inputs: list[bytes] = field(default_factory=list)
    run_began: asyncio.Event = field(default_factory=asyncio.Event)
    run_cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    readings: int = 0
    corrections: list[vision_pb2.RecalibrateChartRequest] = field(default_factory=list)
    repairs: list[codegen_pb2.RepairCodeRequest] = field(default_factory=list)
    authorizations: list[critic_pb2.AuthorizeRunRequest] = field(default_factory=list)

    async def asked(self, name: str) -> None:
        if self.before is not None:
            await self.before(name)


async def _fail(context: Any, error: LoupeError) -> None:
    status = to_status(error, request_id="scripted")
    await context.abort(status.code, status.details, status.trailing_metadata)


class Vision(vision_service_pb2_grpc.VisionServiceServicer):
    def __init__(self, script: Script, files: FilesClient) -> None:
        self.script = script
        self.files = files

    async def GetEngine(self, request: Any, context: Any) -> vision_pb2.GetEngineResponse:
        return vision_pb2.GetEngineResponse(engine=EngineStatus(engine=ENGINE, state=EngineState.ENGINE_STATE_READY))

    async def AnalyzeImage(self, request: Any, context: Any) -> vision_pb2.AnalyzeImageResponse:
        await self.script.asked("AnalyzeImage")
        self.script.readings += 1
        if self.script.vision_error is not None and self.script.readings <= self.script.vision_failures:
            await _fail(context, self.script.vision_error)
        return vision_pb2.AnalyzeImageResponse(
            width_px=8, height_px=8, figures=self.script.figures, engine=ENGINE, cost=self.script.cost
        )

    async def RenderOverlay(self, request: Any, context: Any) -> vision_pb2.RenderOverlayResponse:
        await self.script.asked("RenderOverlay")
        # Any file of the owner's will do as the picture.
        return vision_pb2.RenderOverlayResponse(overlay=request.file)

    async def RecalibrateChart(self, request: Any, context: Any) -> vision_pb2.RecalibrateChartResponse:
        await self.script.asked("RecalibrateChart")
        self.script.corrections.append(request)
        return vision_pb2.RecalibrateChartResponse(figure=request.figure)


class Reasoning(reasoning_service_pb2_grpc.ReasoningServiceServicer):
    def __init__(self, script: Script) -> None:
        self.script = script

    async def GetEngine(self, request: Any, context: Any) -> reasoning_pb2.GetEngineResponse:
        return reasoning_pb2.GetEngineResponse(engine=EngineStatus(engine=ENGINE, state=EngineState.ENGINE_STATE_READY))

    async def DecideNextAction(self, request: Any, context: Any) -> reasoning_pb2.DecideNextActionResponse:
        await self.script.asked("DecideNextAction")
        if self.script.reasoning_error is not None:
            await _fail(context, self.script.reasoning_error)
        chosen = self.script.plan(request)
        return reasoning_pb2.DecideNextActionResponse(
            thought="So it goes.", action=chosen, engine=ENGINE, cost=self.script.cost
        )


def _program(source: str) -> codegen_pb2.Program:
    return codegen_pb2.Program(source=source, sha256=hashlib.sha256(source.encode()).hexdigest())


class Codegen(codegen_service_pb2_grpc.CodegenServiceServicer):
    def __init__(self, script: Script) -> None:
        self.script = script

    async def GetEngine(self, request: Any, context: Any) -> codegen_pb2.GetEngineResponse:
        return codegen_pb2.GetEngineResponse(engine=EngineStatus(engine=ENGINE, state=EngineState.ENGINE_STATE_READY))

    async def GenerateCode(self, request: Any, context: Any) -> codegen_pb2.GenerateCodeResponse:
        check(request)  # as the real one does
        await self.script.asked("GenerateCode")
        if self.script.codegen_error is not None:
            await _fail(context, self.script.codegen_error)
        program = _program("print(1)\n")
        return codegen_pb2.GenerateCodeResponse(program=program, engine=self._writer(0), cost=self.script.cost)

    async def RepairCode(self, request: codegen_pb2.RepairCodeRequest, context: Any) -> codegen_pb2.RepairCodeResponse:
        await self.script.asked("RepairCode")
        self.script.repairs.append(request)
        program, writer = _program(f"print({1 + request.repair_number})\n"), self._writer(request.repair_number)
        return codegen_pb2.RepairCodeResponse(program=program, engine=writer, cost=self.script.cost)

    def _writer(self, number: int) -> Engine:
        return self.script.writers[number] if number < len(self.script.writers) else ENGINE


class Critic(critic_service_pb2_grpc.CriticServiceServicer):
    def __init__(self, script: Script) -> None:
        self.script = script

    def verdict(self, source: str) -> critic_pb2.Verdict:
        approved = self.script.approves(source)
        finding = critic_pb2.Finding(
            tool=critic_pb2.TOOL_POLICY, rule="no", is_blocking=True, message="not that", line=1
        )
        return critic_pb2.Verdict(
            is_approved=approved,
            code_sha256=hashlib.sha256(source.encode()).hexdigest(),
            policy_version="scripted",
            findings=self.script.findings if approved else [finding],
        )

    async def GetEngine(self, request: Any, context: Any) -> critic_pb2.GetEngineResponse:
        return critic_pb2.GetEngineResponse(engine=EngineStatus(engine=ENGINE, state=EngineState.ENGINE_STATE_READY))

    async def ReviewCode(self, request: critic_pb2.ReviewCodeRequest, context: Any) -> critic_pb2.ReviewCodeResponse:
        await self.script.asked("ReviewCode")
        return critic_pb2.ReviewCodeResponse(verdict=self.verdict(request.source), cost=self.script.cost)

    async def AuthorizeRun(self, request: Any, context: Any) -> critic_pb2.AuthorizeRunResponse:
        await self.script.asked("AuthorizeRun")
        self.script.authorizations.append(request)
        verdict = self.verdict(request.source)
        return critic_pb2.AuthorizeRunResponse(verdict=verdict, token="signed", cost=self.script.cost)


class Sandbox(sandbox_service_pb2_grpc.SandboxServiceServicer):
    def __init__(self, script: Script) -> None:
        self.script = script

    async def RunCode(self, request_iterator: Any, context: Any) -> AsyncIterator[sandbox_pb2.RunCodeResponse]:
        await self.script.asked("RunCode")
        received = [message async for message in request_iterator]
        self.script.runs.append(received[0].spec)
        self.script.run_inputs.append(b"".join(message.input.data for message in received[1:]))
        self.script.run_began.set()
        if self.script.hang is not None:
            try:
                await self.script.hang.wait()
            except asyncio.CancelledError:
                self.script.run_cancelled.set()
                raise
        error = sandbox_pb2.OutputChunk(stream=sandbox_pb2.OUTPUT_STREAM_STDERR, data=b"Traceback\nKeyError: 'x'\n")
        index = len(self.script.runs) - 1
        if received[0].spec.source in self.script.failing_sources:
            yield sandbox_pb2.RunCodeResponse(result=sandbox_pb2.RunResult(outcome=sandbox_pb2.OUTCOME_FAILED))
            return
        if index < len(self.script.outcomes):
            yield sandbox_pb2.RunCodeResponse(output=error)
            yield sandbox_pb2.RunCodeResponse(result=self.script.outcomes[index])
            return
        left = self.script.leaves.get(received[0].spec.source, self.script.artifacts)
        for name, data in left.items():
            yield sandbox_pb2.RunCodeResponse(artifact=sandbox_pb2.ArtifactChunk(name=name, data=data))
        done = sandbox_pb2.RunResult(outcome=sandbox_pb2.OUTCOME_COMPLETED, runner="scripted", runtime_digest="d")
        yield sandbox_pb2.RunCodeResponse(result=done)

    async def OpenSession(self, request: Any, context: Any) -> session_pb2.OpenSessionResponse:
        raise AssertionError("a job opens no session")

    async def CloseSession(self, request: Any, context: Any) -> session_pb2.CloseSessionResponse:
        raise AssertionError("a job opens no session")

    async def GetCapabilities(self, request: Any, context: Any) -> sandbox_pb2.GetCapabilitiesResponse:
        memory = sandbox_pb2.EnforcedLimit(
            kind=sandbox_pb2.LIMIT_KIND_MEMORY, default_value=2048, unit="MiB", enforced_by="the script"
        )
        return sandbox_pb2.GetCapabilitiesResponse(runner="scripted", limits=[memory])


@asynccontextmanager
async def scripted(script: Script, files: FilesClient, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve all five on one free port and yield its address."""
    server = grpc.aio.server()
    vision_service_pb2_grpc.add_VisionServiceServicer_to_server(Vision(script, files), server)
    reasoning_service_pb2_grpc.add_ReasoningServiceServicer_to_server(Reasoning(script), server)
    codegen_service_pb2_grpc.add_CodegenServiceServicer_to_server(Codegen(script), server)
    critic_service_pb2_grpc.add_CriticServiceServicer_to_server(Critic(script), server)
    sandbox_service_pb2_grpc.add_SandboxServiceServicer_to_server(Sandbox(script), server)
    port = server.add_insecure_port(f"{host}:0")
    await server.start()
    try:
        yield f"{host}:{port}"
    finally:
        await server.stop(None)
