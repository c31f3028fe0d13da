"""What happens around every OpenAI-compatible call: the kit's aspects, as around calls of gRPC."""

from __future__ import annotations

from collections.abc import Sequence

from loupe.router.v1.router_service_pb2 import DESCRIPTOR
from loupe.type.v1.access_pb2 import required_role
from servers.kit.config import ServerSettings
from servers.kit.interceptors.authentication import authentication
from servers.kit.interceptors.call import Aspect
from servers.kit.interceptors.concurrency import concurrency
from servers.kit.interceptors.deadline import deadline
from servers.kit.interceptors.request_id import request_id


def aspects_for(settings: ServerSettings) -> Sequence[Aspect]:
    """Return the aspects; each path needs the role that its RPC declares."""
    service = DESCRIPTOR.services_by_name["RouterService"]
    roles = {
        f"/{service.full_name}/{method.name}": method.GetOptions().Extensions[required_role]
        for method in service.methods
    }
    return (
        request_id,
        deadline(settings.default_deadline_s),
        authentication("router", settings.keys, roles),
        concurrency(settings.max_concurrent_calls, settings.max_concurrent_streams),
    )
