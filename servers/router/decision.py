"""Why a model answered: as a field of the answer, and as a span where traces are kept."""

from __future__ import annotations

import sys

from google.protobuf.duration_pb2 import Duration

from loupe.router.v1.router_pb2 import Attempt, RouteDecision
from servers.router.choosing import Choice
from servers.router.dispatch import Ask
from servers.router.fitting import Fitted


def decision_of(
    choice: Choice, ask: Ask, asks: list[Ask], fitted: Fitted | None, *, is_cache_hit: bool
) -> RouteDecision:
    """Return the decision that led to an answer, and record it as a span."""
    section = ask.target.model.section
    decision = RouteDecision(
        provider=ask.target.model.at.name,
        model=section.name,
        upstream_model=section.upstream or section.name,
        revision=section.revision,
        policy=choice.route.policy,
        arm=ask.target.arm,
        reasons=choice.reasons,
        attempts=[_attempt(one) for one in asks],
        is_cache_hit=is_cache_hit,
        first_token=_duration(ask.duration_s),
    )
    if fitted is not None:
        decision.left_out_messages = fitted.left_out_messages
        decision.left_out_tokens = fitted.left_out_tokens
    _trace(decision)
    return decision


def _attempt(ask: Ask) -> Attempt:
    model = ask.target.model
    attempt = Attempt(
        provider=model.at.name,
        model=model.section.name,
        is_hedge=ask.is_hedge,
        duration=_duration(ask.duration_s),
    )
    if ask.failure is not None:
        attempt.failure.CopyFrom(ask.failure.to_message())
    return attempt


def _duration(seconds: float) -> Duration:
    micros = round(seconds * 1e6)
    return Duration(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def _trace(decision: RouteDecision) -> None:
    # Loaded by the kit where an exporter is configured, and by nobody otherwise.
    if "opentelemetry.trace" not in sys.modules:
        return
    from opentelemetry import trace

    with trace.get_tracer("loupe.router").start_as_current_span("route") as span:
        span.set_attributes(
            {
                "loupe.router.provider": decision.provider,
                "loupe.router.model": decision.model,
                "loupe.router.revision": decision.revision,
                "loupe.router.arm": decision.arm,
                "loupe.router.attempt_count": len(decision.attempts),
                "loupe.router.is_cache_hit": decision.is_cache_hit,
                "loupe.router.reasons": list(decision.reasons),
            }
        )
