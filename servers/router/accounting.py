"""Turns asks into rows of the ledger and into the use that an answer tells."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TypeAlias

from loupe.router.v1.router_pb2 import CompleteRequest, EmbedRequest, FailureClass, TranscribeRequest, Usage
from servers.kit.ids import new_id
from servers.router import ledger as outcomes
from servers.router import tokens
from servers.router.budgets import Budgets
from servers.router.dispatch import Ask
from servers.router.fleet import RunningModel
from servers.router.journal import LedgerRow
from servers.router.ledger import Ledger
from servers.router.payers import Payer
from servers.router.prices import audio_ms, usd
from servers.router.recordings import length_of

Request: TypeAlias = CompleteRequest | EmbedRequest | TranscribeRequest

SHADOW_NUMBER = 1000
"""Of a shadow's ask: after every other of its call."""
_CLASS_PREFIX = "FAILURE_CLASS_"


@dataclass(slots=True)
class Call:
    """One call of the router and its asks so far."""

    asked_for: str
    payer: Payer
    call_id: str = field(default_factory=lambda: new_id("call"))
    asks: list[Ask] = field(default_factory=list)
    start_time_ms: int = field(default_factory=lambda: int(time.time() * 1000))


class Accounts:
    """Writes asks down, once each, and charges the budgets."""

    def __init__(self, ledger: Ledger, budgets: Budgets) -> None:
        self._ledger = ledger
        self._budgets = budgets

    def started(self, call: Call, ask: Ask) -> None:
        """Note a stream before its first piece is given, so that a crash in its middle is on record."""
        self._ledger.record(_row(call, ask, outcomes.STARTED, Usage()))

    def ended(self, call: Call, ask: Ask, outcome: str, usage: Usage, *, is_shadow: bool = False) -> None:
        """Note an ask that has ended, with what it used; sets the cost in `usage`. Raises StorageUnavailable."""
        cost = ask.target.model.prices.of(usage)
        usage.cost_usd = usd(cost)
        row = _row(call, ask, outcome, usage, cost=cost, is_shadow=is_shadow)
        self._ledger.record(row)
        self._budgets.charge(row)

    def cache_hit(self, call: Call, ask: Ask) -> None:
        """Note an answer that no provider was asked for."""
        self._ledger.record(_row(call, ask, outcomes.COMPLETE, Usage(), is_cache_hit=True))

    def failed(self, call: Call, request: Request) -> None:
        """Note every ask of a call that gave no answer, where its provider may have worked on it."""
        for ask in call.asks:
            if not ask.was_sent:
                continue
            if ask.was_cancelled:
                self.ended(call, ask, outcomes.CANCELLED, estimated(request, ask.target.model, ""))
            elif ask.failure is not None:
                self.ended(call, ask, class_name(ask.failure.kind), _copy(ask.failure.usage))


def class_name(kind: FailureClass.ValueType) -> str:
    """Return a class of failures as the ledger writes it."""
    return FailureClass.Name(kind).removeprefix(_CLASS_PREFIX)


def counted(usage: Usage | None, request: Request, model: RunningModel, text: str) -> Usage:
    """Return the provider's count, or ours where it made none."""
    if isinstance(request, TranscribeRequest):
        return _with_audio(usage, request)
    if usage is not None and usage.input_tokens:
        return usage
    made = estimated(request, model, text)
    if usage is not None and usage.HasField("gpu_s"):
        made.gpu_s = usage.gpu_s
    return made


def estimated(request: Request, model: RunningModel, text: str) -> Usage:
    """Return our own count of a prompt and of what came of the answer; of a recording, its length."""
    if isinstance(request, TranscribeRequest):
        return _with_audio(None, request)
    if isinstance(request, EmbedRequest):
        size = sum(model.counter.count(one) for one in request.inputs)
    else:
        size = tokens.of_request(request, model.section, model.counter)
    return Usage(input_tokens=size, output_tokens=model.counter.count(text) if text else 0, is_estimated=True)


def _with_audio(usage: Usage | None, request: TranscribeRequest) -> Usage:
    """Return the provider's count with the recording's length, which is ours where the provider doesn't tell it."""
    made = _copy(usage)
    if not made.HasField("audio_s"):
        length = length_of(request.audio.content)
        made.audio_s = length.ms / 1000
        made.is_estimated = made.is_estimated or length.is_estimated
    return made


def _copy(usage: Usage | None) -> Usage:
    copied = Usage()
    if usage is not None:
        copied.CopyFrom(usage)
    return copied


def _row(
    call: Call,
    ask: Ask,
    outcome: str,
    usage: Usage,
    *,
    cost: int = 0,
    is_shadow: bool = False,
    is_cache_hit: bool = False,
) -> LedgerRow:
    section = ask.target.model.section
    payer = call.payer
    return LedgerRow(
        call_id=call.call_id,
        number=SHADOW_NUMBER if is_shadow else ask.number,
        owner=payer.owner,
        service=payer.service,
        job_id=payer.job_id,
        request_id=payer.request_id,
        asked_for=call.asked_for,
        provider=ask.target.model.at.name,
        model=section.name,
        upstream_model=section.upstream or section.name,
        revision=section.revision,
        arm=ask.target.arm,
        is_shadow=is_shadow,
        is_cache_hit=is_cache_hit,
        outcome=outcome,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        is_estimated=usage.is_estimated,
        gpu_s=usage.gpu_s,
        cost_nano_usd=cost,
        duration_ms=round(ask.duration_s * 1000),
        start_time_ms=call.start_time_ms,
        audio_ms=audio_ms(usage),
    )
