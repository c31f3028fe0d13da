"""A client of the sandbox that signs tokens as the critic does."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from loupe.sandbox.v1.sandbox_pb2 import (
    InputChunk,
    Limits,
    OutputStream,
    RunCodeRequest,
    RunResult,
    RunSpec,
)
from servers.kit.keys import KeyFolder
from servers.kit.tokens import CodeClaims, sign_code_token
from tests.running import Running


@dataclass
class Answer:
    """Everything one run streamed back."""

    stdout: bytes = b""
    stderr: bytes = b""
    artifacts: dict[str, bytes] = field(default_factory=dict)
    result: RunResult = field(default_factory=RunResult)


@dataclass
class Client:
    """Runs programs with tokens signed as the critic signs them."""

    stub: Any
    keys: KeyFolder
    server: Running

    def token(self, source: str, *, issuer: str = "critic", needs_approval: bool = False, step: int = 3) -> str:
        sha256 = hashlib.sha256(source.encode()).hexdigest()
        claims = CodeClaims(sha256, "policy-1", "job-1", step, 1, needs_approval=needs_approval)
        return sign_code_token(self.keys.private(issuer), claims, issuer=issuer)

    async def run(self, source: str, *, inputs: dict[str, bytes] | None = None, seed: int = 0, **limits: Any) -> Answer:
        spec = RunSpec(source=source, critic_token=self.token(source), seed=seed, limits=Limits(**limits))
        chunks = []
        for name, content in (inputs or {}).items():
            digest = hashlib.sha256(content).hexdigest()
            spec.inputs.add(name=name, size_bytes=len(content), sha256=digest)
            chunks.append(InputChunk(name=name, data=content))
        return await self.send(spec, *chunks)

    async def begin(self, source: str, **spec: Any) -> Any:
        """Start a program that prints "here" and never ends, and return its call once it runs."""
        first = RunSpec(source=source, critic_token=self.token(source), **spec)

        async def requests() -> AsyncIterator[RunCodeRequest]:
            yield RunCodeRequest(spec=first)

        call = self.stub.RunCode(requests())
        async for response in call:
            assert response.output.data.startswith(b"here")
            break
        return call

    async def send(self, *messages: RunSpec | InputChunk) -> Answer:
        async def requests() -> AsyncIterator[RunCodeRequest]:
            for message in messages:
                if isinstance(message, RunSpec):
                    yield RunCodeRequest(spec=message)
                else:
                    yield RunCodeRequest(input=message)

        answer, has_result = Answer(), False
        call = self.stub.RunCode(requests())
        try:
            async for response in call:
                assert not has_result, "the result is the last message"
                kind = response.WhichOneof("message")
                if kind == "output" and response.output.stream == OutputStream.OUTPUT_STREAM_STDOUT:
                    answer.stdout += response.output.data
                elif kind == "output":
                    answer.stderr += response.output.data
                elif kind == "artifact":
                    name = response.artifact.name
                    answer.artifacts[name] = answer.artifacts.get(name, b"") + response.artifact.data
                else:
                    has_result = True
                    answer.result.CopyFrom(response.result)
        finally:
            # Cancelled before its interceptors are through, a call goes on unread.
            call.cancel()
        assert has_result
        return answer


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def refusal(call: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().name, reason_of(caught.value)
