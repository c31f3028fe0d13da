"""When a server that failed is asked again: the owner's consent, a failure that passes, and not for ever."""

from __future__ import annotations

from loupe.orchestrator.v1.incident_pb2 import RemedyKind
from servers.kit.errors import LoupeError
from servers.orchestrator.job_view import JobView

MOST_RETRIES = 3
_PAUSE_S = 0.25
# Codes of failures that may be over the next time.
_PASSING = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED"})


def may_retry(view: JobView, failure: LoupeError) -> bool:
    """Return whether the failed call may be made again."""
    has_consent = RemedyKind.REMEDY_KIND_RETRY in view.consents
    return has_consent and failure.code in _PASSING and view.told_count < MOST_RETRIES


def pause_s(view: JobView) -> float:
    """Return how long to wait before that: longer each time."""
    return float(_PAUSE_S * 2**view.told_count)
