"""The life of a server: load → bind → SERVING → signal → NOT_SERVING → drain → stop.

A server's `__main__.py` is a page: it reads its settings, and gives `run` a function that builds its servicer.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from loupe.type.v1.access_pb2 import Role, required_role
from servers.kit import logs, telemetry
from servers.kit.config import ServerSettings
from servers.kit.errors import NotReady
from servers.kit.interceptors.authentication import authentication
from servers.kit.interceptors.concurrency import concurrency
from servers.kit.interceptors.deadline import deadline
from servers.kit.interceptors.pipeline import Pipeline
from servers.kit.interceptors.request_id import request_id
from servers.kit.limits import MAX_MESSAGE_BYTES
from servers.kit.mesh import Mesh
from servers.kit.services import BY_NAME, SERVICES
from servers.kit.tls import TlsFolder, is_local

log = logging.getLogger(__name__)

S = TypeVar("S", bound=ServerSettings)

# Callers look a name up anew when a connection ends, and so find new replicas. Calls on it go on to their end.
_CONNECTION_AGE_MS = 300_000

LIVE = "live"


@dataclass(frozen=True, slots=True)
class Registration:
    """A servicer and the generated function that adds it to a server."""

    add: Callable[[Any, grpc.aio.Server], None]
    servicer: Any


Build = Callable[[S, Mesh], AbstractAsyncContextManager[Registration]]
"""Loads what the server needs, yields its servicer, and releases everything afterwards."""


def run(server: str, settings: S, build: Build[S]) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return.

    Args:
      server: the name in `servers.kit.services`.
      build: raises NotReady to stay up, NOT_SERVING, answering every call with the remedy in its message.
    """
    logs.configure(server, settings.log_level)
    telemetry.start(server, settings.otlp_endpoint)
    try:
        run_loop(_serve(server, settings, build))
    finally:
        telemetry.stop(settings.otlp_endpoint)


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run a process's whole work on the fastest event loop there is."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


async def _serve(server: str, settings: S, build: Build[S]) -> None:
    serving = asyncio.create_task(_live(server, settings, build))
    # Whoever still loads has no callers to wait for; once it has, it listens for signals itself.
    _on_signal(serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        log.info("stopped before it served")


def _on_signal(react: Callable[[], object]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, react)


async def _live(server: str, settings: S, build: Build[S]) -> None:
    listen = settings.listen or settings.address_of(server)
    if _is_answered(listen):
        raise SystemExit(f"another {server} server listens at {listen}")
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.keys.ensure(service.name for service in SERVICES)
    async with AsyncExitStack() as stack:
        mesh = Mesh(server, settings)
        stack.push_async_callback(mesh.close)
        grpc_server = _grpc_server(server, settings, listen)
        ready = True
        try:
            registration = await stack.enter_async_context(build(settings, mesh))
        except NotReady as missing:
            ready = False
            log.error("not ready", extra={"remedy": missing.message})
            grpc_server.add_generic_rpc_handlers((_refuse_all(server, missing),))
        else:
            registration.add(registration.servicer, grpc_server)
        health_servicer = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(health_servicer, grpc_server)
        names = tuple(service.full_name for service in SERVICES)
        reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), grpc_server)

        address = _bind(grpc_server, listen, settings.tls)
        await grpc_server.start()
        if settings.health_listen:
            await stack.enter_async_context(answering_health(health_servicer, settings.health_listen))
        stopping = asyncio.Event()
        _on_signal(stopping.set)
        state = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", BY_NAME[server].full_name):
            await health_servicer.set(name, state)
        log.info("listening", extra={"address": address, "serving": ready})

        await stopping.wait()
        await health_servicer.enter_graceful_shutdown()
        log.info("draining", extra={"at_most_s": settings.drain_s})
        await grpc_server.stop(settings.drain_s)
    log.info("stopped")


def _grpc_server(server: str, settings: ServerSettings, listen: str) -> grpc.aio.Server:
    aspects = (
        request_id,
        deadline(settings.default_deadline_s),
        authentication(server, settings.keys, _required_roles()),
        concurrency(settings.max_concurrent_calls, settings.max_concurrent_streams),
    )
    return grpc.aio.server(
        interceptors=[*telemetry.server_interceptors(settings.otlp_endpoint), Pipeline(aspects)],
        options=(
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),
            # Clients of ours ping every 30 s, also between calls.
            ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
            ("grpc.keepalive_permit_without_calls", 1),
            *(() if is_local(listen) else (("grpc.max_connection_age_ms", _CONNECTION_AGE_MS),)),
        ),
    )


@asynccontextmanager
async def answering_health(servicer: health.aio.HealthServicer, listen: str) -> AsyncIterator[None]:
    """Answer health, and nothing else, at a port of its own; until the very end, so that draining shows.

    Whoever asks for the service "live" learns that the process answers, whether it can serve or not: what is missing
    is in its answers, and starting it again would not bring it.
    """
    await servicer.set(LIVE, health_pb2.HealthCheckResponse.SERVING)
    own = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, own)
    _bind(own, listen, None)
    await own.start()
    try:
        yield
    finally:
        await own.stop(0)


def _required_roles() -> dict[str, Role.ValueType]:
    """Return the declared role of every RPC of the mesh, by method path."""
    # Every server knows every contract, so that reflection answers for the whole mesh wherever it is asked.
    import importlib

    pool = descriptor_pool.Default()
    roles = {f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": Role.ROLE_VIEWER}
    for service in SERVICES:
        importlib.import_module(f"{service.package}.{service.name}_service_pb2")
        for method in pool.FindServiceByName(service.full_name).methods:
            roles[f"/{service.full_name}/{method.name}"] = method.GetOptions().Extensions[required_role]
    return roles


def _refuse_all(server: str, missing: NotReady) -> grpc.GenericRpcHandler:
    """Return a handler that answers every method of the server's service with what is missing."""

    async def refuse(_request: bytes, _context: Any) -> bytes:
        raise missing

    async def refuse_stream(request: Any, context: Any) -> AsyncIterator[bytes]:
        yield await refuse(request, context)

    service = descriptor_pool.Default().FindServiceByName(BY_NAME[server].full_name)
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for method in service.methods:
        if method.client_streaming and method.server_streaming:
            handlers[method.name] = grpc.stream_stream_rpc_method_handler(refuse_stream)
        elif method.server_streaming:
            handlers[method.name] = grpc.unary_stream_rpc_method_handler(refuse_stream)
        elif method.client_streaming:
            handlers[method.name] = grpc.stream_unary_rpc_method_handler(refuse)
        else:
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(refuse)
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


def _is_answered(listen: str) -> bool:
    """Return whether a living server has the socket; always False for TCP, where binding tells."""
    if not listen.startswith("unix:"):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(listen.removeprefix("unix:"))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True  # too busy to take the call, or none of ours to judge
    return True


def _bind(grpc_server: grpc.aio.Server, listen: str, tls: TlsFolder | None) -> str:
    """Bind and return the address, with the port that was found for port 0."""
    if not is_local(listen):
        try:
            if tls is None:
                port = grpc_server.add_insecure_port(listen)
            else:
                port = grpc_server.add_secure_port(listen, tls.server_credentials())
        except OSError as error:
            raise SystemExit(f"LOUPE_TLS_DIR: {error}") from error
        except RuntimeError as error:
            raise SystemExit(f"can't listen at {listen}: {error}") from error
        return f"{listen.rpartition(':')[0]}:{port}"
    path = Path(listen.removeprefix("unix:"))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A socket file outlives a killed server and would refuse the next.
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()
    previous = os.umask(0o177)
    try:
        grpc_server.add_insecure_port(listen)
    finally:
        os.umask(previous)
    return listen
