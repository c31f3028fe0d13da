"""A model from a folder into memory: dtype and device by what is there, refused before it can fill either."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers

from servers.kit.errors import NotReady
from servers.kit.models import transformers_fit as fit

Device = Literal["auto", "cpu", "cuda", "mps"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""How everything of a folder is read: nothing is fetched, no program of it runs."""
_WITH_IMAGES = ("qwen2_5_vl",)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model will be, and in which numbers."""

    device: str
    dtype: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that can be asked."""

    model: Any
    tokenizer: Any
    images: Any
    """The image processor; None for a model of text."""
    place: Place
    context_tokens: int
    memory_bytes: int
    """Of the weights."""


def place_for(folder: Path, device: Device, dtype: Dtype, limit_bytes: int | None) -> Place:
    """Return where a model fits.

    On an accelerator weights are bfloat16 where it computes in it, else float16. On a CPU they are float32, which every
    CPU computes fastest, or bfloat16 where only that fits.

    Args:
      limit_bytes: the operator's own limit; None: what the machine has free.
    Raises:
      NotReady: it does not fit, in figures; or there is no such device; or the weights are damaged.
    """
    chosen = _device(device)
    if dtype != "auto":
        wished = [str(dtype)]
    elif chosen == "cpu":
        wished = ["float32", "bfloat16"]
    elif chosen == "cuda" and torch.cuda.is_bf16_supported():
        wished = ["bfloat16"]
    else:
        wished = ["float16"]
    free = _free_bytes(chosen)
    if limit_bytes is not None:
        free = limit_bytes if free is None else min(free, limit_bytes)
    needed = 0
    for name in wished:
        needed = fit.needed_bytes(folder, name)
        if free is None or needed <= free:
            return Place(chosen, name)
    assert free is not None  # else the first would have been returned
    raise NotReady(
        f"the model in {folder} needs {fit.gib(needed)} of memory in {wished[-1]}, {chosen} has {fit.gib(free)} free"
    )


def load(folder: Path, place: Place, *, max_image_pixels: int) -> Loaded:
    """Return the model of a folder; nothing is fetched and no program of the folder runs.

    Raises:
      NotReady: it can't be loaded, lacks weights, or has no chat template.
    """
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **LOCAL)
        sees = config.model_type in _WITH_IMAGES
        kind = transformers.AutoModelForImageTextToText if sees else transformers.AutoModelForCausalLM
        model = weights(kind, folder, place)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **LOCAL)
        images = None
        if sees:
            # By its class: the automatic one wants torchvision, which would be for this alone.
            images = transformers.Qwen2VLImageProcessorPil.from_pretrained(folder, max_pixels=max_image_pixels)
    except NotReady:
        raise
    except Exception as error:  # the libraries raise nothing narrower
        raise NotReady(f"the model in {folder} can't be loaded: {type(error).__name__}: {error}") from error
    if not tokenizer.chat_template:
        raise NotReady(f"the tokenizer in {folder} has no chat template: it is no model for conversations")
    text = config.get_text_config()
    context = int(getattr(text, "max_position_embeddings", 0))
    return Loaded(model, tokenizer, images, place, context, size_bytes(model))


def weights(kind: Any, folder: Path, place: Place) -> Any:
    """Return the model of a folder where it is to be, whole.

    Args:
      kind: a class of transformers with `from_pretrained`.
    Raises:
      NotReady: it lacks weights. Further what the libraries raise.
    """
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model, told = kind.from_pretrained(
        folder, dtype=getattr(torch, place.dtype), use_safetensors=True, output_loading_info=True, **LOCAL
    )
    lacking = sorted({*told["missing_keys"], *(str(key) for key in told["mismatched_keys"])})
    if lacking:
        # transformers would fill them with random numbers and say so in a log.
        raise NotReady(f"the weights in {folder} lack {len(lacking)} tensors that the model has, as {lacking[0]}")
    return model.to(place.device).eval()


def size_bytes(model: Any) -> int:
    """Return the memory of a model's weights."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.parameters())


def _device(wished: Device) -> str:
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wished == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there[wished]:
        raise NotReady(f"there is no device {wished} for the model: torch sees none")
    return wished


def _free_bytes(device: str) -> int | None:
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    return fit.free_bytes()  # mps shares the machine's memory
