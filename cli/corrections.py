"""Corrections as a user writes them: f1.y.2=40, f1.s1=Coal, f1.s0.p3.y=1,204, f1:Jna=Jan."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from cli.errors import CommandFailed, ExitCode
from loupe.type.v1.figure_pb2 import AxisDimension, AxisScale, Figure
from loupe.vision.v1.vision_pb2 import (
    Correction,
    LabelCorrection,
    SeriesCorrection,
    TickCorrection,
    ValueCorrection,
)

_TICK = re.compile(r"(f\d+)\.(x|y|y2)\.(\d{1,4})=(.+)", re.DOTALL)
_SERIES = re.compile(r"(f\d+)\.s(\d{1,4})=(.*)", re.DOTALL)
_VALUE = re.compile(r"(f\d+)(\.[\w.]+)=(.+)", re.DOTALL)
_LABEL = re.compile(r"(f\d+):([^=]+)=(.+)", re.DOTALL)
_AXES = {
    "x": AxisDimension.AXIS_DIMENSION_X,
    "y": AxisDimension.AXIS_DIMENSION_Y,
    "y2": AxisDimension.AXIS_DIMENSION_Y2,
}
_DATES = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


def parse(
    figures: Sequence[Figure],
    ticks: Sequence[str],
    series: Sequence[str],
    values: Sequence[str],
    labels: Sequence[str],
) -> dict[str, list[Correction]]:
    """Return the corrections of each figure that has any, by figure id.

    Raises:
      CommandFailed: one is not written as it should be, or names a figure that is not there.
    """
    by_id = {figure.figure_id: figure for figure in figures}
    found: dict[str, list[Correction]] = {}

    def taken(option: str, text: str, pattern: re.Pattern[str], example: str) -> tuple[Figure, list[str]]:
        match = pattern.fullmatch(text)
        if match is None:
            raise CommandFailed(f"--{option} {text!r} is not written like {example}", ExitCode.USAGE)
        figure_id, *rest = match.groups()
        if figure_id not in by_id:
            raise CommandFailed(f"--{option} {text!r}: there is no figure {figure_id}", ExitCode.USAGE)
        return by_id[figure_id], rest

    def add(figure: Figure, correction: Correction) -> None:
        found.setdefault(figure.figure_id, []).append(correction)

    for text in ticks:
        figure, (name, index, number) = taken("tick", text, _TICK, "f1.y.2=40")
        dimension = _AXES[name]
        tick = TickCorrection(dimension=dimension, tick=int(index), number=_number(figure, dimension, number, text))
        add(figure, Correction(tick=tick))
    for text in series:
        figure, (index, name) = taken("series", text, _SERIES, "f1.s1=Coal")
        add(figure, Correction(series=SeriesCorrection(series=int(index), name=name)))
    for text in values:
        figure, (place, printed) = taken("value", text, _VALUE, "f1.s0.p3.y=1,204")
        add(figure, Correction(value=ValueCorrection(value_id=f"{figure.figure_id}{place}", printed=printed)))
    for text in labels:
        figure, (old, new) = taken("label", text, _LABEL, "f1:Jna=Jan")
        add(figure, Correction(label=LabelCorrection(label=old, corrected=new)))
    if not found:
        raise CommandFailed("nothing to correct: use --tick, --series, --value or --label", ExitCode.USAGE)
    return found


def _number(figure: Figure, dimension: AxisDimension.ValueType, written: str, text: str) -> float:
    """Return a tick's number: on an axis of dates the seconds of a date."""
    axis = next((axis for axis in figure.chart.axes if axis.dimension == dimension), None)
    if axis is not None and axis.scale == AxisScale.AXIS_SCALE_DATE and axis.unit != "year":
        for form in _DATES:
            try:
                return datetime.strptime(written, form).replace(tzinfo=UTC).timestamp()
            except ValueError:
                continue
        raise CommandFailed(f"--tick {text!r}: {written!r} is no date like 2020-05-01", ExitCode.USAGE)
    try:
        return float(written.replace(",", ""))
    except ValueError:
        raise CommandFailed(f"--tick {text!r}: {written!r} is no number", ExitCode.USAGE) from None
