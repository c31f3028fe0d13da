"""What is shown of the last value: typed rows of a data frame, a bounded repr of anything else."""

from __future__ import annotations

import json
import reprlib
from datetime import date
from typing import Any

import numpy
import pandas  # type: ignore[import-untyped]  # it ships no types

from loupe.sandbox.v1.shown_value_pb2 import Cell, ShownValue
from sandbox.bootstrap.shown_value import describe
from sandbox.runners import report


def shown(value: object) -> ShownValue:
    """A value as the service would hold it after the way through the report."""
    lines: tuple[dict[str, Any], ...] = (
        {"error": None, "figures": [], "notes": []},
        {"figures": [], "value": describe(value)},
    )
    parsed = report.parse("\n".join(json.dumps(line) for line in lines).encode())
    assert parsed.value is not None
    return parsed.value


def plain(cell: Cell) -> Any:
    kind = cell.WhichOneof("value")
    return getattr(cell, kind) if kind else None


def test_a_data_frame_comes_as_typed_rows_with_its_index():
    frame = pandas.DataFrame(
        {
            "count": [1, 2**60],
            "share": [0.5, float("nan")],
            "name": ["x", None],
            "day": pandas.to_datetime(["2024-01-31", None]),
            "is_open": [True, False],
            "when": [date(2024, 1, 31), float("inf")],
        },
        index=pandas.Index(["a", "b"], name="key"),
    )
    value = shown(frame)
    assert (value.type, value.is_truncated) == ("DataFrame", False)
    assert [(one.name, one.dtype, one.is_index) for one in value.table.columns] == [
        ("key", "str", True),
        ("count", "int64", False),
        ("share", "float64", False),
        ("name", "str", False),
        ("day", "datetime64[us]", False),
        ("is_open", "bool", False),
        ("when", "object", False),
    ]
    assert [[plain(cell) for cell in row.cells] for row in value.table.rows] == [
        ["a", 1, 0.5, "x", "2024-01-31T00:00:00", True, "2024-01-31"],
        ["b", "1152921504606846976", None, None, None, False, "inf"],
    ]
    assert (value.table.row_count, value.table.column_count) == (2, 6)


def test_a_large_frame_is_cut_and_says_of_how_much():
    value = shown(pandas.DataFrame(numpy.zeros((100_000, 60))))
    assert (len(value.table.rows), len(value.table.columns)) == (98, 51)
    assert (value.table.row_count, value.table.column_count, value.is_truncated) == (100_000, 60, True)


def test_a_frame_of_long_texts_stays_bounded():
    value = shown(pandas.DataFrame({"text": ["ä" * 10_000] * 1000, "more": ["ü" * 10_000] * 1000}))
    assert value.ByteSize() < 500_000
    assert value.is_truncated


def test_a_series_and_columns_of_several_levels_are_tables_too():
    assert [one.name for one in shown(pandas.Series([1, 2], name="v")).table.columns] == ["", "v"]
    frame = pandas.DataFrame([[1]], columns=pandas.MultiIndex.from_tuples([("a", 2)]))
    assert [one.name for one in shown(frame).table.columns] == ["", "a, 2"]


def test_an_array_comes_with_its_shape_and_type():
    value = shown(numpy.arange(6).reshape(2, 3))
    assert (value.type, value.dtype, list(value.shape)) == ("ndarray", "int64", [2, 3])
    assert (value.text, value.is_truncated) == ("array([[0, 1, 2],\n       [3, 4, 5]])", False)
    assert shown(numpy.zeros(10**6)).is_truncated


def test_other_values_come_as_their_repr_within_bounds():
    assert shown({"a": [1, "..."]}).text == "{'a': [1, '...']}"
    assert not shown({"a": [1, "..."]}).is_truncated
    long = shown(list(range(10**6)))
    assert long.is_truncated
    assert long.text.startswith("[0, 1, 2")
    assert len(long.text) <= 10_000
    assert shown("x" * 10**7).is_truncated
    assert shown("half a pair \ud800").text == "'half a pair \\ud800'"


def test_a_repr_that_fails_names_the_type_all_the_same():
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert shown(Broken()).text.startswith("<Broken instance at")
    assert reprlib.repr(1) == "1"  # the module's own settings stay


def test_none_is_nothing_to_show():
    assert describe(None) is None
