"""The tensors of our contract with a model in Triton, and what becomes of them.

A chat model takes `request` (BYTES, one element: a chat request as OpenAI writes it, JSON, images as data URLs) and
gives, once or in pieces (a decoupled model), `text_output` (BYTES, the next piece) and, where it declares them,
`finish_reason` (BYTES: "stop", "length"; empty until the last), `num_input_tokens` and `num_output_tokens` (any
integer). These four are named as Triton's own vLLM backend names them. A model of embeddings takes `text` (BYTES, [n])
and gives `embedding` (FP32, [n, d]). A model of transcription takes `audio` (BYTES, one element: a file as it is) and,
where it declares it, `language` (BYTES, "en"; empty where the caller names none); it gives `text_output` and, where it
declares them, `language`, `duration_s` (any float) and `segments` and `words` (BYTES: JSON, as OpenAI's verbose_json
lists them). docs/router.md has the table.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from loupe.router.v1.router_pb2 import Delta, FinishReason, Usage
from servers.router import failures
from servers.router.failures import ProviderFailure
from servers.router.formats.openai_answer import MAX_UINT32, finish_reason
from servers.router.providers.base import Finish, Vectors

CHAT_INPUT = "request"
TEXT = "text_output"
FINISH = "finish_reason"
EMBEDDING_INPUT = "text"
EMBEDDING = "embedding"
AUDIO_INPUT = "audio"
LANGUAGE = "language"
_COUNTS = ("num_input_tokens", "num_output_tokens")
_INTEGERS = "iu"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model's metadata says of its tensors."""

    input_name: str
    is_batched: bool
    """Its input has one more dimension, for batches."""
    outputs: frozenset[str]
    more_inputs: frozenset[str] = frozenset()
    """Of those that a model need not have."""


def shape_of(metadata: Any, input_name: str, output_name: str, optional: Collection[str] = ()) -> Shape:
    """Return the shape of a model that keeps the contract. Raises ProviderFailure (INVALID) for any other.

    Args:
      optional: inputs of BYTES that it may have beside its one.
    """
    inputs = {tensor.name: tensor for tensor in metadata.inputs}
    outputs = frozenset(tensor.name for tensor in metadata.outputs)
    if input_name not in inputs or inputs[input_name].datatype != "BYTES":
        raise ProviderFailure(failures.INVALID, f"the model has no input {input_name!r} of BYTES")
    if output_name not in outputs:
        raise ProviderFailure(failures.INVALID, f"the model has no output {output_name!r}")
    more = frozenset(name for name in optional if name in inputs and inputs[name].datatype == "BYTES")
    others = [name for name in inputs if name != input_name and name not in more]
    if others:
        raise ProviderFailure(failures.INVALID, f"the model has more inputs than {input_name!r}: {', '.join(others)}")
    return Shape(input_name, len(inputs[input_name].shape) > 1, outputs, more)


def input_of(shape: Shape, elements: Sequence[bytes], name: str = "") -> Any:
    """Return an input tensor of these elements: the model's one, or another by its name."""
    import numpy as np
    from tritonclient.grpc import InferInput

    values = np.array(elements, dtype=np.object_)
    if shape.is_batched:
        # A chat is one request of one element; texts are a batch of requests.
        values = values.reshape(len(elements), 1)
    tensor = InferInput(name or shape.input_name, list(values.shape), "BYTES")
    tensor.set_data_from_numpy(values)
    return tensor


class PieceReader:
    """Reads the responses of one chat."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._reason = ""
        self._counts: dict[str, int] = {}

    def read(self, result: Any) -> Delta | None:
        """Return the piece in one response; None where it holds none. Raises ProviderFailure (MALFORMED)."""
        text = text_in(result, TEXT)
        self._reason = text_in(result, FINISH) or self._reason
        for name in _COUNTS:
            values = values_in(result, name)
            if values is not None and values.size:
                if values.dtype.kind not in _INTEGERS or not 0 <= int(values.flat[0]) <= MAX_UINT32:
                    raise ProviderFailure(failures.MALFORMED, f"{name} is no count of tokens")
                self._counts[name] = int(values.flat[0])
        return Delta(text=text) if text else None

    def finish(self) -> Finish:
        """Return how the answer ended. Raises ProviderFailure where the responses ended before the answer did."""
        if FINISH in self._shape.outputs and not self._reason:
            raise ProviderFailure(failures.MALFORMED, "the responses ended before the answer did")
        usage = None
        if len(self._counts) == len(_COUNTS):
            read, written = (self._counts[name] for name in _COUNTS)
            usage = Usage(input_tokens=read, output_tokens=written)
        return Finish(finish_reason(self._reason) or FinishReason.FINISH_REASON_STOP, usage)


def vectors_of(result: Any, count: int) -> Vectors:
    """Return the embeddings in one response. Raises ProviderFailure (MALFORMED)."""
    values = values_in(result, EMBEDDING)
    is_right = values is not None and values.dtype.kind == "f" and values.ndim == 2 and values.size
    if not is_right or len(values) != count:
        raise ProviderFailure(failures.MALFORMED, f"the response has no {count} embeddings")
    return Vectors([[float(value) for value in row] for row in values], None)


def text_in(result: Any, name: str) -> str:
    """Return an output as text, empty where it is absent. Raises ProviderFailure (MALFORMED)."""
    values = values_in(result, name)
    if values is None or not values.size:
        return ""
    if values.dtype.kind != "O":
        raise ProviderFailure(failures.MALFORMED, f"{name} is no text")
    try:
        return b"".join(bytes(value) for value in values.flat).decode()
    except (UnicodeDecodeError, TypeError) as error:
        raise ProviderFailure(failures.MALFORMED, f"{name} is no text") from error


def values_in(result: Any, name: str) -> Any:
    """Return an output as an array, None where it is absent. Raises ProviderFailure (MALFORMED)."""
    try:
        return result.as_numpy(name)
    except (ValueError, TypeError, struct.error, IndexError) as error:
        raise ProviderFailure(failures.MALFORMED, f"{name} has other bytes than its shape says") from error
