"""Starts the router: `python -m servers.router`."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from loupe.router.v1.router_service_pb2_grpc import add_RouterServiceServicer_to_server
from servers.kit import config, serve
from servers.kit.database import open_database
from servers.kit.mesh import Mesh
from servers.router import configuration
from servers.router.accounting import Accounts
from servers.router.budgets import Budgets
from servers.router.cache import AnswerCache
from servers.router.config import Settings
from servers.router.erasure import Erasure
from servers.router.fleet import open_fleet
from servers.router.http1.listening import listening
from servers.router.journal import Journal
from servers.router.ledger import Ledger
from servers.router.openai.aspects import aspects_for
from servers.router.openai.listener import OpenAiSurface
from servers.router.payers import Payers
from servers.router.preparing import Preparation
from servers.router.room import Room
from servers.router.router import Router
from servers.router.servicer import RouterServicer
from servers.router.shadows import Shadows
from servers.router.streaming import Streams
from servers.router.transcribing import Transcriptions

log = logging.getLogger(__name__)


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Read the file of providers, open the ledger and the OpenAI-compatible listener."""
    configured = configuration.read(settings.providers_path)
    async with AsyncExitStack() as stack:
        fleet = await open_fleet(configured, stack)
        migrations = Path(__file__).parent / "migrations"
        engine = await stack.enter_async_context(open_database(settings.home / "router.sqlite", migrations))
        ledger = Ledger(engine, Journal(settings.home / "router-journal"), flush_s=settings.ledger_flush_s)
        await stack.enter_async_context(ledger.running())
        budgets = Budgets(configured.budgets, ledger)
        accounts = Accounts(ledger, budgets)
        shadows = Shadows(accounts)
        await stack.enter_async_context(shadows.running())
        defaults = configured.defaults
        payers = Payers()
        cache = AnswerCache(defaults.cache_mib * 2**20, defaults.cache_ttl_s)
        preparation = Preparation(
            fleet,
            budgets,
            cache,
            payers,
            mesh.files,
            defaults,
            max_image_bytes=settings.max_image_mib * 2**20,
            max_audio_bytes=settings.max_audio_mib * 2**20,
        )
        router = Router(preparation, accounts, cache, shadows)
        streams = Streams(preparation, accounts, cache, shadows)
        room = Room(settings.max_held_audio_mib * 2**20)
        transcriptions = Transcriptions(preparation, accounts, cache, shadows, room)
        surface = OpenAiSurface(
            router,
            streams,
            transcriptions,
            fleet,
            aspects_for(settings),
            max_body_bytes=settings.max_body_kib * 1024,
            max_audio_bytes=settings.max_audio_mib * 2**20,
            room=room,
        )
        openai_address = settings.address_of("openai")
        address = await stack.enter_async_context(listening(surface.answer, openai_address, settings.tls))
        log.info("listening for OpenAI-compatible calls", extra={"openai_address": address})
        erasure = Erasure(payers, cache, ledger, budgets)
        servicer = RouterServicer(router, streams, transcriptions, fleet, ledger, budgets, payers, erasure)
        # All that was loaded stays to the end: the collector need not walk through it, call after call.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        yield serve.Registration(add_RouterServiceServicer_to_server, servicer)


if __name__ == "__main__":
    serve.run("router", config.load(Settings), build)
