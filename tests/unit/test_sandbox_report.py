"""Reports are written by hostile processes: what is not as our own code writes it counts for nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.sandbox.v1.figure_data_pb2 import FigureData
from loupe.sandbox.v1.sandbox_pb2 import RunResult
from sandbox.collection import Harvest
from sandbox.execution import result_of
from sandbox.runners import report
from sandbox.runners.base import Ending
from sandbox.runners.report import Drawn, Report

HAPPENED = {"error": None, "figures": ["figure-1.png"], "notes": []}
AXIS = {"label": "", "kind": "NUMBER", "scale": "linear", "lower": 0, "upper": 1.5, "categories": [], "ticks": []}
SERIES = {
    "name": "a",
    "kind": "LINE",
    "x": [1, 2],
    "y": [3, 4.5],
    "base": [],
    "labels": [],
    "row_count": 0,
    "column_count": 0,
    "point_count": 2,
    "boxes": [[1, 2, 3, 4], [3, 2, 5, 2]],
    "lines": [40, 12],
}


def figure(**series: Any) -> dict[str, Any]:
    axes = {"title": "", "x_axis": AXIS, "y_axis": AXIS, "series": [SERIES | series], "omitted_series_count": 0}
    return {"title": "t", "axes": [axes], "omitted_axes_count": 0, "files": ["a.png"]}


def parse(*lines: Any) -> Report:
    return report.parse("\n".join(json.dumps(line) for line in lines).encode())


def test_a_report_of_our_own_is_taken():
    value = {"type": "int", "is_truncated": False, "text": "21"}
    taken = parse(HAPPENED, {"figures": [figure()], "value": value})
    assert taken.captured == ("figure-1.png",)
    (drawn,) = taken.figures
    series = drawn.data.axes[0].series[0]
    assert (drawn.files, list(series.y), list(series.lines)) == (("a.png",), [3, 4.5], [40, 12])
    assert [(box.x_min, box.y_min, box.x_max, box.y_max) for box in series.boxes] == [(1, 2, 3, 4), (3, 2, 5, 2)]
    assert taken.value is not None
    assert taken.value.text == "21"


def test_what_happened_counts_also_where_what_was_shown_is_no_such_thing():
    assert parse(HAPPENED, {"figures": 5}).captured == ("figure-1.png",)
    assert parse({"figures": 5}, {"figures": [figure()], "value": None}) == Report()


@pytest.mark.parametrize(
    "series",
    [
        {"y": [3]},
        {"y": [float("nan"), 1]},
        {"y": [float("inf"), 1]},
        {"y": ["3", "4"]},
        {"x": [[1], [2]]},
        {"kind": "SURPRISE"},
        {"point_count": 1},
        {"point_count": -1},
        {"point_count": 2**32},
        {"name": "x" * 501},
        {"name": 5},
        {"labels": ["one"]},
        {"x": [0] * 10_001, "y": [0] * 10_001, "point_count": 10_001},
        {"boxes": [[1, 2, 3]]},
        {"boxes": [[3, 2, 1, 4]]},
        {"boxes": [[-1, 2, 1, 4]]},
        {"boxes": [[1, 2, 3, 4]] * 3},
        {"boxes": [[1, 2, 3, 100_001]]},
        {"lines": [0]},
        {"lines": [1] * 9},
        {"lines": [2**31]},
        {"kind": "TABLE", "labels": ["one", "two"]},
    ],
)
def test_a_figure_that_makes_no_sense_is_dropped(series):
    assert parse(HAPPENED, {"figures": [figure(**series)], "value": None}).figures == ()


@pytest.mark.parametrize(
    "value",
    [
        {"type": "x", "is_truncated": False, "text": "x" * 10_001},
        {"type": "x", "is_truncated": "no", "text": ""},
        {"type": "x", "is_truncated": False, "shape": [-1]},
        {
            "type": "x",
            "is_truncated": False,
            "table": {"columns": [], "rows": [[1]], "row_count": 1, "column_count": 0},
        },
        {
            "type": "x",
            "is_truncated": False,
            "table": {"columns": [], "rows": [[]] * 201, "row_count": 1, "column_count": 0},
        },
    ],
)
def test_a_value_that_makes_no_sense_is_dropped(value):
    assert parse(HAPPENED, {"figures": [], "value": value}).value is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n\n",
        b"[" * 500_000,
        b'{"error":' * 100_000,
        b'{"error": null, "figures": ["\\ud800"], "notes": []}',
        b"\xff" * 100_000,
        b" " * 2_000_000,
    ],
    ids=["nothing", "lines", "depth", "nesting", "half a pair", "no text", "too long"],
)
def test_no_bytes_whatever_break_the_reading(raw):
    assert report.parse(raw) == Report()


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_two_lines_are_read_without_an_error(first, second):
    report.parse(first + b"\n" + second)


def test_a_result_over_its_bound_comes_without_what_was_shown():
    large = FigureData(title="x" * 1_000_000)
    ending = Ending(figures=(Drawn(large, ("a.png",)),), value=None)
    result: RunResult = result_of(ending, Harvest(names={"a.png": "a.png"}))
    assert len(result.figures) == 0
    assert result.notes == ["the figures shown are left out: the result would be over 983040 bytes"]


def test_a_figure_names_only_files_that_came_back_under_the_names_they_came_by():
    ending = Ending(figures=(Drawn(FigureData(title="t"), ("ä.png", "../etc/passwd")),))
    result = result_of(ending, Harvest(names={"ä.png": "_.png"}))
    assert list(result.figures[0].artifact_names) == ["_.png"]
