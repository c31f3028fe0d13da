"""What a job does whose planner fails, where its owner consented: the stated policy, and no more.

    the planner fails    read every input, write the data down, ask a person, run; the question stays unanswered
    codegen fails        nothing runs; the figures are in the job for review
    vision fails         the owner is told; another picture, or later

Each is told as an incident first. The planner is asked again at each step: back again, it plans what is left.
"""

from __future__ import annotations

from loupe.orchestrator.v1.incident_pb2 import RemedyKind
from loupe.reasoning.v1.analysis_pb2 import Analysis, Operand, Operation, OperationKind, Selection
from loupe.reasoning.v1.reasoning_pb2 import Action, DecideNextActionResponse, Finish, ReadFigures, WriteCode
from loupe.type.v1.engine_pb2 import Engine
from loupe.type.v1.figure_pb2 import Fidelity
from servers.orchestrator.job_view import JobView

ENGINE = Engine(name="policy", revision="1")
"""Stands where the planner's name would."""
WHY_ASK = "the planner failed: no plan led to this code but the policy for that case"
_REFUSAL = "the planner failed, so the question was not looked at; what was read is here"


def next_action(view: JobView) -> DecideNextActionResponse | None:
    """Return what to do without a planner; None where its owner did not consent, or nothing is left to do so."""
    if RemedyKind.REMEDY_KIND_SHORTEN not in view.consents:
        return None
    read = {turn.action.read_figures.file.file_id for turn in view.turns if turn.action.HasField("read_figures")}
    for file in view.goal.inputs:
        if file.file_id not in read:
            return _chosen("Without a planner every picture is read.", Action(read_figures=ReadFigures(file=file)))
    if view.run is not None and view.run.HasField("answer"):
        return _chosen("What was read is written down.", Action(finish=Finish(answer=view.run.answer)))
    fit = [figure.figure_id for figure in view.figures if figure.fidelity != Fidelity.FIDELITY_FAIL]
    if view.code is None and fit:
        write = WriteCode(analysis=_data_of(fit[0]))
        return _chosen("Without a planner only the data is written down.", Action(write_code=write))
    return None


def has_stood_in(view: JobView) -> bool:
    """Return whether the newest choice of the job was made without its planner."""
    return view.thinking_engine == ENGINE


def _data_of(figure_id: str) -> Analysis:
    """Return the analysis that keeps a figure's data; its operation names the figure, and is not carried out."""
    operand = Operand(selection=Selection(figure_id=figure_id))
    describe = Operation(kind=OperationKind.OPERATION_KIND_DESCRIBE, operands=[operand])
    return Analysis(operations=[describe], refusal=_REFUSAL)


def _chosen(thought: str, action: Action) -> DecideNextActionResponse:
    return DecideNextActionResponse(thought=thought, action=action, engine=ENGINE)
