"""One run in the sandbox: the stream's two directions, and what came out."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loupe.sandbox.v1.sandbox_pb2 import (
    InputChunk,
    InputFile,
    Outcome,
    OutputStream,
    RunCodeRequest,
    RunResult,
    RunSpec,
)
from servers.kit.errors import TooLarge, UpstreamUnavailable
from servers.kit.files_client import CHUNK_BYTES

if TYPE_CHECKING:
    from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceAsyncStub

TAIL_BYTES = 16 * 1024
SEED = 0


@dataclass(frozen=True, slots=True)
class Tokens:
    """What lets a program run: the critic's word, and a person's where that asks for it."""

    critic: str
    approval: str = ""


@dataclass
class Ran:
    """What a run left."""

    result: RunResult
    artifacts: dict[str, bytes] = field(default_factory=dict)
    stdout_tail: str = ""
    stderr_tail: str = ""


async def run(
    stub: SandboxServiceAsyncStub, source: str, tokens: Tokens, inputs: Mapping[str, bytes], *, max_artifact_bytes: int
) -> Ran:
    """Run a program and return its result and files.

    Args:
      inputs: content by name.
    Raises:
      UpstreamUnavailable: the stream ended without a result, or something outside ended the program.
      TooLarge: the files weigh more than `max_artifact_bytes`.
      grpc.aio.AioRpcError: the sandbox refused.
    """
    spec = RunSpec(source=source, critic_token=tokens.critic, approval_token=tokens.approval, seed=SEED)
    for name, content in inputs.items():
        digest = hashlib.sha256(content).hexdigest()
        spec.inputs.append(InputFile(name=name, size_bytes=len(content), sha256=digest))

    async def requests() -> AsyncIterator[RunCodeRequest]:
        yield RunCodeRequest(spec=spec)
        for name, content in inputs.items():
            for start in range(0, len(content), CHUNK_BYTES):
                yield RunCodeRequest(input=InputChunk(name=name, data=content[start : start + CHUNK_BYTES]))

    artifacts: dict[str, bytearray] = {}
    tails = {OutputStream.OUTPUT_STREAM_STDOUT: bytearray(), OutputStream.OUTPUT_STREAM_STDERR: bytearray()}
    size = 0
    call = stub.RunCode(requests())
    try:
        async for response in call:
            match response.WhichOneof("message"):
                case "output":
                    tail = tails[response.output.stream]
                    tail += response.output.data
                    del tail[:-TAIL_BYTES]
                case "artifact":
                    size += len(response.artifact.data)
                    if size > max_artifact_bytes:
                        raise TooLarge(f"the code's files are over {max_artifact_bytes // 2**20} MiB together")
                    artifacts.setdefault(response.artifact.name, bytearray()).extend(response.artifact.data)
                case "result" if _was_killed(response.result):
                    raise _unavailable("something outside the sandbox killed the program; it may be run again")
                case "result":
                    return Ran(
                        response.result,
                        {name: bytes(content) for name, content in artifacts.items()},
                        _text(tails[OutputStream.OUTPUT_STREAM_STDOUT]),
                        _text(tails[OutputStream.OUTPUT_STREAM_STDERR]),
                    )
    finally:
        # Whatever ended the reading, the sandbox must not run on.
        call.cancel()
    raise _unavailable("the sandbox ended its stream without a result")


def _was_killed(result: RunResult) -> bool:
    """Return whether a program ended by SIGKILL that met no limit: no code that the critic approves can send one."""
    return result.outcome == Outcome.OUTCOME_FAILED and result.signal == signal.SIGKILL and not result.exceeded


def _unavailable(message: str) -> UpstreamUnavailable:
    failure = UpstreamUnavailable(message)
    failure.server = "sandbox"
    return failure


def _text(tail: bytearray) -> str:
    return tail.decode(errors="replace")
