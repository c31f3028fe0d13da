"""How often a step of a job is tried again."""

from __future__ import annotations

from loupe.orchestrator.v1.incident_pb2 import REMEDY_KIND_RETRY, Incident, RemedyKind
from loupe.orchestrator.v1.orchestrator_pb2 import Step, Thought
from loupe.reasoning.v1.reasoning_pb2 import Goal
from servers.kit.errors import BudgetExhausted, DamagedMedia, TokenReplayed, TooLarge, UpstreamUnavailable
from servers.orchestrator.job_view import JobView
from servers.orchestrator.retries import may_retry, pause_s

AWAY = UpstreamUnavailable("it does not answer")
TOLD = Step(incident=Incident(summary="a server failed"))


def view(*consents: RemedyKind.ValueType) -> JobView:
    return JobView("job_1", 1, Goal(), consents=frozenset(consents))


def test_a_step_is_tried_five_times_again_after_a_longer_pause_each_up_to_two_seconds():
    job = view(REMEDY_KIND_RETRY)
    pauses = []
    while may_retry(job, AWAY):
        job.apply(TOLD)
        pauses.append(pause_s(job))
    assert pauses == [0.5, 1.0, 2.0, 2.0, 2.0]


def test_a_step_more_begins_the_count_anew():
    job = view(REMEDY_KIND_RETRY)
    for _ in range(5):
        job.apply(TOLD)
    assert not may_retry(job, AWAY)
    job.apply(Step(thought=Thought(text="It answers again.")))
    assert may_retry(job, AWAY)


def test_no_consent_and_no_failure_that_would_come_again_is_tried():
    assert not may_retry(view(), AWAY)
    for lasting in (DamagedMedia("cut short"), BudgetExhausted("spent"), TooLarge("65 MiB")):
        assert not may_retry(view(REMEDY_KIND_RETRY), lasting)


def test_a_run_whose_token_was_made_before_its_sandbox_is_tried_under_a_new_one():
    assert may_retry(view(REMEDY_KIND_RETRY), TokenReplayed("the token is older than this sandbox"))
