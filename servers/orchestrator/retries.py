"""When a server that failed is asked again: the owner's consent, a failure that passes, and not for ever.

fails ──► told ──► pause ──► does it serve? ──yes──► asked again ──► goes on, or fails
                               │  ▲                                             │
                               └no┘ for so long, then the job ends      five times at one step
"""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from loupe.orchestrator.v1.incident_pb2 import RemedyKind
from servers.kit.errors import BudgetExhausted, LoupeError, TokenReplayed, TooLarge
from servers.kit.mesh import Mesh
from servers.kit.services import BY_NAME
from servers.orchestrator.job_view import JobView

# Three were too few: where processes of a mesh were killed every two seconds, three jobs in forty met four deaths at
# one step (soak, 2026-11-22).
MOST_RETRIES = 5
"""In a row, of one step; a step more on record begins the count anew."""
_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 2.0
# Codes of failures that may be over the next time.
_PASSING = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED"})
# Of these, what would come again the same.
_LASTING = (BudgetExhausted, TooLarge)
_LOOK_EVERY_S = 0.2
_ANSWERS_WITHIN_S = 1.0
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def may_retry(view: JobView, failure: LoupeError) -> bool:
    """Return whether the failed call may be made again."""
    has_consent = RemedyKind.REMEDY_KIND_RETRY in view.consents
    return has_consent and may_pass(failure) and view.told_count < MOST_RETRIES


def may_pass(failure: LoupeError) -> bool:
    """Return whether the same call may go well the next time."""
    # Every run is made under tokens of its own: one that is refused was made before the sandbox started again.
    is_of_this_time = failure.code in _PASSING or isinstance(failure, TokenReplayed)
    return is_of_this_time and not isinstance(failure, _LASTING)


def pause_s(view: JobView) -> float:
    """Return how long to wait before that: longer each time."""
    return float(min(_PAUSE_S * 2**view.told_count, _LONGEST_PAUSE_S))


class Recovery:
    """Waits for servers that went away, as those do that are started again."""

    def __init__(self, mesh: Mesh, *, within_s: float) -> None:
        """Take how long a server may be away."""
        self._mesh = mesh
        self._within_s = within_s

    async def wait_for(self, server: str) -> bool:
        """Return whether a server serves, as soon as it does; False where it has not in time.

        Args:
          server: its name; empty where none is known to have gone.
        Raises:
          DeadlineExceeded: the job has no time left.
        """
        if server not in BY_NAME:
            return True
        until = asyncio.get_running_loop().time() + self._within_s
        while not await self._serves(server):
            if asyncio.get_running_loop().time() > until:
                return False
            await asyncio.sleep(_LOOK_EVERY_S)
        return True

    async def _serves(self, server: str) -> bool:
        request = HealthCheckRequest(service=BY_NAME[server].full_name)
        try:
            response = await HealthStub(self._mesh.channel(server)).Check(request, timeout=_ANSWERS_WITHIN_S)
        except grpc.aio.AioRpcError as error:
            return error.code() not in _AWAY  # one without a word on its health lives
        return bool(response.status == HealthCheckResponse.SERVING)
