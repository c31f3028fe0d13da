"""The life of a process that calls servers and answers none: load → work → signal → stop.

Its `__main__` reads its settings, and gives `work` a function that works until its block ends.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

from grpc_health.v1 import health, health_pb2

from servers.kit import logs, telemetry
from servers.kit.config import ServerSettings
from servers.kit.errors import NotReady
from servers.kit.mesh import Mesh
from servers.kit.serve import answering_health, run_loop
from servers.kit.services import SERVICES

log = logging.getLogger(__name__)

S = TypeVar("S", bound=ServerSettings)

Work = Callable[[S, Mesh], AbstractAsyncContextManager[Any]]
"""Loads what the work needs, works as long as the block lasts, and leaves nothing half done."""


def work(name: str, server: str, settings: S, working: Work[S]) -> None:
    """Work until SIGTERM or SIGINT. Where `LOUPE_HEALTH_LISTEN` is set, health is answered there.

    Args:
      name: of the process, in its logs.
      server: in whose name it calls others.
    Raises:
      SystemExit: something has to be set up first; the message says what. Whoever started it starts it again.
    """
    logs.configure(name, settings.log_level)
    telemetry.start(name, settings.otlp_endpoint)
    try:
        run_loop(_live(server, settings, working))
    finally:
        telemetry.stop(settings.otlp_endpoint)


async def _live(server: str, settings: S, working: Work[S]) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.keys.ensure(service.name for service in SERVICES)
    async with AsyncExitStack() as stack:
        mesh = Mesh(server, settings)
        stack.push_async_callback(mesh.close)
        servicer = health.aio.HealthServicer()
        if settings.health_listen:
            await stack.enter_async_context(answering_health(servicer, settings.health_listen))
        await servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            await stack.enter_async_context(working(settings, mesh))
        except NotReady as missing:
            raise SystemExit(missing.message) from missing
        await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        log.info("working")
        await stopping.wait()
        await servicer.enter_graceful_shutdown()
        log.info("stopping")
    log.info("stopped")
