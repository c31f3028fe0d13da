"""The main job through the real mesh: a chart in, an analysis out that anyone can check and run again."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest
import pytest_asyncio
from nbclient import NotebookClient
from PIL import Image, ImageChops

from loupe.orchestrator.v1 import orchestrator_pb2
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from loupe.type.v1.answer_pb2 import AnswerStatus
from sandbox.runtime import default_directory, find
from servers.kit import wire_json
from servers.kit.files_client import FilesClient
from tests.mesh import node_client
from tests.mesh.whole import WholeMesh, whole_mesh

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = Path(__file__).parents[2] / "examples"
NINE = [
    *("analysis.ipynb", "analysis.py", "answer.json", "chart.json", "chart.png"),
    *("data.csv", "manifest.json", "overlay.png", "report.md"),
]
# What examples/make_coffee.py draws.
CUPS = {"Jan": 412, "Feb": 388, "Mar": 451, "Apr": 497, "May": 540, "Jun": 516, "Jul": 468, "Aug": 433}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(module_home):
    async with whole_mesh(module_home) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rest(mesh: WholeMesh):
    async with httpx.AsyncClient(base_url=mesh.gateway.base_url, headers=mesh.headers, timeout=60) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grpc_channel(mesh: WholeMesh):
    async with mesh.channel() as channel:
        yield channel


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def coffee(rest: httpx.AsyncClient) -> str:
    answer = await rest.post("/v1/files?file_name=coffee.png", content=(EXAMPLES / "coffee.png").read_bytes())
    assert answer.status_code == 200, answer.text
    return str(answer.json()["file"]["file_id"])


def spec(file_id: str, question: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {"inputs": [{"file_id": file_id}]}
    return made if question is None else made | {"question": question}


async def run(rest: httpx.AsyncClient, file_id: str, question: str | None) -> list[dict[str, Any]]:
    """Run a job over REST and return its steps."""
    async with rest.stream("POST", "/v1/jobs:run", json={"spec": spec(file_id, question)}) as answer:
        events = [json.loads(line) async for line in answer.aiter_lines() if line]
    return [event["step"] for event in events if "step" in event]


async def bundle(rest: httpx.AsyncClient, final: dict[str, Any], folder: Path) -> Path:
    """Download a bundle's files."""
    folder.mkdir()
    for named in final["answer"]["bundle"]["files"]:
        content = await rest.get(f"/v1/files/{named['file']['file_id']}/content")
        (folder / named["name"]).write_bytes(content.content)
    return folder


async def test_a_chart_becomes_nine_files_with_the_right_answer_and_numbers(rest, coffee, tmp_path):
    steps = await run(rest, coffee, "Which month sold the most?")
    final = steps[-1]
    assert final["job_state"] == "JOB_STATE_SUCCEEDED", final
    assert final["answer"]["answer"]["status"] == "ANSWER_STATUS_ANSWERED"
    assert final["answer"]["answer"]["short_text"] == "May"
    folder = await bundle(rest, final, tmp_path / "bundle")
    assert sorted(path.name for path in folder.iterdir()) == NINE
    head, *rows = [line.split(",") for line in (folder / "data.csv").read_text().splitlines()]
    assert len(head) == 2
    read = {label: float(number) for label, number in rows}
    assert list(read) == list(CUPS)
    for month, cups in CUPS.items():
        assert read[month] == pytest.approx(cups, rel=0.02)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["bundle_digest"] == final["answer"]["bundle"]["digest"]
    with Image.open(folder / "overlay.png") as overlay, Image.open(EXAMPLES / "coffee.png") as picture:
        assert overlay.size == picture.size
        assert ImageChops.difference(overlay.convert("RGB"), picture.convert("RGB")).getbbox() is not None


async def test_every_number_of_an_answer_has_pixels(rest, coffee):
    steps = await run(rest, coffee, "What is the average?")
    final = steps[-1]["answer"]["answer"]
    [observed] = [step["observation"]["figures"] for step in steps if "figures" in step.get("observation", {})]
    points = observed["figures"][0]["chart"]["series"][0]["points"]
    boxes = {point["y"]["value_id"]: point["y"]["box"] for point in points}
    cited = {value_id for value in final["values"] for value_id in value["value_ids"]}
    assert cited == set(boxes)
    for value_id in cited:
        box = boxes[value_id]
        assert 0 <= box["x_min"] < box["x_max"] <= 800 and 0 <= box["y_min"] < box["y_max"] <= 600


async def test_the_same_question_twice_leaves_equal_bundles_and_the_code_runs_again_outside(rest, coffee, tmp_path):
    finals = [(await run(rest, coffee, "How much more was sold in May than in Feb?"))[-1] for _ in range(2)]
    assert finals[0]["answer"]["bundle"]["digest"] == finals[1]["answer"]["bundle"]["digest"]
    folder = await bundle(rest, finals[0], tmp_path / "bundle")
    again = tmp_path / "again"
    again.mkdir()
    for name in ("chart.json", "analysis.py"):
        shutil.copy(folder / name, again)
    python = find(default_directory()).path / "bin" / "python"
    subprocess.run([python, "analysis.py"], cwd=again, check=True, env={"MPLCONFIGDIR": str(tmp_path)}, timeout=60)
    assert (again / "data.csv").read_bytes() == (folder / "data.csv").read_bytes()
    assert (again / "answer.json").read_bytes() == (folder / "answer.json").read_bytes()
    with Image.open(again / "chart.png") as ours, Image.open(folder / "chart.png") as theirs:
        assert ImageChops.difference(ours.convert("RGB"), theirs.convert("RGB")).getbbox() is None


async def test_the_notebook_executes_as_it_is(rest, coffee, tmp_path):
    folder = await bundle(rest, (await run(rest, coffee, None))[-1], tmp_path / "bundle")
    notebook = nbformat.read(folder / "analysis.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    await client.async_execute()
    outputs = notebook.cells[-1].outputs
    assert "ANSWER_STATUS_ANSWERED" in str(outputs)


async def test_a_question_about_something_else_is_refused_and_leaves_its_bundle(rest, coffee):
    steps = await run(rest, coffee, "How many cups were sold in December?")
    final = steps[-1]
    assert final["job_state"] == "JOB_STATE_SUCCEEDED"
    assert final["answer"]["answer"]["status"] == "ANSWER_STATUS_UNANSWERABLE"
    assert final["answer"]["answer"]["values"] == []
    assert "Aug" in final["answer"]["answer"]["reason"]
    assert sorted(named["name"] for named in final["answer"]["bundle"]["files"]) == NINE


async def test_an_image_with_nothing_to_read_is_unanswerable_with_a_reason(rest):
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), "white").save(buffer, "PNG")
    uploaded = (await rest.post("/v1/files", content=buffer.getvalue())).json()["file"]["file_id"]
    final = (await run(rest, uploaded, None))[-1]
    assert final["job_state"] == "JOB_STATE_SUCCEEDED"
    assert final["answer"]["answer"]["status"] == "ANSWER_STATUS_UNANSWERABLE"
    assert final["answer"]["answer"]["reason"]


async def test_grpc_ndjson_and_sse_give_the_same_events(rest, grpc_channel, coffee):
    created = await rest.post("/v1/jobs", json={"spec": spec(coffee, "What is the total?")})
    job_id = created.json()["job"]["job_id"]
    stub = OrchestratorServiceStub(grpc_channel)
    watch = orchestrator_pb2.WatchJobRequest(job_id=job_id)
    over_grpc = [wire_json.to_object(event) async for event in stub.WatchJob(watch) if event.HasField("step")]
    async with rest.stream("GET", f"/v1/jobs/{job_id}:watch") as answer:
        over_ndjson = [json.loads(line) async for line in answer.aiter_lines() if line]
    async with rest.stream("GET", f"/v1/jobs/{job_id}:watch", headers={"accept": "text/event-stream"}) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        over_sse = [json.loads(line[5:]) async for line in answer.aiter_lines() if line.startswith("data:")]
    assert over_grpc == over_ndjson == over_sse
    assert over_grpc[-1]["step"]["job_state"] == "JOB_STATE_SUCCEEDED"


async def test_a_generated_node_client_completes_a_job_with_live_steps(mesh):
    node_client.install()
    picture = str(EXAMPLES / "coffee.png")
    lines = node_client.run_job(mesh.gateway.base_url, picture, "Which month sold the least?", key=mesh.key)
    *steps, job = [line async for line in lines]
    assert [step["sequence"] for step in steps] == list(range(1, len(steps) + 1))
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert job["answer"]["short_text"] == "Feb"


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "reason"),
    [
        ("POST", "/v1/jobs", b"{not json", 400, None),
        ("POST", "/v1/jobs", b'{"spec": {"question": ""}}', 400, "INVALID_FIELD"),
        ("POST", "/v1/jobs", b'{"spec": {"question": "' + b"x" * 20_000 + b'"}}', 400, "INVALID_FIELD"),
        ("POST", "/v1/jobs", b'{"spec": {"inputs": [{"file_id": "file_' + b"0" * 26 + b'"}]}}', 404, "NOT_FOUND"),
        ("GET", "/v1/jobs/job_" + "0" * 26, b"", 404, "NOT_FOUND"),
        ("GET", "/v1/jobs/nonsense", b"", 400, "INVALID_FIELD"),
        ("GET", "/v1/files/file_" + "0" * 26 + "/content", b"", 404, "NOT_FOUND"),
        ("DELETE", "/v1/jobs", b"", 405, None),
        ("GET", "/v2/anything", b"", 404, None),
        ("POST", "/v1/files", b"", 400, "EMPTY_FILE"),
        ("POST", "/v1/files", b"hello", 400, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", "/v1/files", b"\x89PNG\r\n\x1a\n" + bytes(60 * 2**20), 429, "TOO_LARGE"),
    ],
)
async def test_bad_requests_are_typed_and_in_one_shape(mesh, verb, path, body, status, reason):
    # A refusal that comes while a large body is still on its way reaches httpx's blocking client only.
    with httpx.Client(base_url=mesh.gateway.base_url, headers=mesh.headers, timeout=60) as client:
        answer = await asyncio.to_thread(client.request, verb, path, content=body)
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert told["code"] > 0 and told["message"]
    if reason is not None:
        assert told["details"][0]["reason"] == reason


async def test_no_call_but_health_gets_in_without_the_key(mesh):
    async with httpx.AsyncClient(base_url=mesh.gateway.base_url) as stranger:
        assert (await stranger.get("/healthz")).status_code == 200
        assert (await stranger.get("/readyz")).status_code == 200
        for path in ("/v1/jobs", "/v1/files", "/v1/sandbox:capabilities"):
            answer = await stranger.get(path)
            assert answer.status_code == 401
            assert answer.json()["details"][0]["reason"] == "UNAUTHENTICATED"


async def test_a_client_that_vanishes_leaves_its_job_running(rest, coffee):
    async with rest.stream("POST", "/v1/jobs:run", json={"spec": spec(coffee, "What is the median?")}) as answer:
        first = json.loads(await anext(answer.aiter_lines()))
    job_id = first["job"]["job_id"]
    async with rest.stream("GET", f"/v1/jobs/{job_id}:watch") as answer:
        events = [json.loads(line) async for line in answer.aiter_lines() if line]
    assert events[-1]["step"]["job_state"] == "JOB_STATE_SUCCEEDED"


async def test_a_server_killed_mid_job_is_an_incident_and_nothing_stored_is_lost(
    module_home, mesh, grpc_channel, coffee
):
    """Comes last: the mesh is without its vision server afterwards."""
    files = FilesClient(grpc_channel)
    stub = OrchestratorServiceStub(grpc_channel)
    stored = (await stub.ListJobs(orchestrator_pb2.ListJobsRequest(page_size=200))).jobs
    vision = mesh.servers["vision"].process
    os.kill(vision.pid, signal.SIGSTOP)
    request = orchestrator_pb2.RunJobRequest()
    wire = {"spec": spec(coffee, "What is the total?")}
    request.MergeFrom(wire_json.parse(json.dumps(wire), orchestrator_pb2.RunJobRequest))
    steps = []
    async with asyncio.timeout(60):
        async for event in stub.RunJob(request):
            if event.HasField("step"):
                steps.append(event.step)
            if event.HasField("step") and event.step.action.HasField("read_figures"):
                vision.kill()
                os.kill(vision.pid, signal.SIGCONT)
    assert steps[-1].job_state == orchestrator_pb2.JOB_STATE_FAILED
    assert steps[-1].incident.summary == "the vision server failed while reading the picture"
    after = (await stub.ListJobs(orchestrator_pb2.ListJobsRequest(page_size=200))).jobs
    assert list(after[1:]) == list(stored)
    answered = next(job for job in stored if job.answer.status == AnswerStatus.ANSWER_STATUS_ANSWERED)
    for named in answered.bundle.files:
        assert await files.read(named.file)
