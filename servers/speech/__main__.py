"""Starts the speech server: `python -m servers.speech`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loupe.speech.v1.speech_service_pb2_grpc import add_SpeechServiceServicer_to_server
from servers.kit import config, serve
from servers.kit.mesh import Mesh
from servers.speech.config import Settings
from servers.speech.engines.opening import open_engine
from servers.speech.servicer import SpeechServicer


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Make the engine ready; workers start with the first recording."""
    engine = open_engine(settings, mesh)
    try:
        await engine.start()
        yield serve.Registration(add_SpeechServiceServicer_to_server, SpeechServicer(engine, mesh.files))
    finally:
        await engine.close()


if __name__ == "__main__":
    serve.run("speech", config.load(Settings), build)
