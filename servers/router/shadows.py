"""Asks a second model the same, beside the answer: its use is on record, its words are dropped."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loupe.router.v1.router_pb2 import Usage
from servers.kit.errors import LoupeError
from servers.router import ledger as outcomes
from servers.router.accounting import Accounts, class_name, counted
from servers.router.choosing import Needs, lacks
from servers.router.dispatch import Ask, settle
from servers.router.failures import ProviderFailure
from servers.router.fleet import RunningModel, Target
from servers.router.places import Place
from servers.router.preparing import Prepared, fitted_to

log = logging.getLogger(__name__)

MAX_RUNNING = 8
"""More are left out: a shadow must never hold up those who wait."""


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

    def follow(self, prepared: Prepared) -> None:
        """Cast a call's shadow where its route has one and its share falls on it."""
        route = prepared.choice.route
        if route.shadow is None or len(self._running) >= MAX_RUNNING:
            return
        drawn = int.from_bytes(hashlib.sha256(prepared.call.call_id.encode()).digest()[:8], "big") / 2**64
        if drawn >= route.shadow_share or lacks(route.shadow, Needs.of(prepared.request)):
            return
        task = asyncio.create_task(self._ask(prepared, route.shadow))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _ask(self, prepared: Prepared, model: RunningModel) -> None:
        at = model.at
        if not at.breaker.admits():
            return
        ask = Ask(Target(model))
        try:
            place = Place(at.places)
            await place.take()
            try:
                fitted = await fitted_to(ask.target, prepared.request)
                made = await at.provider.complete(fitted.request, model.section)
            finally:
                await place.give_back()
            ask.end()
            usage, outcome = counted(made.usage, fitted.request, model, made.text), outcomes.COMPLETE
        except ProviderFailure as failure:
            ask.end(failure)
            usage, outcome = failure.usage or Usage(), class_name(failure.kind)
        except BaseException:
            at.breaker.passed_over()
            raise
        settle(ask)
        try:
            self._accounts.ended(prepared.call, ask, outcome, usage, is_shadow=True)
        except LoupeError as error:
            log.error("a shadow is not on record", extra={"reason": error.message})
