"""The planner: the next action, as a function of the goal and of what was done.

    nothing seen     read_figures, for each input in turn
    all seen         ask_person which figure is meant, where that can't be told and somebody is there to answer;
                     write_code with the analysis of the question, which may be to refuse it; nothing seen: finish
    code written     review_code; approved: run_code; denied: repair_code
    run              finish with the program's answer; where it failed or gave none: repair_code

The orchestrator inserts the reviews and the runs and limits the repairs; the planner knows them all, so that it can be
asked at any point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loupe.reasoning.v1 import reasoning_pb2 as pb
from loupe.reasoning.v1.analysis_pb2 import Analysis, OperationKind
from loupe.sandbox.v1.sandbox_pb2 import OUTCOME_COMPLETED
from loupe.type.v1.answer_pb2 import ANSWER_STATUS_UNANSWERABLE, ANSWER_STATUS_UNSPECIFIED, Answer
from loupe.type.v1.figure_pb2 import FIDELITY_FAIL, Figure
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.reasoning.understanding import Refusal, ambiguity, understand

Step = tuple[str, pb.Action]
"""The thought and the action."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a question may be answered from, once every input was read."""

    figures: Sequence[Figure]
    """Fit to be used as data, at least one; only the figure that a person chose, where one did."""

    texts: Sequence[str]
    """Of the images, around and inside their figures."""


def next_step(goal: pb.Goal, turns: Sequence[pb.Turn]) -> Step:
    """Return what to do next, and why. The same arguments give the same step."""
    settled = routine_step(goal, turns)
    if isinstance(settled, Material):
        return first_program(goal, settled)
    return settled


def routine_step(goal: pb.Goal, turns: Sequence[pb.Turn]) -> Step | Material:
    """Return the step that follows whatever was asked, or the material where the question has to be understood."""
    seen = [turn.observation.figures for turn in turns if turn.observation.HasField("figures")]
    read = sum(turn.action.HasField("read_figures") for turn in turns)
    if read < len(goal.inputs):
        which = "the image" if len(goal.inputs) == 1 else f"image {read + 1} of {len(goal.inputs)}"
        return f"Read the charts and tables of {which}.", pb.Action(read_figures=pb.ReadFigures(file=goal.inputs[read]))
    coded = [
        turn
        for turn in turns
        if turn.action.WhichOneof("kind") in ("write_code", "review_code", "run_code", "repair_code")
    ]
    if coded:
        return _after_code(coded[-1])
    meant = next((turn.observation.person.choice_id for turn in turns if turn.observation.HasField("person")), "")
    # What a person corrected came later and takes the place of what was read.
    figures = list({figure.figure_id: figure for image in seen for figure in image.figures}.values())
    usable = [figure for figure in figures if figure.fidelity != FIDELITY_FAIL and meant in ("", figure.figure_id)]
    if not usable:
        return _unanswerable(_why_nothing(seen, figures))
    return Material(
        usable, [text for image in seen for text in (image.caption, *(one.text for one in image.text_blocks))]
    )


def first_program(goal: pb.Goal, material: Material) -> Step:
    """Return the step to the first program, by rule."""
    usable, texts = material.figures, material.texts
    if goal.may_ask and (unclear := ambiguity(goal.question, usable, texts)):
        return ask_which(unclear.figures)
    result = understand(goal.question, usable, texts)
    if isinstance(result, Refusal):
        return _refuse(goal.question, usable, result.reason)
    return plan_in_words(result), pb.Action(write_code=pb.WriteCode(analysis=result))


def ask_which(figures: Sequence[tuple[str, str]]) -> Step:
    """Return the step that asks a person which of several figures, each (id, title or id), is meant."""
    choices = [
        pb.Choice(choice_id=figure_id, text=title[:500] if title != figure_id else f"{figure_id}, which has no title")
        for figure_id, title in figures[:10]
    ]
    ask = pb.AskPerson(prompt="Which of these figures is the question about?", choices=choices)
    return "Several figures could be meant: ask.", pb.Action(ask_person=ask)


def _after_code(turn: pb.Turn) -> Step:
    observation = turn.observation
    if observation.HasField("code"):
        sha256 = observation.code.code_sha256
        return "Have the code reviewed before it runs.", pb.Action(review_code=pb.ReviewCode(code_sha256=sha256))
    if observation.HasField("verdict"):
        sha256 = observation.verdict.code_sha256
        if observation.verdict.is_approved:
            return "The code is approved: run it.", pb.Action(run_code=pb.RunCode(code_sha256=sha256))
        rules = ", ".join(dict.fromkeys(one.rule for one in observation.verdict.findings if one.is_blocking))
        return f"The review denied the code ({rules}): repair it.", _repair(sha256)
    run = observation.run
    if run.result.outcome == OUTCOME_COMPLETED and run.answer.status != ANSWER_STATUS_UNSPECIFIED:
        return "The program gave an answer.", pb.Action(finish=pb.Finish(answer=run.answer))
    if run.result.outcome == OUTCOME_COMPLETED:
        return "The program ran but left no valid answer: repair it.", _repair(run.code_sha256)
    error = run.result.error.type or "it did not finish"
    return f"The program failed ({error}): repair it.", _repair(run.code_sha256)


def _repair(code_sha256: str) -> pb.Action:
    return pb.Action(repair_code=pb.RepairCode(code_sha256=code_sha256))


def _unanswerable(reason: str) -> Step:
    text = f"This can't be answered from what was read: {reason}."
    answer = Answer(status=ANSWER_STATUS_UNANSWERABLE, text=text[:8000], reason=reason[:1000])
    return "What was read does not hold the answer.", pb.Action(finish=pb.Finish(answer=answer))


def _refuse(question: str, figures: Sequence[Figure], reason: str) -> Step:
    """Return the step that keeps the data of what was read, and refuses the question."""
    described = understand("", figures)
    if isinstance(described, Refusal):
        return _unanswerable(reason)
    analysis = Analysis(question=question, operations=described.operations, refusal=reason[:1000])
    thought = f"What was read does not hold the answer: {reason}. Keep the data."
    return thought, pb.Action(write_code=pb.WriteCode(analysis=analysis))


def _why_nothing(seen: Sequence[AnalyzeImageResponse], figures: Sequence[Figure]) -> str:
    doubts = [doubt.message for figure in figures for doubt in figure.reasons if doubt.message]
    if figures:
        return "the figures could not be read surely enough to be used as data" + (
            f": {'; '.join(doubts[:5])}" if doubts else ""
        )
    reasons = [reason.rstrip(".") for image in seen for reason in image.reasons]
    if reasons:
        return f"no chart or table could be read: {'; '.join(reasons[:5])}"
    has_text = any(image.text_blocks for image in seen)
    return "no chart or table could be read" + ("; there is text only" if has_text else "")


def plan_in_words(analysis: Analysis) -> str:
    """Return a plan as one sentence for a person."""
    kinds = [
        OperationKind.Name(one.kind).removeprefix("OPERATION_KIND_").replace("_", " ").lower()
        for one in analysis.operations
    ]
    return f"Write a program for it: {', '.join(kinds)}."
