"""A model in this process, through transformers: for a machine without a model server.

torch is imported when the model starts; without the extra `transformers` that fails with what to install.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    Completion,
    Delta,
    End,
    EndState,
    Failure,
    FailureClass,
    FinishReason,
    RouteDecision,
    StreamCompleteResponse,
)
from loupe.type.v1.engine_pb2 import Engine, EngineState, EngineStatus
from servers.kit import identity
from servers.kit.errors import DeadlineExceeded, LoupeError, NotReady, Overloaded, UpstreamUnavailable
from servers.kit.models.weights import read_manifest

if TYPE_CHECKING:  # both import torch
    from servers.kit.models.transformers_generation import Ended, Generation
    from servers.kit.models.transformers_loading import Loaded

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


class TransformersModel:
    """A `ChatModel` whose weights are in this process. It answers one question after the other.

    Closing it while it answers ends that answer as incomplete.
    """

    def __init__(self, model: LocalModel) -> None:
        self._model = model
        self._revision = ""
        self._loaded: Loaded | None = None
        self._loading: asyncio.Task[Loaded] | None = None
        self._arriving = 0
        """Questions that wait for the weights."""
        self._broken: LoupeError | None = None
        self._grammars: Any = None
        self._running: dict[Generation, Future[None]] = {}
        self._is_closed = False
        # One thread: a model keeps state between tokens, and two answers at once would each take twice as long.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="transformers")

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

    async def complete(self, request: CompleteRequest) -> Completion:
        """Return the whole answer."""
        texts: list[str] = []
        generation = await self._begin(request)
        from servers.kit.models.transformers_generation import Ended

        made = Completion(decision=self._decision())
        try:
            while isinstance(event := await self._next(generation), str):
                texts.append(event)
        finally:
            generation.stop()
        assert isinstance(event, Ended)  # errors are raised, see _next
        if not event.reason:
            raise self._stopped()
        made.text = "".join(texts)
        made.finish_reason = event.reason
        made.usage.CopyFrom(event.usage)
        if not made.text and made.finish_reason == FinishReason.FINISH_REASON_STOP:
            raise UpstreamUnavailable("the model ended its answer without a word")
        return made

    async def stream(self, request: CompleteRequest) -> AsyncGenerator[StreamCompleteResponse, None]:
        """Yield the answer as it comes."""
        generation = await self._begin(request)
        has_begun = False
        try:
            while True:
                try:
                    event = await self._next(generation)
                except Exception as error:
                    if not has_begun:
                        raise
                    yield self._incomplete(generation, error)
                    return
                if not isinstance(event, str):
                    break
                has_begun = True
                yield StreamCompleteResponse(delta=Delta(text=event))
        finally:
            generation.stop()
        if not has_begun and not event.reason:
            raise self._stopped()
        if not has_begun and event.reason == FinishReason.FINISH_REASON_STOP:
            raise UpstreamUnavailable("the model ended its answer without a word")
        if not event.reason:
            yield self._incomplete(generation, self._stopped())
            return
        end = End(state=EndState.END_STATE_COMPLETE, finish_reason=event.reason, usage=event.usage)
        end.decision.CopyFrom(self._decision())
        yield StreamCompleteResponse(end=end)

    @property
    def in_work(self) -> int:
        """Questions that are being answered or wait for it."""
        return len(self._running) + self._arriving

    async def status(self) -> EngineStatus:
        """Return whether the model is loaded, and its memory."""
        status = EngineStatus(engine=self.identity, state=EngineState.ENGINE_STATE_STARTING)
        status.upstream_model = str(self._model.folder.name)
        if self._loaded is not None:
            status.state = EngineState.ENGINE_STATE_READY
            status.memory_mib = self._loaded.memory_bytes / 2**20
            status.detail = f"{self._loaded.dtype} on {self._loaded.device}"
        elif self._broken is not None:
            status.state = EngineState.ENGINE_STATE_UNAVAILABLE
            status.detail = self._broken.message
        elif self._model.is_lazy:
            status.detail = "its weights are loaded at the first question"
        return status

    async def close(self) -> None:
        """End every answer and let go of the weights."""
        self._is_closed = True
        for generation, future in list(self._running.items()):
            generation.stop()
            if future.cancel():  # it waited for its turn, and nobody else would tell its listener
                generation.end()
        # Waited for in a thread: what runs ends after the token that it makes.
        await asyncio.to_thread(self._worker.shutdown, wait=True, cancel_futures=True)
        if self._loading is not None:
            await asyncio.gather(self._loading, return_exceptions=True)
        self._loaded = None

    async def _ready(self) -> Loaded:
        """Return the model, loaded now if it was not. Raises NotReady."""
        if self._loaded is not None:
            return self._loaded
        if self._loading is None or self._loading.done():
            # Of the model, not of the question that came first: one that can't wait so long leaves it to the next.
            self._loading = asyncio.create_task(self._in_worker(self._load))
        self._loaded = await asyncio.shield(self._loading)
        return self._loaded

    async def _in_worker(self, work: Any) -> Any:
        if self._is_closed:
            raise NotReady(f"the model {self._model.name} is closed")
        try:
            made = await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except NotReady as error:
            self._broken = error
            raise
        except asyncio.CancelledError:
            if self._is_closed:  # it waited for its turn
                raise NotReady(f"the model {self._model.name} is closed") from None
            raise
        self._broken = None
        return made

    def _placed(self) -> Any:
        manifest = read_manifest(self._model.folder)
        self._revision = manifest.revision if manifest else ""
        try:
            from servers.kit.models import transformers_loading as loading
        except ImportError as error:
            raise NotReady(f"models in this process need the extra transformers: {error}") from error
        limit = self._model.memory_limit_mib * 2**20 or None
        return loading.place_for(self._model.folder, self._model.device, self._model.dtype, limit)

    def _load(self) -> Loaded:
        place = self._placed()
        from servers.kit.models import transformers_loading as loading

        return loading.load(self._model.folder, place, max_image_pixels=self._model.max_image_pixels)

    async def _begin(self, request: CompleteRequest) -> Generation:
        """Put a question into the worker's queue. Raises NotReady, Overloaded, DeadlineExceeded."""
        if self.in_work > self._model.queue_size:
            raise Overloaded(f"{self.in_work} questions are with {self._model.name} already")
        self._arriving += 1
        try:
            async with asyncio.timeout_at(identity.deadline()):
                loaded = await self._ready()
        except TimeoutError as error:
            raise DeadlineExceeded(f"the time ran out while {self._model.name} was loaded") from error
        finally:
            self._arriving -= 1
        from servers.kit.models.transformers_generation import Generation

        generation = Generation(request, self._model.max_output_tokens, identity.deadline())
        loop = asyncio.get_running_loop()
        future = self._worker.submit(generation.run, loaded, lambda: self._grammar_tokenizer(loaded))
        self._running[generation] = future
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._running.pop, generation, None))
        return generation

    async def _next(self, generation: Generation) -> str | Ended:
        """Return the next piece or the end. Raises what the worker raised, and DeadlineExceeded."""
        try:
            async with asyncio.timeout_at(identity.deadline()):
                event = await generation.events.get()
        except TimeoutError as error:
            raise self._stopped() from error
        if isinstance(event, BaseException):
            raise event
        return event

    def _grammar_tokenizer(self, loaded: Loaded) -> Any:
        """Return llguidance's own tokenizer, made once: it takes about a second for a large vocabulary."""
        if self._grammars is None:
            from llguidance.hf import from_tokenizer

            ends = loaded.model.generation_config.eos_token_id
            self._grammars = from_tokenizer(loaded.tokenizer, eos_token=ends)
        return self._grammars

    def _stopped(self) -> LoupeError:
        if self._is_closed:
            return UpstreamUnavailable(f"the model {self._model.name} was closed")
        return DeadlineExceeded(f"the time ran out before {self._model.name} came to an end")

    def _incomplete(self, generation: Generation, error: Exception) -> StreamCompleteResponse:
        kind = FailureClass.FAILURE_CLASS_SERVER
        if isinstance(error, DeadlineExceeded):
            kind = FailureClass.FAILURE_CLASS_TIMEOUT
        told = error.message if isinstance(error, LoupeError) else f"the model broke: {type(error).__name__}"
        end = End(state=EndState.END_STATE_INCOMPLETE, usage=generation.usage, decision=self._decision())
        end.failure.CopyFrom(Failure(**{"class": kind}, message=told))  # `class` is no name in Python
        return StreamCompleteResponse(end=end)

    def _decision(self) -> RouteDecision:
        own = self.identity
        return RouteDecision(
            provider=NAME, model=own.model, upstream_model=self._model.folder.name, revision=own.revision
        )
