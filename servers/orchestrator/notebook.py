"""The bundle's notebook: the analysis as a cell that runs as it is, beside chart.json."""

from __future__ import annotations

import json
from typing import Any

from servers.orchestrator.markdown import inline


def notebook(question: str, source: str) -> str:
    """Return a Jupyter notebook (format 4.5) as text; the same input gives the same bytes."""
    heading = f"# {inline(question)}" if question else "# What the picture shows"
    cells = [
        _cell("markdown", "question", heading + "\n\nThe data is in `chart.json`, beside this notebook."),
        _cell("code", "analysis", source),
        _cell("code", "data", 'import pandas as pd\n\npd.read_csv("data.csv")'),
        _cell("code", "chart", 'from IPython.display import Image\n\nImage("chart.png")'),
        _cell("code", "answer", 'import json\n\njson.load(open("answer.json", encoding="utf-8"))'),
    ]
    document = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, cell_id: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": cell_id,
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell
