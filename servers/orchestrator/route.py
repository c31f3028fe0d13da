"""What comes next in a job: policy over its folded log, the same for whichever worker asks.

                  ┌──► read_figures ──┐
    decide ───────┼──► write_code ──┐ ├──► decide
      ▲           ├──► repair_code ─┤ │
      │           │                 ▼ │
      │           │           review_code ──denied──► decide
      │           │                 │ approved
      │           │    ask_approval ┴──► run_code ──► decide
      │           └──► ask_person ── (a person) ──► decide
      └─────────  finish ──► end

A planner chooses what follows `decide`. That code is reviewed before it runs, runs only approved, and waits for a
person where the job's policy says so, stands here and is not its choice.
"""

from __future__ import annotations

from typing import Literal

from loupe.reasoning.v1.reasoning_pb2 import Decision
from servers.orchestrator import approvals
from servers.orchestrator.job_view import JobView

Node = Literal[
    "decide",
    "read_figures",
    "correct_figure",
    "write_code",
    "repair_code",
    "review_code",
    "ask_approval",
    "run_code",
    "finish",
    "give_up",
    "wait",
]

PLANNERS_CHOICES = frozenset({"read_figures", "write_code", "repair_code", "ask_person", "finish"})


def next_node(view: JobView) -> Node:
    """Return what to do next; an action that is on record without its observation is done again."""
    if view.finishing is not None:
        return "finish"
    if view.is_waiting:
        return "wait"
    match view.pending.WhichOneof("kind") if view.pending else None:
        case None | "edit_code":  # an edit is on record together with what came of it
            pass
        case kind:
            return kind  # type: ignore[return-value]  # the others are nodes of that name
    last = view.last
    match last.WhichOneof("kind"):
        case "code":
            return "review_code"
        case "verdict" if last.verdict.is_approved:
            return "ask_approval" if approvals.why_ask(view) else "run_code"
        case "approval" if last.approval.decision == Decision.DECISION_APPROVED:
            return "run_code"
        case "approval":
            return "give_up"
        # A person's program is nobody's to repair or to replace: what is wrong with it is told.
        case "verdict" if _is_by_person(view):
            return "give_up"
        case "run" if _is_by_person(view) and not last.run.HasField("answer"):
            return "give_up"
        # What a model wrote it may write better once it is told why; rules write the same again.
        case "run" if last.run.problem and not _is_by_model(view):
            return "give_up"
    return "decide"


def _is_by_person(view: JobView) -> bool:
    return view.code is not None and not view.code.HasField("engine")


def _is_by_model(view: JobView) -> bool:
    return view.code is not None and bool(view.code.engine.model)
