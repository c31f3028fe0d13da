"""Whatever stream of messages comes, it is refused with a reason, or runs exactly what it says, once."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, OutputChunk, OutputStream, RunCodeRequest, RunCodeResponse
from sandbox import limits as limits_of
from sandbox import policy
from sandbox.admission import TokenGate
from sandbox.runners.base import Ending, Program
from sandbox.runtime import Runtime
from sandbox.service import Sandbox
from sandbox.sessions import Sessions
from sandbox.used_tokens import InMemory
from servers.kit.errors import LoupeError
from servers.kit.interceptors import validation
from servers.kit.tokens import CodeClaims, sign_code_token
from tests.fuzz.requests import streams

POLICY = policy.load()
CRITIC, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


@dataclass
class Ran:
    """One program that was started."""

    program: Program
    inputs: bytes
    is_left: bool = False


@dataclass
class Pool:
    size: int = 0
    made_count: int = 0
    waited_count: int = 0
    ready_count: int = 0


@dataclass
class Recording:
    """A runner that runs nothing and notes what it was given."""

    name: str = "recording"
    version: str = "1"
    enforced_by: Mapping[LimitKind.ValueType, str] = field(default_factory=dict)
    pool: Pool = field(default_factory=Pool)
    ran: list[Ran] = field(default_factory=list)

    def warm_up(self) -> None: ...

    async def close(self) -> None: ...

    @asynccontextmanager
    async def start(self, program: Program) -> AsyncIterator[Run]:
        total = sum(item.size_bytes for item in program.inputs)
        self.ran.append(Ran(program, os.pread(program.inputs_fd, total + 1, 0) if program.inputs else b""))
        with tempfile.TemporaryDirectory() as folder:
            work_fd = os.open(folder, os.O_RDONLY)
            try:
                yield Run(work_fd)
            finally:
                os.close(work_fd)
                self.ran[-1].is_left = True


@dataclass
class Run:
    work_fd: int

    async def output(self) -> AsyncIterator[OutputChunk]:
        for data in (b"so far", b"\xff"):
            yield OutputChunk(stream=OutputStream.OUTPUT_STREAM_STDOUT, data=data)

    async def ending(self) -> Ending:
        return Ending(exit_code=0)


def _signed(messages: Sequence[RunCodeRequest]) -> list[RunCodeRequest]:
    """Put real tokens where the names of them stand."""
    signed = []
    for message in messages:
        copy = RunCodeRequest.FromString(message.SerializeToString())
        if copy.HasField("spec"):
            copy.spec.critic_token = _token(copy.spec.critic_token, copy.spec.source)
        signed.append(copy)
    return signed


def _token(kind: str, source: str) -> str:
    digest = hashlib.sha256((source if kind != "other code" else source + "#").encode()).hexdigest()
    claims = CodeClaims(digest, "policy-1", "job-1", 1, 1, needs_approval=False)
    if kind in ("valid", "used", "other code", "other issuer"):
        return sign_code_token(OTHER if kind == "other issuer" else CRITIC, claims, issuer="critic")
    return kind


@given(messages=streams(), is_stalled=st.booleans(), leaves_after=st.none() | st.integers(0, 3))
def test_any_stream_is_refused_or_runs_what_it_says(
    messages: list[RunCodeRequest], is_stalled: bool, leaves_after: int | None
) -> None:
    asyncio.run(_check(messages, is_stalled and bool(messages), leaves_after))


async def _check(messages: list[RunCodeRequest], is_stalled: bool, leaves_after: int | None) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    runner, signed = Recording(), _signed(messages)
    used = InMemory()
    sandbox = Sandbox(
        runner=runner,
        runtime=Runtime(digest="0" * 64, recipe=1, python_version="3.11", packages=()),
        policy=POLICY,
        gate=TokenGate(CRITIC.public_key(), OTHER.public_key(), used=used),
        concurrent_runs=1,
        queued_runs=0,
        input_timeout_s=0.02,
        sessions=Sessions(runner, POLICY.limits, most=0, longest_lease_s=1.0),
    )
    for attempt in range(2):
        before = len(runner.ran)
        responses, refusal = await _sent(sandbox, signed, is_stalled, leaves_after)
        started = runner.ran[before:]
        assert all(ran.is_left for ran in started)
        assert sandbox.load().running_count == 0
        assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
        if refusal:
            assert responses == started == []
            assert refusal.message
        elif leaves_after is None:
            assert [response.WhichOneof("message") for response in responses] == ["output", "output", "result"]
        for ran in started:
            assert attempt == 0, "a token ran twice"
            _is_as_said(ran, signed)


async def _sent(
    sandbox: Sandbox, messages: Sequence[RunCodeRequest], is_stalled: bool, leaves_after: int | None
) -> tuple[list[RunCodeResponse], LoupeError | None]:
    async def stream() -> AsyncIterator[RunCodeRequest]:
        for message in messages:
            validation.check(message)
            yield message
        if is_stalled:
            await asyncio.Event().wait()

    responses: list[RunCodeResponse] = []
    running = sandbox.run("somebody", stream())
    try:
        async with asyncio.timeout(10):
            async for response in running:
                responses.append(response)
                if leaves_after is not None and len(responses) > leaves_after:
                    break
    except LoupeError as error:
        return responses, error
    finally:
        await running.aclose()
    return responses, None


def _is_as_said(ran: Ran, messages: Sequence[RunCodeRequest]) -> None:
    """Check a program that was started against the stream's own words."""
    spec = messages[0].spec
    program = ran.program
    assert (program.source, program.seed) == (spec.source.encode(), spec.seed)
    assert [(item.name, item.size_bytes) for item in program.inputs] == [(i.name, i.size_bytes) for i in spec.inputs]
    start = 0
    for item in spec.inputs:
        content = ran.inputs[start : start + item.size_bytes]
        assert hashlib.sha256(content).hexdigest() == item.sha256
        start += item.size_bytes
    assert len(ran.inputs) == start
    for name, _, _ in limits_of.FIELDS:
        assert program.limits.HasField(name)  # type: ignore[arg-type]  # wants a literal
        assert 0 <= getattr(program.limits, name) <= POLICY.limits[name].maximum
