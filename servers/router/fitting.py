"""Makes a prompt fit into a model's context, by the policy that the caller chose."""

from __future__ import annotations

from typing import NamedTuple

from loupe.router.v1.router_pb2 import CompleteRequest, Fitting, MessageRole, Part
from servers.kit.errors import ContextTooLong
from servers.router import tokens
from servers.router.configuration import ModelSection
from servers.router.tokens import TokenCounter

# Where neither caller nor configuration limits the answer, it gets at least this much of the context.
_LEAST_ANSWER_TOKENS = 16


class Fitted(NamedTuple):
    """A prompt that fits."""

    request: CompleteRequest
    left_out_messages: int = 0
    left_out_tokens: int = 0


def fit(request: CompleteRequest, model: ModelSection, counter: TokenCounter) -> Fitted:
    """Return the request as it fits with its answer into the model's context.

    An image is kept or goes with its message, whole. Nothing is dropped unless the caller allowed it; by an estimate
    alone nothing is refused either, the provider then judges.
    Raises:
      ContextTooLong: it can't be made to fit.
    """
    if not model.context_tokens:
        return Fitted(request)
    room = model.context_tokens - (
        request.sampling.max_output_tokens or model.max_output_tokens or _LEAST_ANSWER_TOKENS
    )
    bound = tokens.at_most(request, model)
    if bound is not None and bound <= room:
        return Fitted(request)
    size = tokens.of_request(request, model, counter)
    if size <= room:
        return Fitted(request)
    match request.fitting:
        case Fitting.FITTING_DROP_OLDEST:
            fitted = _drop_oldest(request, model, counter, size - room)
        case Fitting.FITTING_CUT_MIDDLE:
            fitted = _cut_middle(request, counter, size - room)
        case _ if not counter.is_exact:
            return Fitted(request)
        case _:
            fitted = None
    if fitted is None:
        what = "has" if counter.is_exact else "has by estimate"
        raise ContextTooLong(
            f"the prompt {what} {size} tokens; {model.name} takes {model.context_tokens} with the answer's, "
            f"so at most {room}"
        )
    return fitted


def _drop_oldest(request: CompleteRequest, model: ModelSection, counter: TokenCounter, excess: int) -> Fitted | None:
    """Drop whole messages from the oldest on, but no system message and not the last one.

    A tool's result goes with the call it answers, or a provider would refuse the rest.
    """
    kept = list(request.messages)
    dropped = saved = index = 0
    while saved < excess:
        while index < len(kept) - 1 and kept[index].role == MessageRole.MESSAGE_ROLE_SYSTEM:
            index += 1
        if index >= len(kept) - 1:
            return None
        saved += tokens.of_message(kept.pop(index), model, counter)
        dropped += 1
        while index < len(kept) - 1 and kept[index].role == MessageRole.MESSAGE_ROLE_TOOL:
            saved += tokens.of_message(kept.pop(index), model, counter)
            dropped += 1
    if kept[index].role == MessageRole.MESSAGE_ROLE_TOOL:
        return None  # the last message answers a call that would be gone
    made = CompleteRequest()
    made.CopyFrom(request)
    del made.messages[:]
    made.messages.extend(kept)
    return Fitted(made, dropped, saved)


def _cut_middle(request: CompleteRequest, counter: TokenCounter, excess: int) -> Fitted | None:
    """Take tokens out of the middle of the last message's longest text; its beginning and end stay, equally long."""
    made = CompleteRequest()
    made.CopyFrom(request)
    texts: list[Part] = [part for part in made.messages[-1].parts if part.HasField("text")]
    if not texts:
        return None
    longest = max(texts, key=lambda part: len(part.text))
    whole = counter.count(longest.text)
    mark = "\n[… left out: the text was longer than the model's context …]\n"
    wanted = whole - excess
    # Characters kept, halved between both ends: the most that fit, found by bisection.
    low, high, best = 0, len(longest.text) // 2, ""
    while low <= high:
        ends = (low + high) // 2
        text = longest.text[:ends] + mark + longest.text[len(longest.text) - ends :]
        if counter.count(text) <= wanted:
            low, best = ends + 1, text
        else:
            high = ends - 1
    if not best:
        return None
    left_out = whole - counter.count(best)
    longest.text = best
    return Fitted(made, 0, left_out)
