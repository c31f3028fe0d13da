"""What the supervisor records of the mesh for other commands: LOUPE_HOME/run/mesh.json, its pid file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from cli.processes import ProcessId

FILE_NAME = "mesh.json"

MemberState = Literal["running", "restarting", "failed"]


@dataclass(frozen=True, slots=True)
class Member:
    """One process of the mesh."""

    name: str

    process: ProcessId | None = None
    """None while it waits for its next start, and when it is given up."""

    state: MemberState = "restarting"

    restart_count: int = 0
    """Since it last ran long enough to count as healthy."""

    log_offset: int = 0
    """Byte of its log where this start begins."""


@dataclass(frozen=True, slots=True)
class MeshState:
    """The mesh of one LOUPE_HOME."""

    supervisor: ProcessId

    address: str
    """HOST:PORT of the gateway."""

    members: tuple[Member, ...] = ()

    @property
    def processes(self) -> list[ProcessId]:
        """Every process that the supervisor started and that has not ended as far as it knows."""
        return [member.process for member in self.members if member.process is not None]

    def write(self, run_dir: Path) -> None:
        """Replace the record, whole or not at all."""
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = run_dir / f"{FILE_NAME}.partial"
        partial.write_text(json.dumps(asdict(self)))
        partial.replace(run_dir / FILE_NAME)


def read(run_dir: Path) -> MeshState | None:
    """Return the record, None where there is none; its supervisor need not be alive any more."""
    try:
        data = json.loads((run_dir / FILE_NAME).read_text())
        members = tuple(Member(**{**member, "process": _process(member["process"])}) for member in data["members"])
        supervisor = ProcessId(**data["supervisor"])
        return MeshState(supervisor, data["address"], members)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        # Of another version: what it recorded can't be known, and a process is signalled only when it is known.
        return None


def read_running(run_dir: Path) -> MeshState | None:
    """Return the record of a mesh whose supervisor is alive."""
    state = read(run_dir)
    return state if state is not None and state.supervisor.is_alive else None


def _process(data: dict[str, Any] | None) -> ProcessId | None:
    return ProcessId(**data) if data else None
