"""`loupe status`: each process of the mesh, and whether all serve."""

from __future__ import annotations

import asyncio
import json

import click

from cli import health, mesh_state
from cli.config import Settings
from cli.errors import ExitCode
from cli.health import Health
from cli.mesh_state import MeshState
from cli.processes import memory_mib


def status(settings: Settings, *, as_json: bool) -> ExitCode:
    """Print how the mesh is; ANSWERED only if every process serves."""
    state = mesh_state.read_running(settings.run_dir)
    if state is None:
        click.echo(json.dumps({"is_serving": False, "processes": []}) if as_json else "no mesh is running: `loupe up`")
        return ExitCode.FAILED
    found = asyncio.run(health.ask(settings, state))
    is_serving = all(one.is_serving for one in found)
    rows = [_row(one) for one in found]
    if as_json:
        whole = {
            "is_serving": is_serving,
            "address": f"http://{state.address}",
            "supervisor_pid": state.supervisor.pid,
            "processes": rows,
        }
        click.echo(json.dumps(whole))
    else:
        _print(state, found, rows)
    return ExitCode.ANSWERED if is_serving else ExitCode.FAILED


def _row(one: Health) -> dict[str, object]:
    pid = one.member.process.pid if one.member.process else None
    memory = memory_mib(pid) if pid else None
    return {
        "name": one.name,
        "condition": one.condition,
        "pid": pid,
        "memory_mib": None if memory is None else round(memory, 1),
        "address": one.address,
        "restart_count": one.member.restart_count,
        "remedy": one.remedy,
    }


def _print(state: MeshState, found: list[Health], rows: list[dict[str, object]]) -> None:
    head = ("NAME", "STATE", "PID", "MEMORY", "ADDRESS")
    lines = [(one.name, one.condition, *_numbers(row), one.address) for one, row in zip(found, rows, strict=True)]
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]
    click.echo(_aligned(head, widths))
    for one, line in zip(found, lines, strict=True):
        colour = "green" if one.is_serving else "yellow" if one.condition == "starting" else "red"
        # Coloured after it was aligned: colour codes have a length of their own.
        click.echo(_aligned(line, widths).replace(one.condition, click.style(one.condition, fg=colour), 1))
        if one.remedy:
            click.echo(f"  {one.remedy}")
    memory = memory_mib(state.supervisor.pid)
    if memory is not None:
        click.echo(
            f"http://{state.address}, {memory:.0f} MiB in all with the supervisor (process {state.supervisor.pid})"
        )


def _numbers(row: dict[str, object]) -> tuple[str, str]:
    memory = row["memory_mib"]
    return (str(row["pid"] or "-"), f"{memory:.0f} MiB" if isinstance(memory, float) else "-")


def _aligned(line: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
