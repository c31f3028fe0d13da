"""A model in this process, through transformers: for a machine without a model server.

torch is imported when the model starts; without the extra `transformers` that fails with what to install.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

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
from loupe.type.v1.engine_pb2 import Engine, EngineStatus
from servers.kit import identity
from servers.kit.errors import DeadlineExceeded, LoupeError, Overloaded, UpstreamUnavailable
from servers.kit.models.in_process import NAME, InProcess, LocalModel

if TYPE_CHECKING:  # both import torch
    from servers.kit.models.transformers_generation import Ended, Generation
    from servers.kit.models.transformers_loading import Loaded, Place


class TransformersModel:
    """A `ChatModel` whose weights are in this process. It answers one question after the other.

    Closing it while it answers ends that answer as incomplete.
    """

    def __init__(self, model: LocalModel) -> None:
        self._model = model
        self._weights: InProcess[Loaded] = InProcess(model, self._load)
        self._arriving = 0
        """Questions that wait for the weights."""
        self._grammars: Any = None
        self._running: dict[Generation, Future[None]] = {}

    @property
    def identity(self) -> Engine:
        """The model's name and, once it was started, the revision that was pulled."""
        return self._weights.identity

    async def start(self) -> None:
        """Load the model, or where it is lazy see that it could be."""
        await self._weights.start()

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
        return await self._weights.status("at the first question")

    async def close(self) -> None:
        """End every answer and let go of the weights; what runs ends after the token that it makes."""
        self._weights.is_closed = True
        for generation, future in list(self._running.items()):
            generation.stop()
            if future.cancel():  # it waited for its turn, and nobody else would tell its listener
                generation.end()
        await self._weights.close()

    def _load(self, place: Place) -> Loaded:
        from servers.kit.models import transformers_loading as loading

        return loading.load(self._model.folder, place, max_image_pixels=self._model.max_image_pixels)

    async def _begin(self, request: CompleteRequest) -> Generation:
        """Put a question into the worker's queue. Raises NotReady, Overloaded, DeadlineExceeded."""
        if self.in_work > self._model.queue_size:
            raise Overloaded(f"{self.in_work} questions are with {self._model.name} already")
        self._arriving += 1
        try:
            async with asyncio.timeout_at(identity.deadline()):
                loaded = await self._weights.ready()
        except TimeoutError as error:
            raise DeadlineExceeded(f"the time ran out while {self._model.name} was loaded") from error
        finally:
            self._arriving -= 1
        from servers.kit.models.transformers_generation import Generation

        generation = Generation(request, self._model.max_output_tokens, identity.deadline())
        loop = asyncio.get_running_loop()
        future = self._weights.thread.submit(generation.run, loaded, lambda: self._grammar_tokenizer(loaded))
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
        if self._weights.is_closed:
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
