"""An image becomes the contract's answer: words → charts → tables → text blocks → caption."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from loupe.type.v1.engine_pb2 import Engine
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.vision.caption import describe
from servers.vision.charts.explained import account
from servers.vision.charts.reader import examine
from servers.vision.contest import settle
from servers.vision.description import describe_image
from servers.vision.fidelity.confidence import weigh_cells
from servers.vision.fidelity.judge import judge
from servers.vision.identify import number_figures
from servers.vision.layout import text_blocks
from servers.vision.rescale import rescale
from servers.vision.revision import REVISION
from servers.vision.skew import find_turn
from servers.vision.tables.reader import read_tables
from servers.vision.text import read_words

# Letters of a larger picture are still well above the height that reads best, and memory stays below 1 GiB.
_WORKING_PX = 4_000_000


def read_image(rgb: NDArray[np.uint8]) -> AnalyzeImageResponse:
    """Return what an upright image, uint8 [h, w, 3], shows. The same pixels give the same answer.

    Raises:
      NotReady: the recognition data is not installed.
    """
    turn = find_turn(rgb)
    answer = read_unjudged(turn.straightened(rgb) if turn is not None else rgb)
    for figure in answer.figures:
        weigh_cells(figure)
        judge(figure)
    if turn is not None:
        turn.turn_back(answer)
    return answer


def read_unjudged(rgb: NDArray[np.uint8]) -> AnalyzeImageResponse:
    """Return what the image shows, its figures without verdict and final confidences. Raises as `read_image`."""
    height, width = rgb.shape[:2]
    factor = math.sqrt(max(1.0, width * height / _WORKING_PX))
    work = rgb
    if factor > 1:
        size = (max(1, round(width / factor)), max(1, round(height / factor)))
        work = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    words = read_words(work)
    charts = examine(work, words)
    for figure in charts.figures:
        account(work, words, figure)
    sure, tables = settle(charts.figures, words, lambda taken: read_tables(work, words, taken))
    answer = AnalyzeImageResponse(
        width_px=width,
        height_px=height,
        figures=number_figures([*sure, *tables]),
        text_blocks=text_blocks(words),
        engine=Engine(name="builtin", revision=REVISION),
    )
    answer.description.CopyFrom(describe_image(work, answer))
    answer.caption, reasons = describe(answer)
    answer.reasons.extend(reasons)
    if not answer.figures:
        answer.reasons.extend(charts.reasons)
    if factor > 1:
        rescale(answer, width / work.shape[1], height / work.shape[0])
    return answer
