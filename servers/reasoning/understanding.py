"""Understanding: a question and the figures that were read, to an analysis or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loupe.reasoning.v1.analysis_pb2 import ANSWER_FORM_BOOLEAN, OPERATION_KIND_TREND, Analysis, Operation
from loupe.type.v1.figure_pb2 import Figure
from servers.reasoning import lexicon as lex
from servers.reasoning.grid import grid_of
from servers.reasoning.question import Question
from servers.reasoning.refusals import assumptions, contents, outside_reason
from servers.reasoning.rules import change, counting, pairs, ranking, reading, yes_no
from servers.reasoning.words import split

Rule = Callable[[Question], Operation | None]

# The first rule that understands the question decides; a narrower one stands before a wider one.
RULES: tuple[Rule, ...] = (
    change.find_trend,
    yes_no.answer_yes_no,
    reading.find_product,
    pairs.find_share,
    change.find_sharpest_change,
    change.find_growth,
    pairs.find_difference,
    pairs.find_ratio,
    counting.find_count,
    reading.find_comparison,
    reading.find_shared_value,
    ranking.find_order,
    reading.find_by_condition,
    reading.find_aggregate,
    ranking.find_extreme,
    reading.find_names,
    reading.find_value,
)


@dataclass(frozen=True)
class Refusal:
    """The question can't be answered from what was read."""

    reason: str


def understand(question: str, figures: Sequence[Figure], surroundings: Sequence[str] = ()) -> Analysis | Refusal:
    """Return the analysis that answers a question; without a question, the one that describes the first figure.

    Args:
      surroundings: text of the image outside its figures; it says what the figures are about.
    """
    grids = [grid for grid in map(grid_of, figures) if grid.numbers]
    if not grids:
        return Refusal("no numbers could be read from the figures")
    if not question.strip():
        return Analysis(operations=[reading.describe(grids[0].figure_id)])
    readings = sorted((Question(question, grid) for grid in grids), key=_fit, reverse=True)
    first: Refusal | None = None
    for one in readings:
        result = _of_one(one, surroundings)
        if isinstance(result, Analysis):
            return result
        first = first or result
    return first or Refusal("no numbers could be read from the figures")


def _of_one(question: Question, surroundings: Sequence[str]) -> Analysis | Refusal:
    if reason := outside_reason(question, surroundings):
        return Refusal(f"{reason}; {contents(question.grid)}")
    for rule in RULES:
        operation = rule(question)
        if operation is None:
            continue
        is_verdict = operation.form == ANSWER_FORM_BOOLEAN or operation.kind == OPERATION_KIND_TREND
        if question.is_boolean and not is_verdict:
            break
        notes = assumptions(question, surroundings)
        return Analysis(question=question.text, operations=[operation], assumptions=notes)
    if question.has(lex.DESCRIBE) or question.has_phrase(
        r"\bwhat (does|do|is|are) .*\b(show|about|data|chart|graph|figure)\b"
    ):
        return Analysis(question=question.text, operations=[reading.describe(question.grid.figure_id)])
    if question.is_boolean:
        return Refusal(f"it is not clear what is to be held against what; {contents(question.grid)}")
    return Refusal(f"the question names nothing that stands in the figure; {contents(question.grid)}")


def _fit(question: Question) -> tuple[int, int]:
    """Return how much of the question a figure accounts for; the better figure has more."""
    about = {word for text in question.grid.texts for word in _keys(text)}
    named = sum(mention.end - mention.start for mention in question.mentions)
    return named, sum(key in about for key in question.keys if key and key not in lex.KNOWN)


def _keys(text: str) -> list[str]:
    return [word.key for word in split(text)]
