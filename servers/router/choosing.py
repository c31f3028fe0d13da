"""Which models may answer a request, best first, and why."""

from __future__ import annotations

import hashlib
from typing import Literal, NamedTuple

from loupe.router.v1.router_pb2 import CompleteRequest, RoutePolicy
from servers.kit.errors import NoCapableModel
from servers.router.configuration import WhenSection
from servers.router.fleet import Fleet, Route, RunningModel, Target
from servers.router.images import size_px

# What is assumed of a prompt and an answer when prices are compared: English has about 4 letters a token.
_LETTERS_PER_TOKEN = 4
_USUAL_OUTPUT_TOKENS = 256


class Needs(NamedTuple):
    """What a request asks of a model."""

    task: Literal["chat", "embeddings", "transcription"]
    max_pixels: int = 0
    """Of its largest image; 0: it has none."""

    json_schema: bool = False
    tools: bool = False
    figure_kind: str = ""
    input_tokens: int = 0
    """Roughly; only orders models."""

    output_tokens: int = _USUAL_OUTPUT_TOKENS
    audio_bytes: int = 0
    audio_ms: int = 0
    """Of the recording."""

    is_audio_estimated: bool = False
    """By an estimate alone no recording is too long for a model."""

    @classmethod
    def of(cls, request: CompleteRequest) -> Needs:
        """Return the needs of a request whose images have their bytes."""
        letters = pixels = 0
        for message in request.messages:
            for part in message.parts:
                if part.HasField("image"):
                    width, height = size_px(part.image.content)
                    pixels = max(pixels, width * height)
                else:
                    letters += len(part.text)
        return cls(
            "chat",
            max_pixels=pixels,
            json_schema=request.response_format.HasField("json_schema"),
            tools=bool(request.tools),
            figure_kind=request.figure_kind,
            input_tokens=letters // _LETTERS_PER_TOKEN + 1,
            output_tokens=request.sampling.max_output_tokens or _USUAL_OUTPUT_TOKENS,
        )


class Choice(NamedTuple):
    """The models to ask, in order; never empty."""

    route: Route
    targets: tuple[Target, ...]
    reasons: tuple[str, ...]


def choose(fleet: Fleet, route: Route, needs: Needs, split_by: str) -> Choice:
    """Return the capable models of a route, best first by its policy.

    Args:
      split_by: what stays on one side of a split: a job's id, or a call's.
    Raises:
      NoCapableModel: with what each lacks.
    """
    reasons: list[str] = []
    able: list[Target] = []
    for target in route.targets:
        lack = lacks(target.model, needs) or _unmet(target.when, needs)
        if lack:
            reasons.append(f"{target.model.name}: passed over, {lack}")
        else:
            able.append(target)
    if not able:
        raise NoCapableModel(f"no model of {route.name} can answer: " + "; ".join(reasons))
    if len(able) == 1:
        return Choice(route, tuple(able), (*reasons, f"{able[0].model.name}: the only one that can"))
    match route.policy:
        case RoutePolicy.ROUTE_POLICY_PRICE:
            prices = {id(target): _price(target.model, needs) for target in able}
            able.sort(key=lambda target: prices[id(target)])
            why = [f"about {prices[id(target)]:.6f} USD" for target in able]
        case RoutePolicy.ROUTE_POLICY_LATENCY:
            # What was never measured goes first, or it never would be.
            able.sort(key=lambda target: target.model.first_token_s or 0.0)
            why = [_in_seconds(target.model.first_token_s) for target in able]
        case RoutePolicy.ROUTE_POLICY_QUALITY:
            known = {id(target): fleet.quality(target.model, needs.figure_kind) for target in able}
            able.sort(key=lambda target: -(known[id(target)] or 0.0))
            why = [_in_fidelity(known[id(target)], needs.figure_kind) for target in able]
        case RoutePolicy.ROUTE_POLICY_SPLIT:
            first = _drawn(able, f"{route.name} {split_by}")
            able.sort(key=lambda target: target is not first)
            why = [f"arm {first.arm}, weight {first.weight:g}", *("stands in" for _ in able[1:])]
        case _:
            why = [f"number {place} of the configuration" for place in range(1, len(able) + 1)]
    reasons += [f"{target.model.name}: {text}" for target, text in zip(able, why, strict=True)]
    return Choice(route, tuple(able), tuple(reasons))


def lacks(model: RunningModel, needs: Needs) -> str:
    """Return what a model can't do of what is needed; empty where it can do all."""
    section = model.section
    if section.task != needs.task:
        return f"it serves {section.task}"
    if needs.max_pixels and not section.vision:
        return "it takes no images"
    if section.max_image_pixels and needs.max_pixels > section.max_image_pixels:
        return f"an image has {needs.max_pixels} px, it takes {section.max_image_pixels}"
    if needs.json_schema and not section.json_schema:
        return "it takes no JSON schema"
    if needs.tools and not section.tools:
        return "it takes no tools"
    if section.max_audio_bytes and needs.audio_bytes > section.max_audio_bytes:
        return f"the recording has {needs.audio_bytes} bytes, it takes {section.max_audio_bytes}"
    if section.max_audio_s and needs.audio_ms > section.max_audio_s * 1000 and not needs.is_audio_estimated:
        return f"the recording has {needs.audio_ms / 1000:g} s, it takes {section.max_audio_s:g}"
    return ""


def _unmet(when: WhenSection, needs: Needs) -> str:
    if when.has_images is not None and when.has_images != bool(needs.max_pixels):
        return f"the rule wants has_images = {str(when.has_images).lower()}"
    if when.figure_kinds and needs.figure_kind not in when.figure_kinds:
        return f"the rule wants a figure of {', '.join(when.figure_kinds)}"
    if when.max_input_tokens and needs.input_tokens > when.max_input_tokens:
        return f"the rule wants at most {when.max_input_tokens} tokens, the prompt has about {needs.input_tokens}"
    return ""


def _price(model: RunningModel, needs: Needs) -> float:
    section = model.section
    priced = needs.input_tokens * section.input_usd_per_mtok + needs.output_tokens * section.output_usd_per_mtok
    return float(priced) / 1e6 + needs.audio_ms / 60_000 * float(section.audio_usd_per_minute)


def _in_seconds(first_token_s: float | None) -> str:
    return "not measured yet" if first_token_s is None else f"first token after {first_token_s:.3f} s lately"


def _in_fidelity(fidelity: float | None, figure_kind: str) -> str:
    of = figure_kind or "all kinds"
    return f"no fidelity known for {of}" if fidelity is None else f"fidelity {fidelity:.3f} for {of}"


def _drawn(targets: list[Target], by: str) -> Target:
    """Return the target that a name's hash falls on, by weight; the same for the same name."""
    total = sum(target.weight for target in targets)
    point = int.from_bytes(hashlib.sha256(by.encode()).digest()[:8], "big") / 2**64 * total
    for target in targets:
        point -= target.weight
        if point < 0:
            return target
    return targets[0]  # every weight is 0
