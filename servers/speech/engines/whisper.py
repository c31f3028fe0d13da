"""Whisper in this process, through transformers: for a machine without a model server.

torch is imported when the model starts; without the extra `transformers` that fails with what to install.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from loupe.type.v1.engine_pb2 import Engine, EngineState, EngineStatus
from servers.kit.errors import LoupeError, NotReady, Overloaded, UpstreamUnavailable
from servers.kit.models.transformers import NAME, LocalModel
from servers.kit.models.weights import read_manifest
from servers.speech.engines.listening import Written, confidence_of, is_heard, is_made_up, placed
from servers.speech.pieces import Piece

if TYPE_CHECKING:  # both import torch
    from servers.kit.models.transformers_loading import Place
    from servers.speech.engines.whisper_decoding import Decoded, LoadedWhisper

T = TypeVar("T")


class WhisperModel:
    """A `SpeechModel` whose weights are in this process. It writes down one piece after the other."""

    def __init__(self, model: LocalModel) -> None:
        self._model = model
        self._revision = ""
        self._loaded: LoadedWhisper | None = None
        self._loading: asyncio.Task[LoadedWhisper] | None = None
        self._broken: LoupeError | None = None
        self._waiting = 0
        self._is_closed = threading.Event()
        # One thread: two pieces at once would each take twice as long.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="whisper")

    @property
    def identity(self) -> Engine:
        """The model's name and, once it was started, the revision that was pulled."""
        return Engine(name=NAME, model=self._model.name, revision=self._revision)

    async def start(self) -> None:
        """Load the model, or where it is lazy see that it could be."""
        if self._model.is_lazy:
            await self._in_worker(self._placed)
        else:
            await self._ready()

    async def write(self, piece: Piece, language: str) -> Written:
        """Return what is said in a piece; cancelled, it stops before the next token."""
        if self._waiting > self._model.queue_size:
            raise Overloaded(f"{self._waiting} pieces are with {self._model.name} already")
        stopped = threading.Event()
        self._waiting += 1
        try:
            loaded = await self._ready()
            made = await self._in_worker(lambda: self._decoded(loaded, piece, language, stopped))
        finally:
            stopped.set()
            self._waiting -= 1
        segments = tuple(
            placed(piece, one.text, one.start_s, one.end_s, confidence_of(one.mean_log_probability))
            for one in made.said
            if is_heard(one.start_s, one.end_s, piece)
            and not is_made_up(one.mean_log_probability, made.no_speech_probability)
        )
        return Written(segments, made.language, made.language_confidence, self.identity)

    @property
    def in_work(self) -> int:
        """Pieces that are being written down or wait for it."""
        return self._waiting

    async def status(self) -> EngineStatus:
        """Return whether the model is loaded, and its memory."""
        status = EngineStatus(engine=self.identity, state=EngineState.ENGINE_STATE_STARTING)
        status.upstream_model = str(self._model.folder.name)
        if self._loaded is not None:
            status.state = EngineState.ENGINE_STATE_READY
            status.memory_mib = self._loaded.memory_bytes / 2**20
            status.detail = f"{self._loaded.place.dtype} on {self._loaded.place.device}"
        elif self._broken is not None:
            status.state = EngineState.ENGINE_STATE_UNAVAILABLE
            status.detail = self._broken.message
        elif self._model.is_lazy:
            status.detail = "its weights are loaded at the first recording"
        return status

    async def close(self) -> None:
        """End every piece and let go of the weights."""
        self._is_closed.set()
        await asyncio.to_thread(self._worker.shutdown, wait=True, cancel_futures=True)
        if self._loading is not None:
            await asyncio.gather(self._loading, return_exceptions=True)
        self._loaded = None

    async def _ready(self) -> LoadedWhisper:
        """Return the model, loaded now if it was not. Raises NotReady."""
        if self._loaded is not None:
            return self._loaded
        if self._loading is None or self._loading.done():
            # Of the model, not of the piece that came first: one that can't wait so long leaves it to the next.
            self._loading = asyncio.create_task(self._in_worker(self._load))
        self._loaded = await asyncio.shield(self._loading)
        return self._loaded

    async def _in_worker(self, work: Callable[[], T]) -> T:
        if self._is_closed.is_set():
            raise NotReady(f"the model {self._model.name} is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except NotReady as error:
            self._broken = error
            raise
        except asyncio.CancelledError:
            if self._is_closed.is_set():  # it waited for its turn
                raise NotReady(f"the model {self._model.name} is closed") from None
            raise

    def _placed(self) -> Place:
        manifest = read_manifest(self._model.folder)
        self._revision = manifest.revision if manifest else ""
        try:
            from servers.kit.models import transformers_loading as loading
        except ImportError as error:
            raise NotReady(f"models in this process need the extra transformers: {error}") from error
        limit = self._model.memory_limit_mib * 2**20 or None
        return loading.place_for(self._model.folder, self._model.device, self._model.dtype, limit)

    def _load(self) -> LoadedWhisper:
        place = self._placed()
        from servers.speech.engines import whisper_decoding

        loaded = whisper_decoding.load(self._model.folder, place)
        self._broken = None
        return loaded

    def _decoded(self, loaded: Any, piece: Piece, language: str, stopped: threading.Event) -> Decoded:
        from servers.speech.engines import whisper_decoding

        def must_stop() -> bool:
            return stopped.is_set() or self._is_closed.is_set()

        try:
            return whisper_decoding.decode(loaded, piece.samples, language, must_stop)
        except whisper_decoding.Stopped as error:
            raise UpstreamUnavailable(f"the model {self._model.name} was closed") from error
        except (MemoryError, RuntimeError) as error:
            # torch has a class of its own for accelerators only.
            if isinstance(error, MemoryError) or "memory" in str(error):
                raise UpstreamUnavailable("the model ran out of memory for this piece") from error
            raise
