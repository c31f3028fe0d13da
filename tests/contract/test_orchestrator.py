"""The orchestrator with a real files server, and with servers that fail as told."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import grpc
import nbformat
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from PIL import Image

from loupe.orchestrator.v1 import incident_pb2, orchestrator_pb2
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from loupe.reasoning.v1 import reasoning_pb2
from loupe.sandbox.v1 import sandbox_pb2
from loupe.type.v1.access_pb2 import Role
from loupe.type.v1.answer_pb2 import Answer, AnswerStatus
from loupe.type.v1.engine_pb2 import Engine
from servers.kit import wire_json
from servers.kit.errors import DamagedMedia, UpstreamUnavailable
from servers.kit.keys import KeyFolder
from servers.kit.tokens import ServiceClaims, sign_service_token
from servers.orchestrator.bundle import bundle_digest
from tests.contract.orchestrator_world import World, kinds, world
from tests.contract.scripted_peers import Script, action, answer, plan
from tests.running import channel_with_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

KINDS = incident_pb2.IncidentKind
FAILED = sandbox_pb2.RunResult(
    outcome=sandbox_pb2.OUTCOME_FAILED,
    exit_code=1,
    error=sandbox_pb2.PythonError(type="KeyError", message="'x'", line=3),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_home):
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


async def test_a_job_reads_writes_reviews_runs_and_leaves_nine_files(given):
    it = given()
    steps = await it.run()
    assert kinds(steps) == [
        *("thought", "read_figures", "seen"),
        *("thought", "write_code", "seen", "review_code", "seen", "run_code", "seen"),
        *("thought", "finish", "draw_overlay", "seen", "answer"),
    ]
    assert [step.sequence for step in steps] == list(range(1, 16))
    final = steps[-1].answer
    assert steps[-1].job_state == orchestrator_pb2.JOB_STATE_SUCCEEDED
    assert final.answer == answer()
    files = {named.name: named.file for named in final.bundle.files}
    assert sorted(files) == [
        *("analysis.ipynb", "analysis.py", "answer.json", "chart.json", "chart.png"),
        *("data.csv", "manifest.json", "overlay.png", "report.md"),
    ]
    assert final.bundle.digest == bundle_digest({name: ref.sha256 for name, ref in files.items()})
    assert await it.files.read(files["analysis.py"]) == b"print(1)\n"
    chart = json.loads(await it.files.read(files["chart.json"]))
    assert [figure["figure_id"] for figure in chart] == ["f1"]
    assert chart[0]["chart"]["series"][0]["points"][1]["y"]["number"] == 4
    manifest = json.loads(await it.files.read(files["manifest.json"]))
    assert manifest["outputs"]["data.csv"]["sha256"] == files["data.csv"].sha256
    assert manifest["inputs"][0]["sha256"] == it.picture.sha256
    assert {name: engine["name"] for name, engine in manifest["engines"].items()} == {
        "vision": "scripted",
        "reasoning": "scripted",
        "codegen": "scripted",
    }
    assert manifest["limits"]["sandbox"] == {"memory": {"value": 2048.0, "unit": "MiB", "enforced_by": "the script"}}
    assert manifest["limits"]["job"]["max_repairs"] == 2
    assert manifest["create_time"] < manifest["bundle_time"]
    nbformat.validate(nbformat.reads((await it.files.read(files["analysis.ipynb"])).decode(), as_version=4))
    assert "The total of Sales is 7." in (await it.files.read(files["report.md"])).decode()


async def test_the_sandbox_gets_the_figures_and_a_token_for_exactly_this_step(given):
    it = given()
    steps = await it.run()
    ran = next(step for step in steps if step.WhichOneof("body") == "action" and step.action.HasField("run_code"))
    [authorized] = it.script.authorizations
    assert (authorized.step, authorized.attempt, authorized.source) == (ran.sequence, 1, "print(1)\n")
    [spec] = it.script.runs
    assert (spec.source, spec.critic_token) == ("print(1)\n", "signed")
    assert json.loads(it.script.run_inputs[0])[0]["chart"]["title"] == "Sales 2024"


async def test_denied_code_is_repaired_twice_at_most_and_never_runs(given):
    it = given(approves=lambda source: False)
    steps = await it.run()
    assert kinds(steps).count("repair_code") == 2
    assert "run_code" not in kinds(steps)
    assert it.script.runs == []
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_CODE_DENIED
    assert "not that" in steps[-1].incident.diagnosis
    assert steps[-1].job_state == orchestrator_pb2.JOB_STATE_FAILED


async def test_code_that_crashed_is_repaired_with_what_it_said_and_runs_again(given):
    it = given(outcomes=[FAILED])
    steps = await it.run()
    assert steps[-1].job_state == orchestrator_pb2.JOB_STATE_SUCCEEDED
    [repair] = it.script.repairs
    assert repair.run.result.error.type == "KeyError"
    assert "KeyError: 'x'" in repair.run.stderr_tail
    assert [spec.source for spec in it.script.runs] == ["print(1)\n", "print(2)\n"]


async def test_denials_and_crashes_share_the_repairs(given):
    it = given(outcomes=[FAILED, FAILED], approves=lambda source: source != "print(2)\n")
    steps = await it.run()
    assert kinds(steps).count("repair_code") == 2
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_CODE_FAILED
    assert steps[-1].incident.diagnosis == "KeyError: 'x' (line 3)"
    assert "Traceback" in steps[-1].incident.log_tail


async def test_a_limit_of_the_sandbox_is_named(given):
    over = sandbox_pb2.RunResult(outcome=sandbox_pb2.OUTCOME_LIMIT_EXCEEDED, exceeded=sandbox_pb2.LIMIT_KIND_WALL_TIME)
    steps = await given(outcomes=[over] * 3).run()
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_SANDBOX_LIMIT
    assert steps[-1].incident.summary == "the code met the sandbox's limit of wall time"


async def test_a_planner_cannot_skip_the_critic(given):
    def rogue(request: reasoning_pb2.DecideNextActionRequest) -> reasoning_pb2.Action:
        last = request.turns[-1].observation if request.turns else None
        if last is not None and last.HasField("figures"):
            return action(run_code=reasoning_pb2.RunCode(code_sha256="0" * 64))
        return plan(request)

    it = given(plan=rogue)
    steps = await it.run()
    assert it.script.runs == []
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_SERVER_FAILED


async def test_a_planner_cannot_invent_numbers(given):
    def rogue(request: reasoning_pb2.DecideNextActionRequest) -> reasoning_pb2.Action:
        if request.turns:
            return action(finish=reasoning_pb2.Finish(answer=answer("It is 7.")))
        return plan(request)

    steps = await given(plan=rogue).run()
    assert steps[-1].job_state == orchestrator_pb2.JOB_STATE_FAILED


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (answer("The total is 8."), "8"),
        (answer(ids=("f1.s0.p9.y",)), "f1.s0.p9.y, which was not read"),
        (answer(ids=()), "names no value"),
        (Answer(text="seven"), "no status"),
    ],
)
async def test_an_answer_that_cannot_be_traced_is_an_incident_with_the_output_kept(given, made, told):
    artifacts = Script().artifacts | {"answer.json": wire_json.to_line(made).encode()}
    steps = await given(artifacts=artifacts).run()
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_BAD_OUTPUT
    assert told in steps[-1].incident.diagnosis
    assert {named.name for named in steps[-2].observation.run.artifacts} == {"answer.json", "chart.png", "data.csv"}


UNTRACED = Script().artifacts | {"answer.json": wire_json.to_line(answer("The total is 8.")).encode()}
BY_MODEL = Engine(name="routed", model="gpu/m", prompt="program@1")


@pytest.mark.parametrize(
    ("left", "told"), [(UNTRACED, "can't be traced"), ({"data.csv": b",a\n"}, "did not write answer.json, chart.png")]
)
async def test_a_model_is_told_why_its_output_is_of_no_use_and_may_write_anew(given, left, told):
    it = given(leaves={"print(1)\n": left}, writers=[BY_MODEL, BY_MODEL])
    steps = await it.run()
    assert steps[-1].job_state == orchestrator_pb2.JOB_STATE_SUCCEEDED
    assert steps[-1].answer.answer == answer()
    [repair] = it.script.repairs
    assert told in repair.run.problem
    assert repair.run.result.outcome == sandbox_pb2.OUTCOME_COMPLETED
    # The new program goes the whole way of all code.
    assert kinds(steps).count("review_code") == 2
    assert [spec.source for spec in it.script.runs] == ["print(1)\n", "print(2)\n"]


async def test_a_model_s_useless_output_is_repaired_as_often_as_any_failure(given):
    it = given(artifacts=UNTRACED, writers=[BY_MODEL] * 3)
    steps = await it.run()
    assert len(it.script.runs) == 3
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_BAD_OUTPUT
    assert "8" in steps[-1].incident.diagnosis
    it = given(outcomes=[FAILED], leaves={"print(2)\n": UNTRACED, "print(3)\n": UNTRACED}, writers=[BY_MODEL] * 3)
    assert (await it.run())[-1].incident.kind == KINDS.INCIDENT_KIND_BAD_OUTPUT
    assert len(it.script.runs) == 3


async def test_rules_that_stood_in_for_a_model_are_not_asked_again_for_the_same(given):
    it = given(artifacts=UNTRACED, writers=[BY_MODEL, Engine(name="builtin", degraded_reason="gpu/m failed")])
    steps = await it.run()
    assert len(it.script.runs) == 2
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_BAD_OUTPUT


async def test_missing_files_are_an_incident(given):
    steps = await given(artifacts={"data.csv": b",a\n"}).run()
    assert steps[-1].incident.diagnosis == "the code did not write answer.json, chart.png"


async def test_files_that_cannot_be_kept_are_a_note_and_the_answer_stands(given):
    more = {"empty.txt": b"", "cut.png": b"\x89PNG\r\n\x1a\n", "x" * 128: b"kept"}
    steps = await given(artifacts=Script().artifacts | more).run()
    assert steps[-1].job_state == orchestrator_pb2.JOB_STATE_SUCCEEDED
    [run] = [step.observation.run for step in steps if step.observation.HasField("run")]
    assert [named.name for named in run.artifacts] == ["answer.json", "chart.png", "data.csv", "x" * 128]
    assert [note.partition(":")[0] for note in run.result.notes] == ["cut.png was not kept", "empty.txt was not kept"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("data.csv", b"", "the code did not write data.csv; data.csv was not kept: the file has no bytes"),
        ("data.csv", b"\xff\xfe,\n", "data.csv is no table: 'utf-8' codec can't decode byte 0xff"),
        ("data.csv", b"a" * 200_000, "data.csv is no table: field larger than field limit"),
        ("answer.json", b" " * 2**20 + b"{}", "answer.json has 1048578 bytes, at most 1048576"),
        (
            "answer.json",
            b"[" * 100_000,
            "answer.json does not hold an answer: Failed to load JSON: maximum recursion depth",
        ),
        ("answer.json", b'{"text": "' + b"x" * 9000 + b'"}', "answer.json does not hold an answer: text: "),
    ],
    ids=["empty", "not UTF-8", "wide", "large", "deep", "long text"],
)
async def test_output_that_is_no_output_is_an_incident_that_says_why(given, name, content, told):
    steps = await given(artifacts=Script().artifacts | {name: content}).run()
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_BAD_OUTPUT
    assert steps[-1].incident.diagnosis.startswith(told)


async def test_a_planner_cannot_read_another_file_of_the_owner(given):
    it = given()
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9)).save(buffer, "PNG")
    other = await it.files.write(buffer.getvalue(), "other.png", request_id="other")

    def rogue(request: reasoning_pb2.DecideNextActionRequest) -> reasoning_pb2.Action:
        return action(read_figures=reasoning_pb2.ReadFigures(file=other))

    it.script.plan = rogue
    steps = await it.run()
    assert kinds(steps) == ["incident"]


@pytest.mark.parametrize("status", [AnswerStatus.ANSWER_STATUS_ANSWERED, AnswerStatus.ANSWER_STATUS_UNSPECIFIED])
async def test_a_planner_cannot_answer_in_words_without_code(given, status):
    def rogue(request: reasoning_pb2.DecideNextActionRequest) -> reasoning_pb2.Action:
        if request.turns:
            return action(finish=reasoning_pb2.Finish(answer=Answer(status=status, text="It is 42.")))
        return plan(request)

    steps = await given(plan=rogue).run()
    assert steps[-1].job_state == orchestrator_pb2.JOB_STATE_FAILED


async def test_a_list_of_jobs_leaves_out_what_may_be_large(given):
    it = given(outcomes=[FAILED] * 3)
    await it.run()
    it = given()
    await it.run()
    answered, failed = (await it.jobs.ListJobs(orchestrator_pb2.ListJobsRequest(page_size=2))).jobs
    assert answered.answer.text == "The total of Sales is 7."
    assert list(answered.answer.values) == []
    assert (failed.incident.summary, failed.incident.log_tail) == ("the code failed", "")
    whole = (await it.jobs.GetJob(orchestrator_pb2.GetJobRequest(job_id=failed.job_id))).job
    assert "Traceback" in whole.incident.log_tail


async def test_a_watcher_with_a_number_nobody_has_seen_still_gets_the_end(given):
    it = given(hang=asyncio.Event())
    created = await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=it.spec()))
    async with asyncio.timeout(20):
        await it.script.run_began.wait()
        watch = it.jobs.WatchJob(orchestrator_pb2.WatchJobRequest(job_id=created.job.job_id, after_sequence=4000))
        events = aiter(watch)
        assert (await anext(events)).HasField("heartbeat")
        await it.jobs.CancelJob(orchestrator_pb2.CancelJobRequest(job_id=created.job.job_id))
        steps = [event.step async for event in events if event.HasField("step")]
    assert steps[-1].job_state == orchestrator_pb2.JOB_STATE_CANCELLED


async def test_an_unreadable_picture_is_bad_input_and_a_dead_server_is_not(given):
    steps = await given(vision_error=DamagedMedia("the PNG image is cut short")).run()
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_BAD_INPUT
    assert steps[-1].incident.remedies[0].kind == incident_pb2.REMEDY_KIND_REUPLOAD
    steps = await given(vision_error=UpstreamUnavailable("gone")).run()
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_SERVER_FAILED
    assert steps[-1].incident.remedies[0].kind == incident_pb2.REMEDY_KIND_RETRY
    assert steps[-1].incident.plan[0] == "reading the picture"


async def test_what_cannot_be_answered_is_a_succeeded_job(given):
    refusal = Answer(status=AnswerStatus.ANSWER_STATUS_UNANSWERABLE, reason="there is no year 2030 in the figure")

    def refuse(request: reasoning_pb2.DecideNextActionRequest) -> reasoning_pb2.Action:
        return action(finish=reasoning_pb2.Finish(answer=refusal)) if request.turns else plan(request)

    steps = await given(plan=refuse).run()
    assert steps[-1].job_state == orchestrator_pb2.JOB_STATE_SUCCEEDED
    assert steps[-1].answer.answer == refusal


async def test_figures_of_several_pictures_are_counted_through(given):
    it = given()

    def read_twice(request: reasoning_pb2.DecideNextActionRequest) -> reasoning_pb2.Action:
        if len(request.turns) < 2:
            return action(read_figures=reasoning_pb2.ReadFigures(file=request.goal.inputs[0]))
        return plan(request)

    it.script.plan = read_twice
    steps = await it.run()
    second = [step.observation for step in steps if step.WhichOneof("body") == "observation"][1]
    assert second.figures.figures[0].figure_id == "f2"
    assert second.figures.figures[0].chart.series[0].points[1].y.value_id == "f2.s0.p1.y"


async def test_a_planner_that_goes_in_circles_meets_the_step_maximum(given):
    steps = await given(plan=lambda request: plan(type(request)(goal=request.goal))).run()
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_BUDGET_SPENT
    assert len(steps) <= 65


async def test_cancelling_reaches_the_sandbox_and_ends_the_stream(given):
    it = given(hang=asyncio.Event())
    created = await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=it.spec()))
    async with asyncio.timeout(20):
        await it.script.run_began.wait()
        cancelled = await it.jobs.CancelJob(orchestrator_pb2.CancelJobRequest(job_id=created.job.job_id))
        await it.script.run_cancelled.wait()
        watch = orchestrator_pb2.WatchJobRequest(job_id=created.job.job_id)
        steps = [event.step async for event in it.jobs.WatchJob(watch) if event.HasField("step")]
    assert cancelled.job.state == orchestrator_pb2.JOB_STATE_CANCELLED
    assert steps[-1].job_state == orchestrator_pb2.JOB_STATE_CANCELLED
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_CANCELLED
    again = await it.jobs.CancelJob(orchestrator_pb2.CancelJobRequest(job_id=created.job.job_id))
    assert again.job == cancelled.job


async def test_a_job_out_of_time_ends_and_says_so(given):
    it = given(hang=asyncio.Event())
    spec = it.spec()
    spec.deadline.FromMilliseconds(700)
    request = orchestrator_pb2.RunJobRequest(spec=spec)
    steps = [event.step async for event in it.jobs.RunJob(request) if event.HasField("step")]
    assert steps[-1].incident.kind == KINDS.INCIDENT_KIND_BUDGET_SPENT
    async with asyncio.timeout(20):
        await it.script.run_cancelled.wait()


async def test_a_watcher_that_comes_back_misses_nothing_and_sees_nothing_twice(given):
    it = given()
    steps = await it.run()
    job_id = (await it.jobs.ListJobs(orchestrator_pb2.ListJobsRequest(page_size=1))).jobs[0].job_id
    for after in (0, 5, len(steps) - 1, len(steps)):
        watch = orchestrator_pb2.WatchJobRequest(job_id=job_id, after_sequence=after)
        seen = [event.step async for event in it.jobs.WatchJob(watch)]
        assert seen == steps[after:]


async def test_a_watcher_that_leaves_does_not_end_the_job_and_waiting_ones_get_heartbeats(given):
    it = given(hang=asyncio.Event())
    request = orchestrator_pb2.RunJobRequest(spec=it.spec())
    call = it.jobs.RunJob(request)
    job_id = ""
    async for event in call:
        job_id = event.job.job_id or job_id
        if event.HasField("heartbeat"):
            break
    call.cancel()
    assert (await it.jobs.GetJob(orchestrator_pb2.GetJobRequest(job_id=job_id))).job.state == 2
    it.script.hang.set()
    async with asyncio.timeout(20):
        watch = orchestrator_pb2.WatchJobRequest(job_id=job_id)
        events = [event async for event in it.jobs.WatchJob(watch) if event.HasField("step")]
    assert events[-1].step.job_state == orchestrator_pb2.JOB_STATE_SUCCEEDED


async def test_the_same_request_makes_one_job(given):
    it = given()
    request = orchestrator_pb2.CreateJobRequest(request_id="once", spec=it.spec())
    first, second = await it.jobs.CreateJob(request), await it.jobs.CreateJob(request)
    assert first.job.job_id == second.job.job_id
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        other = it.spec("How many?")
        await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(request_id="once", spec=other))
    assert caught.value.code() == grpc.StatusCode.ALREADY_EXISTS


async def test_another_owner_sees_no_job(given, module_home):
    it = given()
    await it.run()
    job_id = (await it.jobs.ListJobs(orchestrator_pb2.ListJobsRequest(page_size=1))).jobs[0].job_id
    claims = ServiceClaims("files", "orchestrator", "someone else", Role.ROLE_OPERATOR)
    token = sign_service_token(KeyFolder(module_home / "keys").private("files"), claims)
    async with channel_with_key(it.server.address, token) as channel:
        stranger = OrchestratorServiceStub(channel)
        assert (await stranger.ListJobs(orchestrator_pb2.ListJobsRequest())).jobs == []
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stranger.GetJob(orchestrator_pb2.GetJobRequest(job_id=job_id))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_full_queue_answers_resource_exhausted_with_a_delay(home):
    script = Script(hang=asyncio.Event())
    limits = {"LOUPE_ORCHESTRATOR_QUEUE_SIZE": "1", "LOUPE_ORCHESTRATOR_WORKER_COUNT": "1"}
    async with world(home, script, **limits) as it:
        await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=it.spec()))
        async with asyncio.timeout(20):
            await script.run_began.wait()
        waiting = (await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=it.spec()))).job
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=it.spec()))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        retry = error_details_pb2.RetryInfo()
        status = rpc_status.from_call(caught.value)
        assert status is not None and status.details[1].Unpack(retry)
        assert retry.retry_delay.seconds == 5
        ended = await it.jobs.CancelJob(orchestrator_pb2.CancelJobRequest(job_id=waiting.job_id))
        assert ended.job.state == orchestrator_pb2.JOB_STATE_CANCELLED


async def test_a_job_cut_by_a_kill_goes_on_where_it_was_cut(home):
    script = Script(hang=asyncio.Event())
    async with world(home, script) as it:
        cut = (await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=it.spec()))).job
        async with asyncio.timeout(20):
            await script.run_began.wait()
        it.server.process.kill()
        await it.server.process.wait()
    script = Script()
    async with world(home, script) as it:
        watch = orchestrator_pb2.WatchJobRequest(job_id=cut.job_id)
        steps = [event.step async for event in it.jobs.WatchJob(watch)]
        assert kinds(steps) == [
            *("thought", "read_figures", "seen"),
            *("thought", "write_code", "seen", "review_code", "seen", "run_code", "seen"),
            *("thought", "finish", "draw_overlay", "seen", "answer"),
        ]
        assert [step.sequence for step in steps] == list(range(1, 16))
        assert [step.attempt for step in steps] == [1] * 9 + [2] * 6
        assert [(asked.step, asked.attempt) for asked in script.authorizations] == [(9, 2)]
