"""What a job's models cost: the same in its view, its explanation, its export and the router's ledger."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from loupe.orchestrator.v1 import control_pb2
from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from loupe.orchestrator.v1.incident_pb2 import RemedyKind
from loupe.router.v1 import router_pb2
from loupe.router.v1.router_service_pb2_grpc import RouterServiceStub
from loupe.type.v1.cost_pb2 import Cost
from tests.contract.orchestrator_world import World, world
from tests.contract.scripted_peers import Script
from tests.contract.test_model_engines import PROGRAM, plan, spoken
from tests.fake_models import FakeModels, fake_models, refusal
from tests.running import Running, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Each answer is of 10 tokens in and 3 out, at 1 and 2 dollars a million.
ONE_ASK = Cost(ask_count=1, input_tokens=10, output_tokens=3, usd="0.000016000")
TWO_ASKS = Cost(ask_count=2, input_tokens=20, output_tokens=6, usd="0.000032000")
USELESS = "I am sorry."
WRITTEN = f"```python\n{PROGRAM}```"


@dataclass
class Paid:
    """An orchestrator whose planner and programmer ask a model; the others are scripted, and ask none."""

    world: World
    models: FakeModels
    router: Any

    async def job(self, *answers: Any, **spec: Any) -> pb.Job:
        """A job of which the model answers so, as it stands at its end."""
        self.models.says(*(one if callable(one) else spoken(one) for one in answers))
        events = [event async for event in self.world.jobs.RunJob(pb.RunJobRequest(spec=self.world.spec(**spec)))]
        return await self.shown(events[0].job.job_id)

    async def shown(self, job_id: str) -> pb.Job:
        job: pb.Job = (await self.world.jobs.GetJob(pb.GetJobRequest(job_id=job_id))).job
        return job

    async def ledger(self, job_id: str) -> router_pb2.UsageRow:
        """The router's own sum."""
        response: router_pb2.GetUsageResponse = await self.router.GetUsage(router_pb2.GetUsageRequest(job_id=job_id))
        (row,) = response.rows
        return row

    async def explained(self, job: pb.Job) -> dict[str, control_pb2.ExplanationNode]:
        request = control_pb2.ExplainJobRequest(job_id=job.job_id)
        response = await self.world.jobs.ExplainJob(request)
        assert response.totals.cost == job.cost
        return {node.node_id: node for node in response.nodes}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def paid(module_home) -> AsyncIterator[Paid]:
    async with AsyncExitStack() as stack:
        models = await stack.enter_async_context(fake_models())
        (module_home / "router.toml").write_text(
            f'[[providers]]\nname = "gpu"\nkind = "openai"\nbase_url = "{models.base_url}"\nbreaker_failures = 1000\n'
            '[[providers.models]]\nname = "m"\nrevision = "r7"\njson_schema = true\n'
            'input_usd_per_mtok = "1"\noutput_usd_per_mtok = "2"\n'
        )
        environment = {
            "LOUPE_REASONING_ENGINE": "routed",
            "LOUPE_REASONING_MODEL": "m",
            "LOUPE_CODEGEN_ENGINE": "routed",
            "LOUPE_CODEGEN_MODEL": "m",
            "LOUPE_CODEGEN_FALLBACK": "builtin",
        }

        async def start(name: str) -> Running:
            listen = f"unix:{module_home}/run/{name}.sock"
            return await stack.enter_async_context(running(name, module_home, environment, listen=listen))

        router, reasoning, codegen = await asyncio.gather(*map(start, ("router", "reasoning", "codegen")))
        addresses = {"LOUPE_REASONING_ADDRESS": reasoning.address, "LOUPE_CODEGEN_ADDRESS": codegen.address}
        made = await stack.enter_async_context(world(module_home, Script(), **addresses))
        channel = await stack.enter_async_context(router.channel())
        yield Paid(made, models, RouterServiceStub(channel))


async def test_a_jobs_cost_is_the_ledgers_and_stands_where_it_arose(paid):
    job = await paid.job(plan(), WRITTEN)
    assert job.state == pb.JOB_STATE_SUCCEEDED
    assert job.cost == TWO_ASKS
    row = await paid.ledger(job.job_id)
    assert (row.cost_usd, row.input_tokens, row.output_tokens) == ("0.000032000", 20, 6)
    nodes = await paid.explained(job)
    assert (nodes["engine:reasoning"].cost, nodes["engine:codegen"].cost) == (ONE_ASK, ONE_ASK)
    assert (nodes["engine:vision"].cost, nodes["verdict"].cost) == (Cost(), Cost())
    assert nodes["engine:codegen"].text.endswith("; 1 ask of models: $0.000016 (10 tokens in, 3 out)")
    assert nodes["engine:vision"].text.endswith("; no model was asked")

    file = (await paid.world.jobs.ExportJob(control_pb2.ExportJobRequest(job_id=job.job_id))).file
    archive = zipfile.ZipFile(io.BytesIO(await paid.world.files.read(file)))
    assert json.loads(archive.read("job.json"))["cost"]["usd"] == "0.000032000"
    assert json.loads(archive.read("explanation.json"))["totals"]["cost"]["ask_count"] == 2
    steps = [json.loads(line) for line in archive.read("steps.jsonl").splitlines()]
    asked = [step["sequence"] for step in steps if step.get("cost", {}).get("ask_count")]
    assert [steps[number - 1].keys() & {"thought", "observation"} for number in asked] == [{"thought"}, {"observation"}]

    # What a job takes over from another was paid for there.
    request = control_pb2.RetryJobRequest(job_id=job.job_id, after_sequence=asked[1])
    retried = (await paid.world.jobs.RetryJob(request)).job
    async for _ in paid.world.jobs.WatchJob(pb.WatchJobRequest(job_id=retried.job_id)):
        pass
    again = await paid.shown(retried.job_id)
    assert (again.state, again.cost) == (pb.JOB_STATE_SUCCEEDED, Cost())
    assert not (await paid.explained(again))["engine:codegen"].HasField("cost")


async def test_answers_of_no_use_are_paid_for_too_where_a_stand_in_answers(paid):
    job = await paid.job(USELESS, plan(), USELESS, USELESS)
    assert job.state == pb.JOB_STATE_SUCCEEDED
    row = await paid.ledger(job.job_id)
    assert (row.cost_usd, row.call_count) == ("0.000064000", 4)
    assert (job.cost.usd, job.cost.ask_count) == ("0.000064000", 4)
    writer = (await paid.explained(job))["engine:codegen"]
    assert "codegen by builtin" in writer.text
    assert "it stood in: m could not answer" in writer.text
    assert writer.cost == TWO_ASKS


async def test_a_job_that_failed_tells_what_was_asked_in_vain(paid):
    job = await paid.job(USELESS, USELESS)
    assert job.state == pb.JOB_STATE_FAILED
    assert job.cost == TWO_ASKS
    assert (await paid.ledger(job.job_id)).cost_usd == "0.000032000"


async def test_what_the_router_could_not_get_an_answer_for_is_said_to_be_in_its_ledger(paid):
    job = await paid.job(refusal(401))
    assert job.state == pb.JOB_STATE_FAILED
    assert (job.cost.ask_count, job.cost.untold_ask_count, job.cost.usd) == (1, 1, "")
    # More where the channel to the planner repeated the call by itself: what it was told before is in the ledger only.
    assert (await paid.ledger(job.job_id)).failed_attempt_count >= 1


async def test_a_job_that_goes_on_without_its_planner_has_its_data_written_down_by_the_real_codegen(paid):
    paid.models.says(refusal(401))
    spec = paid.world.spec(consents=[RemedyKind.REMEDY_KIND_SHORTEN])
    job_id = (await paid.world.jobs.CreateJob(pb.CreateJobRequest(spec=spec))).job.job_id
    async for event in paid.world.jobs.WatchJob(pb.WatchJobRequest(job_id=job_id)):
        if event.step.job_state == pb.JOB_STATE_AWAITING_APPROVAL:
            break
    job = await paid.shown(job_id)
    assert job.awaiting.ask_approval.why.startswith("the planner failed")
    assert job.cost.untold_ask_count == 1
    await paid.world.jobs.CancelJob(pb.CancelJobRequest(job_id=job_id))


async def test_a_job_of_a_release_that_noted_no_cost_has_none(paid):
    paid.world.script.cost = None
    job = await paid.job(plan(), WRITTEN)
    paid.world.script.cost = Cost()
    assert not job.HasField("cost")
    reader = (await paid.world.jobs.ExplainJob(control_pb2.ExplainJobRequest(job_id=job.job_id))).nodes[0]
    assert reader.text.endswith("; what its models cost is not on record")
