"""Starts the vision server: `python -m servers.vision`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loupe.vision.v1.vision_service_pb2_grpc import add_VisionServiceServicer_to_server
from servers.kit import config, serve
from servers.kit.mesh import Mesh
from servers.vision.config import Settings
from servers.vision.engines.builtin import BuiltinEngine
from servers.vision.image import ImageLimits
from servers.vision.servicer import VisionServicer


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Start the workers."""
    engine = BuiltinEngine(
        limits=ImageLimits(settings.max_image_mib * 2**20, settings.max_pixels),
        workers=settings.workers,
        max_waiting=settings.max_waiting,
        worker_memory_mib=settings.worker_memory_mib,
        max_image_s=settings.max_image_s,
    )
    try:
        await engine.start()
        yield serve.Registration(add_VisionServiceServicer_to_server, VisionServicer(engine, mesh.files))
    finally:
        await engine.close()


if __name__ == "__main__":
    serve.run("vision", config.load(Settings), build)
