"""Log axes printed as powers of ten, whose exponents recognition seldom reads all."""

from __future__ import annotations

import re

import numpy as np

from servers.vision.charts.axes.calibration import fit_axis
from servers.vision.charts.axes.number_labels import NumberLabel, aligned, assembled
from servers.vision.charts.axes.value_axis import Direction, ValueAxis
from servers.vision.charts.picture.page import Page, TextRun
from servers.vision.geometry import PixelBox

_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_INK = 0.4  # of the darkest pixel
_RAISED = 0.2  # of a label's height
_FEWEST_RAISED = 2
_CARET = r"[\^*'\"”“’‘´`°]"


def powers_of_ten(page: Page, edge: str, tolerance: float, direction: Direction) -> list[ValueAxis]:
    """Return log axes printed as 10 with a raised exponent, which recognition reads as 10?, 102 or 10°.

    Exponents of evenly spaced ticks are consecutive, so the readable ones say what the others are.
    """
    # The exponent may be read as a second word, or as a digit glued to the ten.
    tens = [NumberLabel(run, 0.0) for run in page.runs if re.fullmatch(r"1[0oO][^.,%]{0,5}", run.text.strip())]
    along = "center_y" if direction == "y" else "center_x"
    axes = []
    for group in aligned(tens, edge, 2 * tolerance):
        ordered = sorted(group, key=lambda label: getattr(label.run.box, along), reverse=direction == "y")
        places = np.array([_middle(label.run, page.text_height, direction) for label in ordered])
        steps = np.abs(np.diff(places))
        if len(steps) == 0 or np.min(steps) < 2 * page.text_height:
            continue
        unit_step = float(np.min(steps))
        ranks = np.rint(np.abs(places - places[0]) / unit_step)
        exponents = [exponent_of(page, label.run) for label in ordered]
        votes = [read - int(rank) for read, rank in zip(exponents, ranks, strict=True) if read is not None]
        if not votes:
            continue
        first = max(set(votes), key=votes.count)
        if votes.count(first) * 2 < len(votes) or (len(ordered) == 2 and votes.count(first) < 1):
            continue
        values = np.array([10.0 ** (first + rank) for rank in ranks])
        fit = fit_axis(places, values, log=True, tolerance_px=max(3.0, 0.4 * page.text_height))
        if fit is not None and len(fit.inliers) >= 2:
            axes.append(assembled(direction, [NumberLabel(ordered[k].run, float(values[k])) for k in fit.inliers], fit))
    return axes


def raised_powers(page: Page) -> list[TextRun]:
    """Return the labels such as 103, 104, 105 whose last digit stands higher than the ten: powers, no numbers.

    Several must do so, as recognition gives the boxes of letters to a pixel only.
    """
    found = [run for run in page.runs if re.fullmatch(r"10\d", run.text.strip()) and _ends_raised(page, run.box)]
    return found if len(found) >= _FEWEST_RAISED else []


def _ends_raised(page: Page, box: PixelBox) -> bool:
    """Tell whether the foot of the last letter in a box is clearly above that of the first."""
    x0, y0, x1, y1 = (round(edge) for edge in box.grown(1, 1).clipped(page.width, page.height))
    away = np.linalg.norm(page.lab[y0:y1, x0:x1] - page.background, axis=2)
    ink = away > _INK * float(away.max(initial=0.0))
    third = ink.shape[1] // 3
    first, last = (np.flatnonzero(part.any(axis=1)) for part in (ink[:, :third], ink[:, -third:]))
    return len(first) > 0 and len(last) > 0 and first[-1] - last[-1] > _RAISED * (first[-1] - last[0] + 1)


def exponent_of(page: Page, run: TextRun) -> int | None:
    """Return the raised exponent of a ten, "x" before it or not: from the text, else from its upper right part."""
    found = re.fullmatch(
        rf"(?:[x×*X]\s?)?1[0oO]\s?(?:{_CARET}\s?)?([-–−]?)\s?(\d)", run.text.strip().translate(_SUPERSCRIPT)
    )
    if found:
        return -int(found[2]) if found[1] else int(found[2])
    box = run.box
    share = 0.72 if run.text.strip()[:1] in "x×*X" else 0.62
    raised = PixelBox(box.x_min + share * box.width, box.y_min - 2, box.x_max + 3, box.y_min + 0.62 * box.height + 1)
    text = page.read(raised, digits_only=True)
    return int(text) if re.fullmatch(r"-?\d", text) else None


def _middle(run: TextRun, height: float, direction: Direction) -> float:
    """Return where a ten points: a raised exponent lifts the label's middle, the ten itself is centred on the tick."""
    if direction == "x":
        return run.box.center_x
    return run.box.y_max - 0.5 * height if run.box.height > 1.2 * height else run.box.center_y
