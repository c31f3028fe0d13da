"""loupe.orchestrator.v1 over the journal and the workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from loupe.files.v1.files_pb2 import GetFileRequest
from loupe.orchestrator.v1 import control_pb2
from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceServicer
from servers.kit.errors import DigestMismatch, UnsupportedMediaType, WrongState
from servers.kit.identity import caller
from servers.orchestrator import costs, webhooks
from servers.orchestrator.backlog import Backlog
from servers.orchestrator.compare import compare
from servers.orchestrator.control import Control
from servers.orchestrator.explain.explanation import explain
from servers.orchestrator.explain.graph import Graph
from servers.orchestrator.export import export
from servers.orchestrator.journal import TERMINAL, Journal
from servers.orchestrator.peers import Peers
from servers.orchestrator.removal import Removal
from servers.orchestrator.replay import replay
from servers.orchestrator.shared_reads import SharedReads
from servers.orchestrator.tails import Tails, cancelled

DEFAULT_PAGE_SIZE = 50
# Steps read at once: those with figures are large, and a thousand watchers may come together.
STEPS_AT_ONCE = 10
ERASED_AT_ONCE = 20
PROOFS_PER_MESSAGE = 1000
_ACCEPTED = "PNG, JPEG, GIF, WEBP and BMP"


class OrchestratorServicer(OrchestratorServiceServicer):
    """Answers for the jobs of the calling owner."""

    def __init__(
        self,
        journal: Journal,
        backlog: Backlog,
        control: Control,
        removal: Removal,
        tails: Tails,
        peers: Peers,
        *,
        heartbeat_s: float,
        webhook_hosts: frozenset[str],
    ) -> None:
        self._journal = journal
        self._backlog = backlog
        self._control = control
        self._removal = removal
        self._tails = tails
        self._reads = SharedReads(journal, tails)
        self._peers = peers
        self._heartbeat_s = heartbeat_s
        self._webhook_hosts = webhook_hosts

    async def CreateJob(self, request: pb.CreateJobRequest, context: Any) -> pb.CreateJobResponse:
        """Enqueue a job."""
        return pb.CreateJobResponse(job=await self._create(request.request_id, request.spec))

    async def RunJob(self, request: pb.RunJobRequest, context: Any) -> AsyncIterator[pb.RunJobResponse]:
        """Enqueue a job and stream its steps."""
        job = await self._create(request.request_id, request.spec)
        yield pb.RunJobResponse(job=job)
        async for event in self._follow(job, 0):
            if isinstance(event, pb.Step):
                yield pb.RunJobResponse(step=event)
            else:
                yield pb.RunJobResponse(heartbeat=event)

    async def WatchJob(self, request: pb.WatchJobRequest, context: Any) -> AsyncIterator[pb.WatchJobResponse]:
        """Stream a job's steps after a number."""
        job = await self._journal.get(caller().subject, request.job_id)
        async for event in self._follow(job, request.after_sequence):
            if isinstance(event, pb.Step):
                yield pb.WatchJobResponse(step=event)
            else:
                yield pb.WatchJobResponse(heartbeat=event)

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        """Return a job as it stands, with what only its steps tell."""
        job = await self._journal.get(caller().subject, request.job_id)
        steps = await self._journal.steps(job.job_id, 0, limit=job.last_sequence) if job.last_sequence else []
        job = costs.with_cost(job, steps)
        if job.state == pb.JOB_STATE_RUNNING and steps[-1:] and steps[-1].HasField("incident"):
            job.incident.CopyFrom(steps[-1].incident)
        return pb.GetJobResponse(job=job)

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:
        """List the caller's jobs, newest first."""
        size = request.page_size or DEFAULT_PAGE_SIZE
        jobs, token = await self._journal.page(caller().subject, size, request.page_token)
        return pb.ListJobsResponse(jobs=jobs, next_page_token=token)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Any) -> pb.CancelJobResponse:
        """Stop a job; one that has ended stays as it is."""
        owner = caller().subject
        job = await self._journal.get(owner, request.job_id)
        if job.state not in TERMINAL:
            await self._backlog.cancel(job)
        return pb.CancelJobResponse(job=await self._journal.get(owner, request.job_id))

    async def DecideApproval(
        self, request: control_pb2.DecideApprovalRequest, context: Any
    ) -> control_pb2.DecideApprovalResponse:
        """Let code run, or not."""
        return control_pb2.DecideApprovalResponse(job=await self._control.decide(caller().subject, request))

    async def AnswerPrompt(
        self, request: control_pb2.AnswerPromptRequest, context: Any
    ) -> control_pb2.AnswerPromptResponse:
        """Answer what a job asks."""
        return control_pb2.AnswerPromptResponse(job=await self._control.answer(caller().subject, request))

    async def RetryJob(self, request: control_pb2.RetryJobRequest, context: Any) -> control_pb2.RetryJobResponse:
        """Do the same again as a new job."""
        return control_pb2.RetryJobResponse(job=await self._control.retry(caller().subject, request))

    async def ForkJob(self, request: control_pb2.ForkJobRequest, context: Any) -> control_pb2.ForkJobResponse:
        """Do the same with one thing different as a new job."""
        return control_pb2.ForkJobResponse(job=await self._control.fork(caller().subject, request))

    async def ReplayJob(self, request: control_pb2.ReplayJobRequest, context: Any) -> control_pb2.ReplayJobResponse:
        """Make a job's bundle again from its log."""
        job = await self._journal.get(caller().subject, request.job_id)
        if not job.HasField("bundle"):
            raise WrongState("the job left no bundle")
        return await replay(self._peers.files, job, await self._backlog.view(job))

    async def CompareJobs(
        self, request: control_pb2.CompareJobsRequest, context: Any
    ) -> control_pb2.CompareJobsResponse:
        """Name the first step in which two jobs differ."""
        return compare(await self._log(request.job_id), await self._log(request.other_job_id))

    async def ExplainJob(self, request: control_pb2.ExplainJobRequest, context: Any) -> control_pb2.ExplainJobResponse:
        """Return why the answer is what it is."""
        job = await self._journal.get(caller().subject, request.job_id)
        if not job.HasField("answer"):
            raise WrongState("the job has no answer")
        graph = await self._explained(job, await self._log(request.job_id))
        return graph.page(request)

    async def ExportJob(self, request: control_pb2.ExportJobRequest, context: Any) -> control_pb2.ExportJobResponse:
        """Pack all of a job into one file."""
        job = await self._journal.get(caller().subject, request.job_id)
        if job.state not in TERMINAL:
            raise WrongState("the job has not ended")
        view, steps = await self._backlog.view(job), await self._log(request.job_id)
        graph = await self._explained(job, steps) if job.HasField("answer") else None
        job = costs.with_cost(job, steps)
        return control_pb2.ExportJobResponse(file=await export(self._peers.files, job, view, steps, graph))

    async def EraseOwner(
        self, request: control_pb2.EraseOwnerRequest, context: Any
    ) -> AsyncIterator[control_pb2.EraseOwnerResponse]:
        """Remove an owner's jobs and stream the proofs."""
        while job_ids := await self._removal.erase_some(request.owner, ERASED_AT_ONCE):
            for job_id in job_ids:
                self._tails.tell(cancelled(job_id))
        total = control_pb2.ErasedJobsTotal()
        last = ""
        while proofs := await self._removal.erased(request.owner, last, PROOFS_PER_MESSAGE):
            yield control_pb2.EraseOwnerResponse(jobs=control_pb2.ErasedJobs(jobs=proofs))
            total.job_count += len(proofs)
            last = proofs[-1].job_id
        yield control_pb2.EraseOwnerResponse(total=total)

    async def _log(self, job_id: str) -> list[pb.Step]:
        job = await self._journal.get(caller().subject, job_id)
        return await self._journal.steps(job_id, 0, limit=job.last_sequence or 1)

    async def _explained(self, job: pb.Job, steps: list[pb.Step]) -> Graph:
        """Return why an answer is what it is."""
        data = next((named.file for named in job.bundle.files if named.name == "data.csv"), None)
        data_csv = (await self._peers.files.read(data)).decode() if data else None
        view = await self._backlog.view(job)
        # Thousands of marks take longer than an event loop should wait.
        return await asyncio.to_thread(explain, view, job.answer, steps, data_csv)

    async def _create(self, request_id: str, spec: pb.JobSpec) -> pb.Job:
        if spec.webhook_url:
            webhooks.check(spec.webhook_url, self._webhook_hosts)
        await self._backlog.check_room(caller().subject, request_id)
        for ref in spec.inputs:
            # With the owner's own right: a file of someone else's is not found.
            stored = (await self._peers.file_records.GetFile(GetFileRequest(file_id=ref.file_id))).file.ref
            if ref.sha256 not in ("", stored.sha256):
                raise DigestMismatch(f"{ref.file_id} has another content than the reference says")
            if not stored.media_type.startswith("image/"):
                raise UnsupportedMediaType(f"{ref.file_id} is {stored.media_type}; jobs take images: {_ACCEPTED}")
            ref.CopyFrom(stored)
        return await self._backlog.enqueue(caller().subject, request_id, spec)

    async def _follow(self, job: pb.Job, after_sequence: int) -> AsyncIterator[pb.Step | pb.Heartbeat]:
        """Yield the steps after a number to the terminal one. `job` is as it stood when the call came."""
        if job.state in TERMINAL and after_sequence >= job.last_sequence:
            return  # the caller has seen the last step already
        # A number nobody could have seen counts as the last one there is, so that the end is not waited for in vain.
        seen = min(after_sequence, job.last_sequence)
        with self._tails.follow(job.job_id) as grown:
            while True:
                grown.clear()
                steps = await self._reads.steps(job.job_id, seen, STEPS_AT_ONCE)
                for step in steps:
                    yield step
                    seen = step.sequence
                    if step.job_state in TERMINAL:
                        return
                if len(steps) == STEPS_AT_ONCE:
                    continue
                try:
                    async with asyncio.timeout(self._heartbeat_s):
                        await grown.wait()
                except TimeoutError:
                    await self._journal.get(caller().subject, job.job_id)  # raises where it was erased meanwhile
                    heartbeat = pb.Heartbeat()
                    heartbeat.time.GetCurrentTime()
                    yield heartbeat
