"""How many tokens a text has: by the model's own tokenizer, or by a stated estimate where there is none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Protocol

from loupe.router.v1.router_pb2 import CompleteRequest, Message
from servers.kit.errors import NotReady
from servers.router.configuration import ModelSection
from servers.router.images import size_px


class TokenCounter(Protocol):
    """Counts the tokens of texts."""

    is_exact: bool

    def count(self, text: str) -> int:
        """Return the number of tokens, without those of a chat template."""
        ...


class Estimate:
    """At least as many as the usual vocabularies make: half a token for a letter or a space, one for every other byte.

    English has about 4.5 letters a token, so this says twice as many; digits, which several models take one by one, and
    scripts that fall back to bytes are not told too low.
    """

    is_exact = False

    def count(self, text: str) -> int:
        """Return the estimate."""
        data = text.encode()
        heavy = len(data.translate(None, _LIGHT))
        return math.ceil((len(data) - heavy) / 2) + heavy


_LIGHT = b" abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class OwnTokenizer:
    """A model's tokenizer.json."""

    is_exact = True

    def __init__(self, path: Path) -> None:
        # Imported for those who configure one: it is 20 MB of memory.
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(path.expanduser()))
        except Exception as error:  # the library raises nothing narrower
            raise NotReady(f"the tokenizer in {path} can't be read: {error}") from error
        # A file may ask for it, for training: every long text would count as much as the longest it allows.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def count(self, text: str) -> int:
        """Return the exact number."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def counter_for(model: ModelSection) -> TokenCounter:
    """Return a model's counter. Raises NotReady where its tokenizer can't be read."""
    own = model.tokenizer_file or (model.tokenizer_dir and model.tokenizer_dir / "tokenizer.json")
    return OwnTokenizer(own) if own else Estimate()


def of_message(message: Message, model: ModelSection, counter: TokenCounter) -> int:
    """Return the tokens of one message, with its images and what the chat template adds."""
    total = model.tokens_per_message
    for part in message.parts:
        if part.HasField("image"):
            width, height = size_px(part.image.content)
            total += math.ceil(width * height / model.pixels_per_token)
        else:
            total += counter.count(part.text)
    for call in message.tool_calls:
        total += counter.count(call.name) + counter.count(call.arguments_json)
    return total


def of_request(request: CompleteRequest, model: ModelSection, counter: TokenCounter) -> int:
    """Return the tokens of a whole prompt, tools included."""
    total = sum(of_message(message, model, counter) for message in request.messages)
    for tool in request.tools:
        total += model.tokens_per_message + counter.count(tool.name + tool.description + tool.parameters_json)
    return total


def at_most(request: CompleteRequest, model: ModelSection) -> int | None:
    """Return a bound without counting, None with images: a token stands for one byte at least."""
    total = 0
    for message in request.messages:
        total += model.tokens_per_message
        for part in message.parts:
            if part.HasField("image"):
                return None
            total += len(part.text.encode())
        total += sum(len(call.name) + len(call.arguments_json.encode()) for call in message.tool_calls)
    for tool in request.tools:
        total += model.tokens_per_message + len(tool.SerializeToString())
    return total
