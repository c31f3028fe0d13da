"""Starts the mesh of this machine, waits until it answers, and stops it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable

import click

from cli import health, mesh_state, plan, supervisor
from cli.config import Settings
from cli.errors import CommandFailed, ExitCode, reason_of
from cli.health import Health
from cli.mesh_state import MeshState

POLL_S = 0.2
STOP_TIMEOUT_S = 3 * supervisor.STOP_TIMEOUT_S + 5
"""Three phases of stopping one after the other, and a little."""


def up_detached(settings: Settings) -> ExitCode:
    """Start the mesh in the background and wait for it; say so where it runs already."""
    if state := mesh_state.read_running(settings.run_dir):
        click.echo(f"the mesh is running already at http://{state.address} (process {state.supervisor.pid})")
        return ExitCode.ANSWERED
    started = time.monotonic()
    _start_supervisor(settings)
    found = asyncio.run(_until_settled(settings, _print_settled))
    return _print_outcome(settings, found, started, hint="`loupe down` stops it")


def up_in_foreground(settings: Settings) -> ExitCode:
    """Run the mesh in this process until Ctrl-C, SIGTERM or `loupe down`."""
    if state := mesh_state.read_running(settings.run_dir):
        click.echo(f"the mesh is running already at http://{state.address} (process {state.supervisor.pid})")
        return ExitCode.ANSWERED
    check_port(settings)
    asyncio.run(_run_in_foreground(settings))
    return ExitCode.ANSWERED


def ensure_running(settings: Settings) -> str:
    """Return the address of this machine's gateway; start the mesh where none runs, and leave it running.

    What does not serve is said on stderr; a call that needs it will fail, others won't.
    """
    state = mesh_state.read_running(settings.run_dir)
    if state is not None and health.gateway_answers(state.address, "/readyz"):
        return state.address
    if state is None:
        click.echo("no mesh is running: starting one, which stays (`loupe down` stops it)", err=True)
        _start_supervisor(settings)
    found = asyncio.run(_until_settled(settings, lambda _: None))
    for one in found:
        if not one.is_serving:
            click.echo(f"loupe: {describe(one)}", err=True)
    running = mesh_state.read_running(settings.run_dir)
    if running is None or not found[-1].is_serving:
        raise CommandFailed("the mesh does not answer: `loupe status` and `loupe logs envoy` say why")
    return running.address


def down(settings: Settings) -> ExitCode:
    """Stop the mesh, wait until it has ended, and leave nothing of it."""
    state = mesh_state.read(settings.run_dir)
    if state is None:
        click.echo("no mesh is running")
        return ExitCode.ANSWERED
    was_running = state.supervisor.send(signal.SIGTERM)
    if was_running and not state.supervisor.wait(STOP_TIMEOUT_S):
        state.supervisor.send(signal.SIGKILL)
        state.supervisor.wait(STOP_TIMEOUT_S)
    try:
        left = supervisor.end_leftovers(settings)
    except supervisor.AlreadyRunning:
        raise CommandFailed("another `loupe up` began meanwhile: it runs on") from None
    if was_running:
        click.echo("the mesh has stopped")
    else:
        click.echo(f"the mesh's supervisor was killed earlier; what it left is gone ({left} processes)")
    return ExitCode.ANSWERED


def check_port(settings: Settings) -> None:
    """Raise CommandFailed where the gateway could not listen on its port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.port))
        except OSError as error:
            is_taken = error.errno == errno.EADDRINUSE
            reason = "is taken" if is_taken else f"can't be used ({reason_of(error)})"
            raise CommandFailed(f"port {settings.port} {reason}: set LOUPE_PORT to a free one") from None


def describe(found: Health) -> str:
    """Return in one line how a process is and what would help."""
    words = {
        "starting": "is still starting",
        "not serving": "is not ready",
        "restarting": "keeps ending",
        "failed": "has ended and is given up",
    }
    told = f"{found.name} {words.get(found.condition, 'serves')}"
    return f"{told}: {found.remedy}" if found.remedy else told


def _start_supervisor(settings: Settings) -> None:
    check_port(settings)
    settings.logs_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_path = settings.logs_dir / "supervisor.log"
    with log_path.open("ab") as log:
        offset = log.tell()
        process = subprocess.Popen(
            plan.command("cli.supervisor"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=plan.ROOT,
            env={**os.environ, **plan.environment(settings)},
            start_new_session=True,
        )
    until = time.monotonic() + settings.start_timeout_s
    while mesh_state.read_running(settings.run_dir) is None:
        code = process.poll()
        if code not in (None, supervisor.EXIT_ALREADY_RUNNING):
            told = health.last_words(log_path, offset)
            raise CommandFailed(f"the mesh did not start: {told or f'its supervisor ended with status {code}'}")
        if time.monotonic() > until:
            raise CommandFailed(f"the mesh did not start within {settings.start_timeout_s:g} s: see {log_path}")
        time.sleep(POLL_S / 4)


async def _run_in_foreground(settings: Settings) -> None:
    mesh = supervisor.Supervisor(settings, plan.plan(settings))
    supervisor.stop_on_signals(mesh)
    running = asyncio.create_task(mesh.run())
    reporting = asyncio.create_task(_report(settings, mesh))
    await asyncio.wait({running, reporting}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        await reporting
    reporting.cancel()
    try:
        await running
    except supervisor.AlreadyRunning:
        raise CommandFailed("another `loupe up` was faster: the mesh is running already") from None
    click.echo("the mesh has stopped")


async def _report(settings: Settings, mesh: supervisor.Supervisor) -> None:
    started = time.monotonic()
    await mesh.started.wait()
    found = await _until_settled(settings, _print_settled)
    _print_outcome(settings, found, started, hint="Ctrl-C stops it")


async def _until_settled(settings: Settings, tell: Callable[[Health], None]) -> list[Health]:
    """Return how every process is, once waiting longer would change nothing or the time is up.

    `tell` is called once for each process, as soon as its condition is known.
    """
    until = time.monotonic() + settings.start_timeout_s
    open_names = {planned.name for planned in plan.plan(settings)}
    while open_names and time.monotonic() < until:
        for one in await health.ask(settings, _running(settings), open_names):
            if one.is_settled:
                open_names.discard(one.name)
                tell(one)
        await asyncio.sleep(POLL_S if open_names else 0)
    # Servers that answer us are still unknown to Envoy until it asks them again.
    while time.monotonic() < until:
        found = await health.ask(settings, _running(settings))
        if not all(one.is_serving for one in found):
            return found
        if await asyncio.to_thread(health.gateway_answers, _running(settings).address, "/readyz"):
            return found
        await asyncio.sleep(POLL_S)
    return await health.ask(settings, _running(settings))


def _running(settings: Settings) -> MeshState:
    state = mesh_state.read_running(settings.run_dir)
    if state is None:
        raise CommandFailed(f"the mesh stopped while it started: see {settings.logs_dir / 'supervisor.log'}")
    return state


def _print_settled(one: Health) -> None:
    if one.is_serving:
        click.echo(f"  {click.style('✓', fg='green')} {one.name}")
    else:
        click.echo(f"  {click.style('✗', fg='red')} {describe(one)}")


def _print_outcome(settings: Settings, found: list[Health], started: float, *, hint: str) -> ExitCode:
    address = f"http://{settings.address}"
    if all(one.is_serving for one in found):
        click.echo(f"ready after {time.monotonic() - started:.1f} s: {address} ({hint})")
        return ExitCode.ANSWERED
    waited_for = [one.name for one in found if not one.is_serving]
    click.echo(f"running without {', '.join(waited_for)}: {address} ({hint})")
    return ExitCode.FAILED
