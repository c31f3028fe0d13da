"""What the sandbox does with a run, in order: check, admit, receive, execute."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from loupe.sandbox.v1.sandbox_pb2 import (
    EnforcedLimit,
    GetCapabilitiesResponse,
    LimitKind,
    Package,
    RunCodeRequest,
    RunCodeResponse,
)
from sandbox import intake, limits
from sandbox.admission import Places, TokenGate
from sandbox.execution import execute
from sandbox.policy import Policy
from sandbox.runners.base import InputFile, Program, Runner
from sandbox.runtime import Runtime


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
    ) -> None:
        self._runner = runner
        self._runtime = runtime
        self._policy = policy
        self._gate = gate
        self._concurrent_runs = concurrent_runs
        self._places = Places(concurrent_runs, queued_runs)
        self._input_timeout_s = input_timeout_s

    async def run(self, messages: AsyncIterator[RunCodeRequest]) -> AsyncGenerator[RunCodeResponse, None]:
        """Yield output, artifacts and the result of the program that the messages describe.

        Raises:
          BrokenStream, LimitTooHigh, InvalidField, TooLarge, CodeNotAuthorized, TokenReplayed, Overloaded,
          DigestMismatch, DeadlineExceeded: as their classes say; nothing has run.
        """
        spec = await intake.first_spec(messages)
        resolved = limits.resolve(spec.limits, self._policy.limits)
        intake.check_inputs(spec.inputs, self._policy.inputs_total_mib)
        self._gate.admit(spec)
        async with self._places.take():
            with await intake.receive(spec.inputs, messages, timeout_s=self._input_timeout_s) as spool:
                program = Program(
                    source=spec.source.encode(),
                    seed=spec.seed,
                    limits=resolved,
                    inputs=tuple(InputFile(item.name, item.size_bytes) for item in spec.inputs),
                    inputs_fd=spool.fileno(),
                )
                async with aclosing(execute(self._runner, program, self._runtime.digest)) as responses:
                    async for response in responses:
                        yield response

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
        )
