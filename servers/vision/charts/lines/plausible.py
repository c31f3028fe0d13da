"""Which traced strokes are lines of data: named, coloured or long ones, no rules, band edges or flanks of others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servers.vision.charts.legends.legend import LegendEntry
from servers.vision.charts.lines.stroke_colors import Color, is_mix
from servers.vision.charts.lines.strokes import Stroke

_PALE = 0.55  # of the contrast that lines of the legend have
_UNEVEN = 1.5  # thicknesses


def plausible_strokes(
    strokes: Sequence[Stroke], legend: Sequence[LegendEntry], paper: Color
) -> tuple[list[Stroke], list[LegendEntry]]:
    """Return the strokes that are data: named by the legend, or coloured, or long and not level like a rule."""
    named = {entry.color for entry in legend}
    kept: list[Stroke] = []
    entries: list[LegendEntry] = []
    for index, stroke in enumerate(strokes):
        chroma = float(np.hypot(stroke.lab[1], stroke.lab[2]))
        level = float(np.nanstd(stroke.y)) < 1.5
        solid = float(np.isfinite(stroke.low).mean())
        ragged = float(np.nanmedian(np.abs(np.diff(stroke.y, 2)))) > 1.5 if len(stroke.y) > 4 else True
        if index not in named and (ragged or solid < 0.55 or (chroma < 14 and (level or len(named) > 0))):
            continue
        if index not in named and named and _is_shade(stroke, [strokes[other] for other in named], paper):
            continue
        entries += [LegendEntry(len(kept), e.name, e.name_box, e.key_box) for e in legend if e.color == index]
        kept.append(stroke)
    return kept, entries


def _is_shade(stroke: Stroke, named: Sequence[Stroke], paper: Color) -> bool:
    """Tell whether a stroke without a name is the edge of a band or of another line: pale, or uneven beside them."""
    strength = float(np.median([np.linalg.norm(other.lab - paper) for other in named]))
    pale = float(np.linalg.norm(stroke.lab - paper)) < _PALE * strength
    mixed = any(is_mix(stroke.lab, other.lab, paper) for other in named)
    thick = (stroke.high - stroke.low)[np.isfinite(stroke.low)]
    low, high = np.quantile(thick, [0.25, 0.75])
    return pale or mixed or float(high - low) > _UNEVEN * max(stroke.width, 2.0)
