"""Describes the value of a program's last expression: a data frame as typed rows, anything else as its bounded repr."""

import json
import math
import reprlib
import sys
from typing import Any

_MAX_ROWS, _MAX_COLUMNS, _MAX_LEVELS, _MAX_CELLS = 200, 50, 10, 5000
_MAX_TEXT_CHARS = 10_000
_MAX_CELL_CHARS, _MAX_NAME_CHARS = 500, 200
_MAX_TABLE_BYTES = 300_000  # of its cells' text, as the report spells it
_LARGEST_EXACT = 2**53
# No repr of Python's own holds a NUL.
_LEFT_OUT = "\0"

Json = dict[str, Any]


def describe(value: object) -> Json | None:
    """Return a value in the form of loupe.sandbox.v1.ShownValue; None for None, which is nothing to show."""
    if value is None:
        return None
    described: Json = {"type": _cut(type(value).__name__, _MAX_NAME_CHARS), "is_truncated": False}
    pandas, numpy = sys.modules.get("pandas"), sys.modules.get("numpy")
    if pandas and isinstance(value, pandas.Series):
        return described | _table(value.to_frame("" if value.name is None else value.name))
    if pandas and isinstance(value, pandas.DataFrame):
        return described | _table(value)
    if numpy and isinstance(value, numpy.ndarray):
        described |= {"dtype": _cut(str(value.dtype), _MAX_NAME_CHARS), "shape": list(value.shape)}
        # Printed with an ellipsis from this size on.
        described["is_truncated"] = value.size > numpy.get_printoptions()["threshold"]
        text = repr(value)
    else:
        shortened = reprlib.Repr()
        shortened.fillvalue = _LEFT_OUT
        shortened.maxlevel = 10
        shortened.maxlist = shortened.maxtuple = shortened.maxset = shortened.maxdict = shortened.maxarray = 1000
        shortened.maxfrozenset = shortened.maxdeque = 1000
        shortened.maxstring = shortened.maxlong = shortened.maxother = _MAX_TEXT_CHARS
        text = shortened.repr(value)
        described["is_truncated"] = _LEFT_OUT in text
        text = text.replace(_LEFT_OUT, "...")
    described["is_truncated"] |= len(text) > _MAX_TEXT_CHARS
    return described | {"text": _cut(text, _MAX_TEXT_CHARS)}


def _table(frame: Any) -> Json:
    level_count = min(frame.index.nlevels, _MAX_LEVELS)
    width = level_count + min(frame.shape[1], _MAX_COLUMNS)
    shown = frame.iloc[: min(_MAX_ROWS, _MAX_CELLS // width), :_MAX_COLUMNS]
    levels = [shown.index.get_level_values(number) for number in range(level_count)]
    columns = [_column("" if level.name is None else level.name, level.dtype, is_index=True) for level in levels]
    columns += [_column(name, dtype, is_index=False) for name, dtype in zip(shown.columns, shown.dtypes, strict=True)]
    values = [level.tolist() for level in levels]
    values += [shown.iloc[:, number].tolist() for number in range(shown.shape[1])]
    rows, left = [], _MAX_TABLE_BYTES
    for row in zip(*values, strict=True):
        cells = [_cell(value) for value in row]
        left -= sum(len(json.dumps(cell)) for cell in cells if isinstance(cell, str))
        if left < 0:
            break
        rows.append(cells)
    return {
        "table": {"columns": columns, "rows": rows, "row_count": frame.shape[0], "column_count": frame.shape[1]},
        "is_truncated": len(rows) < frame.shape[0] or shown.shape[1] < frame.shape[1],
    }


def _column(name: object, dtype: object, *, is_index: bool) -> Json:
    text = ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)
    return {"name": _cut(text, _MAX_NAME_CHARS), "dtype": _cut(str(dtype), _MAX_NAME_CHARS), "is_index": is_index}


def _cell(value: Any) -> bool | float | str | None:
    pandas = sys.modules["pandas"]
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= _LARGEST_EXACT:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if value is None or value is pandas.NA or value is pandas.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    return _cut(value.isoformat() if hasattr(value, "isoformat") else str(value), _MAX_CELL_CHARS)


def _cut(text: str, most_chars: int) -> str:
    """Return the start of a text; what is no Unicode, such as half a pair of surrogates, becomes a question mark."""
    return text[:most_chars].encode(errors="replace").decode()
