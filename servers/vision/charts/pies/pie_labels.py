"""The words of a pie: each slice's name and number, inside, around, at the end of a leader line or in a legend."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from servers.vision.charts.picture.page import Page, TextRun, quantity
from servers.vision.charts.pies.pie import Pie
from servers.vision.geometry import PixelBox, union

_REACH = 2.6  # radii: leader lines of publishers end within 2
_FAR = 1e6
_MOST_OFF_POINTS = 3.5  # a printed percentage and its slice differ by rounding and a few pixels of arc


@dataclass(frozen=True, slots=True)
class SliceText:
    """A block of words near the pie."""

    name: str
    number: float | None
    unit: str
    printed: str
    box: PixelBox


def slice_texts(page: Page, pie: Pie, *, exclude: Sequence[PixelBox]) -> list[SliceText]:
    """Return the blocks of words in and around the pie, each with its number split off."""
    height = page.text_height
    runs = [
        run
        for run in page.runs
        if pie.distance_of(run.box.center_x, run.box.center_y) < _REACH
        and pie.y - 1.45 * pie.radius - 2 * height < run.box.center_y < pie.y + 1.45 * pie.radius + 2 * height
        and not any(box.overlap(run.box) > 0.4 for box in exclude)
        and any(character.isalnum() for character in run.text)
    ]
    texts = []
    for block in _blocks(_split_gaps(runs), height):
        texts += [_text_of(part) for part in _parted(block)]
    if sum(text.unit == "%" for text in texts) >= 2:
        texts = [_as_name(text) if text.number is not None and text.unit != "%" else text for text in texts]
    return [text for text in texts if text.name or text.number is not None]


def text_of(text: str, box: PixelBox) -> SliceText:
    """Return one line of words with its number split off: "Rail (42 %)"."""
    return _text_of([TextRun((), box, text)])


def _as_name(text: SliceText) -> SliceText:
    """Return a bare number among percentages as the name it is, such as a year."""
    return SliceText(f"{text.name} {text.printed}".strip(), None, "", "", text.box)


def assign(pie: Pie, texts: Sequence[SliceText]) -> tuple[list[SliceText | None], list[SliceText | None]]:
    """Return for each slice the block that names it and the block that holds its number (often the same)."""
    numbers = [text for text in texts if text.number is not None]
    total = sum(abs(text.number or 0.0) for text in numbers)
    percent = any(text.unit == "%" for text in numbers) or 90 <= total <= 110
    values = _match(
        pie,
        numbers,
        [None if text.number is None else (text.number if percent else 100 * text.number / total) for text in numbers],
    )
    names: list[SliceText | None] = [value if value and value.name else None for value in values]
    bare = [text for text in texts if text.name and text.number is None]
    open_sectors = [index for index, name in enumerate(names) if name is None]
    if bare and open_sectors:
        by_angle = _match(pie, bare, [None] * len(bare), only=open_sectors)
        names = [name or other for name, other in zip(names, by_angle, strict=True)]
    return names, values


def _match(
    pie: Pie, texts: Sequence[SliceText], percentages: Sequence[float | None], only: Sequence[int] | None = None
) -> list[SliceText | None]:
    result: list[SliceText | None] = [None] * len(pie.sectors)
    if not texts:
        return result
    cost = np.full((len(pie.sectors), len(texts)), _FAR)
    for row, sector in enumerate(pie.sectors):
        if only is not None and row not in only:
            continue
        for column, text in enumerate(texts):
            # The nearest point of a wide label counts outside the disc, its middle inside.
            x, y = text.box.center_x, text.box.center_y
            if pie.distance_of(x, y) > 1.0:
                x = min(max(pie.x + 0.6 * (x - pie.x), text.box.x_min), text.box.x_max)
            off = abs((pie.direction_of(x, y) - sector.middle_deg + 180) % 360 - 180)
            beyond = max(0.0, off - sector.sweep_deg / 2)
            if beyond > 75:
                continue
            percentage = percentages[column]
            wrong = 0.0 if percentage is None else abs(percentage - 100 * sector.share)
            if wrong > _MOST_OFF_POINTS + 0.05 * (percentage or 0.0):
                continue
            cost[row, column] = beyond / 15 + 0.1 * off / 15 + wrong
    for row, column in zip(*linear_sum_assignment(cost), strict=True):
        if cost[row, column] < _FAR:
            result[row] = texts[column]
    return result


def _split_gaps(runs: Sequence[TextRun]) -> list[TextRun]:
    return sorted(runs, key=lambda run: (run.box.y_min, run.box.x_min))


def _blocks(runs: Sequence[TextRun], height: float) -> list[list[TextRun]]:
    """Return lines that stand over each other as blocks."""
    blocks: list[list[TextRun]] = []
    for run in runs:
        for block in blocks:
            last = block[-1].box
            overlap = min(last.x_max, run.box.x_max) - max(last.x_min, run.box.x_min)
            tall = max(last.height, run.box.height)
            if (
                overlap > 0.25 * min(last.width, run.box.width)
                and -0.3 * height < run.box.y_min - last.y_max < 0.75 * tall
            ):
                block.append(run)
                break
        else:
            blocks.append([run])
    return blocks


def _parted(block: Sequence[TextRun]) -> list[list[TextRun]]:
    """Return the block cut so that each part holds one number: slices that are near have their labels near."""
    numbered = [index for index, run in enumerate(block) if _number_in(run.text) is not None]
    if len(numbered) < 2:
        return [list(block)]
    parts: list[list[TextRun]] = []
    if numbered[0] == 0 and numbered[-1] != len(block) - 1:
        starts = [*numbered, len(block)]
        parts = [list(block[a:b]) for a, b in itertools.pairwise(starts)]
    else:
        begin = 0
        for index in numbered:
            parts.append(list(block[begin : index + 1]))
            begin = index + 1
        if begin < len(block):
            parts.append(list(block[begin:]))
    return parts


def _number_in(text: str) -> tuple[str, str] | None:
    """Return (number as printed, the words without it) where the text begins or ends with a number."""
    for pattern in (
        r"^(?P<rest>.*?)[\s:(,;–-]*(?P<number>[-+$€£]?\d[\d., ]*\s?%?)\)?$",
        r"^(?P<number>[$€£]?\d[\d.,]*\s?%)\s*(?P<rest>.*)$",
    ):
        match = re.match(pattern, text.strip())
        if match and quantity(match["number"]) is not None:
            rest = match["rest"].strip()
            # A range or a year in a name ("18-29", "In 2019") is no value unless a per cent sign says so.
            if (
                rest
                and "%" not in match["number"]
                and re.search(r"[-–]$|\b(in|ages?|aged|to|over|under|of)$", rest, re.IGNORECASE)
            ):
                continue
            return match["number"].strip(), rest
    return None


def _text_of(part: Sequence[TextRun]) -> SliceText:
    box = union(run.box for run in part)
    names: list[str] = []
    number, unit, printed = None, "", ""
    for run in part:
        found = _number_in(run.text)
        read = quantity(found[0]) if found else None
        if found and read and number is None:
            number, unit, printed = read.number, read.unit, found[0]
            names.append(found[1])
        else:
            names.append(run.text)
    name = " ".join(name for name in names if name).strip(" -–—•·.+*|:;,~_'‘(")
    return SliceText(name if any(character.isalnum() for character in name) else "", number, unit, printed, box)
