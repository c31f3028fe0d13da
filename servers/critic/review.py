"""One verdict from all checkers: approved only if every one of them judged the program and none objects."""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Protocol

from loupe.critic.v1.critic_pb2 import Finding, Severity, Tool, Verdict
from loupe.type.v1.engine_pb2 import Engine, EngineState, EngineStatus
from servers.critic.program import Program, Unparseable, parse, sha256
from servers.kit.errors import NotReady

# At most about 100 KiB of verdict, far under the largest message.
_MAX_FINDINGS = 200
_REMEMBERED_VERDICTS = 256


class Checker(Protocol):
    """Judges one program. Its findings are added to the others'; it can't take one away.

    Raises Unparseable for a program it refuses to read, and NotReady when it can't judge: nothing is approved then.
    """

    async def check(self, program: Program) -> Sequence[Finding]:
        """Return the findings, in any order."""
        ...


class InThread:
    """A checker that computes, run where it does not hold up other calls."""

    def __init__(self, check: Callable[[Program], Sequence[Finding]], executor: Executor) -> None:
        self._check = check
        self._executor = executor

    async def check(self, program: Program) -> Sequence[Finding]:
        """Return what the function returns."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._check, program)


def policy_version(policy: str, tools: Iterable[str]) -> str:
    """Return the name of everything a verdict depends on besides the source."""
    python = ".".join(str(part) for part in sys.version_info[:2])
    return "; ".join([f"policy {policy}", f"python {python}", *sorted(tools)])


def combine(source_sha256: str, version: str, findings: Iterable[Finding]) -> Verdict:
    """Return the verdict: approved if no finding blocks. One more finding never turns a denial into an approval."""
    distinct = {finding.SerializeToString(deterministic=True): finding for finding in findings}
    ordered = sorted(distinct.values(), key=_order)
    is_approved = not any(finding.is_blocking for finding in ordered)
    if len(ordered) > _MAX_FINDINGS:
        kept = sorted(ordered, key=lambda finding: (not finding.is_blocking, *_order(finding)))[: _MAX_FINDINGS - 1]
        left_out = Finding(
            tool=Tool.TOOL_POLICY,
            rule="findings-left-out",
            severity=Severity.SEVERITY_LOW,
            message=f"{len(ordered) - len(kept)} more findings are left out",
        )
        ordered = sorted([*kept, left_out], key=_order)
    return Verdict(is_approved=is_approved, code_sha256=source_sha256, policy_version=version, findings=ordered)


def _order(finding: Finding) -> tuple[int, int, int, str, int, int, str, int, bool]:
    return (
        finding.line,
        finding.column,
        finding.tool,
        finding.rule,
        finding.end_line,
        finding.end_column,
        finding.message,
        finding.severity,
        finding.is_blocking,
    )


class Reviewer:
    """Asks every checker about a program, and remembers the last verdicts."""

    def __init__(self, version: str, checkers: Sequence[Checker], executor: Executor, *, timeout_s: float) -> None:
        self._version = version
        self._checkers = checkers
        self._executor = executor
        self._timeout_s = timeout_s
        self._remembered: OrderedDict[str, Verdict] = OrderedDict()

    async def review(self, source: str) -> Verdict:
        """Return the verdict on a program; the same source gives the same bytes.

        Raises:
          NotReady: a checker is down or took too long.
        """
        key = sha256(source)
        verdict = self._remembered.pop(key, None)
        if verdict is None:
            try:
                async with asyncio.timeout(self._timeout_s):
                    verdict = combine(key, self._version, await self._findings(source))
            except TimeoutError as error:
                raise NotReady(f"the review took more than {self._timeout_s} s: try again") from error
        self._remembered[key] = verdict
        if len(self._remembered) > _REMEMBERED_VERDICTS:
            self._remembered.popitem(last=False)
        return verdict

    async def status(self) -> EngineStatus:
        """Return that the tools judge alone."""
        return EngineStatus(engine=Engine(name="builtin", revision=self._version), state=EngineState.ENGINE_STATE_READY)

    async def _findings(self, source: str) -> list[Finding]:
        try:
            program = await asyncio.get_running_loop().run_in_executor(self._executor, parse, source)
            return [finding for checker in self._checkers for finding in await checker.check(program)]
        except Unparseable as refusal:
            return [refusal.finding]
