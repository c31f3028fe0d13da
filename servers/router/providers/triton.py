"""Triton Inference Server over its gRPC: health, metadata, loading, and one stream for each ask."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
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
# An error comes inside a stream, as words alone: a model may begin them with a gRPC status, "INVALID_ARGUMENT: ...".
# The header triton_grpc_error would make it the stream's own status, but Triton 2.51 dies of it when a model sends its
# error and the end of its responses apart (seen 2026-11-21).
_STATUS_FIRST = re.compile(r"\s*([A-Z_]+):")
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
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._link: _Link | None = None
        self._shapes: dict[str, Shape] = {}
        """Of the models that were found ready."""
        self._loaded: set[str] = set()

    def start(self) -> None:
        """Import the client. Raises NotReady where it is not installed."""
        try:
            # Here for those who configure a Triton: it is 0.4 s of CPU and 15 MB (November 2026).
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
        if self._link is not None and self._section.model_control == "load_and_unload":
            for name in sorted(self._loaded):
                with suppress(Exception):  # it may be gone, with its models
                    await self._link.client.unload_model(name, client_timeout=self._section.connect_timeout_s)
        if self._link is not None:
            await self._link.client.close()

    async def _ready(self, name: str, input_name: str, output_name: str) -> Shape:
        """Return the shape of a model that is ready to be asked. Raises ProviderFailure."""
        if name in self._shapes:
            return self._shapes[name]
        from tritonclient.utils import InferenceServerException

        short: dict[str, Any] = {"headers": self._headers, "client_timeout": self._section.connect_timeout_s}
        async with self._linked() as link:
            client = link.client
            try:
                # Not whether it is ready: it says no for good once any of its models could not be loaded.
                if not await client.is_server_live(**short):
                    raise ProviderFailure(failures.UNREACHABLE, "Triton is not live")
                if not await client.is_model_ready(name, **short):
                    if self._section.model_control == "none":
                        raise ProviderFailure(failures.UNREACHABLE, f"Triton has no model {name!r} that is ready")
                    await client.load_model(name, headers=self._headers, client_timeout=_LOAD_S)
                    self._loaded.add(name)
                metadata = await client.get_model_metadata(name, **short)
            except InferenceServerException as error:
                code = str(error.status() or "").rpartition(".")[2]
                if code in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                    link.retire()
                    raise ProviderFailure(failures.UNREACHABLE, "no connection") from error
                if code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
                    raise ProviderFailure(failures.AUTH, f"gRPC {code}") from error
                # Whatever it says, it says it of the model, and not of what was asked.
                raise ProviderFailure(
                    failures.SERVER, f"the model {name!r} can't be made ready: gRPC {code}"
                ) from error
        self._shapes[name] = triton_tensors.shape_of(metadata, input_name, output_name)
        return self._shapes[name]

    async def _ask(self, name: str, shape: Shape, elements: list[bytes]) -> AsyncGenerator[Any, None]:
        """Yield the responses to one request; leaving it cancels the request. Raises ProviderFailure."""
        loop = asyncio.get_running_loop()
        deadline = identity.deadline()
        left_s = _LONGEST_S if deadline is None else max(deadline - loop.time(), 0.001)
        asking = _once({"model_name": name, "inputs": [triton_tensors.input_of(shape, elements)]})
        async with self._linked() as link:
            call = link.client.stream_infer(asking, stream_timeout=left_s, headers=self._headers)
            until = loop.time() + self._section.first_token_timeout_s
            has_begun = False
            is_alive = False
            try:
                while True:
                    async with asyncio.timeout_at(until):
                        result, error = await anext(call)
                    is_alive = True
                    if error is not None:
                        raise _failure_in_band(error.message() or "")
                    has_begun = True
                    yield result
                    is_alive = False
                    until = loop.time() + self._section.stall_timeout_s
            except StopAsyncIteration:
                is_alive = True
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
                if not is_alive:
                    # Nothing came when something was waited for: the connection itself may be dead, and gRPC would
                    # put the next asks on it. They get a new one; those under way keep this.
                    link.retire()

    @asynccontextmanager
    async def _linked(self) -> AsyncIterator[_Link]:
        """Keep a connection for one ask. Raises ProviderFailure."""
        if self._link is None or self._link.is_retired:
            self._link = _Link(self._client_of(await self._resolved()))
        link = self._link
        link.users += 1
        try:
            yield link
        finally:
            link.users -= 1
            if link.is_retired and not link.users:
                await link.client.close()

    def _client_of(self, target: str) -> Any:
        from tritonclient.grpc.aio import InferenceServerClient

        options = [
            ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_http_proxy", 0),  # a proxy named in the environment would see prompts and keys
            ("grpc.use_local_subchannel_pool", 1),  # else a new channel would share the old one's connection
            # The breaker decides when to try again; by itself gRPC would wait up to two minutes.
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2000),
            ("grpc.default_authority", f"{self._host}:{self._port}"),
        ]
        if self._is_secure:
            options.append(("grpc.ssl_target_name_override", self._host))
        return InferenceServerClient(target, ssl=self._is_secure, channel_args=options)

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


@dataclass(slots=True)
class _Link:
    """One connection, and how many asks are on it."""

    client: Any
    users: int = 0
    is_retired: bool = False

    def retire(self) -> None:
        """Put no more asks on it; it is closed after the last one."""
        self.is_retired = True


async def _once(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield request


def _failure_in_band(message: str) -> ProviderFailure:
    """Return the failure that a model's own error stands for."""
    told = _STATUS_FIRST.match(message)
    code = getattr(grpc.StatusCode, told[1], None) if told else None
    return _failure_of(code or grpc.StatusCode.INTERNAL, message)


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
