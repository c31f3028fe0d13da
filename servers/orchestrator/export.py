"""All of a job in one zip: what it left, what it was made from, its log, and the notebook with its outputs."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from loupe.orchestrator.v1.orchestrator_pb2 import Job, Step
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit import wire_json
from servers.kit.files_client import FilesClient
from servers.orchestrator.explain.graph import Graph
from servers.orchestrator.job_view import JobView

# The oldest date that a zip can hold: equal jobs give equal bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "image/bmp": "bmp"}


async def export(
    files: FilesClient, job: Job, view: JobView, steps: Sequence[Step], explanation: Graph | None
) -> FileRef:
    """Store the zip of a job that has ended and return it.

    Args:
      explanation: of its answer, where it has one.
    A job without a bundle gives what there is: its code, what the code's last run left, and the incident in job.json.
    """
    left = {named.name: named.file for named in job.bundle.files}
    if not left and view.run is not None:
        left = {f"left/{named.name}": named.file for named in view.run.artifacts}
    refs = left | {
        f"inputs/{place}.{_SUFFIXES.get(ref.media_type, 'bin')}": ref
        for place, ref in enumerate(job.spec.inputs, start=1)
    }
    contents = {name: await files.read(ref) for name, ref in refs.items()}
    contents["job.json"] = json.dumps(wire_json.to_object(job), indent=1, ensure_ascii=False).encode() + b"\n"
    contents["steps.jsonl"] = "".join(f"{wire_json.to_line(step)}\n" for step in steps).encode()
    if explanation is not None:
        told = json.dumps(wire_json.to_object(explanation.whole()), indent=1, ensure_ascii=False)
        contents["explanation.json"] = told.encode() + b"\n"
    if view.code is not None and "analysis.py" not in contents:
        contents["analysis.py"] = view.code.source.encode()
    if "analysis.ipynb" in contents:
        contents["analysis.executed.ipynb"] = executed(contents, view).encode()
    packed = await asyncio.to_thread(_zip, contents)
    # With the content: what a later release makes of the same job may read otherwise.
    mark = hashlib.sha256(packed).hexdigest()[:16]
    return await files.write(packed, f"{job.job_id}.zip", request_id=f"{job.job_id}.export.{mark}")


def executed(contents: Mapping[str, bytes], view: JobView) -> str:
    """Return the bundle's notebook with the outputs that its cells have where the job ran."""
    notebook = json.loads(contents["analysis.ipynb"])
    outputs: dict[str, list[dict[str, Any]]] = {
        "analysis": _printed(view.run.stdout_tail) if view.run else [],
        "data": [_result({"text/plain": contents["data.csv"].decode()})],
        "chart": [_result({"image/png": base64.b64encode(contents["chart.png"]).decode()})],
        "answer": [_result({"text/plain": contents["answer.json"].decode()})],
    }
    code_cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for count, cell in enumerate(code_cells, start=1):
        cell["execution_count"] = count
        for output in outputs[cell["id"]]:
            if output["output_type"] == "execute_result":
                output["execution_count"] = count
            cell["outputs"].append(output)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _printed(text: str) -> list[dict[str, Any]]:
    lines = text.splitlines(keepends=True)
    return [{"output_type": "stream", "name": "stdout", "text": lines}] if lines else []


def _result(data: dict[str, str]) -> dict[str, Any]:
    return {"output_type": "execute_result", "data": data, "metadata": {}}


def _zip(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            archive.writestr(zipfile.ZipInfo(name, _NO_TIME), contents[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
