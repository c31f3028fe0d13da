"""A question to a model whose answer must be of use: read, and asked once more with what was wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    Completion,
    FinishReason,
    Image,
    Message,
    MessageRole,
    Part,
    Sampling,
)
from loupe.type.v1.engine_pb2 import Engine
from servers.kit import identity, spending
from servers.kit.errors import (
    BudgetExhausted,
    DeadlineExceeded,
    MalformedAnswer,
    NoCapableModel,
    NotFound,
    NotReady,
    PolicyRefused,
)
from servers.kit.models.base import ChatModel
from servers.kit.models.prompts import Prompt

T = TypeVar("T")

_MOST_ASKS = 2
# Of a call's remaining time, for a model; the rest is for whoever stands in for it.
_SHARE_OF_TIME = 0.8
# Of an unusable answer, as it is shown to the model again.
_MOST_REPEATED = 8000
_MOST_TOLD = 1000
_BEFORE_ANYBODY_WAS_ASKED = (BudgetExhausted, NoCapableModel, NotFound, NotReady)


class Unfit(Exception):
    """An answer can't be used; says why, in words that its model can act upon."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one question may cost, and how its answer is drawn."""

    max_output_tokens: int
    time_s: float
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """A usable answer."""

    value: T
    engine: Engine
    """Which model gave it, at which revision, to which prompt."""


def question(prompt: Prompt, text: str, limits: Limits, images: Sequence[bytes] = ()) -> CompleteRequest:
    """Return a request: the prompt first, which never changes, then the images and the text of this question."""
    parts = [*(Part(image=Image(content=content)) for content in images), Part(text=text)]
    sampling = Sampling(max_output_tokens=limits.max_output_tokens, temperature=limits.temperature, seed=limits.seed)
    return CompleteRequest(
        messages=[
            Message(role=MessageRole.MESSAGE_ROLE_SYSTEM, parts=[Part(text=prompt.text)]),
            Message(role=MessageRole.MESSAGE_ROLE_USER, parts=parts),
        ],
        sampling=sampling,
    )


async def ask(
    model: ChatModel, prompt: Prompt, request: CompleteRequest, read: Callable[[str], T], limits: Limits
) -> Answered[T]:
    """Return what `read` makes of the model's answer, or of its second one. Each ask is noted in the call's spending.

    Args:
      read: raises Unfit for an answer that can't be used.
    Raises:
      MalformedAnswer: the second answer was of no use either.
      DeadlineExceeded: the limit's time, or four fifths of the running call's, is over.
      Further what the model raises.
    """
    time_s = limits.time_s
    if (until := identity.deadline()) is not None:
        time_s = min(time_s, _SHARE_OF_TIME * (until - asyncio.get_running_loop().time()))
    try:
        async with asyncio.timeout(time_s):
            for _ in range(_MOST_ASKS):
                made = await _answer(model, request)
                try:
                    value = read(_whole(made))
                except Unfit as reason:
                    why = str(reason)[:_MOST_TOLD]
                    request = _again(request, made.text, why)
                else:
                    return Answered(value, _engine(model, made, prompt))
    except TimeoutError as error:
        raise DeadlineExceeded(f"{model.identity.model} gave no usable answer within {time_s:.1f} s") from error
    raise MalformedAnswer(f"{model.identity.model} was asked {_MOST_ASKS} times, and its answer can't be used: {why}")


async def _answer(model: ChatModel, request: CompleteRequest) -> Completion:
    cost = spending.asking()
    try:
        made = await model.complete(request)
    except _BEFORE_ANYBODY_WAS_ASKED:
        cost.Clear()
        raise
    spending.told(cost, made.usage, made.decision)
    return made


def _whole(made: Completion) -> str:
    if made.finish_reason == FinishReason.FINISH_REASON_POLICY:
        raise PolicyRefused("the provider's content policy cut the answer off")
    if made.finish_reason == FinishReason.FINISH_REASON_LENGTH:
        count = made.usage.output_tokens
        raise Unfit(f"it was cut off after {count} tokens, which is the most: answer more briefly")
    return made.text


def _again(request: CompleteRequest, text: str, why: str) -> CompleteRequest:
    """Return the question with the unusable answer and why it can't be used. The prefix stays as it was."""
    again = CompleteRequest()
    again.CopyFrom(request)
    shown = text[:_MOST_REPEATED] or "(nothing)"
    told = f"That answer can't be used: {why}\nAnswer the same question again, whole, without that fault."
    again.messages.add(role=MessageRole.MESSAGE_ROLE_ASSISTANT, parts=[Part(text=shown)])
    again.messages.add(role=MessageRole.MESSAGE_ROLE_USER, parts=[Part(text=told)])
    return again


def _engine(model: ChatModel, made: Completion, prompt: Prompt) -> Engine:
    engine = Engine()
    engine.CopyFrom(model.identity)
    decision = made.decision
    if decision.model:
        engine.model = f"{decision.provider}/{decision.model}" if decision.provider != engine.name else decision.model
    engine.revision = decision.revision or engine.revision
    engine.prompt = prompt.reference
    return engine
