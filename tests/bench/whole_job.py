"""The main job, warm: a clean 800 x 600 bar chart and a question."""

from __future__ import annotations

import itertools
import time
from typing import Any

from loupe.orchestrator.v1.orchestrator_pb2 import JOB_STATE_SUCCEEDED, JobSpec, RunJobRequest, Step
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from tests.bench.table import Row, timing
from tests.bench.world import World

JOBS = 12
QUESTIONS = ("Which month sold the most?", "What is the average?", "How much more was sold in May than in Feb?")


async def jobs(it: World) -> list[Row]:
    """Whole jobs, and where their time went as their own steps tell."""
    stub = OrchestratorServiceStub(it.envoy)
    await _job(stub, it, QUESTIONS[0])
    took: dict[str, list[float]] = {"job": [], "vision": [], "sandbox": [], "mesh": [], "step": []}
    for index in range(JOBS):
        for name, samples in (await _job(stub, it, QUESTIONS[index % len(QUESTIONS)])).items():
            took[name] += samples
    return [
        timing("whole job, warm", took["job"], "aim: p50 2.5 s, p95 5 s"),
        timing("of which vision", took["vision"]),
        timing("of which the sandbox", took["sandbox"]),
        timing("of which the mesh (all but vision and the sandbox)", took["mesh"], "aim: under 100 ms"),
        timing("a step, from stored to seen by a client through Envoy", took["step"]),
    ]


async def _job(stub: Any, it: World, question: str) -> dict[str, list[float]]:
    began = time.perf_counter()
    steps: list[Step] = []
    seen: list[float] = []
    request = RunJobRequest(spec=JobSpec(question=question, inputs=[it.picture]))
    async for event in stub.RunJob(request):
        if event.HasField("step"):
            steps.append(event.step)
            seen.append(time.time())
    whole = time.perf_counter() - began
    if steps[-1].job_state != JOB_STATE_SUCCEEDED:
        raise SystemExit(f"the job failed: {steps[-1].incident}")
    vision = _spent(steps, "read_figures") + _spent(steps, "draw_overlay")
    sandbox = _spent(steps, "run_code")
    latencies = [at - step.create_time.ToNanoseconds() / 1e9 for at, step in zip(seen, steps, strict=True)]
    return {
        "job": [whole],
        "vision": [vision],
        "sandbox": [sandbox],
        "mesh": [whole - vision - sandbox],
        "step": latencies,
    }


def _spent(steps: list[Step], action: str) -> float:
    """Seconds between an action and its observation, as the log has them."""
    return sum(
        (after.create_time.ToNanoseconds() - step.create_time.ToNanoseconds()) / 1e9
        for step, after in itertools.pairwise(steps)
        if step.HasField("action") and step.action.WhichOneof("kind") == action
    )
