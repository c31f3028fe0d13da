"""What the sandbox does with a run, in order: check, admit, receive, execute."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager, nullcontext

from loupe.sandbox.v1.sandbox_pb2 import (
    EnforcedLimit,
    GetCapabilitiesResponse,
    LimitKind,
    Limits,
    Load,
    Outcome,
    OutcomeCount,
    Package,
    RunCodeRequest,
    RunCodeResponse,
    RunResult,
    RunSpec,
)
from sandbox import intake, limits
from sandbox.admission import Places, TokenGate
from sandbox.execution import execute
from sandbox.policy import Policy
from sandbox.runners.base import InputFile, Program, Runner, SandboxBroken
from sandbox.runtime import Runtime
from sandbox.sessions import Session, Sessions
from sandbox.wire_time import duration
from servers.kit.errors import UpstreamUnavailable

log = logging.getLogger(__name__)


class Sandbox:
    """Runs approved programs on one runner."""

    def __init__(
        self,
        *,
        runner: Runner,
        runtime: Runtime,
        policy: Policy,
        gate: TokenGate,
        concurrent_runs: int,
        queued_runs: int,
        input_timeout_s: float,
        sessions: Sessions,
    ) -> None:
        self._runner = runner
        self._runtime = runtime
        self._policy = policy
        self._gate = gate
        self._concurrent_runs = concurrent_runs
        self._places = Places(concurrent_runs, queued_runs)
        self._input_timeout_s = input_timeout_s
        self.sessions = sessions
        self._outcomes: Counter[Outcome.ValueType] = Counter()

    async def run(self, caller: str, messages: AsyncIterator[RunCodeRequest]) -> AsyncGenerator[RunCodeResponse, None]:
        """Yield output, artifacts and the result of the program that the messages describe.

        Args:
          caller: owner of the sessions that may be used.
        Raises:
          BrokenStream, LimitTooHigh, InvalidField, TooLarge, NotFound, WrongState, CodeNotAuthorized, TokenReplayed,
          StorageUnavailable, Overloaded, DigestMismatch, DeadlineExceeded: as their classes say; nothing has run.
          UpstreamUnavailable: the sandbox ended before the program did, which says nothing of the program.
        """
        spec = await intake.first_spec(messages)
        intake.check_inputs(spec.inputs, self._policy.inputs_total_mib)
        if not spec.session_id:
            resolved = limits.resolve(spec.limits, self._policy.limits)
            async with aclosing(self._run(spec, resolved, messages)) as responses:
                async for response in responses:
                    yield response
            return
        async with self.sessions.use(caller, spec.session_id) as session:
            resolved = self.sessions.limits_of(session, spec.limits)
            async with aclosing(self._run(spec, resolved, messages, session)) as responses:
                async for response in responses:
                    yield response

    async def _run(
        self, spec: RunSpec, resolved: Limits, messages: AsyncIterator[RunCodeRequest], session: Session | None = None
    ) -> AsyncGenerator[RunCodeResponse, None]:
        await self._gate.admit(spec)
        async with self._places.take():
            with await intake.receive(spec.inputs, messages, timeout_s=self._input_timeout_s) as spool:
                program = Program(
                    source=spec.source.encode(),
                    seed=spec.seed,
                    limits=resolved,
                    inputs=tuple(InputFile(item.name, item.size_bytes) for item in spec.inputs),
                    inputs_fd=spool.fileno(),
                )
                start = session.sandbox.start if session else self._runner.start
                # What a session held is gone with it: another run there is another run.
                with nullcontext() if session else _breaking_is_passing():
                    async with aclosing(execute(start(program), program, session)) as responses:
                        async for response in responses:
                            if response.HasField("result"):
                                self._sign(response.result)
                            yield response

    def _sign(self, result: RunResult) -> None:
        """Say on what it ran, and count it."""
        result.runner = f"{self._runner.name} {self._runner.version}"
        result.runtime_digest = self._runtime.digest
        self._outcomes[result.outcome] += 1

    def load(self) -> Load:
        """Return what the sandbox is doing now, and what it did since its start."""
        pool = self._runner.pool
        return Load(
            pool_size=pool.size,
            ready_count=pool.ready_count,
            made_count=pool.made_count,
            waited_count=pool.waited_count,
            running_count=self._places.running_count,
            queued_count=self._places.queued_count,
            refused_count=self._places.refused_count,
            open_session_count=self.sessions.count,
            outcomes=[OutcomeCount(outcome=outcome, count=count) for outcome, count in sorted(self._outcomes.items())],
        )

    def capabilities(self) -> GetCapabilitiesResponse:
        """Return what is enforced here, by which means, and what programs find inside."""
        bounded = [
            EnforcedLimit(
                kind=kind,
                default_value=self._policy.limits[name].default,
                maximum_value=self._policy.limits[name].maximum,
                unit=unit,
                enforced_by=self._runner.enforced_by.get(kind, ""),
            )
            for name, kind, unit in limits.FIELDS
        ]
        network = LimitKind.LIMIT_KIND_NETWORK
        bounded.append(EnforcedLimit(kind=network, enforced_by=self._runner.enforced_by.get(network, "")))
        return GetCapabilitiesResponse(
            runner=self._runner.name,
            runner_version=self._runner.version,
            limits=bounded,
            runtime_digest=self._runtime.digest,
            packages=[Package(name=package.name, version=package.version) for package in self._runtime.packages],
            concurrent_run_count=self._concurrent_runs,
            session_count=self.sessions.most,
            session_lease=duration(self.sessions.longest_lease_s),
            shares_used_tokens=self._gate.used.is_shared,
            load=self.load(),
        )


@contextmanager
def _breaking_is_passing() -> Iterator[None]:
    """Have a caller told that another run may do better; why this one broke is for the operator."""
    try:
        yield
    except SandboxBroken as error:
        log.error("a sandbox broke", extra={"reason": str(error)[:500]})
        raise UpstreamUnavailable("the sandbox ended before the program did; the program may be run again") from error
