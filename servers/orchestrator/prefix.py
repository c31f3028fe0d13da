"""How much of a job's log another may take over: whole actions with what came of them, never a person's decision."""

from __future__ import annotations

from collections.abc import Sequence

from loupe.orchestrator.v1.orchestrator_pb2 import Step

_NEVER_TAKEN = frozenset({"ask_approval", "finish", "draw_overlay"})


def whole_turns(steps: Sequence[Step]) -> list[Step]:
    """Return the steps up to the last observation. An approval is of one job, so what follows its asking is left out.

    The end of a job (its finish and its overlay) is left out too: it is decided on again.
    """
    end = 0
    for place, step in enumerate(steps, start=1):
        if step.HasField("action") and step.action.WhichOneof("kind") in _NEVER_TAKEN:
            break
        if step.HasField("observation"):
            end = place
    return list(steps[:end])


def before_code(steps: Sequence[Step]) -> list[Step]:
    """Return the steps in which pictures were read, up to where it was decided what to compute."""
    taken = whole_turns(steps)
    for place, step in enumerate(taken):
        if step.HasField("action") and step.action.WhichOneof("kind") not in ("read_figures", "correct_figure"):
            return whole_turns(taken[:place])
    return taken


def last_code(steps: Sequence[Step]) -> list[Step]:
    """Return the steps up to the newest code, without what was said of it and what came of it."""
    taken = whole_turns(steps)
    ends = [place for place, step in enumerate(taken, start=1) if step.observation.HasField("code")]
    return taken[: ends[-1]] if ends else []
