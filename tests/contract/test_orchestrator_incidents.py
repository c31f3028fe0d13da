"""Incidents as they are told: in the stream, to a webhook, and gone on from only with consent."""

from __future__ import annotations

import asyncio
import base64
import http.server
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import grpc
import pytest
import pytest_asyncio

from loupe.orchestrator.v1 import control_pb2, incident_pb2
from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from servers.kit.errors import BudgetExhausted, DamagedMedia, Overloaded
from tests.contract.orchestrator_world import World, kinds, world
from tests.contract.scripted_peers import Script

pytestmark = pytest.mark.asyncio(loop_scope="module")

RETRY = incident_pb2.REMEDY_KIND_RETRY
AWAY = Overloaded("no model answers", retry_after_s=0.01)
SHORTEN = incident_pb2.REMEDY_KIND_SHORTEN
KINDS = incident_pb2.IncidentKind


class Receiver:
    """A webhook that answers as told."""

    def __init__(self) -> None:
        self.got: Queue[tuple[str, dict[str, Any], str]] = Queue()
        self.answers: list[int] = []
        self.hangs = threading.Event()
        """Unset while what is told at /hangs gets no answer."""

    @contextmanager
    def listening(self) -> Iterator[int]:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/hangs":
                    receiver.hangs.wait(timeout=30)
                receiver.got.put((self.headers["loupe-signature"], json.loads(body), body.decode()))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.send_header("location", "http://127.0.0.1:9/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing: the test says what it saw."""

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield server.server_port
            finally:
                server.shutdown()
                thread.join()

    async def next(self) -> tuple[str, dict[str, Any], str]:
        return await asyncio.to_thread(self.got.get, timeout=15)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hooked(module_home) -> AsyncIterator[tuple[World, Receiver, str]]:
    receiver = Receiver()
    with receiver.listening() as port:
        hosts = f"127.0.0.1:{port}, example.org"
        async with world(module_home, Script(), LOUPE_ORCHESTRATOR_WEBHOOK_HOSTS=hosts) as made:
            yield made, receiver, f"http://127.0.0.1:{port}/hook?from=loupe"


def script(it: World, **changes: Any) -> None:
    vars(it.script).update(vars(Script(**changes)))


async def test_a_webhook_is_told_of_the_end_signed(hooked):
    it, receiver, url = hooked
    script(it)
    steps = await it.run(webhook_url=url)
    signed, told, body = await receiver.next()
    assert told["step"]["sequence"] == steps[-1].sequence
    assert told["step"]["job_state"] == "JOB_STATE_SUCCEEDED"
    time_part, signature = signed.split(",", 1)
    message = f"{time_part.removeprefix('t=')}.{body}".encode()
    it.public_key("orchestrator").verify(base64.b64decode(signature.removeprefix("ed25519=")), message)


async def test_a_notice_that_is_not_taken_comes_again(hooked):
    it, receiver, url = hooked
    script(it, vision_error=DamagedMedia("cut short"))
    receiver.answers = [500, 302]
    await it.run(webhook_url=url)
    notices = [await receiver.next() for _ in range(3)]
    assert {told["step"]["incident"]["kind"] for _, told, _ in notices} == {"INCIDENT_KIND_BAD_INPUT"}
    assert receiver.got.empty()


async def test_a_webhook_that_hangs_holds_up_no_other(hooked):
    it, receiver, url = hooked
    script(it)
    await it.run(webhook_url=url.replace("/hook?from=loupe", "/hangs"))
    steps = await it.run(webhook_url=url)
    _, told, _ = await receiver.next()
    receiver.hangs.set()
    _, late, _ = await receiver.next()
    assert told["step"]["create_time"] > late["step"]["create_time"]
    assert told["step"]["sequence"] == steps[-1].sequence


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://elsewhere.org/hook", "has not named elsewhere.org"),
        ("http://example.org/hook", "must begin with https"),
        ("ftp://127.0.0.1/hook", "must begin with https"),
        ("https://me:secret@example.org/", "must hold no password"),
        ("https://example.org:99999/", "no URL"),
        ("https://example.org:8443/", "has not named example.org:8443"),
    ],
)
async def test_only_hosts_that_the_operator_named_are_called(hooked, url, why):
    it, _, _ = hooked
    with pytest.raises(grpc.aio.AioRpcError, match=why) as refused:
        await it.jobs.CreateJob(pb.CreateJobRequest(spec=it.spec(webhook_url=url)))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_without_consent_a_server_that_fails_in_passing_ends_the_job(hooked):
    it, _, _ = hooked
    script(it, vision_error=Overloaded("every place is taken"))
    steps = await it.run()
    assert kinds(steps)[-1] == "incident"
    assert steps[-1].job_state == pb.JOB_STATE_FAILED
    assert RETRY in {remedy.kind for remedy in steps[-1].incident.remedies}


async def test_with_consent_it_is_told_of_and_asked_again(hooked):
    it, _, _ = hooked
    script(it, vision_error=Overloaded("every place is taken"), vision_failures=2)
    steps = await it.run(consents=[RETRY])
    assert kinds(steps)[:5] == ["thought", "read_figures", "incident", "incident", "seen"]
    assert steps[2].job_state == pb.JOB_STATE_RUNNING
    assert steps[2].incident.kind == KINDS.INCIDENT_KIND_SERVER_FAILED
    assert steps[-1].job_state == pb.JOB_STATE_SUCCEEDED


async def test_consent_ends_after_five_retries(hooked):
    it, _, _ = hooked
    script(it, vision_error=Overloaded("every place is taken"))
    steps = await it.run(consents=[RETRY])
    assert kinds(steps) == ["thought", "read_figures", *["incident"] * 6]
    assert steps[-1].job_state == pb.JOB_STATE_FAILED


async def test_consent_covers_no_failure_that_would_come_again(hooked):
    it, _, _ = hooked
    script(it, vision_error=DamagedMedia("cut short"))
    assert kinds(await it.run(consents=[RETRY])) == ["thought", "read_figures", "incident"]


async def test_only_retry_can_be_consented_to(hooked):
    it, _, _ = hooked
    with pytest.raises(grpc.aio.AioRpcError, match=r"spec\.consents"):
        await it.run(consents=[incident_pb2.REMEDY_KIND_REUPLOAD])


async def test_a_planner_that_fails_is_told_of_and_the_data_is_there_once_a_person_approves(hooked):
    it, _, _ = hooked
    script(it, reasoning_error=AWAY)
    watching = it.jobs.RunJob(pb.RunJobRequest(spec=it.spec(consents=[SHORTEN])))
    steps = []
    async with asyncio.timeout(30):
        async for event in watching:
            if event.HasField("step"):
                steps.append(event.step)
                asked = event.step.action.ask_approval
                if asked.code_sha256:
                    assert asked.why == "the planner failed: no plan led to this code but the policy for that case"
                    approve = control_pb2.DecideApprovalRequest(
                        job_id=(await it.jobs.ListJobs(pb.ListJobsRequest())).jobs[0].job_id,
                        code_sha256=asked.code_sha256,
                        approve=control_pb2.Approve(),
                    )
                    await it.jobs.DecideApproval(approve)
    assert kinds(steps) == [
        *("incident", "thought", "read_figures", "seen"),
        *("incident", "thought", "write_code", "seen", "review_code", "seen", "ask_approval", "seen"),
        *("run_code", "seen", "incident", "thought", "finish", "draw_overlay", "seen", "answer"),
    ]
    assert steps[0].incident.summary == "the reasoning server failed while deciding what to do"
    assert {step.thought.engine.name for step in steps if step.HasField("thought")} == {"policy"}
    analysis = next(step.action.write_code.analysis for step in steps if step.action.HasField("write_code"))
    assert analysis.refusal == "the planner failed, so the question was not looked at; what was read is here"


async def test_a_planner_that_is_back_plans_what_is_left(hooked):
    it, _, _ = hooked
    script(it, reasoning_error=AWAY)

    async def back(call: str) -> None:
        if call == "AnalyzeImage":
            it.script.reasoning_error = None

    it.script.before = back
    steps = await it.run(consents=[SHORTEN])
    assert kinds(steps)[:4] == ["incident", "thought", "read_figures", "seen"]
    assert "ask_approval" not in kinds(steps)
    assert steps[-1].HasField("answer")


@pytest.mark.parametrize(
    ("failing", "offered"),
    [
        ("vision_error", [RETRY, incident_pb2.REMEDY_KIND_OPERATOR_ACTION, incident_pb2.REMEDY_KIND_REUPLOAD]),
        ("reasoning_error", [RETRY, incident_pb2.REMEDY_KIND_OPERATOR_ACTION, SHORTEN]),
        (
            "codegen_error",
            [
                *(RETRY, incident_pb2.REMEDY_KIND_OPERATOR_ACTION),
                incident_pb2.REMEDY_KIND_DOWNLOAD_AND_INSPECT,  # of what was read: there is no code to review
            ],
        ),
    ],
)
async def test_without_consent_a_model_that_fails_ends_the_job_and_says_what_may_be_done(hooked, failing, offered):
    it, _, _ = hooked
    script(it, **{failing: AWAY})
    steps = await it.run()
    assert [remedy.kind for remedy in steps[-1].incident.remedies] == offered
    assert it.script.runs == []


async def test_a_budget_that_is_spent_is_told_as_that_and_not_asked_about_again(hooked):
    it, _, _ = hooked
    script(it, reasoning_error=BudgetExhausted("the budget “a job” of $0.50 is spent"))
    steps = await it.run(consents=[RETRY])
    assert kinds(steps) == ["incident"]
    incident = steps[0].incident
    assert incident.kind == KINDS.INCIDENT_KIND_BUDGET_SPENT
    assert incident.summary == "the budget for models is spent, met while deciding what to do"
    assert incident.diagnosis == "the budget “a job” of $0.50 is spent"
    offered = [remedy.kind for remedy in incident.remedies]
    assert offered == [incident_pb2.REMEDY_KIND_OPERATOR_ACTION, RETRY, SHORTEN]


async def test_going_on_without_the_planner_is_taken_by_a_retry(hooked):
    it, _, _ = hooked
    script(it, reasoning_error=AWAY)
    steps = await it.run()
    assert SHORTEN in {remedy.kind for remedy in steps[-1].incident.remedies}
    job_id = (await it.jobs.ListJobs(pb.ListJobsRequest())).jobs[0].job_id
    request = control_pb2.RetryJobRequest(job_id=job_id, request_id="shorter", consents=[SHORTEN])
    made = (await it.jobs.RetryJob(request)).job
    assert list(made.spec.consents) == [SHORTEN]
    assert (await it.jobs.RetryJob(request)).job.job_id == made.job_id
    seen: list[pb.Step] = []
    async for event in it.jobs.WatchJob(pb.WatchJobRequest(job_id=made.job_id)):
        seen.append(event.step)
        if event.step.job_state == pb.JOB_STATE_AWAITING_APPROVAL:
            break
    assert kinds(seen)[-1] == "ask_approval"
    await it.jobs.CancelJob(pb.CancelJobRequest(job_id=made.job_id))


async def test_a_job_that_gets_over_an_incident_shows_it_meanwhile(hooked):
    it, _, _ = hooked
    script(it, vision_error=Overloaded("every place is taken"), vision_failures=1)
    told = asyncio.Event()
    shown = asyncio.Event()

    async def wait(call: str) -> None:
        if call == "AnalyzeImage" and it.script.readings == 1:
            told.set()
            await shown.wait()

    it.script.before = wait
    request = pb.CreateJobRequest(spec=it.spec(consents=[RETRY]))
    job_id = (await it.jobs.CreateJob(request)).job.job_id
    await told.wait()
    job = (await it.jobs.GetJob(pb.GetJobRequest(job_id=job_id))).job
    shown.set()
    assert (job.state, job.incident.kind) == (pb.JOB_STATE_RUNNING, KINDS.INCIDENT_KIND_SERVER_FAILED)
    steps = [event.step async for event in it.jobs.WatchJob(pb.WatchJobRequest(job_id=job_id))]
    assert steps[-1].job_state == pb.JOB_STATE_SUCCEEDED
    assert not (await it.jobs.GetJob(pb.GetJobRequest(job_id=job_id))).job.HasField("incident")
