"""What a model says that it sees in an image, as the contract's figures."""

from __future__ import annotations

from collections.abc import Iterable

from loupe.type.v1.figure_pb2 import ChartType, Figure
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.kit.models.asking import Answered, Limits, question
from servers.kit.models.base import ChatModel
from servers.kit.models.prompts import read_prompt
from servers.kit.models.structured import fill_in
from servers.vision.opinion import form

PROMPT = read_prompt("servers.vision", "read")


async def look(
    model: ChatModel, picture: bytes, limits: Limits, *, figure_kind: str = ""
) -> Answered[AnalyzeImageResponse]:
    """Return the figures that a model sees; none of them has a box or any other evidence.

    Args:
      figure_kind: as in `kind_of`, for a router that chooses by it; empty where it is not known.
    Raises:
      MalformedAnswer: two answers in turn were of no use.
      Further what the model raises.
    """
    request = question(PROMPT, "Read the image.", limits, images=(picture,))
    request.figure_kind = figure_kind
    return await fill_in(model, PROMPT, request, form(), limits)


def kind_of(figures: Iterable[Figure]) -> str:
    """Return the kind that all figures of an image are of: "grouped_bar", "table"; empty where they differ."""
    kinds = {kind_name(figure) for figure in figures}
    return kinds.pop() if len(kinds) == 1 else ""


def kind_name(figure: Figure) -> str:
    """Return a figure's kind as rules and tables of fidelity name it; empty where its type was not made out."""
    if figure.HasField("table"):
        return "table"
    kind = figure.chart.type
    return ChartType.Name(kind).removeprefix("CHART_TYPE_").lower() if kind else ""
