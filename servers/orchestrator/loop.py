"""The ReAct loop as a LangGraph graph: a node is one call to one server, an edge is policy.

    decide ──► read_figures ──► decide
      │ ├────► write_code ──┐
      │ └────► repair_code ─┴─► review_code ──► run_code ──► decide
      └──────► finish ──► draw_overlay ──► END

The graph holds no state of its own: nodes see the job folded from its log, and store before they call and after. A
planner chooses what follows `decide`; that code is reviewed before it runs, and runs only approved, is an edge and not
its choice.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph

from loupe.codegen.v1.codegen_pb2 import GenerateCodeRequest, Program, RepairCodeRequest, RunFailure
from loupe.critic.v1.critic_pb2 import AuthorizeRunRequest, ReviewCodeRequest
from loupe.orchestrator.v1.incident_pb2 import Incident
from loupe.orchestrator.v1.orchestrator_pb2 import FinalAnswer, JobState, Step, Thought
from loupe.reasoning.v1.reasoning_pb2 import (
    Action,
    CodeWritten,
    DecideNextActionRequest,
    DrawOverlay,
    Observation,
    ReviewCode,
    RunCode,
    RunObserved,
)
from loupe.sandbox.v1.sandbox_pb2 import Outcome
from loupe.type.v1.answer_pb2 import Answer, AnswerStatus
from loupe.type.v1.engine_pb2 import Engine
from loupe.type.v1.file_ref_pb2 import FileRef
from loupe.vision.v1.vision_pb2 import AnalyzeImageRequest, RenderOverlayRequest
from servers.kit import wire_json
from servers.kit.errors import InternalError
from servers.orchestrator import incidents, sandbox_run
from servers.orchestrator.bundle import Bundler
from servers.orchestrator.job_view import JobView
from servers.orchestrator.journal import Journal
from servers.orchestrator.peers import Peers
from servers.orchestrator.renumber import renumber
from servers.orchestrator.run_output import keep, take_answer

Choice = Literal["read_figures", "write_code", "repair_code", "finish"]


class GaveUp(Exception):
    """The job ends as an incident that is no server's error."""

    def __init__(self, incident: Incident) -> None:
        super().__init__(incident.summary)
        self.incident = incident


class State(TypedDict):
    """What flows along the edges."""

    view: JobView
    chosen: Action


class Loop:
    """The nodes of the graph, for one orchestrator."""

    def __init__(
        self,
        journal: Journal,
        peers: Peers,
        bundler: Bundler,
        *,
        max_steps: int,
        max_repairs: int,
        max_artifact_bytes: int,
    ) -> None:
        self._journal = journal
        self._peers = peers
        self._bundler = bundler
        self._max_steps = max_steps
        self._max_repairs = max_repairs
        self._max_artifact_bytes = max_artifact_bytes
        self._graph = self._build()

    async def run(self, view: JobView) -> None:
        """Work on a job until its terminal step is stored.

        Raises:
          GaveUp: it ends as an incident.
          Fenced: it ended otherwise, or another attempt has it.
          LoupeError, AioRpcError: a server failed, or this one.
        """
        await self._graph.ainvoke({"view": view, "chosen": Action()}, {"recursion_limit": self._max_steps + 10})

    def _build(self) -> Any:
        graph = StateGraph(State)
        for node in (
            self.decide,
            self.read_figures,
            self.write_code,
            self.repair_code,
            self.review_code,
            self.run_code,
            self.finish,
        ):
            graph.add_node(node.__name__, node)
        graph.add_edge(START, "decide")
        graph.add_conditional_edges("decide", _chosen)
        graph.add_edge("read_figures", "decide")
        graph.add_edge("write_code", "review_code")
        graph.add_edge("repair_code", "review_code")
        graph.add_conditional_edges("review_code", _if_approved)
        graph.add_edge("run_code", "decide")
        graph.add_edge("finish", END)
        return graph.compile()

    async def decide(self, state: State) -> State:
        """Ask the planner what to do next."""
        view = state["view"]
        if view.last_sequence >= self._max_steps:
            raise GaveUp(incidents.budget_spent("the job needs too many steps", f"at most {self._max_steps}", view))
        request = DecideNextActionRequest(goal=view.goal, turns=view.turns)
        response = await self._peers.reasoning.DecideNextAction(request)
        kind = response.action.WhichOneof("kind")
        if kind not in ("read_figures", "write_code", "repair_code", "finish"):
            raise InternalError(f"the planner chose {kind}, which is not its to choose")
        if kind == "repair_code" and view.repair_count >= self._max_repairs:
            raise GaveUp(incidents.code_given_up(view))
        await self._store(view, Step(thought=Thought(text=response.thought, engine=response.engine)))
        return {"view": view, "chosen": response.action}

    async def read_figures(self, state: State) -> State:
        """Ask vision for the figures of one input."""
        view, action = state["view"], state["chosen"]
        if action.read_figures.file not in view.goal.inputs:
            raise InternalError("the planner chose a file that is not the job's")
        await self._store(view, Step(action=action))
        response = await self._peers.vision.AnalyzeImage(AnalyzeImageRequest(file=action.read_figures.file))
        renumber(response.figures, after=len(view.figures))
        return await self._observe(state, Observation(figures=response))

    async def write_code(self, state: State) -> State:
        """Ask codegen for the program of an analysis."""
        view, action = state["view"], state["chosen"]
        await self._store(view, Step(action=action))
        request = GenerateCodeRequest(figures=view.figures, analysis=action.write_code.analysis)
        response = await self._peers.codegen.GenerateCode(request)
        return await self._observe(state, _written(response.program, response.engine))

    async def repair_code(self, state: State) -> State:
        """Ask codegen for a program without the failure."""
        view, action = state["view"], state["chosen"]
        code, verdict, run = view.code, view.verdict, view.run
        if code is None or verdict is None:
            raise InternalError("the planner wants to repair code that is not there")
        request = RepairCodeRequest(
            figures=view.figures, analysis=view.analysis, source=code.source, repair_number=view.repair_count + 1
        )
        if not verdict.is_approved or run is None:
            request.verdict.CopyFrom(verdict)
        else:
            request.run.CopyFrom(RunFailure(result=run.result, stderr_tail=run.stderr_tail))
        action.repair_code.code_sha256 = code.code_sha256
        await self._store(view, Step(action=action))
        response = await self._peers.codegen.RepairCode(request)
        return await self._observe(state, _written(response.program, response.engine))

    async def review_code(self, state: State) -> State:
        """Ask the critic for its verdict on the newest code."""
        view = state["view"]
        code = _required(view)
        await self._store(view, Step(action=Action(review_code=ReviewCode(code_sha256=code.code_sha256))))
        response = await self._peers.critic.ReviewCode(ReviewCodeRequest(source=code.source))
        if response.verdict.code_sha256 != code.code_sha256:
            raise InternalError("the critic's verdict is on other code")
        return await self._observe(state, Observation(verdict=response.verdict))

    async def run_code(self, state: State) -> State:
        """Have the newest code signed by the critic for this very step, and run it in the sandbox."""
        view = state["view"]
        code = _required(view)
        step = await self._store(view, Step(action=Action(run_code=RunCode(code_sha256=code.code_sha256))))
        authorized = await self._peers.critic.AuthorizeRun(
            AuthorizeRunRequest(source=code.source, job_id=view.job_id, step=step.sequence, attempt=view.attempt)
        )
        chart_json = wire_json.to_document(view.figures).encode()
        ran = await sandbox_run.run(
            self._peers.sandbox,
            code.source,
            authorized.token,
            {"chart.json": chart_json},
            max_artifact_bytes=self._max_artifact_bytes,
        )
        observed = RunObserved(
            code_sha256=code.code_sha256,
            result=ran.result,
            stdout_tail=ran.stdout_tail,
            stderr_tail=ran.stderr_tail,
        )
        request_id = f"{view.job_id}.{view.attempt}.{step.sequence}"
        await keep(self._peers.files, ran.artifacts, observed, request_id=request_id)
        problem = ""
        if ran.result.outcome == Outcome.OUTCOME_COMPLETED:
            problem = take_answer(ran.artifacts, view, observed)
        await self._observe(state, Observation(run=observed))
        if problem:
            raise GaveUp(incidents.bad_output(problem, view))
        return state

    async def finish(self, state: State) -> State:
        """Draw the evidence, assemble the bundle and store the answer as the last step."""
        view, answer = state["view"], state["chosen"].finish.answer
        final = FinalAnswer(answer=answer)
        if view.run is not None:
            if not view.run.HasField("answer"):
                raise GaveUp(incidents.code_given_up(view))
            # Numbers come from the code's own answer.json, whatever a planner says.
            final.answer.CopyFrom(view.run.answer)
            overlay = await self._draw_overlay(state, final.answer)
            final.bundle.CopyFrom(await self._bundler.assemble(view, final.answer, overlay))
        elif answer.status != AnswerStatus.ANSWER_STATUS_UNANSWERABLE or answer.values:
            raise InternalError("the planner answered without code that computed it")
        await self._store(view, Step(answer=final, job_state=JobState.JOB_STATE_SUCCEEDED))
        return state

    async def _draw_overlay(self, state: State, answer: Answer) -> FileRef:
        """Have the evidence drawn on the picture that most of the answer rests on; the first of equal ones."""
        view = state["view"]
        cited = [value_id.partition(".")[0] for value in answer.values for value_id in value.value_ids]
        read = [turn for turn in view.turns if turn.observation.HasField("figures")]
        turn = max(read, key=lambda turn: sum(cited.count(f.figure_id) for f in turn.observation.figures.figures))
        file = turn.action.read_figures.file
        await self._store(view, Step(action=Action(draw_overlay=DrawOverlay(file=file))))
        request = RenderOverlayRequest(file=file, figures=turn.observation.figures.figures)
        response = await self._peers.vision.RenderOverlay(request)
        await self._observe(state, Observation(overlay=response.overlay))
        return response.overlay

    async def _observe(self, state: State, observation: Observation) -> State:
        await self._store(state["view"], Step(observation=observation))
        return state

    async def _store(self, view: JobView, step: Step) -> Step:
        if step.job_state == JobState.JOB_STATE_UNSPECIFIED:
            step.job_state = JobState.JOB_STATE_RUNNING
        stored = await self._journal.append(view.job_id, view.attempt, step)
        view.apply(stored)
        return stored


def _chosen(state: State) -> str:
    return str(state["chosen"].WhichOneof("kind"))


def _if_approved(state: State) -> str:
    verdict = state["view"].verdict
    return "run_code" if verdict is not None and verdict.is_approved else "decide"


def _required(view: JobView) -> CodeWritten:
    if view.code is None:
        raise InternalError("there is no code to review or run")
    return view.code


def _written(program: Program, engine: Engine) -> Observation:
    return Observation(code=CodeWritten(source=program.source, code_sha256=program.sha256, engine=engine))
