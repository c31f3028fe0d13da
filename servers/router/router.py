"""A call from its request to its answer: prepared, asked, accounted for, told."""

from __future__ import annotations

from typing import NamedTuple

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    Completion,
    Embedding,
    EmbedRequest,
    EmbedResponse,
)
from servers.router import ledger as outcomes
from servers.router.accounting import Accounts, counted
from servers.router.answering import broken_format, error_of
from servers.router.cache import AnswerCache
from servers.router.decision import decision_of
from servers.router.dispatch import Ask, NobodyAnswered, first_answer, settle
from servers.router.fitting import Fitted
from servers.router.fleet import Target
from servers.router.places import Place
from servers.router.preparing import Preparation, Prepared, fitted_to
from servers.router.prices import usd
from servers.router.providers.base import Vectors
from servers.router.shadows import Shadows, shadow_chat


class _Whole(NamedTuple):
    completion: Completion
    fitted: Fitted


class Router:
    """Answers calls that don't stream."""

    def __init__(self, preparation: Preparation, accounts: Accounts, cache: AnswerCache, shadows: Shadows) -> None:
        self._preparation = preparation
        self._accounts = accounts
        self._cache = cache
        self._shadows = shadows

    async def complete(self, request: CompleteRequest) -> Completion:
        """Return a whole answer, on record before it is returned.

        Raises:
          NotFound, NoCapableModel, BudgetExhausted, ContextTooLong, PolicyRefused, InvalidField, Overloaded,
          UpstreamUnavailable, StorageUnavailable.
        """
        prepared = await self._preparation.of_chat(request)
        if prepared.earlier is not None:
            return from_cache(prepared, prepared.earlier, self._accounts)
        call = prepared.call

        async def open_(target: Target, _place: Place) -> _Whole:
            fitted = await fitted_to(target, prepared.request)
            made = await target.model.at.provider.complete(fitted.request, target.model.section)
            broken = broken_format(request, made.text, made.finish_reason)
            if broken is not None:
                broken.usage = counted(made.usage, fitted.request, target.model, made.text)
                raise broken
            return _Whole(made, fitted)

        with prepared.held:
            try:
                opened = await first_answer(prepared.choice.targets, prepared.switches, open_, call.asks)
            except NobodyAnswered as nobody:
                raise error_of(nobody.asks) from nobody
            finally:
                self._accounts.failed(call, prepared.request)
            await opened.place.give_back()
            ask, whole = opened.ask, opened.value
            settle(ask)
            model = ask.target.model
            model.measured(ask.duration_s)
            made = whole.completion
            usage = counted(made.usage, whole.fitted.request, model, made.text)
            self._accounts.ended(call, ask, outcomes.COMPLETE, usage)
        if prepared.cache_key is not None and prepared.choice.targets[0] is ask.target:
            self._cache.put(prepared.cache_key, call.payer.owner, made)
        made.call_id = call.call_id
        made.usage.CopyFrom(usage)
        made.decision.CopyFrom(decision_of(prepared.choice, ask, call.asks, whole.fitted, is_cache_hit=False))
        self._shadows.follow(prepared, shadow_chat)
        return made

    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Return vectors, on record before they are returned. Raises as `complete`."""
        call, choice, switches, held = await self._preparation.of_embedding(request)

        async def open_(target: Target, _place: Place) -> Vectors:
            return await target.model.at.provider.embed(request, target.model.section)

        with held:
            try:
                opened = await first_answer(choice.targets, switches, open_, call.asks)
            except NobodyAnswered as nobody:
                raise error_of(nobody.asks) from nobody
            finally:
                self._accounts.failed(call, request)
            await opened.place.give_back()
            ask = opened.ask
            settle(ask)
            ask.target.model.measured(ask.duration_s)
            usage = counted(opened.value.usage, request, ask.target.model, "")
            self._accounts.ended(call, ask, outcomes.COMPLETE, usage)
        return EmbedResponse(
            call_id=call.call_id,
            embeddings=[Embedding(values=values) for values in opened.value.values],
            usage=usage,
            decision=decision_of(choice, ask, call.asks, None, is_cache_hit=False),
        )


def from_cache(prepared: Prepared, answer: Completion, accounts: Accounts) -> Completion:
    """Return an earlier answer as this call's: it used nothing, and is on record."""
    ask = Ask(prepared.choice.targets[0], number=1)
    accounts.cache_hit(prepared.call, ask)
    answer.call_id = prepared.call.call_id
    answer.usage.cost_usd = usd(0)
    answer.decision.CopyFrom(decision_of(prepared.choice, ask, [], None, is_cache_hit=True))
    return answer
