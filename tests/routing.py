"""A router within the test's own process, over a real ledger and real HTTP to a fake model server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    Completion,
    GetUsageRequest,
    Message,
    MessageRole,
    Part,
    StreamCompleteResponse,
    UsageRow,
)
from loupe.type.v1.access_pb2 import Role
from servers.kit import identity
from servers.kit.database import open_database
from servers.kit.files_client import FilesClient
from servers.kit.identity import Caller
from servers.router.accounting import Accounts
from servers.router.budgets import Budgets
from servers.router.cache import AnswerCache
from servers.router.configuration import Configuration
from servers.router.erasure import Erasure
from servers.router.fleet import Fleet, open_fleet
from servers.router.journal import Journal
from servers.router.ledger import Ledger
from servers.router.payers import Payers
from servers.router.preparing import Preparation
from servers.router.room import Room
from servers.router.router import Router
from servers.router.shadows import Shadows
from servers.router.streaming import Streams
from servers.router.transcribing import Transcriptions
from servers.router.usage import sum_usage

MIGRATIONS = Path(__file__).parents[1] / "servers" / "router" / "migrations"


@dataclass
class Routing:
    """A router and what is behind it."""

    router: Router
    streams: Streams
    transcriptions: Transcriptions
    fleet: Fleet
    ledger: Ledger
    budgets: Budgets
    shadows: Shadows
    payers: Payers
    erasure: Erasure

    async def complete(self, text: str = "Hi", model: str = "m", **more: Any) -> Completion:
        """Ask for a whole answer."""
        return await self.router.complete(ask(text, model, **more))

    async def stream(self, text: str = "Hi", model: str = "m", **more: Any) -> list[StreamCompleteResponse]:
        """Ask for a stream and hear it to its end."""
        return [response async for response in self.streams.stream(ask(text, model, **more))]

    async def usage(self, **request: Any) -> list[UsageRow]:
        """Sum the ledger."""
        return await sum_usage(self.ledger, identity.caller().subject, GetUsageRequest(**request))


def ask(text: str = "Hi", model: str = "m", **more: Any) -> CompleteRequest:
    """A request of one message."""
    message = Message(role=MessageRole.MESSAGE_ROLE_USER, parts=[Part(text=text)])
    return CompleteRequest(**({"model": model, "messages": [message]} | more))


def provider(name: str, base_url: str, *models: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A provider's section; its only model is "m" where none is given. Prices: 1 and 2 dollars a million tokens."""
    priced = {"name": "m", "input_usd_per_mtok": "1", "output_usd_per_mtok": "2"}
    quick = {"first_token_timeout_s": 5.0, "stall_timeout_s": 5.0}
    return {
        "name": name,
        "kind": "openai",
        "base_url": base_url,
        "models": [dict(model) for model in models] or [priced],
    } | (quick | more)


@asynccontextmanager
async def routing(home: Path, *providers: Mapping[str, Any], **sections: Any) -> AsyncIterator[Routing]:
    """Run a router for these providers until the block ends; the test acts for the owner "ann"."""
    configuration = Configuration.model_validate({"providers": providers} | sections)
    identity.act_for(Caller("ann", Role.ROLE_ANALYST), request_id="req_test")
    async with AsyncExitStack() as stack:
        fleet = await open_fleet(configuration, stack)
        engine = await stack.enter_async_context(open_database(home / "router.sqlite", MIGRATIONS))
        ledger = Ledger(engine, Journal(home / "journal"), flush_s=0.01)
        await stack.enter_async_context(ledger.running())
        budgets = Budgets(configuration.budgets, ledger)
        accounts = Accounts(ledger, budgets)
        shadows = Shadows(accounts)
        await stack.enter_async_context(shadows.running())
        cache = AnswerCache(2**20, 60)
        payers = Payers()
        files = cast(FilesClient, None)  # no test of this router sends an image by reference
        preparation = Preparation(
            fleet,
            budgets,
            cache,
            payers,
            files,
            configuration.defaults,
            max_image_bytes=2**20,
            max_audio_bytes=2**20,
        )
        parts = (preparation, accounts, cache, shadows)
        transcriptions = Transcriptions(*parts, Room(2**20))
        erasure = Erasure(payers, cache, ledger, budgets)
        answering = (Router(*parts), Streams(*parts), transcriptions)
        yield Routing(*answering, fleet, ledger, budgets, shadows, payers, erasure)
