"""A chat request in OpenAI's format (chat completions API reference, November 2026)."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    EmbedRequest,
    Message,
    MessageRole,
    ToolChoiceMode,
)
from servers.kit.errors import InvalidField
from servers.router.configuration import ModelSection
from servers.router.images import media_type_of

ROLES = {
    MessageRole.MESSAGE_ROLE_SYSTEM: "system",
    MessageRole.MESSAGE_ROLE_USER: "user",
    MessageRole.MESSAGE_ROLE_ASSISTANT: "assistant",
    MessageRole.MESSAGE_ROLE_TOOL: "tool",
}
_CHOICES = {
    ToolChoiceMode.TOOL_CHOICE_MODE_AUTO: "auto",
    ToolChoiceMode.TOOL_CHOICE_MODE_NONE: "none",
    ToolChoiceMode.TOOL_CHOICE_MODE_REQUIRED: "required",
}


def chat_request(request: CompleteRequest, model: ModelSection, *, is_stream: bool) -> bytes:
    """Return the body of a chat completion; images carry their bytes."""
    body: dict[str, Any] = {
        "model": model.upstream or model.name,
        "messages": [_message(message) for message in request.messages],
    }
    if is_stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    _add_sampling(body, request, model)
    kind = request.response_format.WhichOneof("kind")
    if kind == "json_object":
        body["response_format"] = {"type": "json_object"}
    elif kind == "json_schema":
        wanted = request.response_format.json_schema
        schema = {
            "name": wanted.name,
            "schema": json_of(wanted.schema_json, "response_format.json_schema.schema_json"),
            "strict": wanted.is_strict,
        }
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.tools:
        body["tools"] = [_tool(tool.name, tool.description, tool.parameters_json) for tool in request.tools]
        choice = request.tool_choice
        if choice.mode == ToolChoiceMode.TOOL_CHOICE_MODE_NAMED:
            body["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
        elif choice.mode in _CHOICES:
            body["tool_choice"] = _CHOICES[choice.mode]
    return orjson.dumps(body)


def embedding_request(request: EmbedRequest, model: ModelSection) -> bytes:
    """Return the body of an embeddings call."""
    body: dict[str, Any] = {"model": model.upstream or model.name, "input": list(request.inputs)}
    if request.HasField("dimensions"):
        body["dimensions"] = request.dimensions
    return orjson.dumps(body)


def json_of(text: str, field: str) -> Any:
    """Return JSON that a caller gave as text; parsed, so that it can't reach beyond its own place.

    Raises:
      InvalidField: it is none.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidField(field, f"is no JSON: {error}") from error


def _add_sampling(body: dict[str, Any], request: CompleteRequest, model: ModelSection) -> None:
    sampling = request.sampling
    limit = sampling.max_output_tokens or model.max_output_tokens
    if limit:
        # The older name: every compatible server knows it, not all know max_completion_tokens.
        body["max_tokens"] = limit
    for name in ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty"):
        if sampling.HasField(name):
            body[name] = getattr(sampling, name)
    if sampling.stop:
        body["stop"] = list(sampling.stop)


def _message(message: Message) -> dict[str, Any]:
    made: dict[str, Any] = {"role": ROLES[message.role]}
    if all(part.HasField("text") for part in message.parts):
        # A plain string: text-only servers take no list of parts.
        made["content"] = "".join([part.text for part in message.parts])
    else:
        made["content"] = [
            {"type": "text", "text": part.text}
            if part.HasField("text")
            else {"type": "image_url", "image_url": {"url": data_url(part.image.content)}}
            for part in message.parts
        ]
    if message.tool_calls:
        made["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
            for call in message.tool_calls
        ]
        made["content"] = made["content"] or None
    if message.tool_call_id:
        made["tool_call_id"] = message.tool_call_id
    return made


def data_url(content: bytes) -> str:
    """Return a picture as the address that holds it."""
    return f"data:{media_type_of(content)};base64,{base64.b64encode(content).decode()}"


def _tool(name: str, description: str, parameters_json: str) -> dict[str, Any]:
    function: dict[str, Any] = {"name": name}
    if description:
        function["description"] = description
    if parameters_json:
        function["parameters"] = json_of(parameters_json, "tools.parameters_json")
    return {"type": "function", "function": function}
