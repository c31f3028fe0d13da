"""Reading: from a figure as JSON to rows, one row for each value. Standard library only."""

# mypy: disable-error-code="type-arg"

import math
import re


def read_figure(figure: dict) -> list[dict]:
    """Return one row for each value of a figure: series, category, number, unit, decimals, printed, id, doubt."""
    return read_chart(figure["chart"]) if "chart" in figure else read_table(figure.get("table", {}))


def completed(rows: list[dict]) -> list[dict]:
    """Return the rows with what their values say: number, decimals, printed, id, doubt."""
    for row in rows:
        value = row.pop("value")
        number = value.get("number")
        printed = " ".join(value.get("printed", "").split())
        is_guessed = value.get("origin") == "ORIGIN_GUESSED"
        row["number"] = math.nan if number is None else float(number)
        row["decimals"] = decimals_of(row["number"], printed)
        row["printed"] = printed
        row["id"] = value.get("value_id", "")
        row["doubt"] = number is not None and (is_guessed or value.get("confidence", 0.0) < 0.5)
    return rows


def read_chart(chart: dict) -> list[dict]:
    """Return the rows of a chart: a series is a legend entry, a category is a point's label or its x."""
    axes = {axis.get("dimension", ""): axis for axis in chart.get("axes", [])}
    measuring = {series.get("value_axis", "") for series in chart.get("series", [])}
    x_axis: dict = next((axis for dimension, axis in axes.items() if dimension not in measuring), {})
    is_date = x_axis.get("scale", "") == "AXIS_SCALE_DATE"
    x_kind = "number" if not is_date else "year" if x_axis.get("unit", "") == "year" else "instant"
    rows = []
    series_names: list[str] = []
    for series in chart.get("series", []):
        axis = axes.get(series.get("value_axis", ""), {})
        series_names.append(unused(series.get("name", "") or axis.get("title", "") or "Value", series_names))
        categories: list[str] = []
        for place, point in enumerate(series.get("points", []), start=1):
            x, x_end = point.get("x", {}).get("number"), point.get("x_end", {}).get("number")
            label = point.get("label", "") or ("" if x is None else f"{x:.6f}".rstrip("0").rstrip("."))
            categories.append(unused(label or f"row {place}", categories))
            rows.append(
                {
                    "series": series_names[-1],
                    "category": categories[-1],
                    "x": math.nan if x is None else float(x),
                    "x_end": math.nan if x_end is None else float(x_end),
                    "x_ids": [point[key].get("value_id", "") for key in ("x", "x_end") if point.get(key)],
                    "x_kind": x_kind,
                    "x_name": " ".join(x_axis.get("title", "").split()) or "x",
                    "color": hexadecimal(point.get("color") or series.get("color") or {}),
                    "unit": series.get("unit", "") or axis.get("unit", ""),
                    "value": point.get("y", {}),
                    "is_text": False,
                }
            )
    return completed(rows)


def read_table(table: dict) -> list[dict]:
    """Return the rows of a table: a series is a column, a category is what the header columns say."""
    row_count, column_count = table.get("row_count", 0), table.get("column_count", 0)
    first_row = table.get("header_row_count", 0)
    first_column = max(1, table.get("header_column_count", 0)) if column_count > 1 else 0
    grid = {}
    for cell in table.get("cells", []):
        for row in range(cell.get("row", 0), cell.get("row", 0) + max(1, cell.get("row_span", 1))):
            for column in range(cell.get("column", 0), cell.get("column", 0) + max(1, cell.get("column_span", 1))):
                grid[row, column] = cell
    categories: list[str] = []
    for row in range(first_row, row_count):
        headers = [grid[row, column] for column in range(first_column) if (row, column) in grid]
        categories.append(unused(joined(headers) or f"row {row - first_row + 1}", categories))
    rows = []
    series_names: list[str] = []
    for column in range(first_column, column_count):
        headers = [grid[row, column] for row in range(first_row) if (row, column) in grid]
        name = unused(joined(headers) or f"column {column + 1}", series_names)
        series_names.append(name)
        cells = [grid.get((row, column), {}) for row in range(first_row, row_count)]
        is_text = all(cell.get("value", {}).get("number") is None for cell in cells)
        for category, cell in zip(categories, cells, strict=True):
            value, unit = cell.get("value", {}), cell.get("unit", "")
            row_of_cell = {"series": name, "category": category, "x": math.nan, "unit": unit}
            rows.append({**row_of_cell, "value": value, "is_text": is_text})
    return completed(rows)


def hexadecimal(color: dict) -> str:
    """Return a colour as "#rrggbb"; empty where there is none."""
    channels = [color.get(name, 0) for name in ("red", "green", "blue")]
    return "#" + "".join(f"{channel:02x}" for channel in channels) if color else ""


def joined(cells: list[dict]) -> str:
    """Return the texts of header cells in order, a spanning cell once."""
    texts = []
    for place, cell in enumerate(cells):
        if place == 0 or cell is not cells[place - 1]:
            texts.append(cell.get("value", {}).get("printed", ""))
    return " ".join(" ".join(texts).split())


def unused(name: str, taken: list[str]) -> str:
    """Return the name, with " (2)", " (3)", ... where it is taken."""
    plain = " ".join(name.split())
    candidate, copy = plain, 1
    while candidate in taken:
        copy += 1
        candidate = f"{plain} ({copy})"
    return candidate


def decimals_of(number: float, printed: str) -> int:
    """Return the digits after the point that the figure gives: as printed, else four significant ones."""
    if math.isnan(number) or number == 0:
        return 0
    match = re.search(r"\d[\d,]*(?:\.(\d+))?", printed)
    if match and math.isclose(float(match.group().replace(",", "")), abs(number)):
        return len(match.group(1) or "")
    significant = max(0, 3 - math.floor(math.log10(abs(number))))
    text = f"{number:.{min(significant, 12)}f}"
    return len(text.rstrip("0").partition(".")[2])
