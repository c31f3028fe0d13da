"""Listens for callers, and lets those that are being answered finish at the end."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from servers.kit.tls import TlsFolder
from servers.router.http1.caller import Caller, Handler

_DRAIN_S = 5.0
# Callers that come at the same moment; on a unix socket one too many is told so, where TCP would try again.
_BACKLOG = 1024


@asynccontextmanager
async def listening(handler: Handler, address: str, tls: TlsFolder | None = None) -> AsyncIterator[str]:
    """Answer at unix:PATH or HOST:PORT until the block ends; yields the address that was bound.

    Args:
      tls: what to show at HOST:PORT, and whom to let in there; a unix socket is without.
    """
    loop = asyncio.get_running_loop()
    callers: set[Caller] = set()
    bound = _bind(address)
    is_unix = bound.family == socket.AF_UNIX
    create = loop.create_unix_server if is_unix else loop.create_server
    context = tls.server_context() if tls and not is_unix else None
    server = await create(lambda: Caller(handler, callers), sock=bound, ssl=context, backlog=_BACKLOG)
    try:
        if not is_unix:
            address = f"{address.rpartition(':')[0]}:{bound.getsockname()[1]}"
        yield address
    finally:
        server.close()
        await _drain(callers)
        if is_unix:
            with suppress(FileNotFoundError):
                os.unlink(address.removeprefix("unix:"))  # noqa: PTH108 - one quick call, while nobody is served


async def _drain(callers: set[Caller]) -> None:
    for caller in tuple(callers):
        caller.stop()
    running = [caller.task for caller in callers if caller.task is not None]
    if running:
        _, late = await asyncio.wait(running, timeout=_DRAIN_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _bind(address: str) -> socket.socket:
    """Return a bound socket; that of a unix path is its owner's alone."""
    if not address.startswith("unix:"):
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return socket.create_server((host.strip("[]"), int(port)), family=family)
        except OSError as error:
            raise SystemExit(f"can't listen at {address}: {error}") from error
    path = Path(address.removeprefix("unix:"))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A socket file outlives a killed server; a living one would hold the ledger's lock, and we would not be here.
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        made.bind(str(path))
    finally:
        os.umask(previous)
    return made
