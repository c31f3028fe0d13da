"""Understanding: a question and the figures that were read, to an analysis or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loupe.reasoning.v1.analysis_pb2 import ANSWER_FORM_BOOLEAN, OPERATION_KIND_TREND, Analysis, Operation
from loupe.type.v1.figure_pb2 import Figure
from servers.reasoning import lexicon as lex
from servers.reasoning.families import METHODS, Family, rules_for
from servers.reasoning.grid import grid_of
from servers.reasoning.pointing import pointers, without
from servers.reasoning.question import Question
from servers.reasoning.refusals import assumptions, contents, outside_reason
from servers.reasoning.rules import reading
from servers.reasoning.rules.relations import asks_of_x
from servers.reasoning.several import understand_joined
from servers.reasoning.words import split


@dataclass(frozen=True)
class Refusal:
    """The question can't be answered from what was read."""

    reason: str


@dataclass(frozen=True)
class Ambiguity:
    """Several figures account for the question equally well."""

    figures: tuple[tuple[str, str], ...]
    """Pairs of figure id and title, the likeliest first."""


def understand(question: str, figures: Sequence[Figure], surroundings: Sequence[str] = ()) -> Analysis | Refusal:
    """Return the analysis that answers a question; without a question, the one that describes the first figure.

    Where several figures could be meant it takes the likeliest, and the analysis says so.

    Args:
      surroundings: text of the image outside its figures; it says what the figures are about.
    """
    return _understood(question, figures, surroundings)[0]


def ambiguity(question: str, figures: Sequence[Figure], surroundings: Sequence[str] = ()) -> Ambiguity | None:
    """Return the figures that `understand` had to choose from, where it had to."""
    return _understood(question, figures, surroundings)[1]


def _understood(
    question: str, figures: Sequence[Figure], surroundings: Sequence[str]
) -> tuple[Analysis | Refusal, Ambiguity | None]:
    grids = [grid for grid in map(grid_of, figures) if grid.numbers or grid.texts_at]
    if not grids:
        return Refusal("no numbers could be read from the figures"), None
    if not question.strip():
        return Analysis(operations=[reading.describe(grids[0].figure_id)]), None
    if len(grids) > 1:
        if joined := understand_joined(question, grids):
            return joined, None
        pointed = pointers(question, grids)
        meant = {one.figure_id for one in pointed}
        if len(meant) == 1:
            grids = [grid for grid in grids if grid.figure_id in meant]
            question = without(question, pointed) or question
    return _of_best([Question(question, grid) for grid in grids], surroundings)


def _of_best(questions: Sequence[Question], surroundings: Sequence[str]) -> tuple[Analysis | Refusal, Ambiguity | None]:
    """Return the analysis of the figure that accounts for most of the question, if one of them answers it."""
    results = [(one, _of_one(one, surroundings)) for one in sorted(questions, key=_fit, reverse=True)]
    answered = [(one, result) for one, result in results if isinstance(result, Analysis)]
    if not answered:
        return results[0][1], None
    question, analysis = answered[0]
    equal = [one.grid for one, _ in answered if _fit(one) == _fit(question)]
    if len(equal) == 1:
        return analysis, None
    titles = tuple((grid.figure_id, grid.title or grid.figure_id) for grid in equal)
    analysis.assumptions.append(f"Several figures could be meant; this is about the one called “{titles[0][1]}”.")
    return analysis, Ambiguity(titles)


def _of_one(question: Question, surroundings: Sequence[str]) -> Analysis | Refusal:
    found = _operation(question)
    is_method = found is not None and found[0] in METHODS
    if reason := outside_reason(question, surroundings, is_method):
        return Refusal(f"{reason}; {contents(question.grid)}")
    if found is not None:
        notes = assumptions(question, surroundings)
        return Analysis(question=question.text, operations=[found[1]], assumptions=notes)
    if question.has(lex.DESCRIBE) or question.has_phrase(
        r"\bwhat (does|do|is|are) .*\b(show|about|data|chart|graph|figure)\b"
    ):
        return Analysis(question=question.text, operations=[reading.describe(question.grid.figure_id)])
    if question.is_boolean:
        return Refusal(f"it is not clear what is to be held against what; {contents(question.grid)}")
    return Refusal(f"the question names nothing that stands in the figure; {contents(question.grid)}")


def _operation(question: Question) -> tuple[Family, Operation] | None:
    """Return what the first rule that understands the question makes of it."""
    for family, rule in rules_for(question.grid):
        operation = rule(question)
        if operation is None:
            continue
        is_verdict = operation.form == ANSWER_FORM_BOOLEAN or operation.kind == OPERATION_KIND_TREND
        if question.is_boolean and not is_verdict and family not in METHODS:
            return None
        if family not in METHODS and asks_of_x(question):
            for operand in operation.operands:
                if operand.HasField("selection"):
                    operand.selection.takes_x = True
        return family, operation
    return None


def _fit(question: Question) -> tuple[int, int, int]:
    """Return how much of the question a figure accounts for; the better figure has more."""
    about = {word for text in question.grid.texts for word in _keys(text)}
    named = sum(mention.end - mention.start for mention in question.mentions)
    matched = [key for key in question.keys if key in about and key not in lex.PLAIN]
    return named, sum(key not in lex.KNOWN for key in matched), len(matched)


def _keys(text: str) -> list[str]:
    return [word.key for word in split(text)]
