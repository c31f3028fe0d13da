"""What comes before a provider is asked: images read, models chosen, budgets asked, an earlier answer looked up."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import NamedTuple

from loupe.router.v1 import router_pb2
from loupe.router.v1.router_pb2 import CompleteRequest, Completion, EmbedRequest, TranscribeRequest, TranscribeResponse
from servers.kit.errors import ContextTooLong
from servers.kit.files_client import FilesClient
from servers.router import failures, fitting
from servers.router.accounting import Call
from servers.router.budgets import Budgets, Spender
from servers.router.cache import AnswerCache
from servers.router.choosing import Choice, Needs, choose
from servers.router.configuration import DefaultsSection
from servers.router.dispatch import Switches
from servers.router.failures import ProviderFailure
from servers.router.fitting import Fitted
from servers.router.fleet import Fleet, Target
from servers.router.images import with_bytes
from servers.router.payers import Payers
from servers.router.recordings import length_of, with_content
from servers.router.tokens import at_most

# Prompts beyond it are counted in a thread: a tokenizer takes about 1 ms for 10 KB (tokenizers 0.23, November 2026).
_COUNTED_IN_PLACE_BYTES = 20_000


class Prepared(NamedTuple):
    """A call that may be made."""

    call: Call
    request: CompleteRequest
    """Images have their bytes."""

    needs: Needs
    choice: Choice
    switches: Switches
    held: AbstractContextManager[None]
    """Its expected spending; enter it while the call is in work."""

    cache_key: bytes | None = None
    earlier: Completion | None = None
    """The answer of an equal call."""


class PreparedRecording(NamedTuple):
    """A transcription that may be made."""

    call: Call
    request: TranscribeRequest
    """The recording has its bytes."""

    needs: Needs
    choice: Choice
    switches: Switches
    held: AbstractContextManager[None]
    """Its expected spending; enter it while the call is in work."""

    cache_key: bytes | None = None
    earlier: TranscribeResponse | None = None
    """The answer of an equal call."""


class Preparation:
    """Prepares calls."""

    def __init__(
        self,
        fleet: Fleet,
        budgets: Budgets,
        cache: AnswerCache,
        payers: Payers,
        files: FilesClient,
        defaults: DefaultsSection,
        *,
        max_image_bytes: int,
        max_audio_bytes: int,
    ) -> None:
        self._fleet = fleet
        self._budgets = budgets
        self._cache = cache
        self._payers = payers
        self._files = files
        self._defaults = defaults
        self._max_image_bytes = max_image_bytes
        self._max_audio_bytes = max_audio_bytes

    async def of_chat(self, request: CompleteRequest) -> Prepared:
        """Prepare a chat. Raises every error that needs no provider to be found."""
        call = Call(request.model, self._payers.of_call(request.job_id))
        route = self._fleet.route(request.model)
        request = await with_bytes(request, self._files, max_bytes=self._max_image_bytes)
        needs = Needs.of(request)
        choice = choose(self._fleet, route, needs, request.job_id or call.call_id)
        held = await self._admitted(call, choice, needs)
        switches = self.switches(request.switches)
        key = earlier = None
        if switches.cache:
            key = self._cache.key(call.payer.owner, choice.targets[0].model, request)
            earlier = self._cache.get(key, Completion)
        return Prepared(call, request, needs, choice, switches, held, key, earlier)

    async def of_embedding(self, request: EmbedRequest) -> tuple[Call, Choice, Switches, AbstractContextManager[None]]:
        """Prepare an embedding."""
        call = Call(request.model, self._payers.of_call(request.job_id))
        size = sum(len(text) for text in request.inputs) // 4 + 1
        needs = Needs("embeddings", input_tokens=size, output_tokens=0)
        choice = choose(self._fleet, self._fleet.route(request.model), needs, request.job_id or call.call_id)
        return call, choice, self.switches(request.switches), await self._admitted(call, choice, needs)

    async def of_recording(self, request: TranscribeRequest) -> PreparedRecording:
        """Prepare a transcription. Raises every error that needs no provider to be found."""
        call = Call(request.model, self._payers.of_call(request.job_id))
        route = self._fleet.route(request.model)
        request = await with_content(request, self._files, max_bytes=self._max_audio_bytes)
        content = request.audio.content
        length = length_of(content)
        needs = Needs(
            "transcription",
            output_tokens=0,
            audio_bytes=len(content),
            audio_ms=length.ms,
            is_audio_estimated=length.is_estimated,
        )
        choice = choose(self._fleet, route, needs, request.job_id or call.call_id)
        held = await self._admitted(call, choice, needs)
        switches = self.switches(request.switches)
        key = earlier = None
        if switches.cache:
            # In a thread: a digest of 25 MB takes 50 ms.
            key = await asyncio.to_thread(self._cache.key, call.payer.owner, choice.targets[0].model, request)
            earlier = self._cache.get(key, TranscribeResponse)
        return PreparedRecording(call, request, needs, choice, switches, held, key, earlier)

    def switches(self, wanted: router_pb2.Switches) -> Switches:
        """Return what may be done for a call: what it says, else what is configured."""
        defaults = self._defaults
        return Switches(
            retry=wanted.retry if wanted.HasField("retry") else defaults.retry,
            failover=wanted.failover if wanted.HasField("failover") else defaults.failover,
            hedge=wanted.hedge if wanted.HasField("hedge") else defaults.hedge,
            cache=wanted.cache if wanted.HasField("cache") else defaults.cache,
            hedge_after_s=defaults.hedge_after_s,
        )

    async def _admitted(self, call: Call, choice: Choice, needs: Needs) -> AbstractContextManager[None]:
        models = tuple([target.model.section.name for target in choice.targets])
        read, written = needs.input_tokens, needs.output_tokens
        cost = max([target.model.prices.of_tokens(read, written) for target in choice.targets])
        if needs.audio_ms:
            cost += max([target.model.prices.of_audio(needs.audio_ms) for target in choice.targets])
        return await self._budgets.admit(Spender(call.payer, models), cost, read + written)


async def fitted_to(target: Target, request: CompleteRequest) -> Fitted:
    """Return the request as it fits into a target's context. Raises ProviderFailure (CONTEXT) where it doesn't."""
    model = target.model
    try:
        if not model.section.context_tokens:
            return Fitted(request)
        bound = at_most(request, model.section)
        if bound is not None and bound <= _COUNTED_IN_PLACE_BYTES:
            return fitting.fit(request, model.section, model.counter)
        return await asyncio.to_thread(fitting.fit, request, model.section, model.counter)
    except ContextTooLong as error:
        raise ProviderFailure(failures.CONTEXT, error.message) from error
