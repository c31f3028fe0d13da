"""The word model and the word listener behind OpenAI's format: `python -m tests.engines.word_server PORT`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from tests.engines import word_listener, word_model

PACE_S = 0.01
aborted = 0
listened = deserted = 0
"""Recordings, and those whose caller left."""


async def chat(request: web.Request) -> web.StreamResponse:
    """Answer /v1/chat/completions."""
    body = await request.json()
    try:
        answer = word_model.answer(body)
    except word_model.Refused as refusal:
        return web.json_response(
            {"error": {"message": str(refusal), "type": "BadRequestError", "code": 400}}, status=400
        )
    try:
        return await (_streamed if body.get("stream") else _whole)(request, answer)
    except asyncio.CancelledError:  # the caller hung up: aiohttp cancels its handler
        global aborted
        aborted += 1
        raise


async def _whole(_request: web.Request, answer: word_model.Answer) -> web.Response:
    pieces = [piece async for piece in _paced(answer)]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "".join(pieces)},
        "finish_reason": answer.finish_reason,
    }
    return web.json_response({"choices": [choice], "usage": _usage(answer, len(pieces))})


async def transcribe(request: web.Request) -> web.StreamResponse:
    """Answer /v1/audio/transcriptions."""
    form = await request.post()
    upload = form["file"]
    assert isinstance(upload, web.FileField)
    try:
        heard = word_listener.heard(upload.file.read())
    except word_listener.Refused as refusal:
        return web.json_response({"error": {"message": str(refusal), "type": "BadRequestError"}}, status=400)
    global listened, deserted
    listened += 1
    try:
        for _ in heard.words:
            await asyncio.sleep(PACE_S)
    except asyncio.CancelledError:
        deserted += 1
        raise
    body: dict[str, Any] = {"text": " ".join(word["word"] for word in heard.words)}
    if form["response_format"] == "verbose_json":
        body |= {"language": form.get("language", "en"), "duration": heard.duration_s, "segments": heard.segments}
        if "word" in form.getall("timestamp_granularities[]"):
            body["words"] = heard.words
    return web.json_response(body)


async def _streamed(request: web.Request, answer: word_model.Answer) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    count = 0
    async for piece in _paced(answer):
        count += 1
        await _send(response, {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
    await _send(response, {"choices": [{"index": 0, "delta": {}, "finish_reason": answer.finish_reason}]})
    await _send(response, {"choices": [], "usage": _usage(answer, count)})
    await response.write(b"data: [DONE]\n\n")
    return response


async def _send(response: web.StreamResponse, chunk: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(chunk)}\n\n".encode())


async def _paced(answer: word_model.Answer) -> AsyncIterator[str]:
    for piece in answer.pieces:
        await asyncio.sleep(PACE_S)
        yield piece


def _usage(answer: word_model.Answer, written: int) -> dict[str, int]:
    return {"prompt_tokens": answer.input_tokens, "completion_tokens": written}


async def metrics(_request: web.Request) -> web.Response:
    """Answer /metrics as Prometheus reads it."""
    return web.Response(text=f"aborted_total {aborted}\nlistened_total {listened}\ndeserted_total {deserted}\n")


async def health(_request: web.Request) -> web.Response:
    """Answer /health."""
    return web.Response()


def main(port: int) -> None:
    """Serve until killed."""
    app = web.Application(client_max_size=16 << 20)
    app.add_routes(
        [
            web.post("/v1/chat/completions", chat),
            web.post("/v1/audio/transcriptions", transcribe),
            web.get("/metrics", metrics),
            web.get("/health", health),
        ]
    )
    web.run_app(app, host="127.0.0.1", port=port, print=None, handler_cancellation=True, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
