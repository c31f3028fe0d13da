"""A job as its step log tells it: fold the steps, and know what was done, what came of it and what is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from loupe.critic.v1.critic_pb2 import Verdict
from loupe.orchestrator.v1.approval_pb2 import ApprovalPolicy
from loupe.orchestrator.v1.incident_pb2 import RemedyKind
from loupe.orchestrator.v1.orchestrator_pb2 import Job, Step
from loupe.reasoning.v1.analysis_pb2 import Analysis
from loupe.reasoning.v1.reasoning_pb2 import (
    Action,
    ApprovalDecision,
    CodeWritten,
    Decision,
    Goal,
    Observation,
    RunObserved,
    Turn,
)
from loupe.type.v1.answer_pb2 import Answer
from loupe.type.v1.engine_pb2 import Engine
from loupe.type.v1.figure_pb2 import Figure
from loupe.type.v1.file_ref_pb2 import FileRef

# What a person does; meanwhile no worker has the job.
ASKS = frozenset({"ask_approval", "ask_person"})


@dataclass
class JobView:
    """What a job's log says so far."""

    job_id: str
    attempt: int
    goal: Goal
    approval_policy: ApprovalPolicy = field(default_factory=ApprovalPolicy)
    consents: frozenset[RemedyKind.ValueType] = frozenset()
    """What may be done about an incident without asking."""
    turns: list[Turn] = field(default_factory=list)
    pending: Action | None = None
    """Stored, its observation not yet."""
    pending_sequence: int = 0
    """Of the step that holds the pending action."""
    finishing: Answer | None = None
    """What the planner decided to finish with."""
    last_sequence: int = 0
    create_time: Timestamp = field(default_factory=Timestamp)
    awaited_s: float = 0.0
    """How long the job has waited for a person, where the waiting is over."""
    reasoning_engine: Engine | None = None
    """What made the newest plan; before there is one, what decided last."""
    last_attempt: int = 0
    """Under which attempt the last step was stored."""
    thinking_engine: Engine | None = None
    """What decided last."""
    told_count: int = 0
    """Incidents that were told of and gone on from, since anything else came of the job."""
    _asked_time: Timestamp | None = None

    @classmethod
    def of(cls, job: Job) -> JobView:
        """Return the view of a job of which no step is stored."""
        goal = Goal(inputs=job.spec.inputs, may_ask=job.spec.may_ask)
        if job.spec.HasField("question"):
            goal.question = job.spec.question
        consents = frozenset(job.spec.consents)
        return cls(job.job_id, job.attempt, goal, job.spec.approval, consents, create_time=job.create_time)

    def apply(self, step: Step) -> None:
        """Take the next step of the log in."""
        self.last_sequence, self.last_attempt = step.sequence, step.attempt
        self.told_count = self.told_count + 1 if step.HasField("incident") else 0
        match step.WhichOneof("body"):
            case "thought":
                # Once there is a plan, what follows from it by rule says nothing of who made it.
                self.thinking_engine = step.thought.engine
                if self.analysis is None:
                    self.reasoning_engine = self.thinking_engine
            case "action" if step.action.HasField("finish"):
                self.finishing = step.action.finish.answer
            case "action":
                if step.action.HasField("write_code") and self.thinking_engine is not None:
                    self.reasoning_engine = self.thinking_engine
                self.pending, self.pending_sequence = step.action, step.sequence
                if step.action.HasField("write_code"):
                    self.plan_engine = self.reasoning_engine
                if self.is_waiting:
                    self._asked_time = step.create_time
            case "observation" if self.pending is not None:
                if self._asked_time is not None:
                    waited = step.create_time.ToNanoseconds() - self._asked_time.ToNanoseconds()
                    self.awaited_s += max(0.0, waited / 1e9)
                    self._asked_time = None
                self.turns.append(Turn(action=self.pending, observation=step.observation))
                self.pending = None

    @property
    def is_waiting(self) -> bool:
        """Whether the next step is a person's."""
        return self.pending is not None and self.pending.WhichOneof("kind") in ASKS

    @property
    def figures(self) -> list[Figure]:
        """Every figure of every input, in order, as a person left it where one corrected it."""
        figures: dict[str, Figure] = {}
        for turn in self.turns:
            if turn.observation.HasField("figures"):
                figures |= {figure.figure_id: figure for figure in turn.observation.figures.figures}
        return list(figures.values())

    def reads(self) -> Iterator[tuple[FileRef, list[Figure]]]:
        """Yield each input that was read, with its figures as they stand now."""
        now = {figure.figure_id: figure for figure in self.figures}
        for turn in self.turns:
            if turn.action.HasField("read_figures"):
                found = [now[figure.figure_id] for figure in turn.observation.figures.figures]
                yield turn.action.read_figures.file, found

    @property
    def vision_engine(self) -> Engine | None:
        """What read the figures."""
        for turn in self.turns:
            if turn.observation.HasField("figures"):
                return turn.observation.figures.engine
        return None

    @property
    def analysis(self) -> Analysis | None:
        """The plan that the code carries out; the last one where there were several."""
        for turn in reversed(self.turns):
            if turn.action.HasField("write_code"):
                return turn.action.write_code.analysis
        return None

    @property
    def code(self) -> CodeWritten | None:
        """The newest code."""
        found = self._newest("code")
        return found.code if found else None

    @property
    def verdict(self) -> Verdict | None:
        """The newest verdict."""
        found = self._newest("verdict")
        return found.verdict if found else None

    @property
    def run(self) -> RunObserved | None:
        """The newest run."""
        found = self._newest("run")
        return found.run if found else None

    @property
    def overlay(self) -> FileRef | None:
        """The evidence drawn on the picture, where it is."""
        found = self._newest("overlay")
        return found.overlay if found else None

    @property
    def last(self) -> Observation:
        """What came of the last action; empty before the first."""
        return self.turns[-1].observation if self.turns else Observation()

    def approval_of(self, code_sha256: str) -> ApprovalDecision | None:
        """Return the approval under which exactly this code may run, where there is one."""
        for turn in self.turns:
            given = turn.observation.approval
            if given.decision != Decision.DECISION_APPROVED:
                continue
            if given.is_for_whole_job or given.code_sha256 == code_sha256:
                return given
        return None

    @property
    def repair_count(self) -> int:
        """How often the code was repaired."""
        return sum(turn.action.HasField("repair_code") for turn in self.turns)

    def _newest(self, kind: str) -> Observation | None:
        for turn in reversed(self.turns):
            if turn.observation.WhichOneof("kind") == kind:
                return turn.observation
        return None
