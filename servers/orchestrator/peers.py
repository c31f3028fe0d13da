"""The servers that the loop calls, as typed stubs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from loupe.codegen.v1.codegen_service_pb2_grpc import CodegenServiceStub
from loupe.critic.v1.critic_service_pb2_grpc import CriticServiceStub
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.reasoning.v1.reasoning_service_pb2_grpc import ReasoningServiceStub
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from loupe.vision.v1.vision_service_pb2_grpc import VisionServiceStub
from servers.kit.files_client import FilesClient
from servers.kit.mesh import Mesh
from servers.kit.status import from_rpc_error

if TYPE_CHECKING:
    from loupe.codegen.v1.codegen_service_pb2_grpc import CodegenServiceAsyncStub
    from loupe.critic.v1.critic_service_pb2_grpc import CriticServiceAsyncStub
    from loupe.files.v1.files_service_pb2_grpc import FilesServiceAsyncStub
    from loupe.reasoning.v1.reasoning_service_pb2_grpc import ReasoningServiceAsyncStub
    from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceAsyncStub
    from loupe.vision.v1.vision_service_pb2_grpc import VisionServiceAsyncStub


@dataclass(frozen=True)
class Peers:
    """One stub a server."""

    vision: VisionServiceAsyncStub
    reasoning: ReasoningServiceAsyncStub
    codegen: CodegenServiceAsyncStub
    critic: CriticServiceAsyncStub
    sandbox: SandboxServiceAsyncStub
    file_records: FilesServiceAsyncStub
    files: FilesClient

    @classmethod
    def of(cls, mesh: Mesh) -> Peers:
        """Return the stubs over the mesh's channels."""
        return cls(
            vision=VisionServiceStub(mesh.channel("vision")),
            reasoning=ReasoningServiceStub(mesh.channel("reasoning")),
            codegen=CodegenServiceStub(mesh.channel("codegen")),
            critic=CriticServiceStub(mesh.channel("critic")),
            sandbox=SandboxServiceStub(mesh.channel("sandbox")),
            file_records=FilesServiceStub(mesh.channel("files")),
            files=mesh.files,
        )


@contextmanager
def asking(server: str) -> Iterator[None]:
    """Have a failed call say which server failed: the one that is asked, or one behind it.

    Raises:
      LoupeError: what it answered.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, server) from error
