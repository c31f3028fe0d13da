"""Every failure as an incident: of which kind, in which words, and with what a person can do about it."""

from __future__ import annotations

from typing import Any

import pytest

from loupe.critic.v1.critic_pb2 import Finding, Verdict
from loupe.orchestrator.v1.incident_pb2 import Incident, IncidentKind, RemedyKind
from loupe.reasoning.v1 import reasoning_pb2 as reasoning
from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Outcome, RunResult
from servers.kit import errors
from servers.orchestrator import incidents
from servers.orchestrator.job_view import JobView

RUN_CODE = reasoning.Action(run_code=reasoning.RunCode())


def view(pending: reasoning.Action | None = None, *seen: reasoning.Observation) -> JobView:
    """A job that wrote a program, saw this, and is at that action."""
    made = JobView("job_" + "0" * 26, 1, reasoning.Goal())
    code = reasoning.Observation(code=reasoning.CodeWritten(source="x = 1\n"))
    made.turns = [reasoning.Turn(action=RUN_CODE, observation=one) for one in (code, *seen)]
    made.pending, made.last_sequence = pending, 7
    return made


def told(incident: Incident) -> tuple[str, str, list[str]]:
    kind = IncidentKind.Name(incident.kind).removeprefix("INCIDENT_KIND_")
    remedies = [RemedyKind.Name(one.kind).removeprefix("REMEDY_KIND_") for one in incident.remedies]
    assert incident.incident_id.startswith("incident_")
    assert incident.create_time.seconds
    assert all(one.label for one in incident.remedies)
    return kind, incident.summary, remedies


READ = reasoning.Action(read_figures=reasoning.ReadFigures())
REVIEW = reasoning.Action(review_code=reasoning.ReviewCode())
REPAIR = reasoning.Action(repair_code=reasoning.RepairCode())


@pytest.mark.parametrize(
    ("error", "at", "expected"),
    [
        (
            errors.DamagedMedia("cut short"),
            READ,
            ("BAD_INPUT", "the picture can't be read", ["REUPLOAD"]),
        ),
        (
            errors.UpstreamUnavailable("gone"),
            READ,
            (
                "SERVER_FAILED",
                "the vision server failed while reading the picture",
                ["RETRY", "OPERATOR_ACTION", "REUPLOAD"],
            ),
        ),
        (
            errors.InternalError("broke"),
            REVIEW,
            ("SERVER_FAILED", "the critic server failed while reviewing the code", ["OPERATOR_ACTION", "RETRY"]),
        ),
        (
            errors.MalformedAnswer("of no use"),
            None,
            (
                "BAD_OUTPUT",
                "the model's answer could not be used while deciding what to do",
                ["RETRY", "OPERATOR_ACTION", "SHORTEN"],
            ),
        ),
        (
            errors.MalformedAnswer("of no use"),
            REPAIR,
            (
                "BAD_OUTPUT",
                "the model's answer could not be used while repairing the code",
                ["RETRY", "OPERATOR_ACTION", "DOWNLOAD_AND_INSPECT", "REQUEST_REVIEW"],
            ),
        ),
        (
            errors.BudgetExhausted("spent"),
            REPAIR,
            (
                "BUDGET_SPENT",
                "the budget for models is spent, met while repairing the code",
                ["OPERATOR_ACTION", "RETRY", "DOWNLOAD_AND_INSPECT", "REQUEST_REVIEW"],
            ),
        ),
        (
            errors.DeadlineExceeded("late"),
            RUN_CODE,
            ("BUDGET_SPENT", "time ran out while running the code", ["RETRY", "DOWNLOAD_AND_INSPECT"]),
        ),
        (
            errors.TooLarge("65 MiB"),
            RUN_CODE,
            ("SANDBOX_LIMIT", "the code left more than is kept", ["DOWNLOAD_AND_INSPECT", "REQUEST_REVIEW"]),
        ),
        (
            errors.TokenReplayed("the token is older than this sandbox"),
            RUN_CODE,
            ("SERVER_FAILED", "the sandbox server failed while running the code", ["RETRY", "OPERATOR_ACTION"]),
        ),
        (
            errors.StorageUnavailable("the disk is full"),
            RUN_CODE,
            (
                "STORAGE_FAILED",
                "the job's records or files could not be stored",
                ["OPERATOR_ACTION", "RETRY"],
            ),
        ),
    ],
)
def test_an_error_as_an_incident(error, at, expected):
    incident = incidents.from_error(error, view(at))
    assert told(incident) == expected
    assert (incident.diagnosis, incident.reason, incident.failed_sequence) == (error.message, error.reason, 7)


DENIED = Verdict(
    findings=[Finding(line=3, message="os may not be imported", rule="import-not-allowed", is_blocking=True)]
)


def _ran(**result: Any) -> reasoning.Observation:
    return reasoning.Observation(
        run=reasoning.RunObserved(result=RunResult(**result), stderr_tail="a\nKeyError: 'x'\n")
    )


@pytest.mark.parametrize(
    ("seen", "expected", "why"),
    [
        (
            reasoning.Observation(verdict=DENIED),
            ("CODE_DENIED", "the critic denied the code", ["REQUEST_REVIEW", "DOWNLOAD_AND_INSPECT"]),
            "line 3: os may not be imported (import-not-allowed)",
        ),
        (
            _ran(outcome=Outcome.OUTCOME_LIMIT_EXCEEDED, exceeded=LimitKind.LIMIT_KIND_WALL_TIME),
            (
                "SANDBOX_LIMIT",
                "the code met the sandbox's limit of wall time",
                ["DOWNLOAD_AND_INSPECT", "OPERATOR_ACTION"],
            ),
            "KeyError: 'x'",
        ),
        (
            _ran(outcome=Outcome.OUTCOME_FAILED),
            ("CODE_FAILED", "the code failed", ["DOWNLOAD_AND_INSPECT", "REQUEST_REVIEW"]),
            "KeyError: 'x'",
        ),
    ],
)
def test_code_that_is_given_up(seen, expected, why):
    incident = incidents.code_given_up(view(None, seen))
    assert told(incident) == expected
    assert incident.diagnosis == why


def test_what_ends_a_job_from_outside():
    assert told(incidents.cancelled(view())) == ("CANCELLED", "the job was cancelled", ["RETRY"])
    summary = "one process after the other ended that ran the job"
    assert told(incidents.worker_lost(view(RUN_CODE))) == ("WORKER_LOST", summary, ["OPERATOR_ACTION", "RETRY"])
    nobody, person = reasoning.ApprovalDecision(), reasoning.ApprovalDecision(decided_by="ann")
    late = ("REJECTED", "nobody approved the code in time", ["RETRY", "DOWNLOAD_AND_INSPECT"])
    assert told(incidents.rejected(nobody, view())) == late
    no = ("REJECTED", "a person rejected the code", ["DOWNLOAD_AND_INSPECT", "RETRY"])
    assert told(incidents.rejected(person, view())) == no


def test_where_nothing_was_written_there_is_no_code_to_look_at():
    bare = view(reasoning.Action(write_code=reasoning.WriteCode()))
    bare.turns = []
    failed = incidents.from_error(errors.UpstreamUnavailable("gone"), bare)
    assert [one.label for one in failed.remedies] == ["Run the job again", "Ask the operator", "Look at what was read"]
