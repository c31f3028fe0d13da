"""Runs generated programs in one warm interpreter of the sandbox's runtime, and makes figures to ask about."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from loupe.reasoning.v1.analysis_pb2 import Analysis
from loupe.type.v1 import figure_pb2 as pb
from sandbox import runtime
from servers.codegen.checking import check_analysis
from servers.codegen.programs.assemble import assemble
from servers.codegen.programs.library import Library, read_library
from servers.reasoning.understanding import Refusal, understand

_WARM = """
import base64, io, json, os, sys, tempfile, traceback
import matplotlib, pandas
for line in sys.stdin:
    job = json.loads(line)
    reply = {"error": "", "files": {}}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with open("chart.json", "w", encoding="utf-8") as file:
            file.write(job["chart"])
        try:
            exec(compile(job["source"], "analysis.py", "exec"), {"__name__": "__main__"})
        except Exception:
            reply["error"] = traceback.format_exc()
        for name in os.listdir("."):
            with open(name, "rb") as file:
                reply["files"][name] = base64.b64encode(file.read()).decode()
        os.chdir("/")
    print(json.dumps(reply), flush=True)
"""


@dataclass(frozen=True)
class Outcome:
    """What a program left."""

    error: str
    files: dict[str, bytes]

    @property
    def answer(self) -> dict[str, Any]:
        assert not self.error, self.error
        answer: dict[str, Any] = json.loads(self.files["answer.json"])
        return answer


class Programs:
    """One interpreter that runs program after program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.library: Library = read_library()

    def run(self, source: str, figures: Sequence[pb.Figure]) -> Outcome:
        chart = json.dumps([MessageToDict(figure, preserving_proto_field_name=True) for figure in figures])
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"source": source, "chart": chart}) + "\n")
        self._process.stdin.flush()
        reply = json.loads(self._process.stdout.readline())
        return Outcome(reply["error"], {name: base64.b64decode(data) for name, data in reply["files"].items()})

    def ask(self, question: str, *figures: pb.Figure) -> dict[str, Any]:
        """Ask as a job does: understand, write, run; a refusal reads like the program's own."""
        plan = understand(question, figures)
        if isinstance(plan, Refusal):
            return {"status": "ANSWER_STATUS_UNANSWERABLE", "short_text": "", "values": [], "reason": plan.reason}
        return self.carry_out(plan, *figures)

    def carry_out(self, plan: Analysis, *figures: pb.Figure) -> dict[str, Any]:
        check_analysis(plan, figures)
        return self.run(assemble(figures, plan, self.library), figures).answer


@contextmanager
def warm_programs() -> Iterator[Programs]:
    """Start the interpreter: that of LOUPE_RUNTIME_PYTHON, else of the sandbox's runtime on this machine."""
    python = os.environ.get("LOUPE_RUNTIME_PYTHON") or runtime.find(runtime.default_directory()).path / "bin/python"
    environment = {
        "PATH": "/usr/bin:/bin",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "HOME": str(Path.home()),
    }
    with subprocess.Popen(
        [python, "-c", _WARM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield Programs(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)


Table = dict[str, dict[str, float]]
"""Numbers by series and category."""


def chart(
    table: Table,
    *,
    kind: pb.ChartType.ValueType = pb.CHART_TYPE_BAR,
    title: str = "",
    measure: str = "",
    unit: str = "",
    named: bool = True,
    colors: Sequence[tuple[int, int, int]] = (),
    figure_id: str = "f1",
) -> pb.Figure:
    """Make a chart as vision gives it."""
    content = pb.Chart(type=kind, title=title)
    content.axes.add(dimension=pb.AXIS_DIMENSION_Y, scale=pb.AXIS_SCALE_LINEAR, title=measure, unit=unit)
    content.axes.add(dimension=pb.AXIS_DIMENSION_X, scale=pb.AXIS_SCALE_CATEGORY)
    for place, (name, numbers) in enumerate(table.items()):
        series = content.series.add(name=name if named else "", value_axis=pb.AXIS_DIMENSION_Y)
        if colors:
            series.color.red, series.color.green, series.color.blue = colors[place]
        for spot, (label, number) in enumerate(numbers.items()):
            value = pb.Value(value_id=f"{figure_id}.s{place}.p{spot}.y", origin=pb.ORIGIN_PRINTED, confidence=0.97)
            value.number, value.printed = number, f"{number:g}"
            series.points.add(label=label).y.CopyFrom(value)
    return pb.Figure(figure_id=figure_id, chart=content, confidence=0.9, fidelity=pb.FIDELITY_PASS)


def grid_table(rows: Sequence[Sequence[str]], *, title: str = "", figure_id: str = "f1") -> pb.Figure:
    """Make a table as vision gives it: the first row and the first column are headers."""
    content = pb.Table(
        title=title, row_count=len(rows), column_count=len(rows[0]), header_row_count=1, header_column_count=1
    )
    for row, cells in enumerate(rows):
        for column, text in enumerate(cells):
            value = pb.Value(
                value_id=f"{figure_id}.r{row}.c{column}", printed=text, origin=pb.ORIGIN_PRINTED, confidence=0.95
            )
            unit = "%" if text.endswith("%") else "$" if text.startswith("$") else ""
            plain = text.strip("%$").replace(",", "")
            is_header = row == 0 or column == 0
            if not is_header and plain.replace(".", "", 1).replace("-", "", 1).isdigit():
                value.number = float(plain)
            content.cells.add(
                row=row, column=column, row_span=1, column_span=1, is_header=is_header, value=value, unit=unit
            )
    return pb.Figure(figure_id=figure_id, table=content, confidence=0.9, fidelity=pb.FIDELITY_PASS)


REGIONS = ("North", "South", "East", "West", "Central", "Overseas")
COMPANIES = ("Alpha", "Beta", "Gamma")
YEARS = ("2015", "2016", "2017", "2018", "2019", "2020")


def sales(seed: int) -> dict[str, float]:
    """Make distinct sales by region; the seed decides which."""
    rng = random.Random(seed)
    return dict(zip(REGIONS, map(float, rng.sample(range(11, 99), len(REGIONS))), strict=True))


def revenues(seed: int) -> Table:
    """Make distinct revenues by company and year; the seed decides which."""
    rng = random.Random(1000 + seed)
    numbers = iter(rng.sample(range(101, 989), len(COMPANIES) * len(YEARS)))
    return {company: {year: float(next(numbers)) for year in YEARS} for company in COMPANIES}


def sales_chart(seed: int) -> pb.Figure:
    """Make a bar chart of sales by region."""
    return chart({"Sales": sales(seed)}, title="Sales by region", measure="Sales", named=False)


def revenue_chart(seed: int) -> pb.Figure:
    """Make a line chart of revenue by company and year."""
    return chart(revenues(seed), kind=pb.CHART_TYPE_LINE, title="Revenue by company", measure="Revenue")
