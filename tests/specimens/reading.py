"""One specimen, drawn, read as the server reads it, and scored."""

from __future__ import annotations

import time

from loupe.type.v1 import figure_pb2
from servers.vision.reading import read_image
from tests.specimens import draw
from tests.specimens.report import Result
from tests.specimens.score import score


def read(kind: str, seed: int) -> tuple[Result, list[figure_pb2.Figure]]:
    """Return the score of one specimen's reading, and the figures that were read."""
    specimen = draw(kind, seed)
    start = time.process_time()
    figures = list(read_image(specimen.rgb).figures)
    cpu_s = time.process_time() - start
    return Result(specimen, tuple(score(specimen, figures)), cpu_s), figures
