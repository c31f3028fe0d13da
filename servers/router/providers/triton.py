"""Triton Inference Server over its gRPC: health, metadata, loading, and one stream for each ask."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import urlsplit

import grpc

from loupe.router.v1.router_pb2 import CompleteRequest, Completion, Delta, EmbedRequest, FinishReason
from servers.kit import identity
from servers.kit.errors import NotReady
from servers.router import failures
from servers.router.configuration import ModelSection, ProviderSection
from servers.router.failures import ProviderFailure
from servers.router.formats.openai_request import chat_request
from servers.router.locality import is_local_address
from servers.router.providers import triton_tensors
from servers.router.providers.base import Finish, Vectors
from servers.router.providers.triton_tensors import PieceReader, Shape

DEFAULT_PORT = 8001
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
# Reading metadata is nothing; loading a model takes as long as its weights do.
_LOAD_S = 600.0
# Of an ask outside any call; inside one, what is left of it.
_LONGEST_S = 3600.0
# Makes Triton end a stream with the gRPC status of an error, where it would send a message without a class
# (server 2.45 and later; others send the message).
_HEADERS = {"triton_grpc_error": "true"}
_CLASS_OF_CODE = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: failures.RATE,
    grpc.StatusCode.UNAUTHENTICATED: failures.AUTH,
    grpc.StatusCode.PERMISSION_DENIED: failures.AUTH,
    grpc.StatusCode.DEADLINE_EXCEEDED: failures.TIMEOUT,
    grpc.StatusCode.UNAVAILABLE: failures.UNREACHABLE,
    grpc.StatusCode.NOT_FOUND: failures.UNREACHABLE,
    grpc.StatusCode.UNIMPLEMENTED: failures.UNREACHABLE,
}


class TritonProvider:
    """One Triton; its models keep the contract of `triton_tensors`."""

    def __init__(self, section: ProviderSection, key: str, *, local_only: bool) -> None:
        parts = urlsplit(section.base_url)
        self._host, self._port = parts.hostname or "", parts.port or DEFAULT_PORT
        self._is_secure = parts.scheme == "grpcs"
        self._section = section
        self._local_only = local_only
        self._headers = _HEADERS | ({"authorization": f"Bearer {key}"} if key else {})
        self._client: Any = None
        self._target = ""
        self._shapes: dict[str, Shape] = {}
        """Of the models that were found ready."""
        self._loaded: set[str] = set()

    def start(self) -> None:
        """Import the client. Raises NotReady where it is not installed."""
        try:
            # Here for those who configure a Triton: with numpy it is 0.2 s and 30 MB.
            import tritonclient.grpc.aio  # noqa: F401 - the first import is what is wanted
        except ImportError as error:
            raise NotReady(f"providers.{self._section.name}: kind triton needs the package tritonclient") from error

    async def complete(self, request: CompleteRequest, model: ModelSection) -> Completion:
        """Return the whole answer."""
        made = Completion()
        texts: list[str] = []
        try:
            async with asyncio.timeout(self._section.first_token_timeout_s):
                async with aclosing(self.stream(request, model)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Delta):
                            texts.append(piece.text)
                        else:
                            made.finish_reason = piece.reason
                            if piece.usage is not None:
                                made.usage.CopyFrom(piece.usage)
        except TimeoutError as error:
            limit_s = self._section.first_token_timeout_s
            raise ProviderFailure(failures.TIMEOUT, f"no answer within {limit_s:g} s") from error
        made.text = "".join(texts)
        if len(made.text) > _MAX_ANSWER_BYTES:
            raise ProviderFailure(failures.MALFORMED, f"the answer has over {_MAX_ANSWER_BYTES} bytes")
        if not made.text and made.finish_reason == FinishReason.FINISH_REASON_STOP:
            raise ProviderFailure(failures.MALFORMED, "the answer is empty", usage=made.usage)
        return made

    async def stream(self, request: CompleteRequest, model: ModelSection) -> AsyncGenerator[Delta | Finish, None]:
        """Yield the answer in pieces, and its end."""
        name = model.upstream or model.name
        shape = await self._ready(name, triton_tensors.CHAT_INPUT, triton_tensors.TEXT)
        reader = PieceReader(shape)
        responses = self._ask(name, shape, [chat_request(request, model, is_stream=True)])
        async with aclosing(responses):
            async for result in responses:
                delta = reader.read(result)
                if delta is not None:
                    yield delta
        yield reader.finish()

    async def embed(self, request: EmbedRequest, model: ModelSection) -> Vectors:
        """Return one vector for each input."""
        if request.HasField("dimensions"):
            raise ProviderFailure(failures.INVALID, "models in Triton have the dimensions they have")
        name = model.upstream or model.name
        shape = await self._ready(name, triton_tensors.EMBEDDING_INPUT, triton_tensors.EMBEDDING)
        texts = [text.encode() for text in request.inputs]
        async with aclosing(self._ask(name, shape, texts)) as responses:
            async for result in responses:
                return triton_tensors.vectors_of(result, len(texts))
        raise ProviderFailure(failures.MALFORMED, "the answer is empty")

    async def close(self) -> None:
        """Unload what was loaded, where that is configured, and let go of the connection."""
        if self._client is None:
            return
        if self._section.model_control == "load_and_unload":
            for name in sorted(self._loaded):
                with suppress(Exception):  # it may be gone, with its models
                    await self._client.unload_model(name, client_timeout=self._section.connect_timeout_s)
        await self._client.close()

    async def _ready(self, name: str, input_name: str, output_name: str) -> Shape:
        """Return the shape of a model that is ready to be asked. Raises ProviderFailure."""
        if name in self._shapes:
            return self._shapes[name]
        from tritonclient.utils import InferenceServerException

        client = await self._connected()
        short = {"headers": self._headers, "client_timeout": self._section.connect_timeout_s}
        try:
            if not await client.is_server_ready(**short):
                raise ProviderFailure(failures.UNREACHABLE, "Triton is not ready")
            if not await client.is_model_ready(name, **short):
                if self._section.model_control == "none":
                    raise ProviderFailure(failures.UNREACHABLE, f"Triton has no model {name!r} that is ready")
                await client.load_model(name, headers=self._headers, client_timeout=_LOAD_S)
                self._loaded.add(name)
            metadata = await client.get_model_metadata(name, **short)
        except InferenceServerException as error:
            code = str(error.status() or "").rpartition(".")[2]
            if code in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                raise ProviderFailure(failures.UNREACHABLE, "no connection") from error
            if code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
                raise ProviderFailure(failures.AUTH, f"gRPC {code}") from error
            # Whatever it says, it says it of the model, and not of what was asked.
            raise ProviderFailure(failures.SERVER, f"the model {name!r} can't be made ready: gRPC {code}") from error
        self._shapes[name] = triton_tensors.shape_of(metadata, input_name, output_name)
        return self._shapes[name]

    async def _ask(self, name: str, shape: Shape, elements: list[bytes]) -> AsyncGenerator[Any, None]:
        """Yield the responses to one request; leaving it cancels the request. Raises ProviderFailure."""
        client = await self._connected()
        loop = asyncio.get_running_loop()
        deadline = identity.deadline()
        left_s = _LONGEST_S if deadline is None else max(deadline - loop.time(), 0.001)
        asking = _once({"model_name": name, "inputs": [triton_tensors.input_of(shape, elements)]})
        call = client.stream_infer(asking, stream_timeout=left_s, headers=self._headers)
        until = loop.time() + self._section.first_token_timeout_s
        has_begun = False
        try:
            while True:
                async with asyncio.timeout_at(until):
                    result, error = await anext(call)
                if error is not None:
                    raise failures.of_error_object({"message": error.message()})
                has_begun = True
                yield result
                until = loop.time() + self._section.stall_timeout_s
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            if has_begun:
                limit_s = self._section.stall_timeout_s
                raise ProviderFailure(failures.STALL, f"no response for {limit_s:g} s") from error
            limit_s = self._section.first_token_timeout_s
            raise ProviderFailure(failures.TIMEOUT, f"no response within {limit_s:g} s") from error
        except grpc.aio.AioRpcError as error:
            self._shapes.pop(name, None)  # after a restart it may be another model, or none
            if has_begun and error.code() == grpc.StatusCode.UNAVAILABLE:
                raise ProviderFailure(failures.MALFORMED, "the answer was cut off") from error
            raise _failure_of(error.code(), error.details() or "") from error
        finally:
            call.cancel()

    async def _connected(self) -> Any:
        """Return the client of the address that the host's name stands for now. Raises ProviderFailure."""
        if self._client is not None and self._shapes:
            return self._client
        from tritonclient.grpc.aio import InferenceServerClient

        target = await self._resolved()
        if target != self._target:
            if self._client is not None:
                await self._client.close()
            options = [
                ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
                ("grpc.max_send_message_length", -1),
                ("grpc.enable_http_proxy", 0),  # a proxy named in the environment would see prompts and keys
                # The breaker decides when to try again; by itself gRPC would wait up to two minutes.
                ("grpc.initial_reconnect_backoff_ms", 200),
                ("grpc.max_reconnect_backoff_ms", 2000),
                ("grpc.default_authority", f"{self._host}:{self._port}"),
            ]
            if self._is_secure:
                options.append(("grpc.ssl_target_name_override", self._host))
            self._client = InferenceServerClient(target, ssl=self._is_secure, channel_args=options)
            self._target = target
        return self._client

    async def _resolved(self) -> str:
        """Return the addresses behind the host's name as gRPC takes them, only local ones where no others may be."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ProviderFailure(failures.UNREACHABLE, "no address") from error
        kept = sorted(
            {(family, str(at[0])) for family, *_, at in found if not self._local_only or is_local_address(str(at[0]))}
        )
        if not kept:
            raise ProviderFailure(failures.UNREACHABLE, "the address is not on this network, and local_only is true")
        family = kept[0][0]
        hosts = [f"[{host}]" if family == socket.AF_INET6 else host for of, host in kept if of == family]
        scheme = "ipv6" if family == socket.AF_INET6 else "ipv4"
        return f"{scheme}:" + ",".join(f"{host}:{self._port}" for host in hosts)


async def _once(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield request


def _failure_of(code: grpc.StatusCode, message: str) -> ProviderFailure:
    """Return the failure that a gRPC status stands for; of its message only the class is kept."""
    if "larger than max" in message:  # gRPC's own words, under RESOURCE_EXHAUSTED
        return ProviderFailure(failures.MALFORMED, f"a response has over {_MAX_ANSWER_BYTES} bytes")
    if code in _CLASS_OF_CODE:
        return ProviderFailure(_CLASS_OF_CODE[code], f"gRPC {code.name}")
    error: dict[str, Any] = {"message": message}
    if code == grpc.StatusCode.INVALID_ARGUMENT:
        error["code"] = 400
    return ProviderFailure(failures.of_error_object(error).kind, f"gRPC {code.name}")
