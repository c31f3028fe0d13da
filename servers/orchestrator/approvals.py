"""A person's say over code: when to ask, and what a decision or its absence means."""

from __future__ import annotations

from loupe.critic.v1.critic_pb2 import Severity
from loupe.orchestrator.v1.approval_pb2 import ApprovalMode, ApprovalTimeout
from loupe.orchestrator.v1.control_pb2 import DecideApprovalRequest
from loupe.reasoning.v1.reasoning_pb2 import ApprovalDecision, Decision
from servers.orchestrator import degradation
from servers.orchestrator.job_view import JobView

DEFAULT_TIMEOUT_S = 24 * 3600.0
NOBODY = "nobody decided in time"


def why_ask(view: JobView) -> str:
    """Return why a person must see the newest code before it runs; empty where none must.

    The code has a verdict that approves it.
    """
    policy, verdict = view.approval_policy, view.verdict
    if verdict is None or view.approval_of(verdict.code_sha256) is not None:
        return ""
    if view.plan_engine == degradation.ENGINE:
        return degradation.WHY_ASK
    if policy.mode == ApprovalMode.APPROVAL_MODE_ALWAYS:
        return "the job asks for a person's approval of all code"
    if policy.mode == ApprovalMode.APPROVAL_MODE_RISKY:
        threshold = policy.threshold or Severity.SEVERITY_MEDIUM
        risky = [finding for finding in verdict.findings if finding.severity >= threshold]
        told = "; ".join(f"line {finding.line}: {finding.message} ({finding.rule})" for finding in risky[:5])
        return f"the critic found: {told}" if risky else ""
    return ""


def timeout_s(view: JobView) -> float:
    """Return how long a person may take."""
    policy = view.approval_policy
    return policy.timeout.ToMilliseconds() / 1000 if policy.HasField("timeout") else DEFAULT_TIMEOUT_S


def of_request(request: DecideApprovalRequest, decided_by: str) -> ApprovalDecision:
    """Return the decision that a person made."""
    decision = ApprovalDecision(code_sha256=request.code_sha256, decided_by=decided_by)
    match request.WhichOneof("decision"):
        case "approve":
            decision.decision = Decision.DECISION_APPROVED
            decision.is_for_whole_job = request.approve.is_for_whole_job
        case "edit":
            decision.decision = Decision.DECISION_EDITED
        case "reject":
            decision.decision = Decision.DECISION_REJECTED
            decision.reason = request.reject.reason
    return decision


def of_timeout(view: JobView) -> ApprovalDecision:
    """Return what counts where nobody decided in time."""
    assert view.pending is not None and view.verdict is not None  # only reviewed code is asked about
    decision = ApprovalDecision(code_sha256=view.pending.ask_approval.code_sha256, reason=NOBODY)
    may_run = view.approval_policy.on_timeout == ApprovalTimeout.APPROVAL_TIMEOUT_RUN_IF_CLEAN
    is_clean = not view.verdict.findings
    decision.decision = Decision.DECISION_APPROVED if may_run and is_clean else Decision.DECISION_REJECTED
    return decision
