"""Which runner this machine gets: the first that is there and really holds."""

from __future__ import annotations

from typing import Literal

from sandbox import probe
from sandbox.cgroups import Hierarchy
from sandbox.policy import Policy
from sandbox.runners import bubblewrap, runsc
from sandbox.runners.base import Runner
from sandbox.runtime import Runtime
from sandbox.uids import UidPool
from servers.kit.errors import NotReady

Wanted = Literal["auto", "bubblewrap", "runsc"]


async def choose(
    wanted: Wanted, policy: Policy, runtime: Runtime, hierarchy: Hierarchy | None, uids: UidPool
) -> Runner:
    """Return a runner in which a program was really confined.

    Args:
      wanted: one by name, or "auto" for bubblewrap where it holds, else runsc.
    Raises:
      NotReady: none holds; the message says what each lacks.
    """
    lacking = []
    if wanted in ("auto", "bubblewrap"):
        try:
            first = await bubblewrap.find(policy, runtime, hierarchy, uids)
            await probe.prove(first, policy)
        except NotReady as missing:
            lacking.append(missing.message)
        else:
            return first
    if wanted in ("auto", "runsc"):
        try:
            second = await runsc.find(policy, runtime, hierarchy)
            await probe.prove(second, policy)
        except NotReady as missing:
            lacking.append(missing.message)
        else:
            return second
    raise NotReady("; or ".join(lacking))
