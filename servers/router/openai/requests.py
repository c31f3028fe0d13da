"""Requests in OpenAI's format as the contract's. What would change the answer and can't be done is refused by name."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    EmbedRequest,
    Fitting,
    Image,
    JsonObject,
    JsonSchema,
    Message,
    MessageRole,
    Part,
    Sampling,
    Switches,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    TranscribeRequest,
)
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.errors import InvalidField
from servers.kit.interceptors.validation import check

_ROLES = {
    "system": MessageRole.MESSAGE_ROLE_SYSTEM,
    "developer": MessageRole.MESSAGE_ROLE_SYSTEM,
    "user": MessageRole.MESSAGE_ROLE_USER,
    "assistant": MessageRole.MESSAGE_ROLE_ASSISTANT,
    "tool": MessageRole.MESSAGE_ROLE_TOOL,
}
_CHOICES = {
    "auto": ToolChoiceMode.TOOL_CHOICE_MODE_AUTO,
    "none": ToolChoiceMode.TOOL_CHOICE_MODE_NONE,
    "required": ToolChoiceMode.TOOL_CHOICE_MODE_REQUIRED,
}
_FITTINGS = {
    "refuse": Fitting.FITTING_REFUSE,
    "drop_oldest": Fitting.FITTING_DROP_OLDEST,
    "cut_middle": Fitting.FITTING_CUT_MIDDLE,
}
# Bookkeeping of OpenAI's own, and defaults that clients spell out; none changes an answer.
_WITHOUT_EFFECT: dict[str, Any] = {"n": 1, "logprobs": False, "parallel_tool_calls": True, "echo": False}
_IGNORED = frozenset(("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"))
_CHAT = frozenset(
    (
        *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature"),
        *("top_p", "stop", "seed", "presence_penalty", "frequency_penalty", "response_format", "tools", "tool_choice"),
        "loupe",
    )
)
_EMBEDDING = frozenset(("model", "input", "dimensions", "encoding_format", "loupe"))
_FILE = "loupe:"


def read_chat(body: dict[str, Any]) -> CompleteRequest:
    """Return a chat completion's request. Raises InvalidField."""
    _refuse_unknown(body, _CHAT)
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise InvalidField("messages", "is no list")
    request = CompleteRequest(
        model=_text(body, "model"),
        messages=[_message(message, f"messages[{index}]") for index, message in enumerate(messages)],
        sampling=_sampling(body),
    )
    _read_format(body.get("response_format"), request)
    for index, tool in enumerate(_list(body, "tools")):
        request.tools.append(_tool(tool, f"tools[{index}]"))
    if body.get("tool_choice") is not None:
        request.tool_choice.CopyFrom(_tool_choice(body["tool_choice"]))
    read_own(body, request)
    check(request)
    return request


def read_embedding(body: dict[str, Any]) -> tuple[EmbedRequest, bool]:
    """Return an embedding's request, and whether vectors are wanted as base64. Raises InvalidField."""
    _refuse_unknown(body, _EMBEDDING)
    inputs = body.get("input")
    inputs = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(inputs, list) or not all(isinstance(one, str) for one in inputs):
        raise InvalidField("input", "is neither a text nor a list of texts")
    request = EmbedRequest(model=_text(body, "model"), inputs=inputs)
    if body.get("dimensions") is not None:
        request.dimensions = _number(body, "dimensions", int)
    encoding = body.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise InvalidField("encoding_format", "is neither float nor base64")
    read_own(body, request)
    check(request)
    return request, encoding == "base64"


def wants_stream(body: dict[str, Any]) -> tuple[bool, bool]:
    """Return whether the answer streams, and whether it ends with a chunk of usage."""
    options = body.get("stream_options")
    return body.get("stream") is True, isinstance(options, dict) and options.get("include_usage") is True


def _refuse_unknown(body: dict[str, Any], known: frozenset[str]) -> None:
    for name, value in body.items():
        if name in known or name in _IGNORED or value is None:
            continue
        if name in _WITHOUT_EFFECT:
            if value != _WITHOUT_EFFECT[name]:
                raise InvalidField(name, f"can only be {orjson.dumps(_WITHOUT_EFFECT[name]).decode()} here")
            continue
        raise InvalidField(name[:64], "is not supported here")


def _message(data: Any, field: str) -> Message:
    if not isinstance(data, dict) or data.get("role") not in _ROLES:
        raise InvalidField(f"{field}.role", f"is none of {', '.join(_ROLES)}")
    content = data.get("content")
    parts: list[Part] = []
    if isinstance(content, str):
        parts = [Part(text=content)]
    elif isinstance(content, list):
        parts = [_part(part, f"{field}.content[{index}]") for index, part in enumerate(content)]
    elif content is not None:
        raise InvalidField(f"{field}.content", "is neither a text nor a list of parts")
    message = Message(role=_ROLES[data["role"]], parts=parts, tool_call_id=_text(data, "tool_call_id", field))
    for index, call in enumerate(_list(data, "tool_calls", field)):
        where = f"{field}.tool_calls[{index}]"
        function = _dict(_dict(call, where).get("function"), f"{where}.function")
        message.tool_calls.append(
            ToolCall(
                id=_text(call, "id", where),
                name=_text(function, "name", where),
                arguments_json=_text(function, "arguments", where),
            )
        )
    return message


def _part(data: Any, field: str) -> Part:
    kind = _dict(data, field).get("type")
    if kind == "text":
        return Part(text=_text(data, "text", field))
    if kind == "image_url":
        return Part(image=_image(_text(_dict(data.get("image_url"), f"{field}.image_url"), "url", field), field))
    raise InvalidField(f"{field}.type", "is neither text nor image_url")


def _image(url: str, field: str) -> Image:
    if url.startswith(_FILE):
        return Image(file=FileRef(file_id=url.removeprefix(_FILE)))
    head, comma, data = url.partition(",")
    if not (head.startswith("data:") and head.endswith(";base64") and comma):
        # The router fetches nothing from an address that a caller chose.
        raise InvalidField(f"{field}.image_url.url", 'is neither "data:...;base64,..." nor "loupe:file_..."')
    try:
        return Image(content=base64.b64decode(data, validate=True))
    except binascii.Error as error:
        raise InvalidField(f"{field}.image_url.url", "is no base64") from error


def _sampling(body: dict[str, Any]) -> Sampling:
    given: dict[str, Any] = {}
    limit = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    if body.get(limit) is not None:
        given["max_output_tokens"] = _number(body, limit, int)
    if body.get("seed") is not None:
        given["seed"] = _number(body, "seed", int)
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty"):
        if body.get(name) is not None:
            given[name] = _number(body, name, float)
    stop = body.get("stop")
    stop = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stop, list) or not all(isinstance(one, str) for one in stop):
        raise InvalidField("stop", "is neither a text nor a list of texts")
    return Sampling(stop=stop, **given)


def _read_format(data: Any, request: CompleteRequest) -> None:
    if data is None:
        return
    match _dict(data, "response_format").get("type"):
        case "text":
            return
        case "json_object":
            request.response_format.json_object.CopyFrom(JsonObject())
        case "json_schema":
            wanted = _dict(data.get("json_schema"), "response_format.json_schema")
            schema = _dict(wanted.get("schema"), "response_format.json_schema.schema")
            made = JsonSchema(
                name=_text(wanted, "name", "response_format.json_schema"),
                schema_json=orjson.dumps(schema).decode(),
                is_strict=wanted.get("strict") is True,
            )
            request.response_format.json_schema.CopyFrom(made)
        case _:
            raise InvalidField("response_format.type", "is none of text, json_object, json_schema")


def _tool(data: Any, field: str) -> Tool:
    if _dict(data, field).get("type") != "function":
        raise InvalidField(f"{field}.type", "is not function")
    function = _dict(data.get("function"), f"{field}.function")
    parameters = function.get("parameters")
    return Tool(
        name=_text(function, "name", field),
        description=_text(function, "description", field),
        parameters_json=orjson.dumps(parameters).decode() if parameters is not None else "",
    )


def _tool_choice(data: Any) -> ToolChoice:
    if isinstance(data, str) and data in _CHOICES:
        return ToolChoice(mode=_CHOICES[data])
    function = _dict(_dict(data, "tool_choice").get("function"), "tool_choice.function")
    return ToolChoice(mode=ToolChoiceMode.TOOL_CHOICE_MODE_NAMED, name=_text(function, "name", "tool_choice"))


def read_own(body: dict[str, Any], request: CompleteRequest | EmbedRequest | TranscribeRequest) -> None:
    """Read what OpenAI's format has no word for: {"loupe": {"job_id": "...", "failover": false, ...}}."""
    own = _dict(body.get("loupe") or {}, "loupe")
    for name, value in own.items():
        if name in ("retry", "failover", "hedge", "cache") and isinstance(value, bool):
            request.switches.MergeFrom(Switches(**{name: value}))
        elif name == "job_id" and isinstance(value, str):
            request.job_id = value
        elif name == "figure_kind" and isinstance(value, str) and isinstance(request, CompleteRequest):
            request.figure_kind = value
        elif name == "fitting" and value in _FITTINGS and isinstance(request, CompleteRequest):
            request.fitting = _FITTINGS[value]
        else:
            raise InvalidField(f"loupe.{name[:64]}", "is not known, or has a value of the wrong kind")


def _dict(data: Any, field: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise InvalidField(field, "is no object")
    return data


def _list(data: dict[str, Any], name: str, field: str = "") -> list[Any]:
    value = data.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidField(f"{field}.{name}".lstrip("."), "is no list")
    return value


def _text(data: dict[str, Any], name: str, field: str = "") -> str:
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidField(f"{field}.{name}".lstrip("."), "is no text")
    return value


def _number(data: dict[str, Any], name: str, kind: type[int] | type[float]) -> Any:
    value = data[name]
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is int and not (is_whole and 0 <= value < 2**32):
        raise InvalidField(name, "is no whole number in 0..4294967295")
    if kind is float and not (is_whole or isinstance(value, float)):
        raise InvalidField(name, "is no number")
    return value


def read_body(data: bytes) -> dict[str, Any]:
    """Return the JSON object of a body. Raises InvalidField."""
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidField("body", f"is no JSON: {error}") from error
    return _dict(body, "body")
