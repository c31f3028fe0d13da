"""Corrections as users write them, and the files they start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import corrections, figure_files, images
from cli.errors import CommandFailed
from cli.main import run
from loupe.type.v1.figure_pb2 import AxisDimension, AxisScale, ChartType, DataPoint, Figure, Series, Value
from loupe.vision.v1.vision_pb2 import (
    Correction,
    LabelCorrection,
    SeriesCorrection,
    TickCorrection,
    ValueCorrection,
)


def figure(figure_id: str = "f1", x_scale: AxisScale.ValueType = AxisScale.AXIS_SCALE_DATE) -> Figure:
    made = Figure(figure_id=figure_id)
    made.chart.type = ChartType.CHART_TYPE_LINE
    made.chart.axes.add(dimension=AxisDimension.AXIS_DIMENSION_X, scale=x_scale)
    made.chart.series.append(Series(name="Coal", points=[DataPoint(label="Jan", y=Value(number=12))]))
    return made


def parsed(**options: list[str]) -> dict[str, list[Correction]]:
    given: dict[str, list[str]] = {"ticks": [], "series": [], "values": [], "labels": []} | options
    return corrections.parse([figure("f1"), figure("f2")], **given)


def test_every_kind_of_correction_is_understood() -> None:
    found = parsed(
        ticks=["f1.y.2=1,040.5", "f2.x.0=2020-03"],
        series=["f1.s1=Coal = dirty"],
        values=["f1.s0.p3.y=1,204", "f2.r2.c3=n/a"],
        labels=["f1:Jna=Jan"],
    )
    assert found == {
        "f1": [
            Correction(tick=TickCorrection(dimension=AxisDimension.AXIS_DIMENSION_Y, tick=2, number=1040.5)),
            Correction(series=SeriesCorrection(series=1, name="Coal = dirty")),
            Correction(value=ValueCorrection(value_id="f1.s0.p3.y", printed="1,204")),
            Correction(label=LabelCorrection(label="Jna", corrected="Jan")),
        ],
        "f2": [
            Correction(tick=TickCorrection(dimension=AxisDimension.AXIS_DIMENSION_X, tick=0, number=1583020800)),
            Correction(value=ValueCorrection(value_id="f2.r2.c3", printed="n/a")),
        ],
    }


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ticks": ["f1.y=40"]}, "--tick 'f1.y=40' is not written like f1.y.2=40"),
        ({"ticks": ["f1.y.2=forty"]}, "--tick 'f1.y.2=forty': 'forty' is no number"),
        ({"ticks": ["f1.x.2=May"]}, "--tick 'f1.x.2=May': 'May' is no date like 2020-05-01"),
        ({"series": ["f3.s0=Coal"]}, "--series 'f3.s0=Coal': there is no figure f3"),
        ({"values": ["f1.s0.p0.y="]}, "--value 'f1.s0.p0.y=' is not written like f1.s0.p3.y=1,204"),
        ({"labels": ["Jna=Jan"]}, "--label 'Jna=Jan' is not written like f1:Jna=Jan"),
        ({}, "nothing to correct: use --tick, --series, --value or --label"),
    ],
)
def test_a_correction_that_is_not_understood_is_shown_how(options: dict[str, list[str]], told: str) -> None:
    with pytest.raises(CommandFailed) as failed:
        parsed(**options)
    assert failed.value.message == told
    assert failed.value.exit_code == 2


def test_figures_are_written_and_read_back_whole(tmp_path: Path) -> None:
    figures = [figure("f1"), figure("f2")]
    written = list(figure_files.write(figures, "chart", tmp_path, images.OutputNames(["chart"])))
    assert [(one.figure_id, path.name) for one, path in written] == [("f1", "chart.csv"), ("f2", "chart-2.csv")]
    assert (tmp_path / "chart.csv").read_text() == ",Coal\nJan,12\n"
    assert figure_files.read(tmp_path / "chart.json") == figures


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[]", "is no list of figures, as `loupe extract` writes it"),
        (b"{}", "is no list of figures, as `loupe extract` writes it"),
        (b"[1", "Expecting ',' delimiter"),
        (b'[{"size": 3}]', 'has no field named "size"'),
        (b"\xff", "can't decode byte"),
    ],
)
def test_a_file_without_figures_is_refused_in_one_line(content: bytes, told: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / "chart.json"
    path.write_bytes(content)
    assert run(["correct", str(path), "--series", "f1.s0=Coal"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"loupe: {path}: ") and told in shown.err and shown.err.count("\n") == 1
