"""A person's hand on a job: decisions on its code, answers, retries, forks, replays, explanations, exports."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import nbformat
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration

from loupe.critic.v1.critic_pb2 import SEVERITY_HIGH, SEVERITY_MEDIUM, TOOL_BANDIT, Finding
from loupe.orchestrator.v1 import approval_pb2, control_pb2
from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from loupe.orchestrator.v1.incident_pb2 import IncidentKind
from loupe.reasoning.v1 import reasoning_pb2
from loupe.type.v1.answer_pb2 import Answer, AnswerStatus
from loupe.vision.v1.vision_pb2 import Correction, ValueCorrection
from servers.kit import wire_json
from servers.kit.tokens import verify_code_token
from tests.contract.orchestrator_world import World, kinds, world
from tests.contract.scripted_peers import ANALYSIS, Script, action, plan

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODE_FAILED, CODE_DENIED = IncidentKind.INCIDENT_KIND_CODE_FAILED, IncidentKind.INCIDENT_KIND_CODE_DENIED
ALWAYS = approval_pb2.ApprovalPolicy(mode=approval_pb2.APPROVAL_MODE_ALWAYS)
RISKY = approval_pb2.ApprovalPolicy(mode=approval_pb2.APPROVAL_MODE_RISKY)
WRITTEN = hashlib.sha256(b"print(1)\n").hexdigest()
TO_APPROVAL = [
    *("thought", "read_figures", "seen"),
    *("thought", "write_code", "seen", "review_code", "seen", "ask_approval"),
]
TO_END = ["run_code", "seen", "thought", "finish", "draw_overlay", "seen", "answer"]


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


async def until(it: World, job_id: str, after: int, *states: pb.JobState.ValueType) -> list[pb.Step]:
    """The steps after a number, up to one that leaves the job in one of the states."""
    steps = []
    call = it.jobs.WatchJob(pb.WatchJobRequest(job_id=job_id, after_sequence=after))
    async with asyncio.timeout(20):
        async for event in call:
            if event.HasField("step"):
                steps.append(event.step)
                if event.step.job_state in states:
                    break
    call.cancel()
    return steps


async def asked(it: World, policy: approval_pb2.ApprovalPolicy = ALWAYS, **spec: Any) -> pb.Job:
    """A job that waits for a decision."""
    request = pb.CreateJobRequest(spec=it.spec(approval=policy, **spec))
    job = (await it.jobs.CreateJob(request)).job
    await until(it, job.job_id, 0, pb.JOB_STATE_AWAITING_APPROVAL)
    return await stored(it, job.job_id)


async def stored(it: World, job_id: str) -> pb.Job:
    job: pb.Job = (await it.jobs.GetJob(pb.GetJobRequest(job_id=job_id))).job
    return job


async def rest(it: World, job: pb.Job) -> list[pb.Step]:
    return await until(it, job.job_id, job.last_sequence, *ENDED)


ENDED = (pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED, pb.JOB_STATE_CANCELLED)


def decision(job: pb.Job, *, code: str = WRITTEN, **kind: Any) -> control_pb2.DecideApprovalRequest:
    return control_pb2.DecideApprovalRequest(job_id=job.job_id, code_sha256=code, **kind)


APPROVE: dict[str, Any] = {"approve": control_pb2.Approve()}


@asynccontextmanager
async def refused(word: str) -> AsyncIterator[None]:
    with pytest.raises(grpc.aio.AioRpcError, match=word) as caught:
        yield
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION


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


async def _finished(it: World, **spec: Any) -> pb.Job:
    steps = [event async for event in it.jobs.RunJob(pb.RunJobRequest(spec=it.spec(**spec)))]
    job_id = next(event.job.job_id for event in steps if event.HasField("job"))
    return await stored(it, job_id)


async def test_a_retry_after_a_step_does_only_what_is_left(given):
    it = given()
    job = await _finished(it)
    request = control_pb2.RetryJobRequest(job_id=job.job_id, request_id="again", after_sequence=7)
    made = (await it.jobs.RetryJob(request)).job
    assert (made.ancestry.job_id, made.ancestry.copied_step_count) == (job.job_id, 6)
    assert made.ancestry.kind == pb.ANCESTRY_KIND_RETRY
    steps = await until(it, made.job_id, 0, *ENDED)
    assert [step.attempt for step in steps] == [0] * 6 + [1] * 9
    assert it.script.readings == 1
    ended = (await it.jobs.GetJob(pb.GetJobRequest(job_id=made.job_id))).job
    assert ended.bundle.digest == job.bundle.digest
    assert (await it.jobs.RetryJob(request)).job.job_id == made.job_id
    same = await it.jobs.CompareJobs(control_pb2.CompareJobsRequest(job_id=job.job_id, other_job_id=made.job_id))
    assert same.is_identical, same.difference


async def test_a_retry_never_takes_an_approval_over(given):
    it = given()
    job = await asked(it)
    await it.jobs.DecideApproval(decision(job, **APPROVE))
    steps = await rest(it, job)
    request = control_pb2.RetryJobRequest(job_id=job.job_id, after_sequence=steps[-1].sequence)
    made = (await it.jobs.RetryJob(request)).job
    again = await until(it, made.job_id, 0, pb.JOB_STATE_AWAITING_APPROVAL, *ENDED)
    assert kinds(again) == TO_APPROVAL
    assert len(it.script.runs) == 1


async def test_a_fork_with_another_question_reads_nothing_again(given):
    it = given()
    job = await _finished(it)
    change = control_pb2.QuestionChange(question="What is the mean?")
    made = (await it.jobs.ForkJob(control_pb2.ForkJobRequest(job_id=job.job_id, question=change))).job
    assert made.spec.question == "What is the mean?"
    assert kinds(await until(it, made.job_id, 0, *ENDED))[-1] == "answer"
    assert (it.script.readings, made.ancestry.copied_step_count) == (1, 3)


async def test_a_fork_with_other_code_reviews_and_runs_that(given):
    it = given()
    job = await _finished(it)
    change = control_pb2.CodeChange(source="print(9)\n")
    made = (await it.jobs.ForkJob(control_pb2.ForkJobRequest(job_id=job.job_id, code=change))).job
    steps = await until(it, made.job_id, 0, *ENDED)
    assert kinds(steps)[6:] == ["edit_code", "seen", "review_code", "seen", *TO_END]
    assert [run.source for run in it.script.runs] == ["print(1)\n", "print(9)\n"]
    differ = await it.jobs.CompareJobs(control_pb2.CompareJobsRequest(job_id=job.job_id, other_job_id=made.job_id))
    assert (differ.is_identical, differ.step.sequence) == (False, 7)
    assert differ.difference == "action review_code and action edit_code"


@pytest.mark.parametrize(
    ("scripted", "kind", "told"),
    [
        ({"failing_sources": frozenset({"print(9)\n"})}, CODE_FAILED, "it printed nothing"),
        (
            {"approves": lambda source: source != "print(9)\n"},
            IncidentKind.INCIDENT_KIND_CODE_DENIED,
            "line 1: not that",
        ),
    ],
)
async def test_code_of_a_person_that_is_no_good_is_told_and_never_replaced(given, scripted, kind, told):
    it = given(**scripted)
    job = await _finished(it)
    change = control_pb2.CodeChange(source="print(9)\n")
    made = (await it.jobs.ForkJob(control_pb2.ForkJobRequest(job_id=job.job_id, code=change))).job
    steps = await until(it, made.job_id, 0, *ENDED)
    assert steps[-1].incident.kind == kind
    assert steps[-1].incident.diagnosis.startswith(told)
    assert it.script.repairs == []


async def test_a_fork_with_a_corrected_value_computes_with_it(given):
    it = given()
    job = await _finished(it)
    value = ValueCorrection(value_id="f1.s0.p0.y", printed="30")
    change = control_pb2.FigureChange(figure_id="f1", corrections=[Correction(value=value)])
    made = (await it.jobs.ForkJob(control_pb2.ForkJobRequest(job_id=job.job_id, figure=change))).job
    steps = await until(it, made.job_id, 0, *ENDED)
    assert kinds(steps)[3:5] == ["correct_figure", "seen"]
    assert it.script.readings == 1
    assert [each.figure.figure_id for each in it.script.corrections] == ["f1"]
    with pytest.raises(grpc.aio.AioRpcError, match="the job has no figure f9"):
        change.figure_id = "f9"
        await it.jobs.ForkJob(control_pb2.ForkJobRequest(job_id=job.job_id, figure=change))


async def test_only_a_job_that_has_ended_is_retried_or_exported(given):
    it = given()
    job = await asked(it)
    async with refused("has not ended"):
        await it.jobs.RetryJob(control_pb2.RetryJobRequest(job_id=job.job_id))
    async with refused("has not ended"):
        await it.jobs.ExportJob(control_pb2.ExportJobRequest(job_id=job.job_id))
    await it.jobs.CancelJob(pb.CancelJobRequest(job_id=job.job_id))


async def test_a_replay_makes_the_same_bytes_from_the_log_alone(given):
    it = given()
    job = await _finished(it)
    before = (it.script.readings, len(it.script.runs))
    replayed = await it.jobs.ReplayJob(control_pb2.ReplayJobRequest(job_id=job.job_id))
    assert replayed == control_pb2.ReplayJobResponse(is_identical=True, digest=job.bundle.digest)
    assert (it.script.readings, len(it.script.runs)) == before


async def test_an_explanation_leads_from_the_picture_to_the_answer_without_a_loose_end(given):
    it = given()
    job = await _finished(it, approval=approval_pb2.ApprovalPolicy())
    nodes = (await it.jobs.ExplainJob(control_pb2.ExplainJobRequest(job_id=job.job_id))).nodes
    told = {node.node_id: node for node in nodes}
    assert list(told) == [
        *(
            "engine:vision",
            "picture:1",
            "f1",
            "engine:reasoning",
            "engine:codegen",
            "program",
            "verdict",
            "code:1",
            "run",
        ),
        *("f1.s0.p0.y", "f1.s0.p1.y", "number:1", "cell:2.2", "cell:3.2", "chart:1", "answer"),
    ]
    assert list(told["number:1"].from_node_ids) == ["f1.s0.p0.y", "f1.s0.p1.y", "code:1", "run"]
    assert list(told["cell:2.2"].from_node_ids) == ["f1.s0.p0.y", "run"]
    assert list(told["f1.s0.p0.y"].from_node_ids) == ["f1", "picture:1"]
    assert told["code:1"].text == "print(1)"
    assert "told nothing" in told["chart:1"].unexplained  # these servers draw no chart
    seen: set[str] = set()
    for node in nodes:
        assert seen.issuperset(node.from_node_ids), node
        seen.add(node.node_id)
    led_to = {source for node in nodes for source in node.from_node_ids}
    assert seen - led_to == {"answer", "chart:1", "cell:2.2", "cell:3.2"}


async def test_a_refused_answer_is_explained_without_a_loose_end(given):
    refused_answer = Answer(status=AnswerStatus.ANSWER_STATUS_UNANSWERABLE, reason="no such thing is shown")
    refusal = {
        "answer.json": wire_json.to_line(refused_answer).encode(),
        "chart.png": b"x",
        "data.csv": b",Sales\nJan,3\n",
    }
    it = given(artifacts=refusal)
    job = await _finished(it)
    nodes = (await it.jobs.ExplainJob(control_pb2.ExplainJobRequest(job_id=job.job_id))).nodes
    led_to = {source for node in nodes for source in node.from_node_ids}
    assert {node.node_id for node in nodes} - led_to == {"answer", "chart:1", "cell:2.2"}
    assert "engine:vision" in led_to


async def test_an_explanation_comes_in_pages_and_of_what_is_asked_for(given):
    it = given()
    job = await _finished(it)
    whole = await it.jobs.ExplainJob(control_pb2.ExplainJobRequest(job_id=job.job_id))
    assert (whole.totals.node_count, whole.next_page_token) == (len(whole.nodes), "")
    paged, token = [], ""
    while True:
        request = control_pb2.ExplainJobRequest(job_id=job.job_id, page_size=5, page_token=token)
        page = await it.jobs.ExplainJob(request)
        assert page.totals == whole.totals
        paged += page.nodes
        token = page.next_page_token
        if not token:
            break
        assert len(page.nodes) == 5
    assert paged == list(whole.nodes)
    one = await it.jobs.ExplainJob(control_pb2.ExplainJobRequest(job_id=job.job_id, of_node_ids=["f1.s0.p1.y"]))
    assert [node.node_id for node in one.nodes] == ["engine:vision", "picture:1", "f1", "f1.s0.p1.y"]
    with pytest.raises(grpc.aio.AioRpcError, match="the explanation has no node chart:99"):
        await it.jobs.ExplainJob(control_pb2.ExplainJobRequest(job_id=job.job_id, of_node_ids=["chart:99"]))
    for token in ("0", "-1", "7x", "1000000"):
        with pytest.raises(grpc.aio.AioRpcError, match="is not one that this explanation gave"):
            await it.jobs.ExplainJob(control_pb2.ExplainJobRequest(job_id=job.job_id, page_token=token))


async def test_an_export_holds_the_bundle_the_log_and_an_executed_notebook(given):
    it = given()
    job = await _finished(it)
    file = (await it.jobs.ExportJob(control_pb2.ExportJobRequest(job_id=job.job_id))).file
    archive = zipfile.ZipFile(io.BytesIO(await it.files.read(file)))
    names = set(archive.namelist())
    assert {"analysis.py", "answer.json", "chart.json", "manifest.json", "job.json", "steps.jsonl"} <= names
    explanation = json.loads(archive.read("explanation.json"))
    assert [node["node_id"] for node in explanation["nodes"]][-1] == "answer"
    assert "inputs/1.png" in names
    steps = [json.loads(line) for line in archive.read("steps.jsonl").splitlines()]
    assert [step["sequence"] for step in steps] == list(range(1, 16))
    notebook = nbformat.reads(archive.read("analysis.executed.ipynb").decode(), as_version=4)
    nbformat.validate(notebook)
    data = next(cell for cell in notebook.cells if cell["id"] == "data")
    assert data["outputs"][0]["data"]["text/plain"] == ",Sales\nJan,3\nFeb,4\n"
    assert (await it.jobs.ExportJob(control_pb2.ExportJobRequest(job_id=job.job_id))).file.sha256 == file.sha256


async def test_a_job_exports_again_where_its_explanation_reads_otherwise_now(given):
    it = given()
    job = await _finished(it)
    # Stands for the zip of an earlier release.
    picture = await it.files.read(it.picture)
    earlier = await it.files.write(picture, "job.zip", request_id=f"{job.job_id}.export")
    later = (await it.jobs.ExportJob(control_pb2.ExportJobRequest(job_id=job.job_id))).file
    assert later.sha256 != earlier.sha256


async def test_a_failed_job_exports_its_code_and_its_incident(given):
    it = given(artifacts={"notes.txt": b"half done"})
    job = await _finished(it)
    assert job.state == pb.JOB_STATE_FAILED
    file = (await it.jobs.ExportJob(control_pb2.ExportJobRequest(job_id=job.job_id))).file
    archive = zipfile.ZipFile(io.BytesIO(await it.files.read(file)))
    assert archive.read("analysis.py") == b"print(1)\n"
    assert archive.read("left/notes.txt") == b"half done"
    assert json.loads(archive.read("job.json"))["incident"]["kind"] == "INCIDENT_KIND_BAD_OUTPUT"
