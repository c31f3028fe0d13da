"""Answers that are messages: asked for by JSON schema, then read and checked, since a schema does not make them so.

vLLM's own grammar lets raw control characters into bounded strings, and any answer may be cut off; a provider without
grammars may write whatever it likes (both seen in November 2026).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from loupe.router.v1.router_pb2 import CompleteRequest, JsonSchema, ResponseFormat
from servers.kit.errors import InvalidField
from servers.kit.interceptors.validation import check
from servers.kit.models.asking import Answered, Limits, Unfit, ask
from servers.kit.models.base import ChatModel
from servers.kit.models.prompts import Prompt
from servers.kit.models.schema import schema_of

M = TypeVar("M", bound=Message)

_FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(?P<inner>.*?)\n?```\s*", re.DOTALL)
_DEEPEST = 32


class Form(Generic[M]):
    """A message that a model fills in, as far as its fields are not left out.

    Args:
      kind: of the message.
      leave_out: full names of fields that are not the model's to fill.
      require: full names of fields that it must fill, though the message's own rules don't say so.
      complete: puts in what the model was not asked for, before the message is held against its constraints.
      judge: raises Unfit for a message that is well formed and wrong.
    """

    def __init__(
        self,
        kind: type[M],
        *,
        leave_out: Collection[str] = (),
        require: Collection[str] = (),
        complete: Callable[[M], None] | None = None,
        judge: Callable[[M], None] | None = None,
    ) -> None:
        self._kind = kind
        self._complete = complete
        self._judge = judge
        self.schema = schema_of(cast(Descriptor, kind.DESCRIPTOR), leave_out, require)
        self._left_out = frozenset(leave_out)
        self._required = frozenset(require)

    @property
    def response_format(self) -> ResponseFormat:
        """The format to ask for."""
        # Not strict in OpenAI's sense, which wants every field in every answer: a plan would take thrice the tokens.
        text = json.dumps(self.schema, separators=(",", ":"))
        return ResponseFormat(json_schema=JsonSchema(name=self._kind.DESCRIPTOR.name, schema_json=text))

    def read(self, text: str) -> M:
        """Return the message that an answer holds. Raises Unfit."""
        message = self._kind()
        try:
            json_format.ParseDict(_object(text), message, max_recursion_depth=_DEEPEST)
        except json_format.ParseError as error:
            raise Unfit(f"it does not fit the schema: {_short(error)}") from error
        _refuse_left_out(message, self._left_out)
        _refuse_missing(message, self._required)
        if self._complete is not None:
            self._complete(message)
        try:
            check(message)
        except InvalidField as error:
            raise Unfit(f"it breaks a limit: {error.message}") from error
        if self._judge is not None:
            self._judge(message)
        return message


async def fill_in(
    model: ChatModel, prompt: Prompt, request: CompleteRequest, form: Form[M], limits: Limits
) -> Answered[M]:
    """Return the message that the model fills in, asked again once where it can't be used. Raises as `ask`."""
    request.response_format.CopyFrom(form.response_format)
    # A router would take an answer that is no JSON for a broken provider; here the model is told what is wrong.
    request.switches.check_format = False
    return await ask(model, prompt, request, form.read, limits)


def as_data(value: Any) -> str:
    """Return JSON in which no tag can stand: what is put between tags can't close them."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def _object(text: str) -> Any:
    fenced = _FENCED.fullmatch(text)
    inner = fenced["inner"] if fenced else text
    try:
        found = json.loads(inner, strict=False)  # raw control characters inside strings are read as they stand
    except (json.JSONDecodeError, RecursionError) as error:
        raise Unfit(f"it is no JSON: {_short(error)}") from error
    if not isinstance(found, dict):
        raise Unfit("it is no JSON object")
    return found


def _refuse_left_out(message: Message, left_out: frozenset[str]) -> None:
    """Raise Unfit for a field that is not the model's to fill in."""
    for field, value in message.ListFields():
        if field.full_name in left_out:
            raise Unfit(f"the field {field.name} is not yours to fill in")
        if field.type == field.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                _refuse_left_out(inner, left_out)


def _refuse_missing(message: Message, required: frozenset[str]) -> None:
    """Raise Unfit for a field that is the model's to fill in, and empty."""
    filled = {field.full_name for field, _ in message.ListFields()}
    for field in message.DESCRIPTOR.fields:
        if field.full_name in required and field.full_name not in filled:
            raise Unfit(f"it has no {field.name}")
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                _refuse_missing(inner, required)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
