"""Pictures of charts and tables drawn from known numbers: what vision is measured on, and what its rules are tried on.

>>> from tests.specimens import KINDS, draw
>>> specimen = draw("grouped_bar", 3)
>>> specimen.rgb.shape, specimen.truth[0].values

The same kind and seed give the same pixels on every machine: no system font, clock or setting has a say.
"""

from __future__ import annotations

from random import Random

from tests.specimens import (
    areas,
    bars,
    distributions,
    ledgers,
    lines,
    mixed,
    pages,
    papers,
    pies,
    points,
    publishers,
    tables,
    vega,
)
from tests.specimens.degrade import degrade
from tests.specimens.truth import Specimen, TrueFigure

__all__ = ["KINDS", "Specimen", "TrueFigure", "draw"]

_DRAWINGS = {
    **bars.KINDS,
    **lines.KINDS,
    **areas.KINDS,
    **pies.KINDS,
    **points.KINDS,
    **distributions.KINDS,
    **mixed.KINDS,
    **publishers.KINDS,
    **tables.KINDS,
    **ledgers.KINDS,
    **vega.KINDS,
    **pages.KINDS,
    **papers.KINDS,
}
KINDS: tuple[str, ...] = tuple(_DRAWINGS)


def draw(kind: str, seed: int) -> Specimen:
    """Return the specimen of one of `KINDS` with this seed."""
    rng = Random(f"{kind} {seed}")
    rgb, truth = _DRAWINGS[kind](rng)
    return Specimen(kind, seed, degrade(rgb, rng), truth)
