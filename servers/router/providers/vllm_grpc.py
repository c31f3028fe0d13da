"""vLLM over its own gRPC (`vllm serve --grpc`): tokens in, tokens out, one stream for each ask."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc
import orjson

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    Completion,
    Delta,
    EmbedRequest,
    FinishReason,
    TranscribeRequest,
    TranscribeResponse,
    Usage,
)
from servers.kit.errors import NotReady
from servers.router import failures
from servers.router.configuration import ModelSection, ProviderSection
from servers.router.failures import ProviderFailure
from servers.router.providers.base import Finish, Vectors
from servers.router.providers.grpc_address import GrpcAddress, Options, failure_of
from servers.router.providers.vllm_messages import AnswerReader, generate_request
from servers.router.providers.vllm_prompts import ModelPrompts
from vllm_grpc import vllm_engine_pb2 as pb
from vllm_grpc.vllm_engine_pb2_grpc import VllmEngineStub

DEFAULT_PORT = 50051
_T = TypeVar("_T")
# vLLM batches what it has; more at a time would only wait in its queue instead of ours.
_EMBEDDINGS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a server said of its model."""

    is_generation: bool
    context_tokens: int
    takes_pictures: bool
    defaults: dict[str, Any] = field(default_factory=dict)


class VllmGrpcProvider:
    """One vLLM, which serves one model. Prompts are made here, with the files of its `tokenizer_dir`."""

    def __init__(self, section: ProviderSection, key: str, *, local_only: bool) -> None:
        self._section = section
        self._address = GrpcAddress(section, _Client, default_port=DEFAULT_PORT, local_only=local_only)
        self._metadata = (("authorization", f"Bearer {key}"),) if key else ()
        self._prompts: ModelPrompts | None = None
        self._facts: _Facts | None = None

    def start(self) -> None:
        """Read the model's files. Raises NotReady where they can't be."""
        try:
            self._prompts = ModelPrompts(self._section.models[0].tokenizer_dir or Path())
        except NotReady as error:
            raise NotReady(f"providers.{self._section.name}: {error}") from error

    async def complete(self, request: CompleteRequest, model: ModelSection) -> Completion:
        """Return the whole answer."""
        made = Completion()
        texts: list[str] = []
        async with aclosing(self._answer(request, model, is_stream=False)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Delta):
                    texts.append(piece.text)
                    continue
                made.finish_reason = piece.reason
                if piece.usage is not None:
                    made.usage.CopyFrom(piece.usage)
        made.text = "".join(texts)
        if not made.text and made.finish_reason == FinishReason.FINISH_REASON_STOP:
            raise ProviderFailure(failures.MALFORMED, "the answer is empty", usage=made.usage)
        return made

    def stream(self, request: CompleteRequest, model: ModelSection) -> AsyncGenerator[Delta | Finish, None]:
        """Yield the answer in pieces, and its end."""
        return self._answer(request, model, is_stream=True)

    async def embed(self, request: EmbedRequest, model: ModelSection) -> Vectors:
        """Return one vector for each input."""
        if request.HasField("dimensions"):
            raise ProviderFailure(failures.INVALID, "vLLM's gRPC takes no dimensions")
        if (await self._ready()).is_generation:
            raise ProviderFailure(failures.INVALID, "this vLLM serves a model that answers, not one of embeddings")
        turn = asyncio.Semaphore(_EMBEDDINGS_AT_ONCE)

        async def one(text: str) -> pb.EmbedResponse:
            tokens = await self._of_model.tokens_of_text(text)
            wanted = pb.EmbedRequest(request_id=_new_id(), tokenized=pb.TokenizedInput(input_ids=tokens))
            async with turn:
                made: pb.EmbedResponse = await self._ask_once("Embed", wanted)
            if not made.embedding:
                raise ProviderFailure(failures.MALFORMED, "the answer has no embedding")
            return made

        try:
            async with asyncio.timeout(self._section.first_token_timeout_s):
                made = await _all_of([one(text) for text in request.inputs])
        except TimeoutError as error:
            limit_s = self._section.first_token_timeout_s
            raise ProviderFailure(failures.TIMEOUT, f"no answer within {limit_s:g} s") from error
        return Vectors(
            [list(one.embedding) for one in made], Usage(input_tokens=sum(one.prompt_tokens for one in made))
        )

    async def transcribe(self, request: TranscribeRequest, model: ModelSection) -> TranscribeResponse:
        """Raise: the API takes no recordings."""
        raise ProviderFailure(failures.INVALID, "this kind of provider transcribes nothing")

    async def close(self) -> None:
        """Let go of the connection and of the template's process."""
        await self._address.close()
        if self._prompts is not None:
            await self._prompts.close()

    @property
    def _of_model(self) -> ModelPrompts:
        assert self._prompts is not None, "start() comes first"
        return self._prompts

    async def _answer(
        self, request: CompleteRequest, model: ModelSection, *, is_stream: bool
    ) -> AsyncGenerator[Delta | Finish, None]:
        facts = await self._ready()
        if not facts.is_generation:
            raise ProviderFailure(failures.INVALID, "this vLLM serves a model of embeddings")
        has_pictures = any(part.HasField("image") for message in request.messages for part in message.parts)
        if has_pictures and not facts.takes_pictures:
            raise ProviderFailure(failures.INVALID, "vLLM takes no pictures; start it with --mm-processor=inprocess")
        tokens = await self._of_model.tokens(request)
        wanted = generate_request(_new_id(), tokens, request, model, facts.defaults, is_stream=is_stream)
        # What is longer with its pictures the server finds; an answer that would be, it ends where the context does.
        if facts.context_tokens and len(tokens) >= facts.context_tokens:
            raise ProviderFailure(
                failures.CONTEXT, f"{len(tokens)} tokens; {facts.context_tokens} fit with the answer's"
            )
        reader = AnswerReader(self._of_model.decode, tokens, request.sampling.stop)
        responses = self._address.responses(
            lambda client, left_s: client.stub.Generate(wanted, timeout=left_s, metadata=self._metadata)
        )
        try:
            async with aclosing(responses):
                async for response in responses:
                    delta = reader.read(response)
                    if delta is not None:
                        yield delta
                    if reader.is_over:
                        break
        except ProviderFailure:
            self._facts = None  # after a restart it may be another model
            raise
        yield reader.finish()

    async def _ready(self) -> _Facts:
        """Return what a healthy server says of its model. Raises ProviderFailure."""
        if self._facts is None:
            health = await self._ask_once("HealthCheck", pb.HealthCheckRequest())
            if not health.healthy:
                raise ProviderFailure(failures.UNREACHABLE, "vLLM says that it is not healthy")
            info = await self._ask_once("GetModelInfo", pb.GetModelInfoRequest())
            server = await self._ask_once("GetServerInfo", pb.GetServerInfoRequest())
            self._facts = _Facts(
                info.is_generation,
                info.max_context_length,
                bool(server.mm_processor) and "data" in server.mm_media_ref_schemes.split(","),
                _defaults(info.default_sampling_params_json),
            )
        return self._facts

    async def _ask_once(self, method: str, request: Any) -> Any:
        """Return the response to a call that is no stream. Raises ProviderFailure."""
        timeout_s = self._section.connect_timeout_s if method != "Embed" else self._section.first_token_timeout_s
        async with self._address.linked() as link:
            try:
                return await getattr(link.client.stub, method)(request, timeout=timeout_s, metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    link.retire()
                    raise ProviderFailure(failures.UNREACHABLE, "no connection") from error
                raise failure_of(error.code(), error.details() or "") from error


class _Client:
    """A channel with vLLM's stub on it."""

    def __init__(self, target: str, options: Options, is_secure: bool) -> None:
        if is_secure:
            self._channel = grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options)
        else:
            self._channel = grpc.aio.insecure_channel(target, options)
        self.stub = VllmEngineStub(self._channel)

    async def close(self) -> None:
        await self._channel.close()


async def _all_of(asks: Sequence[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Return what all of them return; the first that fails ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask) for ask in asks]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]


def _new_id() -> str:
    return f"loupe-{uuid.uuid4().hex}"


def _defaults(text: str) -> dict[str, Any]:
    """Return the sampling that a model asks for by itself; what is no JSON asks for nothing."""
    try:
        found = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
