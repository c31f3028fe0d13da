"""Weights in this process: loaded once, used by one thread, and how they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

from loupe.type.v1.engine_pb2 import Engine, EngineState, EngineStatus
from servers.kit.errors import LoupeError, NotReady
from servers.kit.models.weights import read_manifest

if TYPE_CHECKING:  # it imports torch
    from servers.kit.models.transformers_loading import Place

NAME = "transformers"


@dataclass(frozen=True, slots=True)
class LocalModel:
    """Which model, and how much of the machine it may have."""

    folder: Path
    """With config.json, weights in safetensors and a tokenizer."""

    name: str
    """What answers call it."""

    is_lazy: bool = True
    """Load at the first question instead of at the start."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"

    memory_limit_mib: int = 0
    """0: what the machine has free."""

    max_output_tokens: int = 1024
    """Of an answer whose request sets no limit."""

    max_image_pixels: int = 1280 * 28 * 28
    """Larger images are scaled down to it: 1280 tokens of Qwen2.5-VL (its model card's example)."""

    queue_size: int = 16
    """Questions that may wait while one is answered."""


class Weights(Protocol):
    """A model that was loaded."""

    @property
    def place(self) -> Place:
        """Where it is."""
        ...

    @property
    def memory_bytes(self) -> int:
        """Of the weights."""
        ...


W = TypeVar("W", bound=Weights)
T = TypeVar("T")


class InProcess(Generic[W]):
    """A model's weights, and the one thread that works with them.

    One, because a model keeps state between tokens, and two answers at once would each take twice as long.
    """

    def __init__(self, model: LocalModel, load: Callable[[Place], W]) -> None:
        """Take what loads the weights; it is called in the thread, and may import torch."""
        self._model = model
        self._load = load
        self._revision = ""
        self._loaded: W | None = None
        self._loading: asyncio.Task[W] | None = None
        self._broken: LoupeError | None = None
        self.is_closed = False
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=NAME)

    @property
    def identity(self) -> Engine:
        """The model's name and, once it was started, the revision that was pulled."""
        return Engine(name=NAME, model=self._model.name, revision=self._revision)

    async def start(self) -> None:
        """Load the model, or where it is lazy see that it could be. Raises NotReady."""
        if self._model.is_lazy:
            await self.run(lambda: self._noted(self._place))
        else:
            await self.ready()

    async def ready(self) -> W:
        """Return the model, loaded now if it was not. Raises NotReady."""
        if self._loaded is not None:
            return self._loaded
        if self._loading is None or self._loading.done():
            # Of the model, not of the question that came first: one that can't wait so long leaves it to the next.
            self._loading = asyncio.create_task(self.run(self._load_now))
        self._loaded = await asyncio.shield(self._loading)
        return self._loaded

    async def run(self, work: Callable[[], T]) -> T:
        """Return what the thread makes of some work, when it is its turn. Raises NotReady once the model is closed."""
        closed = NotReady(f"the model {self._model.name} is closed")
        if self.is_closed:
            raise closed
        try:
            return await asyncio.get_running_loop().run_in_executor(self.thread, work)
        except asyncio.CancelledError:
            if self.is_closed:  # it waited for its turn
                raise closed from None
            raise

    async def status(self, when_asked: str) -> EngineStatus:
        """Return whether the model is loaded, and its memory.

        Args:
          when_asked: when a lazy one will be: "at the first question".
        """
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
            status.detail = f"its weights are loaded {when_asked}"
        return status

    async def close(self) -> None:
        """Wait for what the thread is at, drop what waits for it, and let go of the weights."""
        self.is_closed = True
        await asyncio.to_thread(self.thread.shutdown, wait=True, cancel_futures=True)
        if self._loading is not None:
            await asyncio.gather(self._loading, return_exceptions=True)
        self._loaded = None

    def _load_now(self) -> W:
        return self._noted(lambda: self._load(self._place()))

    def _noted(self, work: Callable[[], T]) -> T:
        try:
            made = work()
        except NotReady as error:
            self._broken = error
            raise
        self._broken = None
        return made

    def _place(self) -> Place:
        """Return where the model fits, having read which one it is."""
        manifest = read_manifest(self._model.folder)
        self._revision = manifest.revision if manifest else ""
        try:
            from servers.kit.models import transformers_loading as loading
        except ImportError as error:
            raise NotReady(f"models in this process need the extra transformers: {error}") from error
        limit = self._model.memory_limit_mib * 2**20 or None
        return loading.place_for(self._model.folder, self._model.device, self._model.dtype, limit)
