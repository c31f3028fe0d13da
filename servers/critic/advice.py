"""A model's review on top of the verdict: it adds findings, and can neither remove one nor approve anything.

What is not approved already is not shown to it. Its findings are remembered for a program and a revision of the model,
so that the same program under the same policy version keeps its verdict.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from loupe.critic.v1.critic_pb2 import Finding, Severity, Tool, Verdict
from loupe.type.v1.engine_pb2 import Engine, EngineStatus
from servers.critic.program import shortened
from servers.critic.review import Reviewer, combine
from servers.kit.models.asking import Limits, Unfit, question
from servers.kit.models.base import ChatModel
from servers.kit.models.prompts import read_prompt
from servers.kit.models.stand_in import StandIn
from servers.kit.models.structured import Form, fill_in

_PROMPT = read_prompt("servers.critic", "review")
_NOT_THE_MODELS = (
    *(f"loupe.critic.v1.Verdict.{name}" for name in ("is_approved", "code_sha256", "policy_version")),
    *(f"loupe.critic.v1.Finding.{name}" for name in ("tool", "is_blocking", "column", "end_line", "end_column")),
)
_ITS_OWN = tuple(f"loupe.critic.v1.Finding.{name}" for name in ("rule", "severity", "message"))
_MOST_FINDINGS = 20
_REMEMBERED = 256
_RULE = re.compile(r"[a-z][a-z0-9-]{0,39}")
_ANY_RULE = "model-review"
_LEFT_OUT = "model-review-left-out"


@dataclass(frozen=True, slots=True)
class Weight:
    """What a model's findings may do."""

    most: Severity.ValueType
    """A finding that the model calls worse counts as this."""

    denies: bool
    """Whether one that counts as HIGH denies the program."""


@dataclass(frozen=True, slots=True)
class _Advice:
    engine: Engine
    findings: tuple[Finding, ...]


class AdvisedReviewer:
    """Verdicts of a `Reviewer` with a model's findings added.

    Without its model it fails closed, unless told to go on: then each verdict says that the review was left out.
    """

    def __init__(
        self, reviewer: Reviewer, model: ChatModel, limits: Limits, weight: Weight, *, goes_on_without: bool
    ) -> None:
        self._reviewer = reviewer
        self._model = model
        self._limits = limits
        self._weight = weight
        self._stand_in = StandIn("critic", model, Engine(name="builtin") if goes_on_without else None)
        self._remembered: OrderedDict[str, _Advice] = OrderedDict()

    async def start(self) -> None:
        """Start the model. Raises NotReady."""
        await self._stand_in.start()

    async def review(self, source: str) -> Verdict:
        """Return the verdict on a program.

        Raises:
          NotReady: a checker is down or took too long.
          LoupeError: the model can't answer, and the reviewer may not go on without it.
        """
        verdict = await self._reviewer.review(source)
        if not verdict.is_approved:
            return verdict

        async def without(engine: Engine) -> _Advice:
            left_out = Finding(
                tool=Tool.TOOL_MODEL,
                rule=_LEFT_OUT,
                severity=Severity.SEVERITY_LOW,
                message=shortened(engine.degraded_reason),
            )
            return _Advice(engine, (left_out,))

        advice = await self._stand_in.answer(lambda: self._advice(verdict.code_sha256, source), without)
        asked = advice.engine
        told = f"{asked.model} {asked.revision} {asked.prompt}" if asked.prompt else "left out"
        return combine(
            verdict.code_sha256, f"{verdict.policy_version}; model {told}", [*verdict.findings, *advice.findings]
        )

    async def status(self) -> EngineStatus:
        """Return how the model is."""
        return await self._stand_in.status()

    async def close(self) -> None:
        """Release the model."""
        await self._stand_in.close()

    async def _advice(self, code_sha256: str, source: str) -> _Advice:
        """Return the model's findings, those given before as long as its revision is what it was then."""
        revision = (await self._model.status()).engine.revision
        known = self._remembered.pop(code_sha256, None)
        # A model that can't say what it is does not unsay what it said.
        if known is None or revision not in ("", known.engine.revision):
            known = await self._ask(source)
        self._remembered[code_sha256] = known
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return known

    async def _ask(self, source: str) -> _Advice:
        lines = source.split("\n")

        def judge(message: Verdict) -> None:
            if len(message.findings) > _MOST_FINDINGS:
                raise Unfit(f"there are {len(message.findings)} findings, at most {_MOST_FINDINGS}: the worst ones")
            if wrong := [one.line for one in message.findings if one.line > len(lines)]:
                raise Unfit(f"the program has {len(lines)} lines, and no line {wrong[0]}")

        form = Form(Verdict, leave_out=_NOT_THE_MODELS, require=_ITS_OWN, judge=judge)
        numbered = "\n".join(f"{number:>4}  {line}" for number, line in enumerate(lines, start=1))
        shown = numbered.replace("</program>", "</ program>")
        request = question(_PROMPT, f"<program>\n{shown}\n</program>", self._limits)
        answered = await fill_in(self._model, _PROMPT, request, form, self._limits)
        return _Advice(answered.engine, tuple(_weighed(answered.value.findings, self._weight)))


def _weighed(findings: Sequence[Finding], weight: Weight) -> list[Finding]:
    made = []
    for one in findings:
        severity = min(one.severity or Severity.SEVERITY_LOW, weight.most)
        made.append(
            Finding(
                tool=Tool.TOOL_MODEL,
                rule=one.rule if _RULE.fullmatch(one.rule) else _ANY_RULE,
                severity=severity,
                is_blocking=weight.denies and severity == Severity.SEVERITY_HIGH,
                message=shortened(one.message),
                line=one.line,
                column=1 if one.line else 0,
                end_line=one.line,
                end_column=1 if one.line else 0,
            )
        )
    return made
