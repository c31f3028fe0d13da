"""JSON as Envoy writes it: snake_case names, zeros printed, enums by name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


def to_object(message: Message) -> dict[str, Any]:
    """Return a message as JSON data."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def to_line(message: Message) -> str:
    """Return a message as one line of JSON."""
    return json.dumps(to_object(message), ensure_ascii=False)


def to_document(messages: Iterable[Message]) -> str:
    """Return messages as an indented JSON list, for files that people open."""
    return json.dumps([to_object(message) for message in messages], ensure_ascii=False, indent=1) + "\n"


def parse(text: str, kind: type[M]) -> M:
    """Return the message that JSON text holds. Raises ValueError where it holds none, unknown fields included."""
    try:
        return json_format.Parse(text, kind())
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error
