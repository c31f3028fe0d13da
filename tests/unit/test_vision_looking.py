"""What a model is told of an image beside the image: the kind of figure that was read, where that is wanted."""

from __future__ import annotations

from typing import cast

import pytest

from loupe.router.v1.router_pb2 import Completion, FinishReason
from loupe.type.v1.engine_pb2 import Engine
from loupe.type.v1.figure_pb2 import ChartType, Figure, Table
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.kit.models.asking import Limits
from servers.kit.models.base import ChatModel
from servers.vision.engines.builtin import BuiltinEngine
from servers.vision.engines.model import ModelVisionEngine
from servers.vision.looking import kind_of
from tests import vision_figures

BAR = vision_figures.bars({"": {"a": 100.0}}, [(300.0, 0.0), (100.0, 20.0)], kind=ChartType.CHART_TYPE_BAR)
TABLE = Figure(table=Table(row_count=1, column_count=1))


class Rules:
    """Reads one bar chart."""

    def __init__(self, happened: list[str]) -> None:
        self.happened = happened

    async def shrink(self, image: bytes, max_pixels: int) -> bytes:
        return image

    async def analyze(self, image: bytes) -> AnalyzeImageResponse:
        self.happened.append("read")
        return AnalyzeImageResponse(figures=[BAR])


class Model:
    """Sees nothing, and keeps what it was asked."""

    identity = Engine(name="routed", model="eyes")

    def __init__(self, happened: list[str]) -> None:
        self.happened = happened

    async def complete(self, request):
        self.happened.append(f"looked for {request.figure_kind or 'anything'}")
        return Completion(text='{"figures": []}', finish_reason=FinishReason.FINISH_REASON_STOP)


@pytest.mark.parametrize(
    ("reads_first", "expected"), [(True, ["read", "looked for bar"]), (False, ["looked for anything", "read"])]
)
async def test_a_model_is_told_the_kind_only_where_the_reading_comes_first(reads_first, expected):
    happened: list[str] = []
    engine = ModelVisionEngine(
        cast(BuiltinEngine, Rules(happened)),
        cast(ChatModel, Model(happened)),
        Limits(100, 10.0),
        max_pixels=10**6,
        falls_back=False,
        reads_first=reads_first,
    )
    await engine.analyze(b"image")
    assert happened == expected if reads_first else sorted(happened) == expected


@pytest.mark.parametrize(
    ("figures", "kind"),
    [([BAR], "bar"), ([BAR, BAR], "bar"), ([TABLE], "table"), ([BAR, TABLE], ""), ([], ""), ([Figure()], "")],
)
def test_the_kind_of_an_image_is_that_of_all_its_figures(figures, kind):
    assert kind_of(figures) == kind
