"""Triton Inference Server over its gRPC: health, metadata, loading, and one stream for each ask."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing, suppress
from typing import Any

import grpc

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    Completion,
    Delta,
    EmbedRequest,
    FinishReason,
    TranscribeRequest,
    TranscribeResponse,
)
from servers.kit.errors import NotReady
from servers.router import failures
from servers.router.configuration import ModelSection, ProviderSection
from servers.router.failures import ProviderFailure
from servers.router.formats.openai_request import chat_request
from servers.router.providers import triton_tensors
from servers.router.providers.base import Finish, Vectors
from servers.router.providers.grpc_address import MAX_ANSWER_BYTES, GrpcAddress, Options, failure_of
from servers.router.providers.triton_tensors import PieceReader, Shape, input_of
from servers.router.providers.triton_transcripts import TranscriptReader, inputs_of

DEFAULT_PORT = 8001
# Reading metadata is nothing; loading a model takes as long as its weights do.
_LOAD_S = 600.0
# An error comes inside a stream, as words alone: a model may begin them with a gRPC status, "INVALID_ARGUMENT: ...".
# The header triton_grpc_error would make it the stream's own status, but Triton 2.51 dies of it when a model sends its
# error and the end of its responses apart (seen 2026-11-21).
_STATUS_FIRST = re.compile(r"\s*([A-Z_]+):")


class TritonProvider:
    """One Triton; its models keep the contract of `triton_tensors`."""

    def __init__(self, section: ProviderSection, key: str, *, local_only: bool) -> None:
        self._section = section
        self._address = GrpcAddress(section, _connect, default_port=DEFAULT_PORT, local_only=local_only)
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
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
        if len(made.text) > MAX_ANSWER_BYTES:
            raise ProviderFailure(failures.MALFORMED, f"the answer has over {MAX_ANSWER_BYTES} bytes")
        if not made.text and made.finish_reason == FinishReason.FINISH_REASON_STOP:
            raise ProviderFailure(failures.MALFORMED, "the answer is empty", usage=made.usage)
        return made

    async def stream(self, request: CompleteRequest, model: ModelSection) -> AsyncGenerator[Delta | Finish, None]:
        """Yield the answer in pieces, and its end."""
        name = model.upstream or model.name
        shape = await self._ready(name, triton_tensors.CHAT_INPUT, triton_tensors.TEXT)
        reader = PieceReader(shape)
        responses = self._ask(name, [input_of(shape, [chat_request(request, model, is_stream=True)])])
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
        async with aclosing(self._ask(name, [input_of(shape, texts)])) as responses:
            async for result in responses:
                return triton_tensors.vectors_of(result, len(texts))
        raise ProviderFailure(failures.MALFORMED, "the answer is empty")

    async def transcribe(self, request: TranscribeRequest, model: ModelSection) -> TranscribeResponse:
        """Return what is said."""
        name = model.upstream or model.name
        optional = (triton_tensors.LANGUAGE,)
        limit_s = self._section.first_token_timeout_s
        reader = TranscriptReader()
        try:
            async with asyncio.timeout(limit_s):
                shape = await self._ready(name, triton_tensors.AUDIO_INPUT, triton_tensors.TEXT, optional)
                async with aclosing(self._ask(name, inputs_of(shape, request))) as responses:
                    async for result in responses:
                        reader.read(result)
        except TimeoutError as error:
            raise ProviderFailure(failures.TIMEOUT, f"no answer within {limit_s:g} s") from error
        return reader.finish()

    async def close(self) -> None:
        """Unload what was loaded, where that is configured, and let go of the connection."""
        if self._loaded and self._section.model_control == "load_and_unload":
            with suppress(Exception):  # it may be gone, with its models
                async with self._address.linked() as link:
                    for name in sorted(self._loaded):
                        with suppress(Exception):
                            await link.client.unload_model(name, client_timeout=self._section.connect_timeout_s)
        await self._address.close()

    async def _ready(self, name: str, input_name: str, output_name: str, optional: Collection[str] = ()) -> Shape:
        """Return the shape of a model that is ready to be asked. Raises ProviderFailure."""
        if name in self._shapes:
            return self._shapes[name]
        from tritonclient.utils import InferenceServerException

        short: dict[str, Any] = {"headers": self._headers, "client_timeout": self._section.connect_timeout_s}
        async with self._address.linked() as link:
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
        self._shapes[name] = triton_tensors.shape_of(metadata, input_name, output_name, optional)
        return self._shapes[name]

    async def _ask(self, name: str, inputs: list[Any]) -> AsyncGenerator[Any, None]:
        """Yield the responses to one request; leaving it cancels the request. Raises ProviderFailure."""
        asking = _once({"model_name": name, "inputs": inputs})
        responses = self._address.responses(
            lambda client, left_s: client.stream_infer(asking, stream_timeout=left_s, headers=self._headers)
        )
        try:
            async with aclosing(responses):
                async for result, error in responses:
                    if error is not None:
                        raise _failure_in_band(error.message() or "")
                    yield result
        except ProviderFailure:
            self._shapes.pop(name, None)  # after a restart it may be another model, or none
            raise


def _connect(target: str, options: Options, is_secure: bool) -> Any:
    from tritonclient.grpc.aio import InferenceServerClient

    return InferenceServerClient(target, ssl=is_secure, channel_args=options)


async def _once(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield request


def _failure_in_band(message: str) -> ProviderFailure:
    """Return the failure that a model's own error stands for."""
    told = _STATUS_FIRST.match(message)
    code = getattr(grpc.StatusCode, told[1], None) if told else None
    return failure_of(code or grpc.StatusCode.INTERNAL, message)
