"""Two sides of a question: "A and B", "A than B", "from A to B"."""

from __future__ import annotations

from loupe.reasoning.v1.analysis_pb2 import Operand
from servers.reasoning.parts import Part, only, operand_of, read_part, share_context
from servers.reasoning.question import Question

_JOINTS = frozenset(
    {
        "exceed",
        "exceeded",
        "surpass",
        "outsell",
        "minus",
        "divided",
        "and",
        "than",
        "then",
        "to",
        "v",
        "vs",
        "versu",
        "versus",
        "from",
        "with",
        "or",
        "by",
        "as",
    }
)


def split_parts(question: Question, start: int = 0, stop: int | None = None) -> tuple[Part, Part] | None:
    """Return the two sides of a stretch, cut where they are most alike; None where there are not two."""
    end = len(question.words) if stop is None else stop
    best: tuple[int, Part, Part] | None = None
    for place in range(start + 1, end - 1):
        if question.keys[place] not in _JOINTS:
            continue
        left, right = read_part(question, start, place), read_part(question, place + 1, end)
        if left.is_anchored and right.is_anchored:
            cost = _unlikeness(left, right)
            if best is None or cost < best[0]:
                best = cost, left, right
    if best is None:
        return None
    _, left, right = best
    share_context(left, right)
    if left.aggregates and not right.aggregates and not right.superlatives and right.has_items:
        right = only(right, aggregates=left.aggregates)
    return left, right


def _unlikeness(left: Part, right: Part) -> int:
    return (
        abs(len(left.aggregates) - len(right.aggregates))
        + abs(len(left.superlatives) - len(right.superlatives))
        + (bool(left.series) != bool(right.series))
        + (bool(left.categories) != bool(right.categories))
        + abs(len(left.series) - len(right.series))
        + abs(len(left.categories) - len(right.categories))
    )


def end_operands(question: Question) -> tuple[Operand, Operand] | None:
    """Return the values at the two times that a change runs between, earlier-named first."""
    part = read_part(question)
    if question.time_dimension is None or part.superlatives:
        return None
    ends = question.ends
    if ends is None:
        return None
    first, last = (at_time(question, part, time) for time in ends)
    return operand_of(question, first), operand_of(question, last)


def at_time(question: Question, part: Part, *times: str) -> Part:
    """Return a part at some times only."""
    bare = only(part, filters=[], superlatives=[], aggregates=[], constant=None, is_others=False)
    if question.time_dimension == "series":
        return only(bare, series=list(times))
    return only(bare, categories=list(times))
