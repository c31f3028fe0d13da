"""`loupe models list | status`: which models there are, and which of them each server asks."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import click
import grpc

from cli import mesh_state, wording
from cli.config import Settings
from cli.connection import Connection, again, failure
from cli.errors import ExitCode
from cli.jobs import connected
from loupe.codegen.v1 import codegen_pb2
from loupe.codegen.v1.codegen_service_pb2_grpc import CodegenServiceStub
from loupe.critic.v1 import critic_pb2
from loupe.critic.v1.critic_service_pb2_grpc import CriticServiceStub
from loupe.reasoning.v1 import reasoning_pb2
from loupe.reasoning.v1.reasoning_service_pb2_grpc import ReasoningServiceStub
from loupe.router.v1.router_pb2 import BreakerState, ListModelsRequest, Model
from loupe.router.v1.router_service_pb2_grpc import RouterServiceStub
from loupe.speech.v1 import speech_pb2
from loupe.speech.v1.speech_service_pb2_grpc import SpeechServiceStub
from loupe.type.v1.engine_pb2 import EngineState, EngineStatus
from loupe.vision.v1 import vision_pb2
from loupe.vision.v1.vision_service_pb2_grpc import VisionServiceStub
from servers.kit import wire_json
from servers.kit.models.weights import installed

if TYPE_CHECKING:  # the asynchronous stubs are types only
    from loupe.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

_ASKED: dict[str, tuple[Any, Any]] = {
    "vision": (VisionServiceStub, vision_pb2.GetEngineRequest()),
    "speech": (SpeechServiceStub, speech_pb2.GetEngineRequest()),
    "reasoning": (ReasoningServiceStub, reasoning_pb2.GetEngineRequest()),
    "codegen": (CodegenServiceStub, codegen_pb2.GetEngineRequest()),
    "critic": (CriticServiceStub, critic_pb2.GetEngineRequest()),
}
"""Servers that may ask a model: the stub and the request."""
_COLOURS = {"ready": "green", "starting": "yellow", "degraded": "yellow"}


def status(settings: Settings, *, as_json: bool) -> ExitCode:
    """Print what answers at each server; ANSWERED only if each engine is ready, or will be at its first call."""

    async def run(connection: Connection) -> ExitCode:
        found = dict(
            zip(_ASKED, await asyncio.gather(*(_engine(connection, server) for server in _ASKED)), strict=True)
        )
        if as_json:
            click.echo(json.dumps({server: wire_json.to_object(one) for server, one in found.items()}))
        else:
            _print_engines(found)
        well = (EngineState.ENGINE_STATE_READY, EngineState.ENGINE_STATE_STARTING)
        return ExitCode.ANSWERED if all(one.state in well for one in found.values()) else ExitCode.FAILED

    return connected(settings, run)


def listed(settings: Settings, *, as_json: bool) -> ExitCode:
    """Print the models that were pulled and, where the mesh runs, those that its router reaches."""
    pulled = installed(settings.home)
    if mesh_state.read_running(settings.run_dir) is None:
        _print_models(pulled, [], as_json=as_json)
        return ExitCode.ANSWERED

    async def run(connection: Connection) -> ExitCode:
        router: RouterServiceAsyncStub = RouterServiceStub(connection.channel)
        response = await again(lambda: router.ListModels(ListModelsRequest(), metadata=connection.metadata))
        _print_models(pulled, list(response.models), as_json=as_json)
        return ExitCode.ANSWERED

    return connected(settings, run)


async def _engine(connection: Connection, server: str) -> EngineStatus:
    """Return a server's engine; a server that does not answer is an engine that is not available."""
    stub, request = _ASKED[server]
    try:
        asked = await stub(connection.channel).GetEngine(request, metadata=connection.metadata, timeout=10)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNAUTHENTICATED:
            raise failure(error) from None
        return EngineStatus(state=EngineState.ENGINE_STATE_UNAVAILABLE, detail=error.details() or "it does not answer")
    engine: EngineStatus = asked.engine
    return engine


def _print_engines(found: dict[str, EngineStatus]) -> None:
    head = ("SERVER", "ENGINE", "MODEL", "REVISION", "MEMORY", "STATE")
    lines = [(server, *_row(one)) for server, one in found.items()]
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]
    for line in (head, *lines):
        told = "  ".join(text.ljust(width) for text, width in zip(line[:-1], widths, strict=False))
        click.echo(f"{told}  {click.style(line[-1], fg=_COLOURS.get(line[-1], None if line is head else 'red'))}")
        if line is not head and (one := found[line[0]]).detail:
            click.echo(f"  {wording.plain(one.detail)}")


def _row(one: EngineStatus) -> tuple[str, str, str, str, str]:
    engine = one.engine
    stand_in = f" (else {one.fallback})" if one.fallback else ""
    upstream = f" ({one.upstream_model})" if one.upstream_model not in ("", engine.model) else ""
    return (
        wording.plain(f"{engine.name}{stand_in}"),
        wording.plain(f"{engine.model}{upstream}") or "-",
        wording.plain(engine.revision.partition(";")[0]) or "-",
        f"{one.memory_mib:.0f} MiB" if one.HasField("memory_mib") else "-",
        EngineState.Name(one.state).removeprefix("ENGINE_STATE_").lower(),
    )


def _print_models(pulled: list[Any], routed: list[Model], *, as_json: bool) -> None:
    if as_json:
        here = [{"name": one.name, "revision": one.revision, "size_bytes": one.size_bytes} for one in pulled]
        click.echo(json.dumps({"pulled": here, "routed": [wire_json.to_object(model) for model in routed]}))
        return
    for one in pulled:
        click.echo(f"{one.name}  revision {one.revision[:12]}  {one.size_bytes / 2**20:,.0f} MiB  on this machine")
    for model in routed:
        if model.targets:
            click.echo(f"{wording.plain(model.name)}  route to {wording.plain(', '.join(model.targets))}")
            continue
        breaker = BreakerState.Name(model.breaker).removeprefix("BREAKER_STATE_").lower().replace("_", " ")
        state = "ready" if model.breaker == BreakerState.BREAKER_STATE_CLOSED else f"breaker {breaker}"
        known = f"{model.upstream_model}, revision {model.revision or 'not stated'}"
        click.echo(f"{wording.plain(model.name)}  {wording.plain(known)}  {state}")
    if not pulled and not routed:
        click.echo("no models: `loupe models pull NAME`, or a provider in router.toml")
