"""Which runner this machine gets: the first that is there and really holds."""

from __future__ import annotations

from typing import Literal

from sandbox import probe
from sandbox.cgroups import Hierarchy
from sandbox.policy import Policy
from sandbox.runners import namespaces, runsc
from sandbox.runners.base import Runner
from sandbox.runtime import Runtime
from sandbox.uids import UidPool
from servers.kit.errors import NotReady

Wanted = Literal["auto", "namespaces", "runsc"]


async def choose(
    wanted: Wanted, policy: Policy, runtime: Runtime, hierarchy: Hierarchy | None, uids: UidPool, warm_count: int
) -> Runner:
    """Return a runner in which a program was really confined.

    Args:
      wanted: one by name, or "auto" for namespaces where they hold, else runsc.
      warm_count: how many sandboxes it keeps ready.
    Raises:
      NotReady: none holds; the message says what each lacks.
    """
    lacking = []
    if wanted in ("auto", "namespaces"):
        try:
            return await _proven(await namespaces.find(policy, runtime, hierarchy, uids, warm_count), policy)
        except NotReady as missing:
            lacking.append(missing.message)
    if wanted in ("auto", "runsc"):
        try:
            return await _proven(await runsc.find(policy, runtime, hierarchy, warm_count), policy)
        except NotReady as missing:
            lacking.append(missing.message)
    raise NotReady("; or ".join(lacking))


async def _proven(runner: Runner, policy: Policy) -> Runner:
    try:
        probe.check_limits(runner, policy)
        await probe.prove(runner, policy)
    except BaseException:
        await runner.close()
        raise
    return runner
