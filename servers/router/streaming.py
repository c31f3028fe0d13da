"""A call whose answer streams: failover until the first piece, then pieces, then an end that says what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    Completion,
    Delta,
    End,
    EndState,
    FinishReason,
    StreamCompleteResponse,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from servers.kit import identity
from servers.router import failures
from servers.router import ledger as outcomes
from servers.router.accounting import Accounts, counted
from servers.router.answering import broken_format, error_of
from servers.router.cache import AnswerCache
from servers.router.decision import decision_of
from servers.router.dispatch import NobodyAnswered, Opened, first_answer, settle
from servers.router.failures import ProviderFailure
from servers.router.fitting import Fitted
from servers.router.fleet import Target
from servers.router.places import Place
from servers.router.preparing import Preparation, Prepared, fitted_to
from servers.router.providers.base import Finish
from servers.router.router import from_cache
from servers.router.shadows import Shadows, shadow_chat

# Of the time that is left to a call, kept to say that it ran out.
_LAST_WORD_S = 0.1


@dataclass(frozen=True, slots=True)
class _Begun:
    """A stream whose first piece has come."""

    first: Delta | Finish
    rest: AsyncGenerator[Delta | Finish, None]
    fitted: Fitted


@dataclass(slots=True)
class _Heard:
    """What has come of an answer."""

    texts: list[str] = field(default_factory=list)
    calls: dict[int, ToolCall] = field(default_factory=dict)
    finish: Finish | None = None
    failure: ProviderFailure | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def take(self, delta: Delta) -> None:
        if delta.text:
            self.texts.append(delta.text)
        for piece in delta.tool_calls:
            call = self.calls.setdefault(piece.index, ToolCall())
            call.id = piece.id or call.id
            call.name = piece.name or call.name
            call.arguments_json += piece.arguments_json

    @property
    def produced(self) -> str:
        """Everything the model wrote, for counting."""
        return self.text + "".join(call.name + call.arguments_json for call in self.calls.values())


class Streams:
    """Answers calls that stream."""

    def __init__(self, preparation: Preparation, accounts: Accounts, cache: AnswerCache, shadows: Shadows) -> None:
        self._preparation = preparation
        self._accounts = accounts
        self._cache = cache
        self._shadows = shadows

    async def stream(self, request: CompleteRequest) -> AsyncGenerator[StreamCompleteResponse, None]:
        """Yield pieces of an answer, and an End as the last, on record before it is yielded.

        Raises, only before the first piece: as `Router.complete`.
        """
        prepared = await self._preparation.of_chat(request)
        if prepared.earlier is not None:
            for response in _replayed(from_cache(prepared, prepared.earlier, self._accounts)):
                yield response
            return
        with prepared.held:
            opened = await self._open(prepared)
            heard = _Heard()
            try:
                self._accounts.started(prepared.call, opened.ask)
                item: Delta | Finish | None = opened.value.first
                while isinstance(item, Delta):
                    heard.take(item)
                    yield StreamCompleteResponse(delta=item)
                    item = await self._next(opened.value.rest, heard)
                heard.finish = item
                await opened.place.give_back()
                end = self._end(prepared, opened, heard)
            except BaseException:
                # The caller has gone, or the ledger refused: what was used until here is on record all the same.
                opened.ask.was_cancelled = True
                opened.ask.target.model.at.breaker.passed_over()
                await opened.place.give_back()
                self._note(prepared, opened, heard, outcomes.CANCELLED)
                raise
            yield StreamCompleteResponse(end=end)
        if heard.failure is None:
            self._shadows.follow(prepared, shadow_chat)

    async def _open(self, prepared: Prepared) -> Opened[_Begun]:
        call = prepared.call

        async def open_(target: Target, place: Place) -> _Begun:
            fitted = await fitted_to(target, prepared.request)
            at = target.model.at
            rest = at.provider.stream(fitted.request, target.model.section)
            place.close_with(rest.aclose)
            limit_s = at.section.first_token_timeout_s
            try:
                async with asyncio.timeout(limit_s):
                    first = await anext(rest)
            except TimeoutError as error:
                raise ProviderFailure(failures.TIMEOUT, f"no token within {limit_s:g} s") from error
            if isinstance(first, Finish) and first.reason == FinishReason.FINISH_REASON_STOP:
                raise ProviderFailure(failures.MALFORMED, "the answer is empty", usage=first.usage)
            return _Begun(first, rest, fitted)

        try:
            opened = await first_answer(prepared.choice.targets, prepared.switches, open_, call.asks)
        except NobodyAnswered as nobody:
            raise error_of(nobody.asks) from nobody
        finally:
            self._accounts.failed(call, prepared.request)
        opened.ask.target.model.measured(opened.ask.duration_s)
        return opened

    async def _next(self, rest: AsyncGenerator[Delta | Finish, None], heard: _Heard) -> Delta | Finish | None:
        """Return the next item; None where the stream broke, which `heard` then says."""
        until = identity.deadline()
        try:
            async with asyncio.timeout_at(None if until is None else until - _LAST_WORD_S):
                return await anext(rest)
        except ProviderFailure as failure:
            heard.failure = failure
        except TimeoutError:
            heard.failure = ProviderFailure(failures.TIMEOUT, "the time of the call ran out")
        return None

    def _end(self, prepared: Prepared, opened: Opened[_Begun], heard: _Heard) -> End:
        """Settle a stream that came to an end of some kind, and return what to tell of it."""
        ask = opened.ask
        if heard.finish is not None:
            heard.failure = broken_format(prepared.request, heard.text, heard.finish.reason)
        decision = decision_of(prepared.choice, ask, prepared.call.asks, opened.value.fitted, is_cache_hit=False)
        ask.failure = heard.failure
        settle(ask)
        ask.end(heard.failure)
        if heard.failure is not None or heard.finish is None:
            usage = self._note(prepared, opened, heard, outcomes.INCOMPLETE)
            end = End(
                state=EndState.END_STATE_INCOMPLETE, usage=usage, decision=decision, call_id=prepared.call.call_id
            )
            if heard.failure is not None:
                end.failure.CopyFrom(heard.failure.to_message())
            return end
        usage = self._note(prepared, opened, heard, outcomes.COMPLETE)
        if prepared.cache_key is not None and prepared.choice.targets[0] is ask.target:
            self._cache.put(prepared.cache_key, prepared.call.payer.owner, _whole(heard, heard.finish.reason))
        return End(
            state=EndState.END_STATE_COMPLETE,
            finish_reason=heard.finish.reason,
            usage=usage,
            decision=decision,
            call_id=prepared.call.call_id,
        )

    def _note(self, prepared: Prepared, opened: Opened[_Begun], heard: _Heard, outcome: str) -> Usage:
        told = heard.finish.usage if heard.finish is not None else None
        usage = counted(told, opened.value.fitted.request, opened.ask.target.model, heard.produced)
        self._accounts.ended(prepared.call, opened.ask, outcome, usage)
        return usage


def _whole(heard: _Heard, reason: FinishReason.ValueType) -> Completion:
    calls = [heard.calls[index] for index in sorted(heard.calls)]
    return Completion(text=heard.text, tool_calls=calls, finish_reason=reason)


def _replayed(answer: Completion) -> list[StreamCompleteResponse]:
    calls = [
        ToolCallDelta(index=index, id=call.id, name=call.name, arguments_json=call.arguments_json)
        for index, call in enumerate(answer.tool_calls)
    ]
    end = End(
        state=EndState.END_STATE_COMPLETE,
        finish_reason=answer.finish_reason,
        usage=answer.usage,
        decision=answer.decision,
        call_id=answer.call_id,
    )
    return [
        StreamCompleteResponse(delta=Delta(text=answer.text, tool_calls=calls)),
        StreamCompleteResponse(end=end),
    ]
