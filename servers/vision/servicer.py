"""loupe.vision.v1 over an engine and the files server."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from loupe.vision.v1.vision_pb2 import (
    AnalyzeImageRequest,
    AnalyzeImageResponse,
    GetEngineRequest,
    GetEngineResponse,
    RecalibrateChartRequest,
    RecalibrateChartResponse,
    RenderOverlayRequest,
    RenderOverlayResponse,
)
from loupe.vision.v1.vision_service_pb2_grpc import VisionServiceServicer
from servers.kit import identity, spending
from servers.kit.files_client import FilesClient
from servers.vision.engines.base import VisionEngine
from servers.vision.recalibrate import recalibrate


class VisionServicer(VisionServiceServicer):
    """Reads images of the calling owner."""

    def __init__(self, engine: VisionEngine, files: FilesClient) -> None:
        self._engine = engine
        self._files = files

    async def AnalyzeImage(self, request: AnalyzeImageRequest, context: Any) -> AnalyzeImageResponse:
        """Return what an image shows."""
        seen = await self._engine.analyze(await self._files.read(request.file))
        seen.cost.CopyFrom(spending.spent())
        return seen

    async def RecalibrateChart(self, request: RecalibrateChartRequest, context: Any) -> RecalibrateChartResponse:
        """Return a figure with corrections and what follows from them."""
        figure, changed = await asyncio.to_thread(recalibrate, request.figure, request.corrections)
        return RecalibrateChartResponse(figure=figure, changed_value_ids=changed)

    async def RenderOverlay(self, request: RenderOverlayRequest, context: Any) -> RenderOverlayResponse:
        """Store a picture of the evidence."""
        picture = await self._engine.overlay(await self._files.read(request.file), request.figures)
        # One file, however often a caller asks again whose answer was lost.
        request_id = f"{identity.request_id()}.overlay.{hashlib.sha256(picture).hexdigest()[:16]}"
        return RenderOverlayResponse(overlay=await self._files.write(picture, "overlay.png", request_id=request_id))

    async def GetEngine(self, request: GetEngineRequest, context: Any) -> GetEngineResponse:
        """Return what the engine is and how it is."""
        return GetEngineResponse(engine=await self._engine.status())
