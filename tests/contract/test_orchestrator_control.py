"""A person's hand on a job: decisions on its code, and answers to its questions."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration

from loupe.critic.v1.critic_pb2 import SEVERITY_HIGH, SEVERITY_MEDIUM, TOOL_BANDIT, Finding
from loupe.orchestrator.v1 import approval_pb2, control_pb2
from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from loupe.orchestrator.v1.incident_pb2 import IncidentKind
from loupe.reasoning.v1 import reasoning_pb2
from servers.kit.tokens import verify_code_token
from tests.contract.control_world import (
    APPROVE,
    ENDED,
    RISKY,
    TO_END,
    WRITTEN,
    asked,
    decision,
    refused,
    rest,
    until,
)
from tests.contract.orchestrator_world import World, kinds, world
from tests.contract.scripted_peers import ANALYSIS, Script, action, plan

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_home) -> AsyncIterator[World]:
    async with world(module_home, Script(), LOUPE_ORCHESTRATOR_HEARTBEAT_S="0.2") as made:
        yield made


@pytest.fixture
def given(shared):
    """The shared world, with a script of its own for each test."""

    def use(**changes: Any) -> World:
        made: World = shared
        vars(made.script).update(vars(Script(**changes)))
        return made

    return use


async def test_code_waits_for_a_person_and_runs_under_both_signatures(given):
    it = given()
    job = await asked(it)
    assert job.state == pb.JOB_STATE_AWAITING_APPROVAL
    assert job.awaiting.ask_approval.code_sha256 == WRITTEN
    assert job.awaiting.ask_approval.why == "the job asks for a person's approval of all code"
    assert it.script.runs == []
    decided = await it.jobs.DecideApproval(decision(job, **APPROVE))
    assert decided.job.state != pb.JOB_STATE_AWAITING_APPROVAL
    steps = await rest(it, job)
    assert kinds(steps) == ["seen", *TO_END]
    assert steps[0].observation.approval.decided_by == "local"
    assert it.script.authorizations[0].needs_approval
    token = it.script.runs[0].approval_token
    claims = verify_code_token(token, it.public_key("orchestrator"), code_sha256=WRITTEN, issuer="orchestrator")
    run_step = next(step for step in steps if step.action.HasField("run_code"))
    assert (claims.job_id, claims.step, claims.attempt) == (job.job_id, run_step.sequence, run_step.attempt)


async def test_without_a_policy_nobody_is_asked(given):
    it = given()
    steps = await it.run()
    assert "ask_approval" not in kinds(steps)
    assert not it.script.authorizations[0].needs_approval
    assert it.script.runs[0].approval_token == ""


@pytest.mark.parametrize(("severity", "asks"), [(SEVERITY_MEDIUM, True), (SEVERITY_HIGH, True), (0, False)])
async def test_a_risky_job_asks_where_the_critic_found_something(given, severity, asks):
    found = [Finding(tool=TOOL_BANDIT, rule="B1", severity=severity, message="odd", line=3)] if severity else []
    it = given(findings=found)
    job = (await it.jobs.CreateJob(pb.CreateJobRequest(spec=it.spec(approval=RISKY)))).job
    steps = await until(it, job.job_id, 0, pb.JOB_STATE_AWAITING_APPROVAL, *ENDED)
    assert ("ask_approval" in kinds(steps)) == asks
    if asks:
        assert steps[-1].action.ask_approval.why == "the critic found: line 3: odd (B1)"


async def test_rejected_code_never_runs_and_the_reason_is_told(given):
    it = given()
    job = await asked(it)
    await it.jobs.DecideApproval(decision(job, reject=control_pb2.Reject(reason="it deletes rows")))
    steps = await rest(it, job)
    assert kinds(steps) == ["seen", "incident"]
    assert steps[-1].incident.kind == IncidentKind.INCIDENT_KIND_REJECTED
    assert steps[-1].incident.diagnosis == "it deletes rows"
    assert it.script.runs == []


async def test_an_edit_is_reviewed_and_asked_about_under_its_own_digest(given):
    it = given()
    job = await asked(it)
    await it.jobs.DecideApproval(decision(job, edit=control_pb2.Edit(source="print(41)\n")))
    edited = hashlib.sha256(b"print(41)\n").hexdigest()
    steps = await until(it, job.job_id, job.last_sequence, pb.JOB_STATE_AWAITING_APPROVAL)
    assert kinds(steps) == ["seen", "edit_code", "seen", "review_code", "seen", "ask_approval"]
    assert steps[-1].action.ask_approval.code_sha256 == edited
    async with refused("the job asks about code"):
        await it.jobs.DecideApproval(decision(job, code="0" * 64, **APPROVE))
    await it.jobs.DecideApproval(decision(job, code=edited, **APPROVE))
    assert kinds(await until(it, job.job_id, steps[-1].sequence, *ENDED)) == ["seen", *TO_END]
    assert [run.source for run in it.script.runs] == ["print(41)\n"]


async def test_approval_for_the_whole_job_covers_its_repairs(given):
    it = given(failing_sources=frozenset({"print(1)\n"}))
    job = await asked(it)
    await it.jobs.DecideApproval(decision(job, approve=control_pb2.Approve(is_for_whole_job=True)))
    assert "ask_approval" not in kinds(await rest(it, job))
    assert [bool(run.approval_token) for run in it.script.runs] == [True, True]


async def test_repaired_code_is_asked_about_again(given):
    it = given(failing_sources=frozenset({"print(1)\n"}))
    job = await asked(it)
    await it.jobs.DecideApproval(decision(job, **APPROVE))
    steps = await until(it, job.job_id, job.last_sequence, pb.JOB_STATE_AWAITING_APPROVAL)
    assert steps[-1].action.ask_approval.code_sha256 == hashlib.sha256(b"print(2)\n").hexdigest()
    await it.jobs.CancelJob(pb.CancelJobRequest(job_id=job.job_id))


@pytest.mark.parametrize(
    ("on_timeout", "findings", "end"),
    [
        (approval_pb2.APPROVAL_TIMEOUT_REJECT, 0, "incident"),
        (approval_pb2.APPROVAL_TIMEOUT_RUN_IF_CLEAN, 0, "answer"),
        (approval_pb2.APPROVAL_TIMEOUT_RUN_IF_CLEAN, 1, "incident"),
    ],
)
async def test_when_nobody_decides_the_time_out_branch_counts(given, on_timeout, findings, end):
    it = given(findings=[Finding(tool=TOOL_BANDIT, rule="B1", message="odd", line=3)] * findings)
    policy = approval_pb2.ApprovalPolicy(
        mode=approval_pb2.APPROVAL_MODE_ALWAYS, timeout=Duration(nanos=1_000_000), on_timeout=on_timeout
    )
    steps = await it.run(approval=policy)
    decided = next(step.observation.approval for step in steps if step.observation.HasField("approval"))
    assert (decided.decided_by, decided.reason) == ("", "nobody decided in time")
    assert kinds(steps)[-1] == end
    assert len(it.script.runs) == (end == "answer")
    job = (await it.jobs.ListJobs(pb.ListJobsRequest(page_size=1))).jobs[0]
    async with refused("this code was .* before: nobody decided in time"):
        await it.jobs.DecideApproval(decision(job, **APPROVE))
    assert len(it.script.runs) == (end == "answer")


async def test_many_decisions_at_once_leave_one(given):
    it = given()
    job = await asked(it)
    requests = [
        decision(job, **APPROVE),
        decision(job, edit=control_pb2.Edit(source="print(3)\n")),
        decision(job, reject=control_pb2.Reject(reason="no")),
    ] * 4
    outcomes = await asyncio.gather(*(it.jobs.DecideApproval(each) for each in requests), return_exceptions=True)
    refusals = [each for each in outcomes if isinstance(each, grpc.aio.AioRpcError)]
    assert {each.code() for each in refusals} == {grpc.StatusCode.FAILED_PRECONDITION}
    steps = await until(it, job.job_id, job.last_sequence, *ENDED, pb.JOB_STATE_AWAITING_APPROVAL)
    about_it = [step for step in steps if step.observation.approval.code_sha256 == WRITTEN]
    assert len(about_it) == 1
    assert len(it.script.runs) <= 1


async def test_the_same_decision_again_changes_nothing_and_another_is_refused(given):
    it = given()
    job = await asked(it)
    await it.jobs.DecideApproval(decision(job, **APPROVE))
    await rest(it, job)
    assert (await it.jobs.DecideApproval(decision(job, **APPROVE))).job.state == pb.JOB_STATE_SUCCEEDED
    async with refused("this code was approved before"):
        await it.jobs.DecideApproval(decision(job, reject=control_pb2.Reject()))
    assert len(it.script.runs) == 1


async def test_a_decision_after_cancel_is_refused_and_nothing_runs(given):
    it = given()
    job = await asked(it)
    await it.jobs.CancelJob(pb.CancelJobRequest(job_id=job.job_id))
    async with refused("does not ask for approval: its state is cancelled"):
        await it.jobs.DecideApproval(decision(job, **APPROVE))
    assert it.script.runs == []


async def test_waiting_for_a_person_costs_no_time_of_the_job(given):
    it = given()
    job = await asked(it, deadline=Duration(seconds=2))
    beats = 0
    call = it.jobs.WatchJob(pb.WatchJobRequest(job_id=job.job_id, after_sequence=job.last_sequence))
    async for event in call:
        beats += event.HasField("heartbeat")
        if beats == 11:  # 2.2 s
            break
    call.cancel()
    await it.jobs.DecideApproval(decision(job, **APPROVE))
    assert kinds(await rest(it, job))[-1] == "answer"


def _asks(request: reasoning_pb2.DecideNextActionRequest) -> reasoning_pb2.Action:
    last = request.turns[-1].observation if request.turns else None
    if last is not None and last.HasField("figures") and request.goal.may_ask:
        choices = [reasoning_pb2.Choice(choice_id="1", text="Sales"), reasoning_pb2.Choice(choice_id="2", text="Costs")]
        return action(ask_person=reasoning_pb2.AskPerson(prompt="Which of the two?", choices=choices))
    if last is not None and last.HasField("person"):
        return action(write_code=reasoning_pb2.WriteCode(analysis=ANALYSIS))
    return plan(request)


async def test_a_job_asks_what_is_ambiguous_and_goes_on_with_the_answer(given):
    it = given(plan=_asks)
    job = (await it.jobs.CreateJob(pb.CreateJobRequest(spec=it.spec(may_ask=True)))).job
    steps = await until(it, job.job_id, 0, pb.JOB_STATE_AWAITING_INPUT)
    assert kinds(steps)[-2:] == ["thought", "ask_person"]
    ask = control_pb2.AnswerPromptRequest(job_id=job.job_id, sequence=steps[-1].sequence, choice_id="2")
    wrong = control_pb2.AnswerPromptRequest(job_id=job.job_id, sequence=steps[-1].sequence, choice_id="7")
    with pytest.raises(grpc.aio.AioRpcError, match="the choices are 1, 2"):
        await it.jobs.AnswerPrompt(wrong)
    await it.jobs.AnswerPrompt(ask)
    after = await until(it, job.job_id, steps[-1].sequence, *ENDED)
    assert after[0].observation.person == reasoning_pb2.PersonAnswer(choice_id="2", text="Costs", answered_by="local")
    assert kinds(after)[-1] == "answer"
    await it.jobs.AnswerPrompt(ask)
    ask.choice_id = "1"
    async with refused("does not ask"):
        await it.jobs.AnswerPrompt(ask)
