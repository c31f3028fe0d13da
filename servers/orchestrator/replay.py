"""A bundle made again from its job's log alone, held against the one that was left."""

from __future__ import annotations

import hashlib

from loupe.orchestrator.v1.control_pb2 import ReplayJobResponse
from loupe.orchestrator.v1.orchestrator_pb2 import Job
from servers.kit.files_client import FilesClient
from servers.orchestrator.bundle import CODE_OUTPUTS, bundle_digest, contents
from servers.orchestrator.job_view import JobView


async def replay(files: FilesClient, job: Job, view: JobView) -> ReplayJobResponse:
    """Return whether the log still makes the bytes that the job left.

    Args:
      job: with a bundle.
      view: folded from all of its steps.
    """
    run, overlay = view.run, view.overlay
    assert run is not None and overlay is not None  # a job with a bundle has both
    stored = {artifact.name: artifact.file for artifact in run.artifacts} | {"overlay.png": overlay}
    made = {name: await files.read(stored[name]) for name in (*CODE_OUTPUTS, "overlay.png")}
    written = contents(view, job.answer, made["data.csv"].decode())
    made |= {name: text.encode() for name, text in written.items()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in made.items()}
    left = {file.name: file.file.sha256 for file in job.bundle.files if file.name != "manifest.json"}
    names = sorted(left.keys() | digests.keys())
    differing = [name for name in names if left.get(name) != digests.get(name)]
    return ReplayJobResponse(is_identical=not differing, digest=bundle_digest(digests), differing_files=differing)
