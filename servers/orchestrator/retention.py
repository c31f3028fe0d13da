"""What goes by itself: what cut attempts left with the files server, and on schedule old jobs and old uploads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from loupe.files.v1.files_pb2 import DeleteFileRequest, ListFilesRequest, ListOldUploadsRequest
from loupe.type.v1.access_pb2 import Role
from servers.kit import identity
from servers.kit.errors import StorageUnavailable
from servers.kit.identity import Caller
from servers.kit.metrics import Counts
from servers.orchestrator.naming import made_files
from servers.orchestrator.peers import Peers
from servers.orchestrator.removal import Removal

log = logging.getLogger(__name__)

_BATCH = 20
_PAGE = 200
_MOST_UPLOADS = 10_000
"""Looked at in one round; the next one goes on behind them, and begins anew after the last."""
# For whom the list of all owners' uploads is asked: nobody, who has no files.
_NOBODY = Caller("", Role.ROLE_VIEWER)
# Its owner deleted it before, or another process that retires; or it is no upload of that age.
_STAYS_OR_GONE = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION)


class Retention:
    """Removes what is too old, now and then. Any number of processes may: each job goes once."""

    def __init__(
        self,
        removal: Removal,
        peers: Peers,
        counts: Counts,
        *,
        keep_days: float,
        keep_uploads_days: float,
        tidy_after_s: float,
        every_s: float,
    ) -> None:
        """Remove.

        Args:
          keep_days: age at which a job goes; 0 for never.
          keep_uploads_days: age at which an upload goes that no job names; 0 for never.
          tidy_after_s: time after a job's end in which an attempt that lost it may still store something.
        """
        self._removal = removal
        self._peers = peers
        self._counts = counts
        self._seen_uploads = ""
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
                if await self._removal.remove(job.job_id):
                    self._counts.add("removed", kind="job")
                    count += 1
        return count

    async def uploads(self) -> int:
        """Remove uploads that are too old and that no job names; return how many. A round of it is bounded.

        Raises:
          StorageUnavailable, AioRpcError: as `once`.
        """
        if not self._uploads_age:
            return 0
        before = Timestamp()
        before.FromDatetime(datetime.now(UTC) - self._uploads_age)
        request = ListOldUploadsRequest(uploaded_before=before, page_size=_PAGE, page_token=self._seen_uploads)
        count = 0
        for _ in range(_MOST_UPLOADS // _PAGE):
            if self._stopping.is_set():
                break
            identity.act_for(_NOBODY)
            response = await self._peers.file_records.ListOldUploads(request)
            # Before they go: one that can't be deleted keeps those behind it waiting for no more than a round.
            self._seen_uploads = request.page_token = response.next_page_token
            # No job may name them from here on, so that none is made that would miss its input.
            going = set(await self._removal.let_go([upload.file_id for upload in response.uploads]))
            for upload in response.uploads:
                if upload.file_id in going:
                    count += await self._delete_files(upload.owner, "", [upload.file_id], "upload", before)
            if not request.page_token:
                break
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
                count += await self._delete_files(owner, job_id, strays, "stray")
                await self._removal.tidied(job_id)
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
        self,
        owner: str,
        job_id: str,
        file_ids: Iterable[str],
        kind: str = "file",
        uploaded_before: Timestamp | None = None,
    ) -> int:
        """Delete files on behalf of their owner; return how many there were, counted as a kind."""
        identity.act_for(Caller(owner, Role.ROLE_ANALYST), request_id=job_id)
        count = 0
        for file_id in sorted(file_ids):
            try:
                request = DeleteFileRequest(file_id=file_id, uploaded_before=uploaded_before)
                await self._peers.file_records.DeleteFile(request)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _STAYS_OR_GONE:
                    raise
            else:
                self._counts.add("removed", kind=kind)
                count += 1
        return count

    async def _forever(self) -> None:
        while not self._stopping.is_set():
            try:
                if count := await self.tidy():
                    log.info("files of cut attempts removed", extra={"count": count})
                if count := await self.once():
                    log.info("old jobs removed", extra={"count": count})
                if count := await self.uploads():
                    log.info("old uploads removed", extra={"count": count})
            except (StorageUnavailable, grpc.aio.AioRpcError) as error:
                log.warning("what is to go waits for the next round", extra={"reason": type(error).__name__})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._stopping.wait()
