"""The ReAct loop as a LangGraph graph: a node is one call to one server, and `route` says which comes next.

The graph holds no state of its own: nodes see the job folded from its log, and store before they call and after, so
that any worker can go on where another stopped.
"""

from __future__ import annotations

import time
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

from loupe.orchestrator.v1.incident_pb2 import Incident
from loupe.orchestrator.v1.orchestrator_pb2 import FinalAnswer, JobState, Step, Thought
from loupe.reasoning.v1.reasoning_pb2 import (
    Action,
    AskApproval,
    DecideNextActionRequest,
    DecideNextActionResponse,
    Decision,
    DrawOverlay,
    Observation,
)
from loupe.type.v1.answer_pb2 import Answer, AnswerStatus
from loupe.type.v1.file_ref_pb2 import FileRef
from loupe.vision.v1.vision_pb2 import (
    AnalyzeImageRequest,
    AnalyzeImageResponse,
    RecalibrateChartRequest,
    RenderOverlayRequest,
)
from servers.kit.errors import InternalError, LoupeError
from servers.orchestrator import approvals, degradation, incidents
from servers.orchestrator.bundle import Bundler
from servers.orchestrator.coding import Coding
from servers.orchestrator.costs import told_cost
from servers.orchestrator.job_view import JobView
from servers.orchestrator.peers import Peers, asking
from servers.orchestrator.record import Record
from servers.orchestrator.renumber import renumber
from servers.orchestrator.retries import may_retry
from servers.orchestrator.route import PLANNERS_CHOICES, next_node


class GaveUp(Exception):
    """The job ends as an incident that is no server's error."""

    def __init__(self, incident: Incident) -> None:
        super().__init__(incident.summary)
        self.incident = incident


class State(TypedDict):
    """What flows along the edges."""

    view: JobView


class Loop:
    """The nodes of the graph, for one orchestrator."""

    def __init__(
        self, record: Record, peers: Peers, coding: Coding, bundler: Bundler, *, max_steps: int, max_repairs: int
    ) -> None:
        self._record = record
        self._peers = peers
        self._coding = coding
        self._bundler = bundler
        self._max_steps = max_steps
        self._max_repairs = max_repairs
        self._graph = self._build()

    async def run(self, view: JobView) -> None:
        """Work on a job until its terminal step is stored, or a step that a person must follow.

        Raises:
          GaveUp: it ends as an incident.
          Fenced: it ended otherwise, or another attempt has it.
          LoupeError: a server failed, or this one.
        """
        await self._graph.ainvoke({"view": view}, {"recursion_limit": self._max_steps + 10})

    def _build(self) -> Any:
        graph = StateGraph(State)
        nodes = {
            "decide": self.decide,
            "read_figures": self.read_figures,
            "correct_figure": self.correct_figure,
            "write_code": self._coding.write,
            "repair_code": self._coding.repair,
            "review_code": self._coding.review,
            "ask_approval": self.ask_approval,
            "run_code": self._coding.run,
            "give_up": self.give_up,
        }
        for name, work in nodes.items():
            graph.add_node(name, _node(work))
            graph.add_conditional_edges(name, _next)
        graph.add_conditional_edges(START, _next)
        graph.add_node("wait", _node(self._wait))
        graph.add_edge("wait", END)
        graph.add_node("finish", _node(self.finish))
        graph.add_edge("finish", END)
        return graph.compile()

    async def decide(self, view: JobView) -> None:
        """Ask the planner what to do next, and store its thought with the action it chose."""
        if view.last_sequence >= self._max_steps:
            raise GaveUp(incidents.budget_spent("the job needs too many steps", f"at most {self._max_steps}", view))
        response = await self._plan(view)
        action = response.action
        kind = action.WhichOneof("kind")
        if kind not in PLANNERS_CHOICES:
            raise InternalError(f"the planner chose {kind}, which is not its to choose")
        if kind == "read_figures" and action.read_figures.file not in view.goal.inputs:
            raise InternalError("the planner chose a file that is not the job's")
        state = JobState.JOB_STATE_RUNNING
        if kind == "repair_code":
            if view.repair_count >= self._max_repairs:
                raise GaveUp(incidents.code_given_up(view))
            if view.code is None or view.verdict is None:
                raise InternalError("the planner wants to repair code that is not there")
            action.repair_code.code_sha256 = view.code.code_sha256
        elif kind == "ask_person":
            if not view.goal.may_ask:
                raise InternalError("the planner asks a person, and nobody is there")
            _expire(action.ask_person, approvals.timeout_s(view))
            state = JobState.JOB_STATE_AWAITING_INPUT
        elif kind == "finish" and view.run is not None and not view.run.HasField("answer"):
            raise GaveUp(incidents.code_given_up(view))
        thought = Step(thought=Thought(text=response.thought, engine=response.engine), cost=told_cost(response))
        await self._record.store(view, thought, Step(action=action, job_state=state))

    async def _plan(self, view: JobView) -> DecideNextActionResponse:
        """Ask the planner; where it fails, say so, and go on by policy if the job's owner consented to that."""
        try:
            with asking("reasoning"):
                return await self._peers.reasoning.DecideNextAction(
                    DecideNextActionRequest(goal=view.goal, turns=view.turns)
                )
        except LoupeError as failure:
            instead = degradation.next_action(view)
            # A planner for which the policy stood in once is not waited for again.
            is_waited_for = may_retry(view, failure) and not degradation.has_stood_in(view)
            if instead is None or is_waited_for:
                raise
            incident = incidents.from_error(failure, view)
            await self._record.store(view, Step(incident=incident, cost=failure.cost))
            return instead

    async def read_figures(self, view: JobView) -> None:
        """Ask vision for the figures of one input."""
        assert view.pending is not None  # the route leads here with it
        with asking("vision"):
            response = await self._peers.vision.AnalyzeImage(AnalyzeImageRequest(file=view.pending.read_figures.file))
        renumber(response.figures, after=len(view.figures))
        cost = told_cost(response)
        response.ClearField("cost")
        await self._record.observe(view, Observation(figures=response), cost)

    async def correct_figure(self, view: JobView) -> None:
        """Have vision compute again what follows from a person's corrections."""
        assert view.pending is not None  # the route leads here with it
        wanted = view.pending.correct_figure
        figure = next(figure for figure in view.figures if figure.figure_id == wanted.figure_id)
        request = RecalibrateChartRequest(figure=figure, corrections=wanted.corrections)
        with asking("vision"):
            response = await self._peers.vision.RecalibrateChart(request)
        corrected = AnalyzeImageResponse(figures=[response.figure], engine=view.vision_engine)
        await self._record.observe(view, Observation(figures=corrected))

    async def ask_approval(self, view: JobView) -> None:
        """Ask a person whether the newest code may run; the job waits."""
        assert view.code is not None  # the route leads here after a verdict
        ask = AskApproval(code_sha256=view.code.code_sha256, why=approvals.why_ask(view))
        _expire(ask, approvals.timeout_s(view))
        awaiting = JobState.JOB_STATE_AWAITING_APPROVAL
        await self._record.store(view, Step(action=Action(ask_approval=ask), job_state=awaiting))

    async def give_up(self, view: JobView) -> None:
        """End the job for what is on record: code that was rejected, a person's that is no good, output of no use."""
        if view.last.approval.decision == Decision.DECISION_REJECTED:
            raise GaveUp(incidents.rejected(view.last.approval, view))
        raise GaveUp(incidents.code_given_up(view))

    async def finish(self, view: JobView) -> None:
        """Draw the evidence, assemble the bundle and store the answer as the last step."""
        assert view.finishing is not None  # the route leads here with it
        final = FinalAnswer(answer=view.finishing)
        if view.run is not None:
            # Numbers come from the code's own answer.json, whatever a planner says.
            final.answer.CopyFrom(view.run.answer)
            overlay = view.overlay or await self._draw_overlay(view, final.answer)
            final.bundle.CopyFrom(await self._bundler.assemble(view, final.answer, overlay))
        elif final.answer.status != AnswerStatus.ANSWER_STATUS_UNANSWERABLE or final.answer.values:
            raise InternalError("the planner answered without code that computed it")
        await self._record.store(view, Step(answer=final, job_state=JobState.JOB_STATE_SUCCEEDED))

    async def _draw_overlay(self, view: JobView, answer: Answer) -> FileRef:
        """Have the evidence drawn on the picture that most of the answer rests on; the first of equal ones."""
        cited = [value_id.partition(".")[0] for value in answer.values for value_id in value.value_ids]
        file, figures = max(view.reads(), key=lambda read: sum(cited.count(figure.figure_id) for figure in read[1]))
        await self._record.begin(view, Action(draw_overlay=DrawOverlay(file=file)))
        with asking("vision"):
            response = await self._peers.vision.RenderOverlay(RenderOverlayRequest(file=file, figures=figures))
        await self._record.observe(view, Observation(overlay=response.overlay))
        return response.overlay

    async def _wait(self, view: JobView) -> None:
        """Nothing: the next step is a person's."""


def _node(work: Any) -> Any:
    async def node(state: State) -> State:
        await work(state["view"])
        return state

    return node


def _next(state: State) -> str:
    return next_node(state["view"])


def _expire(ask: Any, after_s: float) -> None:
    ask.expire_time.FromNanoseconds(int((time.time() + after_s) * 1e9))
