"""Failures as incidents: what failed, the best diagnosis, and what is safe to do next."""

from __future__ import annotations

from loupe.orchestrator.v1.incident_pb2 import Incident, IncidentKind, Remedy, RemedyKind
from loupe.reasoning.v1.reasoning_pb2 import Action, ApprovalDecision
from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Outcome
from loupe.type.v1.error_reason_pb2 import ErrorReason
from servers.kit import telemetry
from servers.kit.errors import (
    BudgetExhausted,
    DamagedMedia,
    DeadlineExceeded,
    EmptyFile,
    LoupeError,
    MalformedAnswer,
    NotFound,
    StorageUnavailable,
    TooLarge,
    TooManyPixels,
    UnsupportedMediaType,
)
from servers.kit.ids import new_id
from servers.orchestrator.job_view import JobView
from servers.orchestrator.retries import may_pass

RETRY = Remedy(kind=RemedyKind.REMEDY_KIND_RETRY, label="Run the job again")
INSPECT = Remedy(kind=RemedyKind.REMEDY_KIND_DOWNLOAD_AND_INSPECT, label="Look at the code and its output")
INSPECT_FIGURES = Remedy(kind=RemedyKind.REMEDY_KIND_DOWNLOAD_AND_INSPECT, label="Look at what was read")
REVIEW = Remedy(kind=RemedyKind.REMEDY_KIND_REQUEST_REVIEW, label="Ask a person to review the code")
REUPLOAD = Remedy(kind=RemedyKind.REMEDY_KIND_REUPLOAD, label="Upload another picture")
SHORTEN = Remedy(kind=RemedyKind.REMEDY_KIND_SHORTEN, label="Go on without the planner: the data, for your approval")
OPERATE = Remedy(kind=RemedyKind.REMEDY_KIND_OPERATOR_ACTION, label="Ask the operator")

# What each action asks of whom, for people.
DOING = {
    "read_figures": ("vision", "reading the picture"),
    "write_code": ("codegen", "writing the code"),
    "repair_code": ("codegen", "repairing the code"),
    "review_code": ("critic", "reviewing the code"),
    "run_code": ("sandbox", "running the code"),
    "draw_overlay": ("vision", "drawing the evidence"),
    "correct_figure": ("vision", "correcting the figure"),
}
_WHOLE_PLAN = ("read_figures", "write_code", "review_code", "run_code", "draw_overlay")
_BAD_INPUT = (UnsupportedMediaType, DamagedMedia, TooManyPixels, EmptyFile, TooLarge, NotFound)


def from_error(error: LoupeError, view: JobView) -> Incident:
    """Return the incident of an error that a server of the mesh answered, or that arose here."""
    action = _kind(view.pending)
    asked, doing = DOING.get(action, ("reasoning", "deciding what to do"))
    if view.finishing is not None and not action:
        asked, doing = "files", "storing the analysis"
    server = error.server or asked
    besides = _besides(asked, view)
    if isinstance(error, DeadlineExceeded):
        return budget_spent(f"time ran out while {doing}", error.message, view)
    if isinstance(error, _BAD_INPUT) and action in ("read_figures", "draw_overlay"):
        return _incident(
            IncidentKind.INCIDENT_KIND_BAD_INPUT,
            error.reason,
            "the picture can't be read",
            error.message,
            (REUPLOAD,),
            view,
        )
    if isinstance(error, StorageUnavailable):
        kind, summary = IncidentKind.INCIDENT_KIND_STORAGE_FAILED, "the job's records or files could not be stored"
        return _incident(kind, error.reason, summary, error.message, (OPERATE, RETRY), view)
    if isinstance(error, MalformedAnswer):
        kind, summary = IncidentKind.INCIDENT_KIND_BAD_OUTPUT, f"the model's answer could not be used while {doing}"
        return _incident(kind, error.reason, summary, error.message, (RETRY, OPERATE, *besides), view)
    if isinstance(error, BudgetExhausted):
        kind, summary = IncidentKind.INCIDENT_KIND_BUDGET_SPENT, f"the budget for models is spent, met while {doing}"
        return _incident(kind, error.reason, summary, error.message, (OPERATE, RETRY, *besides), view)
    if isinstance(error, TooLarge) and action == "run_code":
        kind, summary = IncidentKind.INCIDENT_KIND_SANDBOX_LIMIT, "the code left more than is kept"
        return _incident(kind, error.reason, summary, error.message, (INSPECT, REVIEW), view)
    first = (RETRY, OPERATE) if may_pass(error) else (OPERATE, RETRY)
    summary = f"the {server} server failed while {doing}"
    return _incident(
        IncidentKind.INCIDENT_KIND_SERVER_FAILED, error.reason, summary, error.message, (*first, *besides), view
    )


def budget_spent(summary: str, diagnosis: str, view: JobView) -> Incident:
    """Return the incident of a job that ran out of time or steps."""
    reason = ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED
    inspect = INSPECT if view.code is not None else INSPECT_FIGURES
    return _incident(IncidentKind.INCIDENT_KIND_BUDGET_SPENT, reason, summary, diagnosis, (RETRY, inspect), view)


def code_given_up(view: JobView) -> Incident:
    """Return the incident of code that was denied or failed when no repair is left."""
    reason = ErrorReason.ERROR_REASON_UNSPECIFIED
    verdict, run = view.verdict, view.run
    if verdict is not None and not verdict.is_approved:
        blocking = [finding for finding in verdict.findings if finding.is_blocking]
        told = "; ".join(f"line {finding.line}: {finding.message} ({finding.rule})" for finding in blocking[:5])
        kind = IncidentKind.INCIDENT_KIND_CODE_DENIED
        return _incident(kind, reason, "the critic denied the code", told, (REVIEW, INSPECT), view)
    assert run is not None  # code is given up after a denial or a run, and it was no denial
    if run.problem:
        return bad_output(run.problem, view)
    if run.result.outcome == Outcome.OUTCOME_LIMIT_EXCEEDED:
        limit = LimitKind.Name(run.result.exceeded).removeprefix("LIMIT_KIND_").replace("_", " ").lower()
        kind, summary = IncidentKind.INCIDENT_KIND_SANDBOX_LIMIT, f"the code met the sandbox's limit of {limit}"
        return _incident(kind, reason, summary, _last_line(run.stderr_tail), (INSPECT, OPERATE), view, run.stderr_tail)
    error = run.result.error
    told = f"{error.type}: {error.message} (line {error.line})" if error.type else _last_line(run.stderr_tail)
    kind = IncidentKind.INCIDENT_KIND_CODE_FAILED
    return _incident(kind, reason, "the code failed", told, (INSPECT, REVIEW), view, run.stderr_tail)


def bad_output(diagnosis: str, view: JobView) -> Incident:
    """Return the incident of code whose answer can't be trusted."""
    tail = view.run.stderr_tail if view.run else ""
    kind, reason = IncidentKind.INCIDENT_KIND_BAD_OUTPUT, ErrorReason.ERROR_REASON_UNSPECIFIED
    return _incident(kind, reason, "the code's answer can't be traced", diagnosis, (INSPECT, REVIEW), view, tail)


def rejected(decision: ApprovalDecision, view: JobView) -> Incident:
    """Return the incident of code that a person did not want to run, or did not decide on in time."""
    kind, reason = IncidentKind.INCIDENT_KIND_REJECTED, ErrorReason.ERROR_REASON_UNSPECIFIED
    if not decision.decided_by:
        return _incident(kind, reason, "nobody approved the code in time", decision.reason, (RETRY, INSPECT), view)
    told = decision.reason or "no reason was given"
    return _incident(kind, reason, "a person rejected the code", told, (INSPECT, RETRY), view)


def cancelled(view: JobView) -> Incident:
    """Return the incident that ends a cancelled job."""
    kind, reason = IncidentKind.INCIDENT_KIND_CANCELLED, ErrorReason.ERROR_REASON_CANCELLED
    return _incident(kind, reason, "the job was cancelled", "its owner asked for it", (RETRY,), view)


def worker_lost(view: JobView) -> Incident:
    """Return the incident of a job under which process after process ended."""
    kind, reason = IncidentKind.INCIDENT_KIND_WORKER_LOST, ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE
    doing = DOING.get(_kind(view.pending), ("", "deciding what to do"))[1]
    told = f"each time while the job was {doing}; everything up to step {view.last_sequence} is kept"
    return _incident(kind, reason, "one process after the other ended that ran the job", told, (OPERATE, RETRY), view)


def _incident(
    kind: IncidentKind.ValueType,
    reason: ErrorReason.ValueType,
    summary: str,
    diagnosis: str,
    remedies: tuple[Remedy, ...],
    view: JobView,
    log_tail: str = "",
) -> Incident:
    done = {_kind(turn.action) for turn in view.turns}
    incident = Incident(
        incident_id=new_id("incident"),
        kind=kind,
        reason=reason,
        summary=summary,
        diagnosis=diagnosis,
        remedies=remedies,
        # The action that failed is the last step stored; a failure between two actions is the next one's.
        failed_sequence=view.last_sequence,
        plan=[DOING[action][1] for action in _WHOLE_PLAN if action not in done],
        log_tail=log_tail,
        trace_id=telemetry.trace_id(),
    )
    incident.create_time.GetCurrentTime()
    return incident


def _besides(asked: str, view: JobView) -> tuple[Remedy, ...]:
    """Return what a person can do beside waiting, by the server that was asked in vain."""
    match asked:
        case "vision":
            return (REUPLOAD,)
        case "reasoning":
            return (SHORTEN,)
        case "codegen":
            return (INSPECT_FIGURES,) if view.code is None else (INSPECT, REVIEW)
    return ()


def _kind(action: Action | None) -> str:
    return (action.WhichOneof("kind") or "") if action else ""


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it printed nothing"
