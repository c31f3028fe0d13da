"""An orchestrator with a real files server and scripted others, for tests."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from PIL import Image

from loupe.orchestrator.v1 import orchestrator_pb2
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.files_client import FilesClient
from servers.kit.keys import KeyFolder
from tests.contract.scripted_peers import Script, scripted
from tests.running import Running, running


@dataclass
class World:
    """An orchestrator with what it calls."""

    jobs: Any
    server: Running
    file_server: Running
    script: Script
    files: FilesClient
    picture: FileRef

    def spec(self, question: str = "What is the total?", **more: Any) -> orchestrator_pb2.JobSpec:
        return orchestrator_pb2.JobSpec(question=question, inputs=[FileRef(file_id=self.picture.file_id)], **more)

    def public_key(self, server: str) -> Ed25519PublicKey:
        return KeyFolder(self.server.log.parent / "keys").public(server)

    async def run(self, question: str = "What is the total?", **more: Any) -> list[orchestrator_pb2.Step]:
        request = orchestrator_pb2.RunJobRequest(spec=self.spec(question, **more))
        return [event.step async for event in self.jobs.RunJob(request) if event.HasField("step")]


@asynccontextmanager
async def world(home: Path, script: Script, **settings: str) -> AsyncIterator[World]:
    async with running("files", home) as file_server, file_server.channel() as channel:
        files = FilesClient(channel)
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, "PNG")
        picture = await files.write(buffer.getvalue(), "picture.png", request_id="picture")
        async with scripted(script, files) as address:
            names = ("VISION", "REASONING", "CODEGEN", "CRITIC", "SANDBOX")
            peers = {f"LOUPE_{name}_ADDRESS": address for name in names}
            peers["LOUPE_FILES_ADDRESS"] = file_server.address
            async with running("orchestrator", home, peers | settings) as server, server.channel() as jobs:
                yield World(OrchestratorServiceStub(jobs), server, file_server, script, files, picture)


def kinds(steps: list[orchestrator_pb2.Step]) -> list[str]:
    """What happened, as words."""

    def kind(step: orchestrator_pb2.Step) -> str:
        body = str(step.WhichOneof("body"))
        if body == "action":
            return str(step.action.WhichOneof("kind"))
        return "seen" if body == "observation" else body

    return [kind(step) for step in steps]
