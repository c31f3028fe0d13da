"""What goes by itself: what cut attempts left with the files server, and on schedule old jobs with their files."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from loupe.files.v1.files_pb2 import DeleteFileRequest, ListFilesRequest
from loupe.type.v1.access_pb2 import Role
from servers.kit import identity
from servers.kit.errors import StorageUnavailable
from servers.kit.identity import Caller
from servers.orchestrator.naming import made_files
from servers.orchestrator.peers import Peers
from servers.orchestrator.removal import Removal

log = logging.getLogger(__name__)

_BATCH = 20
_PAGE = 200
# Its owner deleted it before; it is younger than an upload that is to go, or another job made it.
_STAYS_OR_GONE = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION)


class Retention:
    """Removes what is too old, now and then. Any number of processes may: each job goes once."""

    def __init__(
        self,
        removal: Removal,
        peers: Peers,
        *,
        keep_days: float,
        keep_uploads_days: float,
        tidy_after_s: float,
        every_s: float,
    ) -> None:
        """Remove.

        Args:
          keep_days: age at which a job goes; 0 for never.
          keep_uploads_days: age at which a job's inputs go with it, where no other names them; 0 for never.
          tidy_after_s: time after a job's end in which an attempt that lost it may still store something.
        """
        self._removal = removal
        self._peers = peers
        self._age = timedelta(days=keep_days) if keep_days else None
        self._uploads_age = timedelta(days=keep_uploads_days) if keep_uploads_days else None
        self._tidy_age = timedelta(seconds=tidy_after_s)
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
        while self._age and not self._stopping.is_set() and (jobs := await self._removal.old(self._age, _BATCH)):
            for job in jobs:
                # The files first: a job on record is found again, a file without its job is not.
                await self._delete_files(job.owner, job.job_id, made_files(job.steps))
                if self._uploads_age:
                    before = Timestamp()
                    before.FromDatetime(datetime.now(UTC) - self._uploads_age)
                    await self._delete_files(job.owner, job.job_id, await self._removal.free(job), before)
                await self._removal.remove(job.job_id)
                count += 1
        return count

    async def tidy(self) -> int:
        """Remove files that were stored in the course of jobs and that no step of theirs names; return how many.

        An attempt that was cut between storing a file and its step leaves such. No later job can name them: what one
        takes over from another are steps.

        Raises:
          StorageUnavailable, AioRpcError: as `once`.
        """
        count = 0
        while not self._stopping.is_set() and (jobs := await self._removal.untidied(self._tidy_age, _BATCH)):
            for owner, job_id, named in jobs:
                strays = await self._stored_for(owner, job_id) - named
                await self._delete_files(owner, job_id, strays)
                await self._removal.tidied(job_id)
                count += len(strays)
        return count

    async def _stored_for(self, owner: str, job_id: str) -> set[str]:
        identity.act_for(Caller(owner, Role.ROLE_ANALYST), request_id=job_id)
        request, found = ListFilesRequest(job_id=job_id, page_size=_PAGE), set()
        while True:
            response = await self._peers.file_records.ListFiles(request)
            found |= {file.ref.file_id for file in response.files}
            request.page_token = response.next_page_token
            if not request.page_token:
                return found

    async def _delete_files(
        self, owner: str, job_id: str, file_ids: Iterable[str], uploaded_before: Timestamp | None = None
    ) -> None:
        identity.act_for(Caller(owner, Role.ROLE_ANALYST), request_id=job_id)
        for file_id in sorted(file_ids):
            try:
                request = DeleteFileRequest(file_id=file_id, uploaded_before=uploaded_before)
                await self._peers.file_records.DeleteFile(request)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _STAYS_OR_GONE:
                    raise

    async def _forever(self) -> None:
        while not self._stopping.is_set():
            try:
                if count := await self.tidy():
                    log.info("files of cut attempts removed", extra={"count": count})
                if count := await self.once():
                    log.info("old jobs removed", extra={"count": count})
            except (StorageUnavailable, grpc.aio.AioRpcError) as error:
                log.warning("what is to go waits for the next round", extra={"reason": type(error).__name__})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._stopping.wait()
