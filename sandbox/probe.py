"""Makes one real sandbox before the service serves: what a machine allows is tried, not assumed."""

from __future__ import annotations

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits
from sandbox import limits
from sandbox.policy import Policy
from sandbox.runners.base import Ending, Program, Runner, SandboxBroken
from servers.kit.errors import NotReady

# Ends with 0 only if the data stack imports and nothing outside can be reached or changed.
_PROGRAM = b"""
import ctypes, os, socket
import numpy
for attempt in (
    lambda: open("/proc/sys/kernel/core_pattern", "w"),
    lambda: open("/runtime/probe", "w"),
    lambda: os.mkdir("/probe"),
    lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
):
    try:
        attempt()
    except OSError:
        continue
    raise SystemExit("something was allowed that must not be")
with open("/proc/self/status") as file:
    status = dict(line.split(":", 1) for line in file)
assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, "capabilities are left"
assert status["Seccomp"].strip() == "2", "no system call filter"
assert ctypes.CDLL(None).prctl(39, 0, 0, 0, 0) == 1, "new privileges can be gained"  # PR_GET_NO_NEW_PRIVS
"""

_REMEDY = (
    "the sandbox needs unprivileged user namespaces: on the host set sysctl kernel.unprivileged_userns_clone=1 "
    "(Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu 24.04 and later) and user.max_user_namespaces "
    "above 0; in a container use a seccomp and AppArmor profile that allow unshare and mount (Docker: --security-opt "
    "seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined)"
)


_REMEDY_FOR_LIMITS = (
    "start the service as root, or in a control group of its own that it may write (systemd: Delegate=yes; version 2: "
    "a delegated folder under /sys/fs/cgroup), or choose another runner, or take the limit out of `required` in the "
    "file that LOUPE_SANDBOX_POLICY_FILE names"
)


def check_limits(runner: Runner, policy: Policy) -> None:
    """Return if every limit that is required has its means here.

    Raises:
      NotReady: one has none; the message holds which and what helps.
    """
    kinds = {name: kind for name, kind, _ in limits.FIELDS} | {"network": LimitKind.LIMIT_KIND_NETWORK}
    lacking = [name for name in policy.required if kinds[name] not in runner.enforced_by]
    if lacking:
        raise NotReady(f"nothing here enforces {', '.join(lacking)} for {runner.name}: {_REMEDY_FOR_LIMITS}")


async def prove(runner: Runner, policy: Policy) -> None:
    """Return if a program really runs confined here.

    Raises:
      NotReady: it does not; the message holds what went wrong and what helps.
    """
    try:
        try:
            written, ending = await _run(runner, policy)
        except SandboxBroken:
            # What was killed meanwhile says nothing of this machine; what can't be made here breaks each time.
            written, ending = await _run(runner, policy)
    except (SandboxBroken, OSError) as error:
        raise NotReady(f"{runner.name} can't make a sandbox on this machine ({error}): {_REMEDY}") from error
    if ending.exit_code != 0:
        reason = written.decode(errors="replace").strip()[-500:] or f"exit code {ending.exit_code}"
        raise NotReady(f"a sandbox of {runner.name} does not hold on this machine: {reason}")


async def _run(runner: Runner, policy: Policy) -> tuple[bytes, Ending]:
    written = b""
    resolved = limits.resolve(Limits(), policy.limits)
    async with runner.start(Program(source=_PROGRAM, seed=0, limits=resolved)) as run:
        async for chunk in run.output():
            written += chunk.data
        return written, await run.ending()
