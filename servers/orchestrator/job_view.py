"""A job as its step log tells it: fold the steps, and know what was done, what came of it and what is left."""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from loupe.critic.v1.critic_pb2 import Verdict
from loupe.orchestrator.v1.orchestrator_pb2 import Job, Step
from loupe.reasoning.v1.analysis_pb2 import Analysis
from loupe.reasoning.v1.reasoning_pb2 import Action, CodeWritten, Goal, RunObserved, Turn
from loupe.type.v1.engine_pb2 import Engine
from loupe.type.v1.figure_pb2 import Figure


@dataclass
class JobView:
    """What a job's log says so far."""

    job_id: str
    attempt: int
    goal: Goal
    turns: list[Turn] = field(default_factory=list)
    pending: Action | None = None
    """Stored, its observation not yet."""
    last_sequence: int = 0
    create_time: Timestamp = field(default_factory=Timestamp)
    reasoning_engine: Engine | None = None
    """What decided last."""

    @classmethod
    def of(cls, job: Job) -> JobView:
        """Return the view of a job of which no step is stored."""
        goal = Goal(inputs=job.spec.inputs)
        if job.spec.HasField("question"):
            goal.question = job.spec.question
        return cls(job.job_id, job.attempt, goal, create_time=job.create_time)

    def apply(self, step: Step) -> None:
        """Take the next step of the log in."""
        self.last_sequence = step.sequence
        match step.WhichOneof("body"):
            case "thought":
                self.reasoning_engine = step.thought.engine
            case "action":
                self.pending = step.action
            case "observation" if self.pending is not None:
                self.turns.append(Turn(action=self.pending, observation=step.observation))
                self.pending = None

    @property
    def figures(self) -> list[Figure]:
        """Every figure of every input, in order."""
        return [
            figure
            for turn in self.turns
            if turn.observation.HasField("figures")
            for figure in turn.observation.figures.figures
        ]

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
        for turn in reversed(self.turns):
            if turn.observation.HasField("code"):
                return turn.observation.code
        return None

    @property
    def verdict(self) -> Verdict | None:
        """The newest verdict."""
        for turn in reversed(self.turns):
            if turn.observation.HasField("verdict"):
                return turn.observation.verdict
        return None

    @property
    def run(self) -> RunObserved | None:
        """The newest run."""
        for turn in reversed(self.turns):
            if turn.observation.HasField("run"):
                return turn.observation.run
        return None

    @property
    def repair_count(self) -> int:
        """How often the code was repaired."""
        return sum(turn.action.HasField("repair_code") for turn in self.turns)
