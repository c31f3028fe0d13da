"""A request as a model of transformers takes it: its chat template, its tokens, its pixels."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Any

import torch

from loupe.router.v1.router_pb2 import CompleteRequest, Message, MessageRole
from servers.kit.errors import (
    ContextTooLong,
    DamagedMedia,
    InvalidField,
    NoCapableModel,
    TooManyPixels,
    UnsupportedMediaType,
)
from servers.kit.models.transformers_loading import Loaded

_ROLES = {
    MessageRole.MESSAGE_ROLE_SYSTEM: "system",
    MessageRole.MESSAGE_ROLE_USER: "user",
    MessageRole.MESSAGE_ROLE_ASSISTANT: "assistant",
}
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
# Bounds the memory of one decoded picture; the model's own processor scales it down afterwards.
_MAX_DECODED_PIXELS = 64_000_000
_IMAGE_TOKEN = "<|image_pad|>"


@dataclass(frozen=True, slots=True)
class Prompt:
    """What goes into the model."""

    inputs: dict[str, Any]
    token_count: int


def prompt_of(request: CompleteRequest, loaded: Loaded) -> Prompt:
    """Return the prompt of a request.

    Raises:
      NoCapableModel: it holds images for a model of text, or tools.
      UnsupportedMediaType, DamagedMedia, TooManyPixels: an image is none, is cut, is too large.
      InvalidField: the model's template takes no such conversation.
      ContextTooLong: nothing would be left for an answer.
    """
    if request.tools or any(message.tool_calls or message.tool_call_id for message in request.messages):
        raise NoCapableModel("a model in this process calls no tools; the router's providers may")
    pictures = [_picture(part.image.content) for message in request.messages for part in message.parts if _shows(part)]
    if pictures and loaded.images is None:
        raise NoCapableModel("the model takes no images")
    special = _special_tokens(loaded.tokenizer)
    messages = [_message(message, special, has_parts=loaded.images is not None) for message in request.messages]
    try:
        text: str = loaded.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # a template is a program: it raises what it likes
        raise InvalidField("messages", f"the model's chat template does not take them: {error}") from error
    seen: dict[str, Any] = {}
    if pictures:
        seen = dict(loaded.images(images=pictures, return_tensors="pt"))
        text = _with_room(text, seen["image_grid_thw"], loaded.images.merge_size)
    ids = loaded.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    count = int(ids.shape[1])
    if loaded.context_tokens and count >= loaded.context_tokens:
        raise ContextTooLong(f"the prompt has {count} tokens, the model's context {loaded.context_tokens}")
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)} | seen
    if pictures:
        image_id = loaded.tokenizer.convert_tokens_to_ids(_IMAGE_TOKEN)
        inputs["mm_token_type_ids"] = (ids == image_id).int()
    on_device = {name: tensor.to(loaded.place.device) for name, tensor in inputs.items()}
    return Prompt(on_device, count)


def _shows(part: Any) -> bool:
    return bool(part.HasField("image"))


def _message(message: Message, special: tuple[str, ...], *, has_parts: bool) -> dict[str, Any]:
    if message.role not in _ROLES:
        raise NoCapableModel("a model in this process calls no tools; the router's providers may")
    if not has_parts:
        return {
            "role": _ROLES[message.role],
            "content": _as_data("".join(part.text for part in message.parts), special),
        }
    parts = [
        {"type": "image"} if _shows(part) else {"type": "text", "text": _as_data(part.text, special)}
        for part in message.parts
    ]
    return {"role": _ROLES[message.role], "content": parts}


def _special_tokens(tokenizer: Any) -> tuple[str, ...]:
    return tuple(str(token) for token in tokenizer.added_tokens_decoder.values() if getattr(token, "special", True))


def _as_data(text: str, special: tuple[str, ...]) -> str:
    """Return text in which no control token of the model stands: it is data, it can't end a turn or begin one."""
    for token in special:
        if token in text:
            text = text.replace(token, f"{token[0]}\u200b{token[1:]}")  # a space of no width breaks the word
    return text


def _with_room(text: str, grids: Any, merge_size: int) -> str:
    """Return the prompt with one image token for each patch of each image, as Qwen2.5-VL's processor writes it."""
    pieces = text.split(_IMAGE_TOKEN)
    counts = [int(grid.prod()) // merge_size**2 for grid in grids]
    if len(pieces) != len(counts) + 1:
        raise InvalidField("messages", f"the chat template left room for {len(pieces) - 1} of {len(counts)} images")
    made = [pieces[0]]
    for count, piece in zip(counts, pieces[1:], strict=True):
        made += [_IMAGE_TOKEN * count, piece]
    return "".join(made)


def _picture(content: bytes) -> Any:
    """Return an image's pixels in RGB."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of many pixels: they are counted below
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                width, height = image.size
                if width * height > _MAX_DECODED_PIXELS:
                    raise TooManyPixels(f"an image has {width}x{height} px, at most {_MAX_DECODED_PIXELS} are decoded")
                return image.convert("RGB")
    except UnidentifiedImageError as error:
        raise UnsupportedMediaType("an image is none of PNG, JPEG, GIF, WebP and BMP, or its header is cut") from error
    except Image.DecompressionBombError as error:
        raise TooManyPixels(f"an image has more than the {_MAX_DECODED_PIXELS} px that are decoded") from error
    except (OSError, ValueError, SyntaxError, IndexError) as error:
        raise DamagedMedia("an image is damaged or cut short") from error
