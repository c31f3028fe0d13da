"""The engine that has a model understand the question. Everything else of a job follows by rule, as it always does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from loupe.reasoning.v1 import reasoning_pb2 as pb
from loupe.type.v1.engine_pb2 import Engine, EngineStatus
from loupe.type.v1.figure_pb2 import Figure
from servers.kit.models.asking import Answered, Limits, Unfit, question
from servers.kit.models.base import ChatModel
from servers.kit.models.prompts import read_prompt
from servers.kit.models.stand_in import StandIn
from servers.kit.models.structured import Form, as_data, fill_in
from servers.reasoning.engines import builtin
from servers.reasoning.planner import Material, ask_which, first_program, plan_in_words, routine_step
from servers.reasoning.proposal import problem_of
from servers.reasoning.shown import shown

_LONGEST_THOUGHT = 400
_PROMPT = read_prompt("servers.reasoning", "plan")
NOT_THE_MODELS = (
    "loupe.reasoning.v1.DecideNextActionResponse.engine",
    "loupe.reasoning.v1.DecideNextActionResponse.cost",
    *(
        f"loupe.reasoning.v1.Action.{kind}"
        for kind in (
            *("read_figures", "review_code", "run_code", "repair_code", "draw_overlay", "finish", "ask_approval"),
            *("edit_code", "correct_figure"),
        )
    ),
    "loupe.reasoning.v1.AskPerson.expire_time",
    "loupe.reasoning.v1.AskPerson.prompt",
    "loupe.reasoning.v1.Choice.text",
    "loupe.reasoning.v1.Analysis.question",
)
"""What a model can't say: the orchestrator's steps, the question itself, and text that a person would be shown."""
_ASKING = "loupe.reasoning.v1.Action.ask_person"
# The thought comes first: a model that says why before what plans better.
_ITS_OWN = tuple(
    f"loupe.reasoning.v1.{name}"
    for name in ("DecideNextActionResponse.thought", "DecideNextActionResponse.action", "WriteCode.analysis")
)


class ModelReasoningEngine:
    """A `ReasoningEngine` that asks a model for the analysis of a question, and holds it against the figures."""

    def __init__(self, model: ChatModel, limits: Limits, *, falls_back: bool) -> None:
        self._model = model
        self._limits = limits
        self._stand_in = StandIn("reasoning", model, builtin.IDENTITY if falls_back else None)

    async def start(self) -> None:
        """Start the model."""
        await self._stand_in.start()

    async def decide(self, goal: pb.Goal, turns: Sequence[pb.Turn]) -> pb.DecideNextActionResponse:
        """Return why and what to do next; a model is asked only where the question decides."""
        settled = await asyncio.to_thread(routine_step, goal, turns)
        if not isinstance(settled, Material):
            return pb.DecideNextActionResponse(thought=settled[0], action=settled[1], engine=builtin.IDENTITY)
        if not goal.question.strip():
            return await self._by_rule(goal, settled, builtin.IDENTITY)
        return await self._stand_in.answer(
            lambda: self._by_model(goal, settled), lambda engine: self._by_rule(goal, settled, engine)
        )

    async def status(self) -> EngineStatus:
        """Return how the model is."""
        return await self._stand_in.status()

    async def close(self) -> None:
        """Release the model."""
        await self._stand_in.close()

    async def _by_rule(self, goal: pb.Goal, material: Material, engine: Engine) -> pb.DecideNextActionResponse:
        thought, action = await asyncio.to_thread(first_program, goal, material)
        return pb.DecideNextActionResponse(thought=thought, action=action, engine=engine)

    async def _by_model(self, goal: pb.Goal, material: Material) -> pb.DecideNextActionResponse:
        def complete(message: pb.DecideNextActionResponse) -> None:
            if message.action.HasField("ask_person"):
                message.action.ask_person.prompt = "?"
                for choice in message.action.ask_person.choices:
                    choice.text = choice.choice_id
            for operation in message.action.write_code.analysis.operations:
                for operand in operation.operands:
                    # The first figure of the job may be one that is not fit to be used.
                    if operand.HasField("selection") and not operand.selection.figure_id:
                        operand.selection.figure_id = material.figures[0].figure_id

        def judge(message: pb.DecideNextActionResponse) -> None:
            if problem := problem_of(message.action, goal, material.figures):
                raise Unfit(problem)

        leave_out = NOT_THE_MODELS if goal.may_ask else (*NOT_THE_MODELS, _ASKING)
        form = Form(pb.DecideNextActionResponse, leave_out=leave_out, require=_ITS_OWN, complete=complete, judge=judge)
        request = question(_PROMPT, _told(goal, material), self._limits)
        return _decided(goal, material, await fill_in(self._model, _PROMPT, request, form, self._limits))


def _told(goal: pb.Goal, material: Material) -> str:
    may_ask = "may" if goal.may_ask else "may not"
    figures = as_data(shown(material.figures, material.texts))
    return (
        f"<figures>\n{figures}\n</figures>\n"
        f"<question>\n{as_data(goal.question)}\n</question>\n"
        f"A person {may_ask} be asked."
    )


def _decided(
    goal: pb.Goal, material: Material, answered: Answered[pb.DecideNextActionResponse]
) -> pb.DecideNextActionResponse:
    """Return the model's decision; what a person is asked is in our own words."""
    action = answered.value.action
    if action.HasField("ask_person"):
        titles = {figure.figure_id: _title(figure) for figure in material.figures}
        thought, ask = ask_which([(one.choice_id, titles[one.choice_id]) for one in action.ask_person.choices])
        return pb.DecideNextActionResponse(thought=thought, action=ask, engine=answered.engine)
    analysis = action.write_code.analysis
    analysis.question = goal.question
    thought = " ".join(answered.value.thought.split())[:_LONGEST_THOUGHT] or plan_in_words(analysis)
    return pb.DecideNextActionResponse(thought=thought, action=action, engine=answered.engine)


def _title(figure: Figure) -> str:
    title = figure.chart.title if figure.HasField("chart") else figure.table.title
    return " ".join(title.split()) or figure.figure_id
