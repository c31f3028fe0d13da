"""loupe.speech.v1 over an engine and the files server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from loupe.speech.v1.speech_pb2 import (
    GetEngineRequest,
    GetEngineResponse,
    StreamTranscribeRequest,
    StreamTranscribeResponse,
    TranscribeRequest,
    TranscribeResponse,
)
from loupe.speech.v1.speech_service_pb2_grpc import SpeechServiceServicer
from servers.kit.files_client import FilesClient
from servers.speech.engines.base import SpeechEngine
from servers.speech.transcript import as_response


class SpeechServicer(SpeechServiceServicer):
    """Listens to recordings of the calling owner."""

    def __init__(self, engine: SpeechEngine, files: FilesClient) -> None:
        self._engine = engine
        self._files = files

    async def Transcribe(self, request: TranscribeRequest, context: Any) -> TranscribeResponse:
        """Return all that is said."""
        recording = await self._files.read(request.file)
        async with aclosing(self._engine.transcribe(recording, request.language)) as events:
            return as_response([event async for event in events])

    async def StreamTranscribe(
        self, request: StreamTranscribeRequest, context: Any
    ) -> AsyncIterator[StreamTranscribeResponse]:
        """Stream what is said."""
        recording = await self._files.read(request.request.file)
        async with aclosing(self._engine.transcribe(recording, request.request.language)) as events:
            async for event in events:
                yield event

    async def GetEngine(self, request: GetEngineRequest, context: Any) -> GetEngineResponse:
        """Return what the engine is and how it is."""
        return GetEngineResponse(engine=await self._engine.status())
