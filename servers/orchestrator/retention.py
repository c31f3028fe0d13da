"""Scheduled retention: jobs that ended long ago go, with the files that they made."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta

import grpc
from google.protobuf.message import Message

from loupe.files.v1.files_pb2 import DeleteFileRequest
from loupe.orchestrator.v1.orchestrator_pb2 import Step
from loupe.type.v1.access_pb2 import Role
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit import identity
from servers.kit.errors import StorageUnavailable
from servers.kit.identity import Caller
from servers.orchestrator.peers import Peers
from servers.orchestrator.removal import Removal

log = logging.getLogger(__name__)

_BATCH = 20


class Retention:
    """Removes what is too old, now and then. Any number of processes may: each job goes once."""

    def __init__(self, removal: Removal, peers: Peers, *, keep_days: float, every_s: float) -> None:
        self._removal = removal
        self._peers = peers
        self._age = timedelta(days=keep_days)
        self._every_s = every_s
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._forever())

    async def close(self) -> None:
        """Stop, with nothing half done."""
        self._stopping.set()
        if self._task:
            await self._task

    async def once(self) -> int:
        """Remove what is too old; return how many jobs that were.

        Raises:
          StorageUnavailable, AioRpcError: the records or the files are away; what is left goes next time.
        """
        count = 0
        while not self._stopping.is_set() and (jobs := await self._removal.old(self._age, _BATCH)):
            for owner, job_id, steps in jobs:
                # The files first: a job on record is found again, a file without its job is not.
                await self._delete_files(owner, job_id, steps)
                await self._removal.remove(job_id)
                count += 1
        return count

    async def _delete_files(self, owner: str, job_id: str, steps: Sequence[Step]) -> None:
        identity.act_for(Caller(owner, Role.ROLE_ANALYST), request_id=job_id)
        for file_id in sorted(made_files(steps)):
            try:
                await self._peers.file_records.DeleteFile(DeleteFileRequest(file_id=file_id))
            except grpc.aio.AioRpcError as error:
                if error.code() != grpc.StatusCode.NOT_FOUND:  # its owner deleted it before
                    raise

    async def _forever(self) -> None:
        while not self._stopping.is_set():
            try:
                if count := await self.once():
                    log.info("old jobs removed", extra={"count": count})
            except (StorageUnavailable, grpc.aio.AioRpcError) as error:
                log.warning("old jobs wait for the next round", extra={"reason": type(error).__name__})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._stopping.wait()


def made_files(steps: Sequence[Step]) -> set[str]:
    """Return the ids of the files that a job made: in its results, not taken over from another job, not its inputs."""
    made, given = set(), set()
    for step in steps:
        ids = {ref.file_id for ref in _refs(step)}
        if step.attempt and (step.HasField("observation") or step.HasField("answer")):
            made |= ids
        else:
            given |= ids
    return made - given


def _refs(message: Message) -> Iterator[FileRef]:
    if isinstance(message, FileRef):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for part in value if field.is_repeated else [value]:
                yield from _refs(part)
