"""What vLLM's gRPC leaves to its caller: messages to tokens by the model's own template and tokenizer, and back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson

from loupe.router.v1.router_pb2 import CompleteRequest, Message
from servers.kit.errors import NotReady
from servers.router import failures
from servers.router.failures import ProviderFailure
from servers.router.formats.openai_request import ROLES
from servers.router.template_process import TemplateFailed, TemplateProcess

_PROBE = "a text to be found again"
# Texts beyond it become tokens in a thread: a tokenizer takes about 1 ms for 10 KB (tokenizers 0.23, November 2026).
_IN_PLACE_CHARACTERS = 20_000


class ModelPrompts:
    """A folder with a model's tokenizer.json, tokenizer_config.json and chat template."""

    def __init__(self, folder: Path) -> None:
        """Read the folder. Raises NotReady where it lacks something."""
        # Imported for those who configure one: it is 20 MB of memory.
        from tokenizers import Tokenizer

        folder = folder.expanduser()
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises nothing narrower
            raise NotReady(f"the tokenizer in {folder} can't be read: {error}") from error
        # A file may ask for both, for training; a prompt is never cut in silence.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        config = _object(folder / "tokenizer_config.json")
        special = _object(folder / "special_tokens_map.json") | config
        self._variables = {name: text for name in special if (text := _token(name, special[name])) is not None}
        source = _template_source(folder, config)
        self._template = TemplateProcess(source) if source else None
        self._takes_strings: bool | None = None
        """Whether the template takes a message's content as a text; some take a list of parts only."""

    async def tokens(self, request: CompleteRequest) -> list[int]:
        """Return a chat's prompt; each picture is the one placeholder that the template puts there.

        Raises:
          ProviderFailure: INVALID, the template makes no prompt of these messages.
        """
        if self._template is None:
            raise ProviderFailure(failures.INVALID, "tokenizer_dir has no chat template")
        try:
            if self._takes_strings is None:
                self._takes_strings = await self._probed()
            messages = [_message(message, self._takes_strings) for message in request.messages]
            text = await self._rendered(messages)
        except TemplateFailed as error:
            raise ProviderFailure(failures.INVALID, f"the model's chat template made no prompt: {error}") from error
        return await self._encoded(text, add_special_tokens=False)

    async def tokens_of_text(self, text: str) -> list[int]:
        """Return a text's tokens with those that the model wants around it, for an embedding."""
        return await self._encoded(text, add_special_tokens=True)

    def decode(self, tokens: list[int]) -> str:
        """Return the text of tokens, control tokens left out."""
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))

    async def close(self) -> None:
        """End the template's process."""
        if self._template is not None:
            await self._template.close()

    async def _rendered(self, messages: list[dict[str, Any]]) -> str:
        assert self._template is not None
        return await self._template.render(
            {**self._variables, "messages": messages, "tools": None, "documents": None, "add_generation_prompt": True}
        )

    async def _probed(self) -> bool:
        try:
            return _PROBE in await self._rendered([{"role": "user", "content": _PROBE}])
        except TemplateFailed:
            return False

    async def _encoded(self, text: str, *, add_special_tokens: bool) -> list[int]:
        def encode() -> list[int]:
            return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)

        return encode() if len(text) <= _IN_PLACE_CHARACTERS else await asyncio.to_thread(encode)


def _message(message: Message, takes_strings: bool) -> dict[str, Any]:
    if message.tool_calls or message.tool_call_id:
        raise ProviderFailure(failures.INVALID, "a model behind vLLM's gRPC calls no tools")
    made: dict[str, Any] = {"role": ROLES[message.role]}
    if takes_strings and all(part.HasField("text") for part in message.parts):
        made["content"] = "".join([part.text for part in message.parts])
    else:
        made["content"] = [
            {"type": "text", "text": part.text} if part.HasField("text") else {"type": "image"}
            for part in message.parts
        ]
    return made


def _template_source(folder: Path, config: dict[str, Any]) -> str:
    """Return the chat template where transformers would find it; empty where there is none."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        return own.read_text()
    found = _object(folder / "chat_template.json").get("chat_template") or config.get("chat_template") or ""
    if isinstance(found, list):  # several with names
        found = next((one["template"] for one in found if one.get("name") == "default"), "")
    return str(found)


def _object(path: Path) -> dict[str, Any]:
    """Return the object in a file, an empty one where there is no file. Raises NotReady."""
    try:
        found = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, orjson.JSONDecodeError) as error:
        raise NotReady(f"{path} can't be read: {error}") from error
    if not isinstance(found, dict):
        raise NotReady(f"{path} holds no object")
    return found


def _token(name: str, value: Any) -> str | None:
    """Return the text of a special token, as templates know it: bos_token, eos_token, ..."""
    if not name.endswith("_token"):
        return None
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None
