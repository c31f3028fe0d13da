"""Files that were stored in the course of a job and that none of its steps names: each step leaves what it did once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import grpc

from loupe.files.v1.files_pb2 import ListFilesRequest
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.orchestrator.v1.orchestrator_pb2 import Step
from servers.orchestrator.naming import made_files

_PAGE = 200


async def strays(channel: grpc.aio.Channel, steps: Mapping[str, list[Step]], *, within_s: float) -> list[str]:
    """Return what is stored otherwise than it must, a line each, once it is right or the time is over.

    What an attempt left that was cut goes a while after the job's end, and so is waited for.
    """
    until = time.monotonic() + within_s
    wrong: list[str] = []
    for job_id, seen in steps.items():
        named = made_files(seen)
        while True:
            stored = await _stored(channel, job_id)
            if stored == named or time.monotonic() > until:
                break
            await asyncio.sleep(0.2)
        if stored != named:
            more, fewer = len(stored - named), len(named - stored)
            wrong.append(f"{job_id}: {more} files are stored that no step names, {fewer} are not that one does")
    return wrong


async def _stored(channel: grpc.aio.Channel, job_id: str) -> set[str]:
    response = await FilesServiceStub(channel).ListFiles(ListFilesRequest(job_id=job_id, page_size=_PAGE))
    return {file.ref.file_id for file in response.files}
