"""Asks one provider after the other until one answers: failover, retries, hedging, each ask on record."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from loupe.router.v1.router_pb2 import BreakerState
from servers.kit import identity
from servers.kit.errors import LoupeError
from servers.router import failures
from servers.router.failures import ProviderFailure
from servers.router.fleet import Target
from servers.router.places import Place

T = TypeVar("T")
Open: TypeAlias = Callable[[Target, Place], Awaitable[T]]
"""Asks a target and returns its answer, or the beginning of it; what must be closed at its end is told to the place."""

MAX_ASKS = 6
"""Of one call, failover and retries together."""
_FIRST_BACKOFF_S = 0.1
_LONGEST_WAIT_S = 5.0
# Before a provider is asked again that nobody listens for: a process that is changed for another is back by then, one
# that starts takes longer than a caller waits, who may have another answer at hand.
_LONGEST_UNREACHABLE_BACKOFF_S = 0.2
# A provider that is busy and doesn't say until when.
_COOL_S = 1.0


class Switches(NamedTuple):
    """What may be done for a call."""

    retry: bool
    failover: bool
    hedge: bool
    cache: bool
    hedge_after_s: float


@dataclass(slots=True)
class Ask:
    """One ask of a provider, or why it wasn't asked."""

    target: Target
    is_hedge: bool = False
    started: float = field(default_factory=time.perf_counter)
    duration_s: float = 0.0
    failure: ProviderFailure | None = None
    was_sent: bool = False
    """Whether the provider may have worked on it."""
    was_cancelled: bool = False
    number: int = 0
    """In the ledger."""

    def end(self, failure: ProviderFailure | None = None) -> None:
        """Note how it ended."""
        self.duration_s = time.perf_counter() - self.started
        self.failure = failure


class NobodyAnswered(Exception):
    """Every target that may be asked was, or could not be; `asks` says what each did."""

    def __init__(self, asks: Sequence[Ask]) -> None:
        super().__init__("nobody answered")
        self.asks = asks


@dataclass(slots=True)
class Opened(Generic[T]):
    """An answer that has begun. Its place must be given back when it ends."""

    value: T
    ask: Ask
    place: Place


async def first_answer(targets: Sequence[Target], switches: Switches, open_: Open[T], asks: list[Ask]) -> Opened[T]:
    """Return the first answer that begins.

    Args:
      asks: takes every ask, in order, whatever happens.
    Raises:
      NobodyAnswered.
    """
    candidates = list(targets if switches.failover else targets[:1])
    if switches.hedge and len(candidates) > 1:
        opened = await _hedged(candidates[0], candidates[1], switches.hedge_after_s, open_, asks)
        if opened is not None:
            return opened
        _stop_at_final(asks)
        tried = {id(ask.target) for ask in asks}
        candidates = [target for target in candidates if id(target) not in tried]
    for target in candidates:
        if len(asks) >= MAX_ASKS:
            break
        opened = await _ask(target, open_, asks)
        if opened is not None:
            return opened
        _stop_at_final(asks)
    backoff_s = _FIRST_BACKOFF_S
    while switches.retry and len(asks) < MAX_ASKS:
        again = _next_retry(asks, backoff_s)
        if again is None:
            break
        target, wait_s = again
        await asyncio.sleep(wait_s)
        opened = await _ask(target, open_, asks, is_retry=True)
        if opened is not None:
            return opened
        _stop_at_final(asks)
        backoff_s *= 2
    raise NobodyAnswered(asks)


def _stop_at_final(asks: list[Ask]) -> None:
    """Stop where another ask would be told the same. Raises NobodyAnswered."""
    if any(ask.failure and ask.failure.kind in failures.FINAL for ask in asks):
        raise NobodyAnswered(asks)


def _next_retry(asks: list[Ask], backoff_s: float) -> tuple[Target, float] | None:
    """Return whom to ask again and after how long; None where it would not help in time."""
    latest = {id(ask.target): ask for ask in asks}
    best: tuple[float, Target] | None = None
    for ask in latest.values():
        if ask.failure is None or ask.failure.kind not in failures.REPEATABLE:
            continue
        if ask.failure.kind == failures.UNREACHABLE and backoff_s > _LONGEST_UNREACHABLE_BACKOFF_S:
            continue
        breaker = ask.target.model.at.breaker
        if breaker.state == BreakerState.BREAKER_STATE_OPEN:
            continue  # whoever comes after is told at once to come again; so is the call that opened it
        wait_s = max(breaker.wait_s, backoff_s * random.uniform(0.5, 1.5))
        if best is None or wait_s < best[0]:
            best = (wait_s, ask.target)
    if best is None or best[0] > _LONGEST_WAIT_S:
        return None
    until = identity.deadline()
    if until is not None and asyncio.get_running_loop().time() + best[0] >= until:
        return None
    if not best[1].model.at.retries.spend():
        return None
    return best[1], best[0]


async def _ask(
    target: Target, open_: Open[T], asks: list[Ask], *, is_retry: bool = False, is_hedge: bool = False
) -> Opened[T] | None:
    """Ask one target; None where it failed, which the ask then says."""
    at = target.model.at
    ask = Ask(target, is_hedge=is_hedge, number=len(asks) + 1)
    asks.append(ask)
    # A provider that was asked in this call already is asked again, whatever the model's name.
    if not is_retry and any(earlier.was_sent and earlier.target.model.at is at for earlier in asks):
        if not at.retries.spend():
            ask.end(ProviderFailure(failures.CLOSED, "its budget of retries is spent"))
            return None
    elif not is_retry:
        at.retries.earn()
    if not at.breaker.admits():
        wait_s = at.breaker.wait_s
        ask.end(ProviderFailure(failures.CLOSED, f"not asked for another {wait_s:.1f} s", retry_after_s=wait_s or 1.0))
        return None
    place = Place(at.places)
    try:
        await place.take()
        ask.was_sent = True
        value = await open_(target, place)
    except ProviderFailure as failure:
        await place.give_back()
        ask.end(failure)
        settle(ask)
        return None
    except LoupeError:
        # Refused by us before it was sent.
        ask.was_sent = False
        ask.end()
        at.breaker.passed_over()
        await place.give_back()
        raise
    except BaseException:
        ask.was_cancelled = True
        ask.end()
        at.breaker.passed_over()
        await place.give_back()
        raise
    ask.end()
    return Opened(value, ask, place)


def settle(ask: Ask) -> None:
    """Tell the breaker how an ask ended, once it has."""
    breaker = ask.target.model.at.breaker
    failure = ask.failure
    if failure is None:
        breaker.succeeded()
    elif failure.kind in failures.SICK:
        breaker.failed()
        if failure.retry_after_s:
            breaker.cool(failure.retry_after_s)
    else:
        breaker.passed_over()
        if failure.kind == failures.RATE:
            breaker.cool(_COOL_S if failure.retry_after_s is None else failure.retry_after_s)


async def _hedged(first: Target, second: Target, after_s: float, open_: Open[T], asks: list[Ask]) -> Opened[T] | None:
    """Ask the second beside a slow first and take whoever begins first; None where both failed."""
    tasks = [asyncio.create_task(_ask(first, open_, asks))]
    winner: Opened[T] | None = None
    try:
        done, running = await asyncio.wait(tasks, timeout=after_s)
        # A hedge is load on purpose: it comes out of the same budget as retries.
        if not done and second.model.at.retries.spend():
            tasks.append(asyncio.create_task(_ask(second, open_, asks, is_retry=True, is_hedge=True)))
            running.add(tasks[-1])
        while True:
            winner = next((opened for task in done if (opened := task.result()) is not None), None)
            if winner is not None or not running:
                return winner
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            # Both may have begun at once: the other one is let go.
            if isinstance(result, Opened) and result is not winner:
                result.ask.was_cancelled = True
                result.ask.target.model.at.breaker.passed_over()
                await result.place.give_back()
