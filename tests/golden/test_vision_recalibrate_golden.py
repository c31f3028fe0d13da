"""Charts read from pictures and then corrected: all that was measured follows, to the digit that a pixel tells."""

from __future__ import annotations

import pytest

from loupe.type.v1 import figure_pb2
from loupe.vision.v1.vision_pb2 import Correction, TickCorrection
from servers.vision.measuring import MEASURED, Scale, axis_along, entries, place_of
from servers.vision.reading import read_image
from servers.vision.recalibrate import recalibrate
from tests.golden import chart_factory
from tests.golden.chart_factory import Drawn

DRAWN = {
    "bars": chart_factory.bars,
    "lying bars": lambda: chart_factory.bars(horizontal=True),
    "bars below zero": lambda: chart_factory.bars((30, -20, 45, -35, 10)),
    "grouped bars": chart_factory.bar_groups,
    "stacked bars": lambda: chart_factory.bar_groups(stacked=True),
    "lines": chart_factory.lines,
    "areas": chart_factory.area,
    "points": chart_factory.scatter,
}


@pytest.mark.parametrize("name", DRAWN)
def test_measured_values_follow_a_corrected_axis(name: str) -> None:
    drawn: Drawn = DRAWN[name]()
    (figure,) = read_image(drawn.rgb).figures
    chart = figure.chart
    dimension = chart.series[0].value_axis
    axis = axis_along(chart, dimension)
    assert axis is not None
    scale = Scale.of(axis)
    assert scale is not None
    measured = [e for e in entries(chart) if e.dimension == dimension and e.value.origin in MEASURED]
    assert measured
    for entry in measured:
        place = place_of(chart, entry, scale)
        assert place is not None
        # What the figure says of itself: the calibration turns the position into the number.
        assert scale.number(place) == pytest.approx(entry.value.number, abs=0.6 * scale.worth(place.position))

    tenfold = [
        Correction(tick=TickCorrection(dimension=dimension, tick=index, number=10 * tick.number))
        for index, tick in enumerate(axis.ticks)
    ]
    corrected, changed = recalibrate(figure, tenfold)
    after = {entry.value.value_id: entry.value.number for entry in entries(corrected.chart)}
    for entry in measured:
        worth = scale.worth(entry.value.position_px or entry.point.mark_box.y_min)
        assert after[entry.value.value_id] == pytest.approx(10 * entry.value.number, abs=10 * worth)
    assert set(changed) == {entry.value.value_id for entry in measured if entry.value.number}
    assert corrected.fidelity == figure.fidelity or figure.fidelity != figure_pb2.FIDELITY_PASS
