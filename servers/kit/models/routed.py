"""Models behind the router: every provider is reached through it, so that its ledger knows every token."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

import grpc

from loupe.router.v1.router_pb2 import (
    BreakerState,
    CompleteRequest,
    Completion,
    ListModelsRequest,
    Model,
    StreamCompleteRequest,
    StreamCompleteResponse,
)
from loupe.router.v1.router_service_pb2_grpc import RouterServiceStub
from loupe.type.v1.engine_pb2 import Engine, EngineState, EngineStatus
from servers.kit import identity
from servers.kit.status import from_rpc_error

if TYPE_CHECKING:  # the asynchronous stubs are types only
    from loupe.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

NAME = "routed"
_JOB_PREFIX = "job_"
# A person waits for a list of states; a router that is well answers in milliseconds.
_STATUS_S = 5.0


class RoutedModel:
    """A `ChatModel` that the router chooses and reaches: a model or a route of its file, by name.

    The channel brings whose call it is and until when; a call made for a job is under the job's name in the ledger.
    """

    def __init__(self, channel: grpc.aio.Channel, model: str) -> None:
        self._router: RouterServiceAsyncStub = RouterServiceStub(channel)
        self._model = model

    @property
    def identity(self) -> Engine:
        """The name that the router is asked for; the revision is known with each answer."""
        return Engine(name=NAME, model=self._model)

    async def start(self) -> None:
        """Return at once: a router that is down now may be up at the first question."""

    async def complete(self, request: CompleteRequest) -> Completion:
        """Return the whole answer, on the router's record."""
        call = self._router.Complete(self._addressed(request))
        try:
            response = await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            call.cancel()  # cancelled before its interceptors are through, a call would go on, and be paid for
        return response.completion

    async def stream(self, request: CompleteRequest) -> AsyncGenerator[StreamCompleteResponse, None]:
        """Yield the answer as it comes."""
        call = self._router.StreamComplete(StreamCompleteRequest(request=self._addressed(request)))
        try:
            async for event in call:
                yield event
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            call.cancel()  # a listener who leaves ends the model's work; an answer that is over is not disturbed

    async def status(self) -> EngineStatus:
        """Return what the router says of the model, or that it says nothing."""
        status = EngineStatus(engine=self.identity, state=EngineState.ENGINE_STATE_UNAVAILABLE)
        try:
            listed = (await self._router.ListModels(ListModelsRequest(), timeout=_STATUS_S)).models
        except grpc.aio.AioRpcError as error:
            status.detail = f"the router does not answer: {from_rpc_error(error).message}"
            return status
        targets = _targets(self._model, listed)
        closed = [target for target in targets if target.breaker != BreakerState.BREAKER_STATE_OPEN]
        if not targets:
            status.detail = f"the router knows no model or route {self._model!r}"
        elif not closed:
            status.detail = "the router's breaker is open for every provider of it"
        else:
            status.state = EngineState.ENGINE_STATE_READY
        if targets:
            # The first that may answer stands for the others of a route.
            shown = (closed or targets)[0]
            status.engine.revision, status.upstream_model = shown.revision, shown.upstream_model
        return status

    async def close(self) -> None:
        """Return at once: the channel is the mesh's."""

    def _addressed(self, request: CompleteRequest) -> CompleteRequest:
        addressed = CompleteRequest()
        addressed.CopyFrom(request)
        addressed.model = self._model
        # The orchestrator makes its calls for a job under the job's name.
        if identity.request_id().startswith(_JOB_PREFIX):
            addressed.job_id = identity.request_id()
        return addressed


def _targets(name: str, listed: Sequence[Model]) -> list[Model]:
    """Return the models that a name may stand for, as the router resolves it: a route, "provider/model", or "model"."""
    models = [model for model in listed if not model.targets]
    for route in listed:
        if route.name == name and route.targets:
            return [model for model in models if model.name in route.targets]
    return [model for model in models if name in (model.name, model.name.removeprefix(f"{model.provider}/"))]
