"""The one table of services: what runs in the mesh, under which names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """One server process and the gRPC service it answers."""

    name: str
    """One word; names the socket, the log, the key and the environment variables."""

    full_name: str
    """Of the gRPC service."""

    module: str
    """What `python -m` starts."""

    purpose: str
    """One line for people."""

    @property
    def package(self) -> str:
        """The protobuf package, such as "loupe.vision.v1"."""
        return self.full_name.rpartition(".")[0]


# Ordered so that each server finds what it calls when they are started one after the other.
SERVICES = (
    Service("files", "loupe.files.v1.FilesService", "servers.files", "bytes by reference"),
    Service("vision", "loupe.vision.v1.VisionService", "servers.vision", "an image to typed figures"),
    Service("speech", "loupe.speech.v1.SpeechService", "servers.speech", "a recording to its words"),
    Service("reasoning", "loupe.reasoning.v1.ReasoningService", "servers.reasoning", "what to do next"),
    Service("codegen", "loupe.codegen.v1.CodegenService", "servers.codegen", "typed data and a plan to Python"),
    Service("critic", "loupe.critic.v1.CriticService", "servers.critic", "Python to a verdict"),
    Service("sandbox", "loupe.sandbox.v1.SandboxService", "sandbox", "approved Python, run with hard limits"),
    Service("router", "loupe.router.v1.RouterService", "servers.router", "one door to models"),
    Service("orchestrator", "loupe.orchestrator.v1.OrchestratorService", "servers.orchestrator", "jobs"),
)

BY_NAME = {service.name: service for service in SERVICES}
