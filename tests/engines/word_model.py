"""A language model of a few words, for servers that are real around a model that need not be: standard library only.

It behaves as a model server behaves: counts tokens (words), draws them by seed, follows a JSON schema, sees whether a
picture is whole, refuses what is too long. Triton and the OpenAI-compatible server of the tests both serve it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

CONTEXT_TOKENS = 512
TOKENS_OF_A_PICTURE = 64
WORDS = ("April", "grew", "fastest", "by", "far", "of", "all", "months", "and", "sold", "more", "coffee", "than", "May")


class Refused(Exception):
    """A request that the model does not take."""


@dataclass
class Answer:
    """Pieces to come, and what was counted."""

    pieces: Iterator[str]
    input_tokens: int
    finish_reason: str


def answer(body: dict[str, Any]) -> Answer:
    """Return the answer to a chat request as OpenAI writes it. Raises Refused."""
    input_tokens = sum(_tokens_of(message["content"]) for message in body["messages"])
    limit = body.get("max_tokens") or 16
    if input_tokens + limit > CONTEXT_TOKENS:
        raise Refused(
            f"This model's maximum context length is {CONTEXT_TOKENS} tokens; {input_tokens} are in the messages and "
            f"{limit} are asked for"
        )
    wanted = body.get("response_format")
    schema = wanted.get("json_schema", {}).get("schema", {"type": "object"}) if wanted else None
    pieces = [*pieces_of(schema, body.get("seed", 0) if body.get("temperature") else 0)]
    reason = "stop" if len(pieces) <= limit else "length"
    return Answer(iter(pieces[:limit]), input_tokens, reason)


def pieces_of(schema: dict[str, Any] | None, seed: int) -> Iterator[str]:
    """Yield what is said: words without end, or something that fits a schema."""
    return _words(seed) if schema is None else _spelled(json.dumps(_instance(schema)))


def _words(seed: int) -> Iterator[str]:
    random = Random(seed)
    for number in range(CONTEXT_TOKENS):  # it goes on until it is told to stop
        yield (" " if number else "") + random.choice(WORDS)


def _spelled(text: str) -> Iterator[str]:
    for start in range(0, len(text), 4):
        yield text[start : start + 4]


def _instance(schema: dict[str, Any]) -> Any:
    """Return something that fits a schema of objects, arrays, strings, numbers, booleans and enums."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type", "object"):
        case "object":
            return {name: _instance(part) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [_instance(schema["items"]) for _ in range(max(1, schema.get("minItems", 1)))]
        case "string":
            return "April"
        case "boolean":
            return True
        case _:
            return schema.get("minimum", 4)


def _tokens_of(content: Any) -> int:
    if isinstance(content, str):
        return len(content.split())
    return sum(
        len(part["text"].split()) if part["type"] == "text" else tokens_of_picture(part["image_url"]["url"])
        for part in content
    )


def tokens_of_picture(data_url: str) -> int:
    """Return how many tokens a picture takes. Raises Refused for what is none."""
    content = base64.b64decode(data_url.partition(",")[2])
    if not content.startswith(b"\x89PNG") or b"IEND" not in content[-12:]:
        raise Refused("cannot identify image: it is damaged or cut short")
    return TOKENS_OF_A_PICTURE
