"""The word model behind vLLM's own gRPC, a process that can be killed: `python -m tests.engines.word_grpc_server PORT`.

It sends what smg-grpc-servicer 0.14 sends: an answer's tokens as they come, and with the last ones, once more, its end.
A caller who left is told of on stdout, as vLLM tells of it in its log.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc

from tests.engines import word_model
from tests.engines.word_tokenizer import PLACEHOLDER, tokenizer
from vllm_grpc import vllm_engine_pb2 as pb
from vllm_grpc.vllm_engine_pb2_grpc import VllmEngineServicer, add_VllmEngineServicer_to_server

PACE_S = 0.01


class WordEngine(VllmEngineServicer):
    """Answers as vLLM does."""

    def __init__(self) -> None:
        self._tokenizer = tokenizer()
        self._placeholder = self._tokenizer.encode(PLACEHOLDER).ids[0]

    async def Generate(
        self, request: pb.GenerateRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.GenerateResponse]:
        """Stream an answer."""
        wanted = request.sampling_params
        prompt = list(request.tokenized.input_ids)
        try:
            pictures = [word_model.tokens_of_picture(item.url) - 1 for item in request.media_refs.items]
            if prompt.count(self._placeholder) != len(pictures):
                raise word_model.Refused("there are not as many placeholders as pictures")
            size = len(prompt) + sum(pictures)
            if size >= word_model.CONTEXT_TOKENS:
                raise word_model.Refused(
                    f"The decoder prompt (length {size}) is longer than the maximum model length of "
                    f"{word_model.CONTEXT_TOKENS}."
                )
        except word_model.Refused as refusal:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(refusal))
        limit = min(wanted.max_tokens or 16, word_model.CONTEXT_TOKENS - size)
        tokens = self._said(wanted, limit + 1)
        reason = "stop" if len(tokens) <= limit else "length"
        tokens = tokens[:limit]
        try:
            for count, token in enumerate(tokens, start=1):
                await asyncio.sleep(PACE_S)
                if request.stream:
                    chunk = pb.GenerateStreamChunk(token_ids=[token], prompt_tokens=size, completion_tokens=1)
                    yield pb.GenerateResponse(chunk=chunk)
                if count == len(tokens):
                    end = pb.GenerateComplete(
                        output_ids=[token] if request.stream else tokens,
                        finish_reason=reason,
                        prompt_tokens=size,
                        completion_tokens=1 if request.stream else count,
                    )
                    yield pb.GenerateResponse(complete=end)
        except asyncio.CancelledError:
            print(f"Request {request.request_id} aborted.", flush=True)  # noqa: T201 - what a log is to vLLM
            raise

    def _said(self, wanted: pb.SamplingParams, most: int) -> list[int]:
        schema = json.loads(wanted.json_schema) if wanted.HasField("json_schema") else None
        made: list[int] = []
        for piece in word_model.pieces_of(schema, wanted.seed if wanted.temperature else 0):
            made += self._tokenizer.encode(piece, add_special_tokens=False).ids
            if len(made) >= most:
                break
        return made[:most]

    async def Embed(self, request: pb.EmbedRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.EmbedResponse:
        """Refuse: it is a model that answers."""
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "This model does not support Embeddings")

    async def HealthCheck(
        self, request: pb.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.HealthCheckResponse:
        """Tell that it lives."""
        return pb.HealthCheckResponse(healthy=True)

    async def GetModelInfo(
        self, request: pb.GetModelInfoRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetModelInfoResponse:
        """Tell of the model."""
        return pb.GetModelInfoResponse(is_generation=True, max_context_length=word_model.CONTEXT_TOKENS)

    async def GetServerInfo(
        self, request: pb.GetServerInfoRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetServerInfoResponse:
        """Tell that pictures are taken."""
        return pb.GetServerInfoResponse(mm_processor="inprocess", mm_media_ref_schemes="http,https,data")


async def serve(port: int) -> None:
    """Serve until killed."""
    server = grpc.aio.server()
    add_VllmEngineServicer_to_server(WordEngine(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
