"""What a person does with a job: decide on its code, answer it, retry it, fork it. The first word on a thing counts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from loupe.orchestrator.v1.control_pb2 import (
    AnswerPromptRequest,
    DecideApprovalRequest,
    ForkJobRequest,
    RetryJobRequest,
)
from loupe.orchestrator.v1.orchestrator_pb2 import Ancestry, AncestryKind, Job, JobSpec, JobState, Step
from loupe.reasoning.v1.reasoning_pb2 import (
    Action,
    CodeWritten,
    CorrectFigure,
    Decision,
    EditCode,
    Observation,
    PersonAnswer,
)
from servers.kit.errors import InvalidField, WrongState
from servers.orchestrator import approvals
from servers.orchestrator.backlog import Backlog
from servers.orchestrator.job_view import JobView
from servers.orchestrator.journal import TERMINAL, Fenced, Journal
from servers.orchestrator.prefix import before_code, last_code, whole_turns

_GOES_ON = JobState.JOB_STATE_PENDING


class Control:
    """A person's hand on the jobs of one orchestrator."""

    def __init__(self, journal: Journal, backlog: Backlog) -> None:
        self._journal = journal
        self._backlog = backlog

    async def decide(self, owner: str, request: DecideApprovalRequest) -> Job:
        """Take a decision on code that a job asks about.

        Raises:
          WrongState: the job asks nothing, or about other code, or was decided on otherwise.
        """
        job = await self._journal.get(owner, request.job_id)
        decision = approvals.of_request(request, owner)
        asked = job.awaiting.ask_approval.code_sha256
        if asked == request.code_sha256:
            observed = Observation(approval=decision)
            steps = [Step(observation=observed, job_state=_GOES_ON)]
            if decision.decision == Decision.DECISION_EDITED:
                steps += _edited(request.code_sha256, request.edit.source)
            if await self._respond(job, steps):
                return await self._journal.get(owner, request.job_id)
        elif asked:
            raise WrongState(f"the job asks about code {asked}, not {request.code_sha256}: look at it first")
        job = await self._journal.get(owner, request.job_id)
        view = await self._backlog.view(job)
        for turn in view.turns:
            before = turn.observation.approval
            if turn.observation.HasField("approval") and before.code_sha256 == request.code_sha256:
                if before == decision and request.WhichOneof("decision") != "edit":
                    return await self._journal.get(owner, request.job_id)
                name = Decision.Name(before.decision).removeprefix("DECISION_").lower()
                by = f" by {before.decided_by}" if before.decided_by else f": {approvals.NOBODY}"
                raise WrongState(f"this code was {name} before{by}")
        state = JobState.Name(job.state).removeprefix("JOB_STATE_").lower()
        raise WrongState(f"the job does not ask for approval: its state is {state}")

    async def answer(self, owner: str, request: AnswerPromptRequest) -> Job:
        """Take an answer to what a job asks.

        Raises:
          WrongState: the job asks nothing, or was answered otherwise.
          InvalidField: there is no such choice.
        """
        job = await self._journal.get(owner, request.job_id)
        if job.awaiting.HasField("ask_person") and job.last_sequence == request.sequence:
            texts = {choice.choice_id: choice.text for choice in job.awaiting.ask_person.choices}
            if request.choice_id not in texts:
                raise InvalidField("choice_id", f"the choices are {', '.join(texts)}")
            person = PersonAnswer(choice_id=request.choice_id, text=texts[request.choice_id], answered_by=owner)
            if await self._respond(job, [Step(observation=Observation(person=person), job_state=_GOES_ON)]):
                return await self._journal.get(owner, request.job_id)
        followed = await self._journal.steps(request.job_id, request.sequence, limit=1)
        before = followed[0].observation.person if followed else PersonAnswer()
        if before.choice_id == request.choice_id and before.answered_by:
            return await self._journal.get(owner, request.job_id)
        raise WrongState(f"step {request.sequence} does not ask, or not any more")

    async def retry(self, owner: str, request: RetryJobRequest) -> Job:
        """Make a job that does the same again, after the steps that it takes over."""
        job, steps = await self._ended(owner, request.job_id)
        copied = whole_turns([step for step in steps if step.sequence <= request.after_sequence])
        spec = JobSpec()
        spec.CopyFrom(job.spec)
        spec.consents.extend(consent for consent in request.consents if consent not in spec.consents)
        return await self._create(owner, request.request_id, job, spec, AncestryKind.ANCESTRY_KIND_RETRY, copied)

    async def fork(self, owner: str, request: ForkJobRequest) -> Job:
        """Make a job in which one thing is different, after the steps that this leaves as they were."""
        job, steps = await self._ended(owner, request.job_id)
        spec = JobSpec()
        spec.CopyFrom(job.spec)
        copied: list[Step] = []
        match request.WhichOneof("change"):
            case "question":
                copied = before_code(steps)
                spec.ClearField("question")
                if request.question.question:
                    spec.question = request.question.question
            case "figure":
                copied = before_code(steps)
                wanted = request.figure
                if wanted.figure_id not in {figure.figure_id for figure in _folded(job, copied).figures}:
                    raise InvalidField("figure.figure_id", f"the job has no figure {wanted.figure_id}")
                correct = CorrectFigure(figure_id=wanted.figure_id, corrections=wanted.corrections)
                copied = [*copied, Step(action=Action(correct_figure=correct), job_state=_GOES_ON)]
            case "code":
                copied = last_code(steps)
                code = _folded(job, copied).code
                if code is None:
                    raise InvalidField("code", "the job has no code to change")
                copied = [*copied, *_edited(code.code_sha256, request.code.source)]
        return await self._create(owner, request.request_id, job, spec, AncestryKind.ANCESTRY_KIND_FORK, copied)

    async def _ended(self, owner: str, job_id: str) -> tuple[Job, list[Step]]:
        job = await self._journal.get(owner, job_id)
        if job.state not in TERMINAL:
            raise WrongState("the job has not ended: cancel it first")
        return job, await self._journal.steps(job_id, 0, limit=job.last_sequence)

    async def _create(
        self,
        owner: str,
        request_id: str,
        parent: Job,
        spec: JobSpec,
        kind: AncestryKind.ValueType,
        copied: Sequence[Step],
    ) -> Job:
        ancestry = Ancestry(job_id=parent.job_id, kind=kind, copied_step_count=len(copied))
        steps = [_waiting(step) for step in copied]
        return await self._backlog.enqueue(owner, request_id, spec, ancestry=ancestry, copied=steps)

    async def _respond(self, job: Job, steps: Sequence[Step]) -> bool:
        try:
            await self._backlog.respond(job, *steps)
        except Fenced:
            return False  # somebody was faster
        return True


def _edited(code_sha256: str, source: str) -> list[Step]:
    digest = hashlib.sha256(source.encode()).hexdigest()
    return [
        Step(action=Action(edit_code=EditCode(code_sha256=code_sha256)), job_state=_GOES_ON),
        Step(
            observation=Observation(code=CodeWritten(source=source, code_sha256=digest)),
            job_state=_GOES_ON,
        ),
    ]


def _folded(job: Job, steps: Sequence[Step]) -> JobView:
    view = JobView.of(job)
    for step in steps:
        view.apply(step)
    return view


def _waiting(step: Step) -> Step:
    taken = Step()
    taken.CopyFrom(step)
    taken.job_state = _GOES_ON
    return taken
