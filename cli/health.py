"""Asks the processes of a mesh how they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Literal

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli.config import Settings
from cli.mesh_state import Member, MeshState
from cli.plan import ENVOY, plan
from servers.kit.services import BY_NAME

_ASK_TIMEOUT_S = 2.0
_TAIL_BYTES = 64 * 1024

Condition = Literal["serving", "starting", "not serving", "restarting", "failed"]


@dataclass(frozen=True, slots=True)
class Health:
    """How one process is."""

    name: str
    address: str
    member: Member
    condition: Condition
    remedy: str = ""
    """What is missing, or the last word of a process that ended."""

    @property
    def is_serving(self) -> bool:
        """Whether it does its work."""
        return self.condition == "serving"

    @property
    def is_settled(self) -> bool:
        """Whether waiting longer is unlikely to change it."""
        return self.condition != "starting" and not (self.condition == "restarting" and self.member.restart_count < 2)


async def ask(settings: Settings, state: MeshState, names: Collection[str] = ()) -> list[Health]:
    """Return how the named processes of the mesh are, all where none is named, in the order of the plan."""
    members = {member.name: member for member in state.members}
    asked = (
        _ask(settings, planned.name, _address(state, planned.name, planned.address), members.get(planned.name))
        for planned in plan(settings)
        if not names or planned.name in names
    )
    return list(await asyncio.gather(*asked))


def gateway_answers(address: str, path: str) -> bool:
    """Return whether Envoy answers 200 at a path such as /readyz."""
    connection = HTTPConnection(address, timeout=_ASK_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _address(state: MeshState, name: str, planned: str) -> str:
    # The mesh that runs may have been started with another LOUPE_PORT than this command.
    return state.address if name == ENVOY else planned


async def _ask(settings: Settings, name: str, address: str, member: Member | None) -> Health:
    member = member or Member(name)
    log = settings.logs_dir / f"{name}.log"
    if member.state != "running" or member.process is None or not member.process.is_alive:
        condition: Condition = "failed" if member.state == "failed" else "restarting"
        if member.state == "restarting" and member.restart_count == 0 and member.process is None:
            condition = "starting"
        return Health(name, address, member, condition, last_words(log, member.log_offset))
    if name == ENVOY:
        answers = await asyncio.to_thread(gateway_answers, address, "/healthz")
        return Health(name, address, member, "serving" if answers else "starting")
    match await _grpc_health(address, BY_NAME[name].full_name):
        case health_pb2.HealthCheckResponse.SERVING:
            return Health(name, address, member, "serving")
        case health_pb2.HealthCheckResponse.NOT_SERVING:
            return Health(name, address, member, "not serving", remedy(log, member.log_offset))
        case _:
            return Health(name, address, member, "starting")


async def _grpc_health(address: str, service: str) -> int | None:
    """Return the status that a server gives for its service; None where it does not answer."""
    if address.startswith("unix:") and not await asyncio.to_thread(Path(address.removeprefix("unix:")).exists):
        return None  # a channel would take longer to find out
    async with grpc.aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            response = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=_ASK_TIMEOUT_S)
        except grpc.aio.AioRpcError:
            return None
        return int(response.status)


def remedy(log: Path, offset: int) -> str:
    """Return what a server that is up and not ready said it needs."""
    for line in reversed(_lines(log, offset)):
        record = _as_record(line)
        if record.get("message") == "not ready":
            return str(record.get("remedy", ""))
    return ""


def last_words(log: Path, offset: int) -> str:
    """Return the line that most likely says why a process ended: the last one of its log."""
    lines = _lines(log, offset)
    if not lines:
        return ""
    record = _as_record(lines[-1])
    traceback = str(record.get("traceback", "")).strip().splitlines()
    return traceback[-1] if traceback else str(record.get("message", lines[-1]))


def _lines(log: Path, offset: int) -> list[str]:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(min(offset, size), size - _TAIL_BYTES))
            return file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return []


def _as_record(line: str) -> dict[str, object]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
