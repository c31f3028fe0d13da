"""Puts the aspects around a handler, whatever its kind, and turns what it raises into a status.

One interceptor in place of one for each aspect: grpc.aio wraps a handler anew for each interceptor and call.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias, cast

import grpc

from servers.kit import identity, spending
from servers.kit.errors import LoupeError, TooLarge
from servers.kit.interceptors.call import Around, Aspect, Call
from servers.kit.interceptors.validation import check
from servers.kit.limits import MAX_MESSAGE_BYTES
from servers.kit.status import from_exception, to_status

log = logging.getLogger(__name__)

# Health answers anyone, at once: a probe has no key, comes every few seconds and must not wait for a place.
_PUBLIC = "/grpc.health.v1.Health/"

Context = grpc.aio.ServicerContext[Any, Any]
Encode: TypeAlias = Callable[[Any], bytes]


class Pipeline(grpc.aio.ServerInterceptor):
    """Runs every call of a server through the aspects, in their order."""

    def __init__(self, aspects: Sequence[Aspect]) -> None:
        self._aspects = aspects

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the method's handler with the aspects around it."""
        handler: Any = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_PUBLIC):
            return cast("grpc.RpcMethodHandler[Any, Any] | None", handler)  # for None grpc answers UNIMPLEMENTED
        # Answers are serialised in here, where one that can't be sent is still an error with a reason.
        decode, encode = handler.request_deserializer, _bounded(handler.response_serializer)
        if handler.request_streaming and handler.response_streaming:
            stream = self._stream(handler.stream_stream, method, True, encode)
            return grpc.stream_stream_rpc_method_handler(stream, decode)
        if handler.response_streaming:
            stream = self._stream(handler.unary_stream, method, False, encode)
            return grpc.unary_stream_rpc_method_handler(stream, decode)
        if handler.request_streaming:
            unary = self._unary(handler.stream_unary, method, True, encode)
            return grpc.stream_unary_rpc_method_handler(unary, decode)
        unary = self._unary(handler.unary_unary, method, False, encode)
        return grpc.unary_unary_rpc_method_handler(unary, decode)

    def _unary(self, behaviour: Any, method: str, streams_in: bool, encode: Encode) -> Any:
        async def answer(request: Any, context: Context) -> Any:
            call = _call(method, context, is_streaming=streams_in)
            started = time.perf_counter()
            try:
                with Around(call, self._aspects):
                    response = encode(await behaviour(_checked(request, streams_in), context))
            except Exception as error:  # the one place where errors become statuses
                await _fail(context, call, started, error)
            except asyncio.CancelledError:
                _log(call, started, "CANCELLED")
                raise
            _log(call, started, "OK")
            return response

        return answer

    def _stream(self, behaviour: Any, method: str, streams_in: bool, encode: Encode) -> Any:
        async def answer(request: Any, context: Context) -> AsyncIterator[bytes]:
            call = _call(method, context, is_streaming=True)
            started = time.perf_counter()
            try:
                with Around(call, self._aspects):
                    # Closed here and now when the caller leaves, and not when the collector comes by.
                    async with aclosing(behaviour(_checked(request, streams_in), context)) as responses:
                        async for response in responses:
                            yield encode(response)
            except Exception as error:  # the one place where errors become statuses
                await _fail(context, call, started, error)
            except (asyncio.CancelledError, GeneratorExit):
                _log(call, started, "CANCELLED")
                raise
            _log(call, started, "OK")

        return answer


def _call(method: str, context: Context, *, is_streaming: bool) -> Call:
    spending.begin()
    metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    return Call(method, metadata, is_streaming, context.time_remaining())


def _bounded(serialize: Encode | None) -> Encode:
    """Return a serialiser that raises TooLarge for what gRPC would refuse to send."""

    def encode(response: Any) -> bytes:
        data: bytes = serialize(response) if serialize else response
        if len(data) > MAX_MESSAGE_BYTES:
            raise TooLarge(f"the answer has {len(data)} bytes, at most {MAX_MESSAGE_BYTES} fit into one message")
        return data

    return encode


def _checked(request: Any, streams_in: bool) -> Any:
    if not streams_in:
        check(request)
        return request

    async def messages() -> AsyncIterator[Any]:
        async for message in request:
            check(message)
            yield message

    return messages()


async def _fail(context: Context, call: Call, started: float, error: Exception) -> None:
    known = from_exception(error, request_id=identity.request_id())
    if not isinstance(error, LoupeError | grpc.aio.AioRpcError):
        log.error("defect", exc_info=error, extra={"method": call.method, "request_id": identity.request_id()})
    _log(call, started, known.code)
    known.cost = spending.spent()
    status = to_status(known, request_id=identity.request_id())
    await context.abort(status.code, status.details, status.trailing_metadata)


def _log(call: Call, started: float, code: str) -> None:
    log.info(
        "rpc",
        extra={
            "method": call.method,
            "code": code,
            "ms": round((time.perf_counter() - started) * 1000, 2),
            "request_id": identity.request_id(),
        },
    )
