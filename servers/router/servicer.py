"""loupe.router.v1 over the router, its ledger and its budgets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from loupe.router.v1.document_pb2 import ConvertRequest, ConvertResponse
from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    CompleteResponse,
    EmbedRequest,
    EmbedResponse,
    ErasedLedger,
    ErasedLedgerTotal,
    EraseOwnerRequest,
    EraseOwnerResponse,
    GetUsageRequest,
    GetUsageResponse,
    ListBudgetsRequest,
    ListBudgetsResponse,
    ListModelsRequest,
    ListModelsResponse,
    StreamCompleteRequest,
    StreamCompleteResponse,
    TranscribeRequest,
    TranscribeResponse,
)
from loupe.router.v1.router_service_pb2_grpc import RouterServiceServicer
from servers.kit.identity import caller
from servers.router.budgets import Budgets
from servers.router.converting.converting import converted
from servers.router.erasure import Erasure
from servers.router.fleet import Fleet
from servers.router.ledger import Ledger
from servers.router.listing import list_models
from servers.router.payers import Payers
from servers.router.router import Router
from servers.router.streaming import Streams
from servers.router.transcribing import Transcriptions
from servers.router.usage import sum_usage

PROOFS_PER_MESSAGE = 1000


class RouterServicer(RouterServiceServicer):
    """Answers for the calling owner."""

    def __init__(
        self,
        router: Router,
        streams: Streams,
        transcriptions: Transcriptions,
        fleet: Fleet,
        ledger: Ledger,
        budgets: Budgets,
        payers: Payers,
        erasure: Erasure,
    ) -> None:
        self._router = router
        self._streams = streams
        self._transcriptions = transcriptions
        self._fleet = fleet
        self._ledger = ledger
        self._budgets = budgets
        self._payers = payers
        self._erasure = erasure
        # One after the other: calls of models go on beside one thread of it, not beside many.
        self._converting = asyncio.Semaphore(1)

    async def Complete(self, request: CompleteRequest, context: Any) -> CompleteResponse:
        """Return a whole answer."""
        return CompleteResponse(completion=await self._router.complete(request))

    async def StreamComplete(
        self, request: StreamCompleteRequest, context: Any
    ) -> AsyncIterator[StreamCompleteResponse]:
        """Stream an answer."""
        async with aclosing(self._streams.stream(request.request)) as responses:
            async for response in responses:
                yield response

    async def Embed(self, request: EmbedRequest, context: Any) -> EmbedResponse:
        """Return vectors."""
        return await self._router.embed(request)

    async def Transcribe(self, request: TranscribeRequest, context: Any) -> TranscribeResponse:
        """Return what is said."""
        return await self._transcriptions.transcribe(request)

    async def Convert(self, request: ConvertRequest, context: Any) -> ConvertResponse:
        """Convert between Markdown, documents and data."""
        async with self._converting:
            return await asyncio.to_thread(converted, request)

    async def ListModels(self, request: ListModelsRequest, context: Any) -> ListModelsResponse:
        """List what may be asked for."""
        return ListModelsResponse(models=list_models(self._fleet))

    async def GetUsage(self, request: GetUsageRequest, context: Any) -> GetUsageResponse:
        """Sum the caller's use."""
        return GetUsageResponse(rows=await sum_usage(self._ledger, caller().subject, request))

    async def ListBudgets(self, request: ListBudgetsRequest, context: Any) -> ListBudgetsResponse:
        """List the caller's budgets."""
        return ListBudgetsResponse(budgets=await self._budgets.list_for(self._payers.of_call(request.job_id)))

    async def EraseOwner(self, request: EraseOwnerRequest, context: Any) -> AsyncIterator[EraseOwnerResponse]:
        """Take an owner off the ledger and out of the cache, and stream the proofs."""
        await self._erasure.erase(request.owner)
        total = ErasedLedgerTotal()
        last = ""
        while proofs := await self._ledger.erased(request.owner, last, PROOFS_PER_MESSAGE):
            yield EraseOwnerResponse(ledger=ErasedLedger(asks=proofs))
            total.ask_count += sum(proof.ask_count for proof in proofs)
            last = proofs[-1].erasure_id
        yield EraseOwnerResponse(total=total)
