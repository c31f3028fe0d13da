"""Whatever was read, written and drawn: an explanation has no loose end, and each part of it is told apart."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from loupe.orchestrator.v1.control_pb2 import ExplainJobRequest
from loupe.sandbox.v1.figure_data_pb2 import AxesData, Axis, AxisKind, FigureData, Series, SeriesKind, Tick
from loupe.type.v1.answer_pb2 import AnswerValue
from loupe.type.v1.figure_pb2 import Figure
from loupe.type.v1.geometry_pb2 import Box
from tests.explained import PROGRAM, chart, explained, loose_ends, number, table

NAMES = ["Q1", "Q2", "North", "South", "2019", "", "Q1 (2)", "Nort…", "$"]
NUMBERS = [0.0, 1.0, 2.0, 10.0, 10.004, -3.5, 1e9, 0.333333333]
SOLVING = """\
import json
def solve(f):
    return f
x = solve(json.load(open("chart.json")))
open("data.csv", "w").write(x)
"""
CIRCLING = """\
def a(n):
    return b(n)
def b(n):
    for i in n:
        n = a(i)
    return n
class C:
    def m(self):
        a(1)
a(b(2))
"""
OPENING = """\
with open("data.csv", "w") as f, open("answer.json", "w") as g:
    f.write("")
    g.write("")
"""
PROGRAMS = [PROGRAM, "x = 1\n", SOLVING, CIRCLING, OPENING]
names = st.sampled_from(NAMES)
numbers = st.sampled_from(NUMBERS)


@st.composite
def figures(draw: st.DrawFn) -> list[Figure]:
    made = []
    for place in range(draw(st.integers(0, 2))):
        if draw(st.booleans()):
            rows = st.dictionaries(names, numbers, max_size=4)
            made.append(chart(draw(st.dictionaries(names, rows, max_size=3)), f"f{place + 1}"))
        else:
            width = draw(st.integers(1, 3))
            body = draw(st.lists(st.lists(numbers.map(str), min_size=width, max_size=width), max_size=3))
            head = draw(st.lists(names, min_size=width + 1, max_size=width + 1))
            made.append(table([head, *([draw(names), *row] for row in body)], f"f{place + 1}"))
    return made


@st.composite
def data_files(draw: st.DrawFn) -> str:
    texts = st.one_of(names, numbers.map(str), numbers.map(lambda one: f"{one:.1f}"), st.text(max_size=4))
    out = io.StringIO()
    csv.writer(out).writerows(draw(st.lists(st.lists(texts, max_size=4), max_size=5)))
    return out.getvalue().replace("\0", "")


@st.composite
def drawings(draw: st.DrawFn) -> FigureData:
    axis = st.builds(
        Axis,
        kind=st.sampled_from([AxisKind.AXIS_KIND_NUMBER, AxisKind.AXIS_KIND_CATEGORY, AxisKind.AXIS_KIND_TIME]),
        categories=st.lists(names, max_size=3),
        ticks=st.lists(st.builds(Tick, value=st.integers(0, 3).map(float), label=names), max_size=3),
    )
    data = FigureData(
        artifact_names=draw(st.sampled_from([["chart.png"], ["a.png", "chart.png"], ["a.svg", "chart.png"]]))
    )
    for _ in range(draw(st.integers(0, 2))):
        axes = AxesData(x_axis=draw(axis), y_axis=draw(axis), omitted_series_count=draw(st.integers(0, 1)))
        for _ in range(draw(st.integers(0, 3))):
            kind = draw(st.sampled_from([one for one in SeriesKind.values() if one]))
            count = draw(st.integers(0, 4))
            column = st.lists(numbers, min_size=count, max_size=count)
            series = Series(kind=kind, name=draw(names), point_count=count + draw(st.integers(0, 2)))
            series.lines.extend(draw(st.lists(st.integers(1, 15), max_size=4)))
            if kind == SeriesKind.SERIES_KIND_TABLE:
                series.labels.extend(draw(st.lists(st.one_of(names, numbers.map(str)), min_size=count, max_size=count)))
            else:
                series.y.extend(draw(column))
                series.x.extend(draw(column))
                series.base.extend(draw(st.one_of(column, st.just([]))))
                series.labels.extend(draw(st.lists(names, min_size=count, max_size=count)))
            series.row_count = series.column_count = 2
            series.boxes.extend([Box(x_max=1, y_max=1)] * draw(st.integers(0, count)))
            axes.series.append(series)
        data.axes.append(axes)
    return data


answers = st.lists(
    st.builds(lambda name, value, ids: number(name, value, *ids), names, numbers, st.lists(names, max_size=2)),
    max_size=3,
)


@given(figures(), data_files(), st.lists(drawings(), max_size=2), answers, st.sampled_from(PROGRAMS))
def test_no_explanation_has_a_loose_end(
    read: list[Figure], data_csv: str, told: list[FigureData], values: list[AnswerValue], source: str
) -> None:
    graph = explained(read, data_csv, told, values, source)
    whole = graph.whole()
    assert loose_ends(whole) == []
    last = whole.nodes[len(whole.nodes) // 2].node_id
    behind = graph.page(ExplainJobRequest(of_node_ids=[last])).nodes
    assert behind[-1].node_id == last
    held = {node.node_id for node in behind}
    assert all(set(node.from_node_ids) <= held for node in behind)
