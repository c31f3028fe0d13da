"""Runs a program under Debian's bubblewrap, one cold sandbox a run.

bwrap makes the namespaces and the read-only tree; `sandbox/bootstrap`, process 1 inside, finishes the confinement with
the last capabilities it has in its own user namespace, drops them, and only then runs the program.
"""

import asyncio
import base64
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits, OutputChunk
from sandbox import bootstrap, seccomp, watchdog
from sandbox.cgroups import Group, Hierarchy
from sandbox.lifetimes import to_the_end
from sandbox.limits import KIB, MIB
from sandbox.policy import Policy
from sandbox.runners.base import Ending, Program
from sandbox.runners.confined_process import ConfinedProcess
from sandbox.runners.ending import ending_of
from sandbox.runtime import Runtime
from sandbox.uids import Identity, UidPool
from servers.kit.errors import NotReady

_INSTALL = "install it (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap)"
_SETPRIV = "/usr/bin/setpriv"
_UID_INSIDE = "1000"
# Address space is more than memory: what the data stack reserves and never touches. Measured with everything imported,
# on one BLAS thread (November 2026): 357 MiB reserved, 180 MiB used.
_ADDRESS_SPACE_SLACK = 512 * MIB
_BOOTSTRAP = ("confinement.py", "guest.py", "init.py", "library_hooks.py")
_START = "import sys; sys.path.insert(0, '/loupe'); from sandbox.bootstrap.init import main; main()"


class Bubblewrap:
    """The bubblewrap runner. Needs no privilege; uses root's only to become somebody else and to make cgroups."""

    name = "bubblewrap"

    def __init__(
        self,
        *,
        program: Path,
        version: str,
        policy: Policy,
        runtime: Runtime,
        hierarchy: Hierarchy | None,
        uids: UidPool,
    ) -> None:
        self.version = version
        self._policy = policy
        self._runtime = runtime
        self._hierarchy = hierarchy
        self._uids = uids
        self._filter = base64.b64encode(seccomp.program(policy.syscalls)).decode()
        self._next_cpu = 0
        folder = Path(next(iter(bootstrap.__path__)))
        self._data = {f"/loupe/sandbox/bootstrap/{name}": (folder / name).read_bytes() for name in _BOOTSTRAP}
        self._data |= {path: text.encode() for path, text in policy.filesystem.files.items()}
        self._fixed = [str(program), *_namespaces(), *_tree(policy, runtime)]
        self.enforced_by: Mapping[LimitKind.ValueType, str] = _enforced_by(hierarchy)

    @asynccontextmanager
    async def start(self, program: Program) -> AsyncIterator["BubblewrapRun"]:
        """Start a program in a sandbox of its own; see `Runner.start`."""
        with self._uids.lend() as identity:
            group = self._hierarchy.create(program.limits) if self._hierarchy else None
            try:
                process = ConfinedProcess(program.limits.output_kib * KIB, group)
                try:
                    command, passed = self._command(process, program)
                    process.launch([*_become(identity), *command], passed)
                    await process.begin(self._order(program), program.limits.wall_time_s)
                    async with self._watched(process, program.limits):
                        yield BubblewrapRun(process, group, program.limits)
                finally:
                    await to_the_end(process.close())
            finally:
                if group:
                    await to_the_end(group.remove())

    @asynccontextmanager
    async def _watched(self, process: ConfinedProcess, limits: Limits) -> AsyncIterator[None]:
        """Watch the memory of all processes together, where no cgroup does."""
        if self._counts(LimitKind.LIMIT_KIND_MEMORY):
            yield
            return
        watching = asyncio.create_task(
            watchdog.watch(process.init_pid, limits.memory_mib * MIB, lambda: process.kill(LimitKind.LIMIT_KIND_MEMORY))
        )
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    def _command(self, process: ConfinedProcess, program: Program) -> tuple[list[str], list[int]]:
        control, report, status = process.inner_fds
        spool = process.own(os.dup(program.inputs_fd) if program.inputs else os.open("/dev/null", os.O_RDONLY))
        data = {**self._data, "/loupe/program.py": program.source}
        fds = {path: process.own(_readable_copy(content)) for path, content in data.items()}
        files = [text for path, fd in fds.items() for text in ("--perms", "0444", "--ro-bind-data", str(fd), path)]
        seed = ["--setenv", "PYTHONHASHSEED", str(program.seed), "--json-status-fd", str(status)]
        seal = ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--"]
        inner = ["/runtime/bin/python", "-s", "-P", "-B", "-u", "-c", _START, str(control), str(report), str(spool)]
        return [*self._fixed, *files, *seed, *seal, *inner], [spool, *fds.values()]

    def _order(self, program: Program) -> dict[str, Any]:
        limits = program.limits
        rlimits = {
            **self._policy.rlimits,
            "RLIMIT_AS": limits.memory_mib * MIB + _ADDRESS_SPACE_SLACK,
            # Over the disk, so that a full disk says ENOSPC; it bounds what sparse files pretend to hold.
            "RLIMIT_FSIZE": (limits.disk_mib + 1) * MIB,
            # Counted in the sandbox's own user namespace (Linux 5.14). Where a cgroup counts too it decides, because it
            # also says that it did.
            "RLIMIT_NPROC": limits.process_count + (64 if self._counts(LimitKind.LIMIT_KIND_PROCESSES) else 1),
        }
        return {
            "disk_bytes": limits.disk_mib * MIB,
            "inode_count": limits.inode_count,
            "matplotlib": f"/runtime/{self._runtime.matplotlib_config}",
            "inputs": [{"name": item.name, "size_bytes": item.size_bytes} for item in program.inputs],
            "rlimits": rlimits,
            "cpus": [] if self._counts(LimitKind.LIMIT_KIND_CPU) else self._some_cpus(limits.cpu_count),
            "filter": self._filter,
            "seed": program.seed,
        }

    def _counts(self, kind: LimitKind.ValueType) -> bool:
        return self._hierarchy is not None and kind in self._hierarchy.enforced_by

    def _some_cpus(self, count: float) -> list[int]:
        """Return the next CPUs in turn, so that concurrent sandboxes do not all sit on the first ones."""
        present = sorted(os.sched_getaffinity(0))
        wanted = min(max(1, int(count)), len(present))
        chosen = [present[(self._next_cpu + step) % len(present)] for step in range(wanted)]
        self._next_cpu = (self._next_cpu + wanted) % len(present)
        return chosen


class BubblewrapRun:
    """One running sandbox."""

    def __init__(self, process: ConfinedProcess, group: Group | None, limits: Limits) -> None:
        self._process = process
        self._group = group
        self._limits = limits

    @property
    def work_fd(self) -> int:
        """See `Run.work_fd`."""
        return self._process.work_fd

    def output(self) -> AsyncIterator[OutputChunk]:
        """See `Run.output`."""
        return self._process.output()

    async def ending(self) -> Ending:
        """See `Run.ending`."""
        await self._process.died()
        return ending_of(
            stopped_by=self._process.stopped_by,
            exit_message=self._process.exit_message(),
            report=self._process.report(),
            usage=self._group.usage() if self._group else None,
            disk=os.fstatvfs(self._process.work_fd),
            limits=self._limits,
            wall_s=self._process.wall_s,
            cpu_s=self._process.cpu_s,
        )


async def find(policy: Policy, runtime: Runtime, hierarchy: Hierarchy | None, uids: UidPool) -> Bubblewrap:
    """Return the runner, not yet tried.

    Raises:
      NotReady: bubblewrap is not installed, or does not answer.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise NotReady(f"bubblewrap is not on this machine: {_INSTALL}")
    if os.geteuid() == 0 and shutil.which(_SETPRIV) is None:
        raise NotReady(
            f"{_SETPRIV} is not on this machine: install util-linux, or start the sandbox as an ordinary user"
        )
    # Not asyncio's: uvloop forks, and a fork of a process that uses gRPC is to be avoided.
    answer = await asyncio.to_thread(subprocess.run, [program, "--version"], stdout=subprocess.PIPE, check=False)
    version = re.search(rb"\d+(\.\d+)+", answer.stdout)
    if version is None:
        raise NotReady(f"{program} --version says nothing that can be read: {_INSTALL}")
    return Bubblewrap(
        program=Path(program),
        version=version[0].decode(),
        policy=policy,
        runtime=runtime,
        hierarchy=hierarchy,
        uids=uids,
    )


def _become(identity: Identity) -> list[str]:
    """Return the command that becomes an ordinary user before bubblewrap starts."""
    if not identity.is_switched:
        return []
    return [_SETPRIV, "--reuid", str(identity.uid), "--regid", str(identity.gid), "--clear-groups", "--"]


def _namespaces() -> list[str]:
    return [
        *("--unshare-all", "--unshare-user", "--uid", _UID_INSIDE, "--gid", _UID_INSIDE, "--hostname", "loupe"),
        *("--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"),
        # What the bootstrap needs in the sandbox's own user namespace, until it drops them: mount and seccomp, the
        # user namespaces' sysctl, emptying the bounding set.
        *("--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN"),
        *("--cap-add", "CAP_SYS_RESOURCE", "--cap-add", "CAP_SETPCAP"),
    ]


def _tree(policy: Policy, runtime: Runtime) -> list[str]:
    """Return the arguments that build the tree; later ones cover earlier ones."""
    arguments: list[str] = []
    for path in map(Path, policy.filesystem.read_only):
        if path.exists():
            arguments += ["--ro-bind", str(path), str(path)]
    for name in ("bin", "lib", "lib64"):
        # Merged on the machines of today, folders of their own on some older ones.
        if Path("/", name).is_symlink():
            arguments += ["--symlink", f"usr/{name}", f"/{name}"]
        elif Path("/", name).exists():
            arguments += ["--ro-bind", f"/{name}", f"/{name}"]
    arguments += ["--ro-bind", str(runtime.path), "/runtime", "--proc", "/proc"]
    for path in map(Path, policy.filesystem.hidden):
        if path.is_dir():
            arguments += ["--tmpfs", str(path), "--remount-ro", str(path)]
        elif path.exists():
            arguments += ["--ro-bind", "/dev/null", str(path)]
    # Not bwrap's --dev: that is a writable tmpfs without bounds, with terminals in it.
    arguments += ["--tmpfs", "/dev"]
    for device in policy.filesystem.devices:
        arguments += ["--dev-bind", device, device]
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        arguments += ["--symlink", f"/proc/self/fd{target}", f"/dev/{name}"]
    for folder in ("/dev/shm", "/work", "/tmp", "/box", "/inputs"):
        arguments += ["--dir", folder]
    for name, value in policy.environment.items():
        arguments += ["--setenv", name, value]
    return arguments


def _enforced_by(hierarchy: Hierarchy | None) -> dict[LimitKind.ValueType, str]:
    means = {
        LimitKind.LIMIT_KIND_CPU: "CPU affinity",
        LimitKind.LIMIT_KIND_MEMORY: f"RLIMIT_AS of each process, a look at all every {watchdog.INTERVAL_S:g} s",
        LimitKind.LIMIT_KIND_WALL_TIME: "the service's clock",
        LimitKind.LIMIT_KIND_DISK: "tmpfs size",
        LimitKind.LIMIT_KIND_PROCESSES: "RLIMIT_NPROC in a user namespace",
        LimitKind.LIMIT_KIND_OUTPUT: "the service counts",
        LimitKind.LIMIT_KIND_ARTIFACTS: "the service counts",
        LimitKind.LIMIT_KIND_INODES: "tmpfs nr_inodes",
        LimitKind.LIMIT_KIND_NETWORK: "network namespace, seccomp",
    }
    return means | (hierarchy.enforced_by if hierarchy else {})


def _readable_copy(content: bytes) -> int:
    """Return a fresh descriptor at the start of `content`: one shared by two runs would be at its end in the second."""
    fd = os.memfd_create("loupe-sandbox")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
