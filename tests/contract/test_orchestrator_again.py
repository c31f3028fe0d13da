"""A job that ended: retried, forked, replayed, explained, exported."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import grpc
import nbformat
import pytest
import pytest_asyncio

from loupe.orchestrator.v1 import approval_pb2, control_pb2
from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from loupe.orchestrator.v1.incident_pb2 import IncidentKind
from loupe.type.v1.answer_pb2 import Answer, AnswerStatus
from loupe.vision.v1.vision_pb2 import Correction, ValueCorrection
from servers.kit import wire_json
from tests.contract.control_world import (
    APPROVE,
    CODE_FAILED,
    ENDED,
    TO_APPROVAL,
    TO_END,
    asked,
    decision,
    refused,
    rest,
    stored,
    until,
)
from tests.contract.orchestrator_world import World, kinds, world
from tests.contract.scripted_peers import Script

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
