"""Runs a program under gVisor's runsc, one cold sandbox a run: the program meets gVisor's kernel, not the machine's.

The sandbox gets a read-only tree of what the machine must share, a bounded tmpfs to work in, and one folder of the
host, /box, in which `sandbox/bootstrap/gvisor_init`, process 1 inside, leaves the files when the program has ended. A
program that is killed leaves its output, and no files.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits, OutputChunk
from sandbox import seccomp
from sandbox.cgroups import Group, Hierarchy
from sandbox.lifetimes import to_the_end
from sandbox.limits import KIB, MIB
from sandbox.policy import Policy
from sandbox.runners import guest_code
from sandbox.runners.base import Ending, InputFile, Program, SandboxBroken
from sandbox.runners.ending import ending_of
from sandbox.runners.piped_process import PipedProcess
from sandbox.runtime import Runtime
from servers.kit.errors import NotReady

INSTALL = "install it (Debian: apt-get install runsc)"
_START = "import sys; sys.path.insert(0, '/loupe'); from sandbox.bootstrap.gvisor_init import main; main()"
_SYSTEM_FOLDERS = ("bin", "dev", "etc", "lib", "lib64", "proc", "sys", "usr")
_FOLDERS = (*_SYSTEM_FOLDERS, "box", "loupe", "runtime", "tmp", "work")
# What gVisor itself takes of the group's limits: with the ptrace platform each thread inside is a process outside, and
# 64 in all do not start while 256 do (November 2026).
_OWN_PROCESSES = 192
_OWN_MEMORY_MIB = 128
_ADDRESS_SPACE_SLACK = 512 * MIB
# What process 1 inside needs of its own kernel: to become somebody else for the program, and to end what it left.
_CAPABILITIES = ("CAP_SETPCAP", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL")
_SYSTRAP_SINCE = 20230801
_OWN_FOLDER = ("nosuid", "nodev", "noexec", "mode=1777")


class Runsc:
    """The gVisor runner."""

    name = "runsc"

    def __init__(
        self, *, program: Path, version: str, policy: Policy, runtime: Runtime, hierarchy: Hierarchy | None
    ) -> None:
        self.version = version
        self._policy = policy
        self._runtime = runtime
        self._hierarchy = hierarchy
        self._filter = base64.b64encode(seccomp.program(policy.syscalls)).decode()
        platform = "systrap" if int(version) >= _SYSTRAP_SINCE else "ptrace"
        self._flags = [str(program), "--network=none", f"--platform={platform}", "--ignore-cgroups", "--overlay=false"]
        if os.geteuid() != 0:
            self._flags.append("--rootless")
        self.enforced_by: Mapping[LimitKind.ValueType, str] = _enforced_by(hierarchy)

    def warm_up(self) -> None:
        """See `Runner.warm_up`: this runner makes each sandbox when it is wanted."""

    async def close(self) -> None:
        """See `Runner.close`: nothing is kept."""

    @asynccontextmanager
    async def start(self, program: Program) -> AsyncIterator[RunscRun]:
        """Start a program in a sandbox of its own; see `Runner.start`."""
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="loupe-runsc-"))
        group = self._hierarchy.create(_with_own(program.limits)) if self._hierarchy else None
        try:
            await asyncio.to_thread(self._bundle, folder, program)
            command = [*self._flags, "--root", str(folder / "state"), "run", "--bundle", str(folder), folder.name]
            process = PipedProcess(command, program.limits.output_kib * KIB, group)
            run = RunscRun(process, group, program.limits, folder / "box")
            try:
                process.bound(program.limits.wall_time_s)
                yield run
            finally:
                run.close()
                await to_the_end(process.close())
        finally:
            if group:
                group.kill()
                await to_the_end(group.remove())
            await to_the_end(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    def _bundle(self, folder: Path, program: Program) -> None:
        """Lay out what runsc reads (an OCI bundle) and what the sandbox sees of the host."""
        for name in ("box", "inputs", "state"):
            (folder / name).mkdir(mode=0o700)
        for name in _FOLDERS:
            (folder / "rootfs" / name).mkdir(parents=True)
        code = folder / "loupe" / "sandbox" / "bootstrap"
        code.mkdir(parents=True)
        for name, content in guest_code.files().items():
            (code / name).write_bytes(content)
        (folder / "loupe" / "program.py").write_bytes(program.source)
        (folder / "loupe" / "order.json").write_text(json.dumps(self._order(program)))
        offset = 0
        for item in program.inputs:
            (folder / "inputs" / item.name).write_bytes(os.pread(program.inputs_fd, item.size_bytes, offset))
            offset += item.size_bytes
        for path, text in self._policy.filesystem.files.items():
            (folder / "rootfs" / path.lstrip("/")).write_text(text)
        (folder / "config.json").write_text(json.dumps(self._config(folder, program)))

    def _order(self, program: Program) -> dict[str, Any]:
        return {
            "matplotlib": f"/runtime/{self._runtime.matplotlib_config}",
            "inputs": [{"name": item.name} for item in program.inputs],
            "disk_bytes": program.limits.disk_mib * MIB,
            "inode_count": program.limits.inode_count,
            "filter": self._filter,
            "seed": program.seed,
        }

    def _config(self, folder: Path, program: Program) -> dict[str, Any]:
        rlimits = {
            **self._policy.rlimits,
            "RLIMIT_AS": program.limits.memory_mib * MIB + _ADDRESS_SPACE_SLACK,
            "RLIMIT_FSIZE": (program.limits.disk_mib + 1) * MIB,
        }
        capabilities = {kind: list(_CAPABILITIES) for kind in ("bounding", "effective", "permitted")}
        return {
            "ociVersion": "1.0.0",
            "process": {
                "terminal": False,
                "user": {"uid": 0, "gid": 0},
                "args": ["/runtime/bin/python", "-s", "-P", "-B", "-u", "-c", _START],
                "env": [f"{name}={value}" for name, value in self._policy.environment.items()],
                "cwd": "/",
                "capabilities": capabilities,
                # Set from outside: gVisor's setrlimit refuses half of them.
                "rlimits": [{"type": name, "hard": value, "soft": value} for name, value in rlimits.items()],
                "noNewPrivileges": True,
            },
            "root": {"path": "rootfs", "readonly": True},
            "hostname": "loupe",
            "mounts": self._mounts(folder, program.inputs, program.limits),
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
        }

    def _mounts(self, folder: Path, inputs: Sequence[InputFile], limits: Limits) -> list[dict[str, Any]]:
        size = f"size={limits.disk_mib * MIB}"
        mounts: list[dict[str, Any]] = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
            *(
                {"destination": folder, "type": "tmpfs", "source": "tmpfs", "options": [size, *_OWN_FOLDER]}
                for folder in ("/work", "/tmp", "/dev/shm")
            ),
            {"destination": "/box", "type": "bind", "source": str(folder / "box"), "options": ["rw", "rbind"]},
        ]
        shared = {path: path for path in self._policy.filesystem.read_only if Path(path).is_dir()}
        shared |= {f"/{name}": f"/usr/{name}" for name in ("bin", "lib", "lib64") if Path("/usr", name).is_dir()}
        shared |= {
            "/runtime": str(self._runtime.path),
            "/loupe": str(folder / "loupe"),
        }
        # Each a mount of its own: what is one can be neither written, replaced, renamed nor removed.
        shared |= {f"/work/{item.name}": str(folder / "inputs" / item.name) for item in inputs}
        for target, source in shared.items():
            mounts.append({"destination": target, "type": "bind", "source": source, "options": ["ro", "rbind"]})
            if not target.startswith("/work/"):
                (folder / "rootfs" / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return mounts


class RunscRun:
    """One running sandbox."""

    def __init__(self, process: PipedProcess, group: Group | None, limits: Limits, box: Path) -> None:
        self._process = process
        self._group = group
        self._limits = limits
        self._box = box
        self._work_fd = -1

    @property
    def work_fd(self) -> int:
        """See `Run.work_fd`: the copies that process 1 handed out."""
        if self._work_fd < 0:
            (self._box / "out").mkdir(mode=0o700, exist_ok=True)
            self._work_fd = os.open(self._box / "out", os.O_RDONLY | os.O_DIRECTORY)
        return self._work_fd

    def output(self) -> AsyncIterator[OutputChunk]:
        """See `Run.output`."""
        return self._process.output()

    async def ending(self) -> Ending:
        """See `Run.ending`."""
        code = await self._process.died()
        exit_message = _content(self._box / "exit")
        usage = self._group.usage() if self._group else None
        stopped_by = self._process.stopped_by
        if not exit_message and stopped_by is None and usage and usage.refused_fork_count:
            # A process or thread of gVisor's own was refused, and it gives up then.
            stopped_by = LimitKind.LIMIT_KIND_PROCESSES
        if not exit_message and stopped_by is None and not (usage and usage.oom_kill_count):
            raise SandboxBroken(f"runsc ended with {code} before the program did")
        ending = ending_of(
            stopped_by=stopped_by,
            exit_message=exit_message,
            report=_content(self._box / "report"),
            usage=usage,
            disk=os.fstatvfs(self.work_fd),
            limits=self._limits,
            wall_s=self._process.wall_s,
            cpu_s=0.0,
        )
        if usage and not ending.peak_memory_kib:
            ending.peak_memory_kib = usage.peak_memory_kib or 0
        if not exit_message:
            ending.notes.append("the program was stopped: its files are lost with the sandbox")
        return ending

    def close(self) -> None:
        """Release the descriptor."""
        if self._work_fd >= 0:
            os.close(self._work_fd)
            self._work_fd = -1


async def find(policy: Policy, runtime: Runtime, hierarchy: Hierarchy | None) -> Runsc:
    """Return the runner, not yet tried.

    Raises:
      NotReady: runsc is not installed, or does not answer.
    """
    program = shutil.which("runsc")
    if program is None:
        raise NotReady(f"runsc is not on this machine: {INSTALL}")
    answer = await asyncio.to_thread(subprocess.run, [program, "--version"], stdout=subprocess.PIPE, check=False)
    version = re.search(rb"20\d{6}", answer.stdout)
    if version is None:
        raise NotReady(f"{program} --version names no release: {INSTALL}")
    return Runsc(
        program=Path(program), version=version[0].decode(), policy=policy, runtime=runtime, hierarchy=hierarchy
    )


def _with_own(limits: Limits) -> Limits:
    """Return the limits of the group: the program's, and what gVisor takes itself."""
    grown = Limits()
    grown.CopyFrom(limits)
    grown.process_count += _OWN_PROCESSES
    grown.memory_mib += _OWN_MEMORY_MIB
    return grown


def _enforced_by(hierarchy: Hierarchy | None) -> dict[LimitKind.ValueType, str]:
    means = {
        LimitKind.LIMIT_KIND_MEMORY: "RLIMIT_AS of each process",
        LimitKind.LIMIT_KIND_WALL_TIME: "the service's clock",
        LimitKind.LIMIT_KIND_DISK: "gVisor tmpfs size",
        LimitKind.LIMIT_KIND_OUTPUT: "the service counts",
        LimitKind.LIMIT_KIND_ARTIFACTS: "the service counts",
        LimitKind.LIMIT_KIND_NETWORK: "gVisor without a network",
    }
    if hierarchy is None:
        return means
    return means | {kind: f"{how} (gVisor's own included)" for kind, how in hierarchy.enforced_by.items()}


def _content(path: Path) -> bytes:
    """Return the start of a file that a program may have filled."""
    try:
        with path.open("rb") as file:
            return file.read(guest_code.MOST_REPORT_BYTES)
    except OSError:
        return b""
