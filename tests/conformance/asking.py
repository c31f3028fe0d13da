"""Requests of the suite, and pictures for them."""

from __future__ import annotations

import io
from typing import Any

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    Image,
    JsonSchema,
    Message,
    MessageRole,
    Part,
    ResponseFormat,
    Sampling,
    StreamCompleteResponse,
    Switches,
)
from servers.kit.models.base import ChatModel

AT_LENGTH = "Count aloud from one to five thousand, in words, and leave none out."
"""What keeps a model talking that has something to say."""


def question(text: str = AT_LENGTH, *, image: bytes | None = None, **more: Any) -> CompleteRequest:
    """Return a request; sampling's fields by their names. What fails is not asked again."""
    parts = [Part(text=text)] if image is None else [Part(image=Image(content=image)), Part(text=text)]
    sampling = Sampling(**({"max_output_tokens": 8, "temperature": 0.0} | more))
    message = Message(role=MessageRole.MESSAGE_ROLE_USER, parts=parts)
    return CompleteRequest(messages=[message], sampling=sampling, switches=Switches(retry=False))


def to_schema(request: CompleteRequest, schema_json: str) -> CompleteRequest:
    """Return a request whose answer is to fit a schema."""
    request.response_format.CopyFrom(
        ResponseFormat(json_schema=JsonSchema(name="answer", schema_json=schema_json, is_strict=True))
    )
    return request


async def heard(model: ChatModel, request: CompleteRequest) -> list[StreamCompleteResponse]:
    """Return every event of a stream."""
    return [event async for event in model.stream(request)]


def picture(size_px: int = 84) -> bytes:
    """Return a PNG of a black square on white."""
    from PIL import Image as Pillow

    made = Pillow.new("RGB", (size_px, size_px), "white")
    made.paste("black", (size_px // 4, size_px // 4, size_px // 2, size_px // 2))
    out = io.BytesIO()
    made.save(out, "PNG")
    return out.getvalue()
