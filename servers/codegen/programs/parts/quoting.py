"""Quoting: cells that hold text, not numbers."""

# mypy: disable-error-code="type-arg"

import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only

from servers.codegen.programs.parts.writing import Unanswerable, answered


def reply_quotes(everything: pd.DataFrame, series: list[str], categories: list[str]) -> dict:
    """Reply with the text of the cells where some columns and rows meet; no rows named means all of them."""
    chosen = everything[everything["series"].isin(series)]
    if categories:
        chosen = chosen[chosen["category"].isin(categories)]
    cells = chosen[chosen["printed"] != ""]
    if cells.empty:
        raise Unanswerable("no text could be read there")
    sentences = [f"“{cell['series']}” of “{cell['category']}” is “{cell['printed']}”" for _, cell in cells.iterrows()]
    answer = answered(f"{'; '.join(sentences[:40])}.", ", ".join(cells["printed"].unique()), cells.iloc[:0])
    return answer | {"quoted_value_ids": list(cells["id"])[:2000]}


def reply_rows(everything: pd.DataFrame, series: str, text: str) -> dict:
    """Reply with the rows that have a text in a column: "which country has the capital Lima"."""
    cells = everything[(everything["series"] == series) & (everything["printed"] == text)]
    if cells.empty:
        raise Unanswerable(f"no row has “{text}” there")
    names = ", ".join(f"“{name}”" for name in cells["category"])
    answer = answered(f"“{series}” is “{text}” for {names}.", ", ".join(cells["category"]), cells.iloc[:0])
    return answer | {"quoted_value_ids": list(cells["id"])[:2000]}
