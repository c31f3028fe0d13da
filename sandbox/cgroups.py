"""Control groups, version 1 and 2: one group a sandbox, beneath the service's own, so that outer limits hold too."""

import asyncio
import contextlib
import itertools
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits
from sandbox.limits import MIB

_CONTROLLERS = {
    "memory": LimitKind.LIMIT_KIND_MEMORY,
    "pids": LimitKind.LIMIT_KIND_PROCESSES,
    "cpu": LimitKind.LIMIT_KIND_CPU,
}
_PREFIX = "loupe-sandbox-"
_CPU_PERIOD_US = 100_000
_OWN_PROCESSES = 1  # the sandbox's init
_EMPTY_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a group counted until now."""

    cpu_s: float | None = None
    peak_memory_kib: int | None = None
    oom_kill_count: int = 0
    refused_fork_count: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """The group of one sandbox: a folder for each controller (version 1) or one for all (version 2)."""

    folders: Mapping[str, Path]
    version: Literal[1, 2]

    def add(self, pid: int) -> None:
        """Put a process, and all it will start, into the group."""
        for folder in {*self.folders.values()}:
            (folder / "cgroup.procs").write_text(str(pid))

    def kill(self) -> None:
        """Send SIGKILL to every process of the group."""
        for folder in {*self.folders.values()}:
            if (folder / "cgroup.kill").exists():
                (folder / "cgroup.kill").write_text("1")
                continue
            for pid in _read(folder / "cgroup.procs").split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)

    def usage(self) -> Usage:
        """Return the group's counters; one that this kernel lacks is None or 0."""
        memory, pids = self.folders.get("memory", Path("/none")), self.folders.get("pids", Path("/none"))
        cpu = self.folders.get("cpu", Path("/none"))
        forks = _field(pids / "pids.events", "max")
        if self.version == 2:
            micros = _field(cpu / "cpu.stat", "usage_usec")
            peak, kills = _number(memory / "memory.peak"), _field(memory / "memory.events", "oom_kill")
            cpu_s = None if micros is None else micros / 1e6
        else:
            nanos = _number(self.folders.get("cpuacct", Path("/none")) / "cpuacct.usage")
            peak = _number(memory / "memory.max_usage_in_bytes")
            kills = _field(memory / "memory.oom_control", "oom_kill")
            cpu_s = None if nanos is None else nanos / 1e9
        return Usage(cpu_s, None if peak is None else peak // 1024, kills or 0, forks or 0)

    async def remove(self) -> None:
        """Remove the group, killing who is in it yet, and waiting for the kernel to let go of the killed."""
        until = asyncio.get_running_loop().time() + _EMPTY_WITHIN_S
        for folder in {*self.folders.values()}:
            while True:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    if asyncio.get_running_loop().time() > until:
                        raise
                    # One that was just being forked escapes a version 1 group's kill.
                    self.kill()
                    await asyncio.sleep(0.005)
                else:
                    break


class Hierarchy:
    """Where this service may make groups, and which limits they hold."""

    def __init__(self, version: Literal[1, 2], bases: Mapping[str, Path]) -> None:
        self.version: Literal[1, 2] = version
        self._bases = bases
        self._numbers = itertools.count(1)
        self.enforced_by = {
            kind: f"cgroup v{version} {controller}" for controller, kind in _CONTROLLERS.items() if controller in bases
        }

    def create(self, limits: Limits) -> Group:
        """Make the group of one sandbox with its limits set."""
        name = f"{_PREFIX}{os.getpid()}-{next(self._numbers)}"
        group = Group({controller: base / name for controller, base in self._bases.items()}, self.version)
        try:
            for folder in {*group.folders.values()}:
                folder.mkdir()
            self.bound(group, limits)
        except OSError:
            for folder in {*group.folders.values()}:
                with contextlib.suppress(OSError):
                    folder.rmdir()
            raise
        return group

    def bound(self, group: Group, limits: Limits) -> None:
        """Set a group's limits."""
        for controller, values in self._settings(limits).items():
            for file, value in values.items():
                path = group.folders.get(controller, Path("/none")) / file
                if path.exists():  # memsw and swap are missing where the kernel doesn't count swap
                    path.write_text(value)

    def still(self, group: Group) -> None:
        """Keep a group's processes from computing: frozen in version 2, at a hundredth of a processor in version 1."""
        if self.version == 2:
            _write(next(iter(group.folders.values())) / "cgroup.freeze", "1")
        else:
            _write(group.folders.get("cpu", Path("/none")) / "cpu.cfs_quota_us", str(_CPU_PERIOD_US // 100))

    def wake(self, group: Group, limits: Limits) -> None:
        """Let them compute again, within their limit."""
        if self.version == 2:
            _write(next(iter(group.folders.values())) / "cgroup.freeze", "0")
        else:
            quota = self._settings(limits)["cpu"]["cpu.cfs_quota_us"]
            _write(group.folders.get("cpu", Path("/none")) / "cpu.cfs_quota_us", quota)

    def _settings(self, limits: Limits) -> dict[str, dict[str, str]]:
        memory = str(limits.memory_mib * MIB)
        processes = str(limits.process_count + _OWN_PROCESSES)
        quota = int(limits.cpu_count * _CPU_PERIOD_US)
        if self.version == 2:
            return {
                "memory": {"memory.max": memory, "memory.swap.max": "0"},
                "pids": {"pids.max": processes},
                "cpu": {"cpu.max": f"{quota} {_CPU_PERIOD_US}"},
            }
        return {
            # In this order: memory and swap together can't be set below memory alone.
            "memory": {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory},
            "pids": {"pids.max": processes},
            "cpu": {"cpu.cfs_period_us": str(_CPU_PERIOD_US), "cpu.cfs_quota_us": str(quota)},
        }

    def sweep(self) -> None:
        """Remove the empty groups that a killed service left; call it before the first is made."""
        for base in {*self._bases.values()}:
            for folder in base.glob(f"{_PREFIX}*"):
                if _is_anothers(folder.name):
                    continue  # empty only until its sandbox is in it
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _is_anothers(name: str) -> bool:
    """Tell whether a group's maker lives; a process in a container may have the number of the one before it."""
    maker = name.removeprefix(_PREFIX).partition("-")[0]
    return maker != str(os.getpid()) and Path("/proc", maker).exists()


def find(proc: Path = Path("/proc/self")) -> Hierarchy | None:
    """Return the hierarchy in which this process can make groups; None where it can't.

    Args:
      proc: folder with this process's `cgroup` and `mountinfo`.
    With both versions mounted (hybrid) the one that holds the memory controller counts.
    """
    own = {}
    for line in _read(proc / "cgroup").splitlines():
        _, names, path = line.split(":", 2)
        for controller in names.split(","):
            own[controller] = path
    legacy: dict[str, Path] = {}
    unified: Path | None = None
    for line in _read(proc / "mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        root, mount_point = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind == "cgroup2":
            unified = _beneath(mount_point, root, own.get("", "/"))
        elif kind == "cgroup":
            for controller in {"memory", "pids", "cpu", "cpuacct"}.intersection(options.split(",")):
                legacy[controller] = _beneath(mount_point, root, own.get(controller, "/"))
    if "memory" in legacy:
        bases = {controller: base for controller, base in legacy.items() if _can_make_groups(base)}
        return Hierarchy(1, bases) if "memory" in bases else None
    if unified is None:
        return None
    base, controllers = _delegate(unified)
    return Hierarchy(2, dict.fromkeys(controllers, base)) if "memory" in controllers else None


def _beneath(mount_point: str, root: str, own: str) -> Path:
    """Return the folder of this process's group: a container may have only a part of the tree mounted."""
    relative = own.removeprefix(root) if root != "/" else own
    return Path(mount_point) / relative.strip("/")


def _can_make_groups(base: Path) -> bool:
    return base.is_dir() and os.access(base, os.W_OK)


def _delegate(base: Path) -> tuple[Path, tuple[str, ...]]:
    """Return where groups with controllers can be made, and with which: beneath `base`, or beside it.

    A group that holds processes can't have groups with controllers. If they are all this service, it moves into a
    group of its own below; if not (a terminal's group, say), its parent may have been delegated to this user.
    """
    wanted = [name for name in _CONTROLLERS if name in _read(base / "cgroup.controllers").split()]
    switch, enable = base / "cgroup.subtree_control", " ".join(f"+{name}" for name in wanted)
    if wanted and _can_make_groups(base):
        with contextlib.suppress(OSError):
            if _read(base / "cgroup.procs").split() == [str(os.getpid())]:
                leaf = base / "loupe-service"
                leaf.mkdir(exist_ok=True)
                (leaf / "cgroup.procs").write_text(str(os.getpid()))
            switch.write_text(enable)
        if "memory" in (enabled := _enabled(base)):
            return base, enabled
    parent = base.parent
    if _can_make_groups(parent) and os.access(parent / "cgroup.procs", os.W_OK):
        return parent, _enabled(parent)
    return base, ()


def _enabled(base: Path) -> tuple[str, ...]:
    switched_on = _read(base / "cgroup.subtree_control").split()
    return tuple(name for name in _CONTROLLERS if name in switched_on)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _write(path: Path, value: str) -> None:
    """Write where the kernel knows such a setting."""
    if path.exists():
        path.write_text(value)


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdecimal() else None


def _field(path: Path, name: str) -> int | None:
    found = re.search(rf"^{name} (\d+)$", _read(path), re.MULTILINE)
    return int(found[1]) if found else None
