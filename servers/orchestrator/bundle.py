"""What a finished job leaves: nine files by which anyone can check the answer and compute it again.

chart.json, analysis.py, data.csv, chart.png, answer.json, report.md, analysis.ipynb and overlay.png hold no times
and no ids of this run, so two equal jobs leave equal files; manifest.json holds all of those.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from loupe.orchestrator.v1.orchestrator_pb2 import Bundle
from loupe.reasoning.v1.reasoning_pb2 import NamedFile
from loupe.sandbox.v1.sandbox_pb2 import GetCapabilitiesRequest, GetCapabilitiesResponse, LimitKind
from loupe.type.v1.answer_pb2 import Answer
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit import wire_json
from servers.kit.files_client import FilesClient
from servers.orchestrator import sandbox_run
from servers.orchestrator.job_view import JobView
from servers.orchestrator.notebook import notebook
from servers.orchestrator.peers import asking
from servers.orchestrator.report import report

if TYPE_CHECKING:
    from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceAsyncStub

CODE_OUTPUTS = ("answer.json", "chart.png", "data.csv")
MANIFEST_VERSION = 1


class Bundler:
    """Assembles bundles and stores them with the files server."""

    def __init__(
        self, files: FilesClient, sandbox: SandboxServiceAsyncStub, *, job_limits: Mapping[str, float]
    ) -> None:
        self._files = files
        self._sandbox = sandbox
        self._job_limits = job_limits

    async def assemble(self, view: JobView, answer: Answer, overlay: FileRef) -> Bundle:
        """Return the bundle of a job whose code has run and whose answer is traced."""
        run = view.run
        assert run is not None  # an answer comes from code that ran
        made = {artifact.name: artifact.file for artifact in run.artifacts}
        written = contents(view, answer, (await self._files.read(made["data.csv"])).decode())
        files = {name: made[name] for name in CODE_OUTPUTS} | {"overlay.png": overlay}
        files |= await self._store_all(view, written)
        digest = bundle_digest({name: ref.sha256 for name, ref in files.items()})
        # The run named no limits of its own, so those by default were in force.
        with asking("sandbox"):
            capabilities = await self._sandbox.GetCapabilities(GetCapabilitiesRequest())
        limits = {"job": dict(self._job_limits), "sandbox": _limits(capabilities)}
        manifest = json.dumps(_manifest(view, files, digest, limits), indent=1, ensure_ascii=False) + "\n"
        files["manifest.json"] = await self._store(view, "manifest.json", manifest)
        return Bundle(files=[NamedFile(name=name, file=files[name]) for name in sorted(files)], digest=digest)

    async def _store_all(self, view: JobView, texts: Mapping[str, str]) -> dict[str, FileRef]:
        """Store files side by side: each waits for the disk, and one wait is as long as four."""
        try:
            async with asyncio.TaskGroup() as group:
                stored = {name: group.create_task(self._store(view, name, text)) for name, text in texts.items()}
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        return {name: task.result() for name, task in stored.items()}

    async def _store(self, view: JobView, name: str, text: str) -> FileRef:
        content = text.encode()
        # With the content: a manifest that is made again, as after a lost answer, has another time in it.
        mark = hashlib.sha256(content).hexdigest()[:16]
        return await self._files.write(content, name, request_id=f"{view.job_id}.{view.attempt}.bundle.{name}.{mark}")


def contents(view: JobView, answer: Answer, data_csv: str) -> dict[str, str]:
    """Return the files of a bundle that the log alone makes, by name; `data_csv` is shown in one of them."""
    assert view.code is not None  # an answer comes from code that ran
    return {
        "chart.json": wire_json.to_document(view.figures),
        "analysis.py": view.code.source,
        "report.md": report(view, answer, data_csv),
        "analysis.ipynb": notebook(view.goal.question, view.code.source),
    }


def bundle_digest(sha256_by_name: Mapping[str, str]) -> str:
    """Return the digest over names and digests of all files but the manifest: equal bundles have equal digests."""
    lines = "".join(f"{sha256_by_name[name]}  {name}\n" for name in sorted(sha256_by_name) if name != "manifest.json")
    return hashlib.sha256(lines.encode()).hexdigest()


def _limits(capabilities: GetCapabilitiesResponse) -> dict[str, Any]:
    return {
        LimitKind.Name(limit.kind).removeprefix("LIMIT_KIND_").lower(): {
            "value": limit.default_value,
            "unit": limit.unit,
            "enforced_by": limit.enforced_by,
        }
        for limit in capabilities.limits
    }


def _manifest(view: JobView, files: Mapping[str, FileRef], digest: str, limits: Mapping[str, Any]) -> dict[str, Any]:
    run, code, verdict = view.run, view.code, view.verdict
    assert run is not None and code is not None and verdict is not None
    vision, reasoning, approval = view.vision_engine, view.reasoning_engine, view.approval_of(code.code_sha256)
    result = wire_json.to_object(run.result)
    made_time = Timestamp()
    made_time.GetCurrentTime()
    return {
        "manifest_version": MANIFEST_VERSION,
        "job_id": view.job_id,
        "attempt": view.attempt,
        "create_time": view.create_time.ToJsonString(),
        "bundle_time": made_time.ToJsonString(),
        "question": view.goal.question,
        "inputs": [wire_json.to_object(ref) for ref in view.goal.inputs],
        "outputs": {name: wire_json.to_object(files[name]) for name in sorted(files)},
        "bundle_digest": digest,
        "engines": {
            "vision": wire_json.to_object(vision) if vision else None,
            "reasoning": wire_json.to_object(reasoning) if reasoning else None,
            "codegen": wire_json.to_object(code.engine) if code.HasField("engine") else None,
        },
        "prompts": [engine.prompt for engine in (vision, reasoning, code.engine) if engine and engine.prompt],
        "critic": {"policy_version": verdict.policy_version, "code_sha256": verdict.code_sha256},
        "approval": wire_json.to_object(approval) if approval else None,
        "sandbox": {
            "runner": run.result.runner,
            "runtime_digest": run.result.runtime_digest,
            "seed": sandbox_run.SEED,
            "wall_time": result.get("wall_time"),
            "cpu_time": result.get("cpu_time"),
            "peak_memory_kib": run.result.peak_memory_kib,
        },
        "limits": limits,
        "steps": view.last_sequence,
        "repairs": view.repair_count,
    }
