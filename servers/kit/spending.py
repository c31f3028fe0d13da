"""What the running call spent on models: noted by whoever asks one, told with the call's answer, or with its error."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from decimal import Decimal

from loupe.router.v1.router_pb2 import RouteDecision, Usage
from loupe.type.v1.cost_pb2 import Cost

_asks: ContextVar[list[Cost]] = ContextVar("asks")


def begin() -> None:
    """Count from nought, for this task and what it starts from here on."""
    _asks.set([])


def spent() -> Cost:
    """Return what the running call came to so far."""
    return total(_asks.get([]))


def asking() -> Cost:
    """Note that a model is asked. Until it is told what that costs, it is not known."""
    cost = Cost(ask_count=1, untold_ask_count=1)
    _asks.get([]).append(cost)
    return cost


def told(cost: Cost, usage: Usage, decision: RouteDecision) -> None:
    """Note what an ask came to, by its answer."""
    cost.Clear()
    cost.ask_count = 1
    cost.usd = usage.cost_usd
    if decision.is_cache_hit:
        # What the answer used was paid for by the call that it was given to first.
        cost.cache_hit_count = 1
        return
    # A provider that was asked beside a slow one is paid, too, and not by this usage.
    cost.untold_ask_count = int(any(attempt.is_hedge for attempt in decision.attempts))
    cost.input_tokens, cost.output_tokens = usage.input_tokens, usage.output_tokens
    cost.cached_input_tokens = usage.cached_input_tokens
    cost.is_estimated = usage.is_estimated
    cost.audio_s, cost.gpu_s = usage.audio_s, usage.gpu_s


def total(costs: Iterable[Cost]) -> Cost:
    """Return the sum; amounts of money are added exactly, and those without a price count as nothing."""
    made = Cost()
    for cost in costs:
        made.ask_count += cost.ask_count
        made.cache_hit_count += cost.cache_hit_count
        made.untold_ask_count += cost.untold_ask_count
        made.input_tokens += cost.input_tokens
        made.output_tokens += cost.output_tokens
        made.cached_input_tokens += cost.cached_input_tokens
        made.is_estimated = made.is_estimated or cost.is_estimated
        made.audio_s += cost.audio_s
        made.gpu_s += cost.gpu_s
        if cost.usd:
            made.usd = f"{Decimal(made.usd or 0) + Decimal(cost.usd):.9f}"
    return made


def in_words(cost: Cost) -> str:
    """Return a cost for a person: "2 asks of models: $0.0001524 (40 tokens in, 12 out)"."""
    if not cost.ask_count:
        return "no model was asked"
    asks = f"{cost.ask_count} {'ask' if cost.ask_count == 1 else 'asks'} of models"
    if cost.untold_ask_count == cost.ask_count and not cost.usd:
        return f"{asks}, not counted: see the router's ledger"
    price = f"${_short(cost.usd)}" if cost.usd else "no price"
    used = [f"{cost.input_tokens:,} tokens in, {cost.output_tokens:,} out"]
    if cost.is_estimated:
        used[0] += ", in part estimated"
    if cost.audio_s:
        used.append(f"{cost.audio_s:.1f} s of sound")
    if cost.cache_hit_count:
        used.append(f"{cost.cache_hit_count} answered from the cache")
    if cost.untold_ask_count:
        used.append(f"{cost.untold_ask_count} not counted, see the router's ledger")
    return f"{asks}: {price} ({'; '.join(used)})"


def _short(usd: str) -> str:
    """Return an amount without idle zeros: "0.000152400" as "0.0001524", but "1.500000000" as "1.50"."""
    whole, _, part = usd.partition(".")
    return f"{whole}.{part.rstrip('0').ljust(2, '0')}"
