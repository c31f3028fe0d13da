"""The builtin engine: text recognition and geometry in worker processes. It downloads nothing and is deterministic."""

from __future__ import annotations

from collections.abc import Sequence

from loupe.type.v1.engine_pb2 import Engine, EngineState, EngineStatus
from loupe.type.v1.figure_pb2 import Figure
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse, RenderOverlayRequest
from servers.vision.image import ImageLimits
from servers.vision.pool import WorkerPool, WorkerSpec
from servers.vision.revision import REVISION


class BuiltinEngine:
    """Reads each image in a process of its own kind, so that none can block or take down the server."""

    def __init__(
        self, *, limits: ImageLimits, workers: int, max_waiting: int, worker_memory_mib: int, max_image_s: float
    ) -> None:
        spec = WorkerSpec(limits.max_bytes, limits.max_pixels, worker_memory_mib)
        self._pool = WorkerPool(spec, workers=workers, max_waiting=max_waiting, max_task_s=max_image_s)

    async def start(self) -> None:
        """Start the workers and wait until they can read."""
        await self._pool.start()

    async def analyze(self, image: bytes) -> AnalyzeImageResponse:
        """Return what the image shows; the same bytes give the same answer."""
        return AnalyzeImageResponse.FromString(await self._pool.run("analyze", b"", image))

    async def overlay(self, image: bytes, figures: Sequence[Figure]) -> bytes:
        """Return a PNG of the image with the evidence of the figures drawn on it."""
        return await self._pool.run("overlay", RenderOverlayRequest(figures=figures).SerializeToString(), image)

    async def shrink(self, image: bytes, max_pixels: int) -> bytes:
        """Return the upright image as a PNG or JPEG of at most so many pixels. Raises as `analyze`."""
        return await self._pool.run("shrink", str(max_pixels).encode(), image)

    async def status(self) -> EngineStatus:
        """Return that it answers; its revision stands in each answer."""
        return EngineStatus(engine=Engine(name="builtin", revision=REVISION), state=EngineState.ENGINE_STATE_READY)

    async def close(self) -> None:
        """End the workers."""
        await self._pool.close()
