"""Asks a second model the same, beside the answer: its use is on record, its words are dropped."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from loupe.router.v1.router_pb2 import Usage
from servers.kit.errors import LoupeError
from servers.router import ledger as outcomes
from servers.router.accounting import Accounts, Call, class_name, counted
from servers.router.choosing import lacks
from servers.router.dispatch import Ask, settle
from servers.router.failures import ProviderFailure
from servers.router.fleet import Target
from servers.router.places import Place
from servers.router.preparing import Prepared, PreparedRecording, fitted_to

log = logging.getLogger(__name__)

MAX_RUNNING = 8
"""More are left out: a shadow must never hold up those who wait."""
P = TypeVar("P", Prepared, PreparedRecording)


async def shadow_chat(prepared: Prepared, target: Target) -> Usage:
    """Ask a target what a chat asked, and return what it used."""
    model = target.model
    fitted = await fitted_to(target, prepared.request)
    made = await model.at.provider.complete(fitted.request, model.section)
    return counted(made.usage, fitted.request, model, made.text)


async def shadow_transcription(prepared: PreparedRecording, target: Target) -> Usage:
    """Ask a target for what is said in a recording, and return what it used."""
    model = target.model
    made = await model.at.provider.transcribe(prepared.request, model.section)
    return counted(made.usage, prepared.request, model, made.text)


class Shadows:
    """The shadows in work."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._running: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let shadows be cast until the block ends; those in work then are given up."""
        try:
            yield
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def follow(self, prepared: P, asking: Callable[[P, Target], Awaitable[Usage]]) -> None:
        """Cast a call's shadow where its route has one and its share falls on it."""
        route = prepared.choice.route
        if route.shadow is None or len(self._running) >= MAX_RUNNING:
            return
        drawn = int.from_bytes(hashlib.sha256(prepared.call.call_id.encode()).digest()[:8], "big") / 2**64
        if drawn >= route.shadow_share or lacks(route.shadow, prepared.needs):
            return
        target = Target(route.shadow)
        task = asyncio.create_task(self._ask(prepared.call, target, lambda: asking(prepared, target)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _ask(self, call: Call, target: Target, asking: Callable[[], Awaitable[Usage]]) -> None:
        at = target.model.at
        if not at.breaker.admits():
            return
        ask = Ask(target)
        try:
            place = Place(at.places)
            await place.take()
            try:
                usage = await asking()
            finally:
                await place.give_back()
            ask.end()
            outcome = outcomes.COMPLETE
        except ProviderFailure as failure:
            ask.end(failure)
            usage, outcome = failure.usage or Usage(), class_name(failure.kind)
        except BaseException:
            at.breaker.passed_over()
            raise
        settle(ask)
        try:
            self._accounts.ended(call, ask, outcome, usage, is_shadow=True)
        except LoupeError as error:
            log.error("a shadow is not on record", extra={"reason": error.message})
