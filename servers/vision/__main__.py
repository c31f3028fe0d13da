"""Starts the vision server: `python -m servers.vision`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loupe.vision.v1.vision_service_pb2_grpc import add_VisionServiceServicer_to_server
from servers.kit import config, serve
from servers.kit.mesh import Mesh
from servers.kit.models.opening import open_model
from servers.vision.config import Settings
from servers.vision.engines.base import VisionEngine
from servers.vision.engines.builtin import BuiltinEngine
from servers.vision.engines.model import ModelVisionEngine
from servers.vision.image import ImageLimits
from servers.vision.servicer import VisionServicer


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Start the workers, and the model where one is to look at the images too."""
    by_rule = BuiltinEngine(
        limits=ImageLimits(settings.max_image_mib * 2**20, settings.max_pixels),
        workers=settings.workers,
        max_waiting=settings.max_waiting,
        worker_memory_mib=settings.worker_memory_mib,
        max_image_s=settings.max_image_s,
    )
    model = open_model(settings, mesh)
    engine: VisionEngine = by_rule
    if model is not None:
        engine = ModelVisionEngine(
            by_rule,
            model,
            settings.limits,
            max_pixels=settings.model_max_pixels,
            falls_back=settings.fallback == "builtin",
            reads_first=settings.model_by_kind,
        )
    try:
        await engine.start()
        yield serve.Registration(add_VisionServiceServicer_to_server, VisionServicer(engine, mesh.files))
    finally:
        await engine.close()


if __name__ == "__main__":
    serve.run("vision", config.load(Settings), build)
