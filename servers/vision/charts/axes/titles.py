"""What is printed around a chart: its title, its axis titles and the note that names its source."""

from __future__ import annotations

import re
from collections.abc import Sequence

from servers.vision.charts.picture.page import Page, TextRun
from servers.vision.geometry import PixelBox, union
from servers.vision.text import Word

_TITLE_REACH = 0.3  # of the image's height: below, large words belong to the chart
_SOURCE = re.compile(r"(source|sources|data|note|notes)\s*:", re.IGNORECASE)


def find_title(page: Page, plot: PixelBox, *, exclude: Sequence[PixelBox] = ()) -> tuple[str, PixelBox | None]:
    """Return the title above the plot: the largest lines there, joined from the first on while they keep their size."""
    above = [
        run
        for run in page.runs
        if run.box.y_max <= plot.y_min + 0.5 * page.text_height
        and run.box.y_min < max(_TITLE_REACH * page.height, plot.y_min)
        and sum(character.isalpha() for character in run.text) >= 3
        and not any(box.overlap(run.box) > 0.3 for box in exclude)
    ]
    lines = _joined_lines(above)
    if not lines:
        return "", None
    tallest = max(run.box.height for run in lines)
    start = next(index for index, run in enumerate(lines) if run.box.height >= 0.8 * tallest)
    chosen = [lines[start]]
    for run in lines[start + 1 :]:
        follows = run.box.y_min - chosen[-1].box.y_max < 1.0 * tallest
        if follows and run.box.height >= 0.85 * chosen[0].box.height and len(chosen) < 4:
            chosen.append(run)
        else:
            break
    return " ".join(run.text for run in chosen), union(run.box for run in chosen)


def _joined_lines(runs: Sequence[TextRun]) -> list[TextRun]:
    """Return the runs with those on one line joined: titles are set with wide gaps."""
    lines: list[TextRun] = []
    for run in sorted(runs, key=lambda run: (run.box.center_y, run.box.x_min)):
        twin = next(
            (
                line
                for line in lines
                if abs(line.box.center_y - run.box.center_y) < 0.5 * max(line.box.height, run.box.height)
            ),
            None,
        )
        if twin is None:
            lines.append(run)
            continue
        gap = max(run.box.x_min - twin.box.x_max, twin.box.x_min - run.box.x_max)
        if gap < 2.0 * max(run.box.height, twin.box.height):
            words = sorted((*twin.words, *run.words), key=lambda word: word.box.x_min)
            lines[lines.index(twin)] = TextRun(
                tuple(words), union((twin.box, run.box)), " ".join(word.text for word in words)
            )
    return lines


def find_source(page: Page) -> str:
    """Return the line that names the source of the data, as printed; empty where there is none."""
    for run in page.runs:
        match = re.search(r"sources?\s*:", run.text, re.IGNORECASE)
        if match:
            return run.text[match.start() :][:2000]
    return ""


def title_beside(page: Page, left: float, right: float, top: float, bottom: float) -> str:
    """Return the axis title that runs upwards (or downwards) between two x; empty where there is none.

    Args:
      left, right: pixels between which the title's middle lies.
      top, bottom: y of the plot area.
    """
    words = [
        word
        for word in page.turned
        if 80 <= word.angle_deg % 180 <= 100
        and left <= word.box.center_x <= right
        and top - page.text_height <= word.box.center_y <= bottom + page.text_height
        and word.confidence > 0.5
    ]
    if not words:
        return _lone_letter(page, left, right, (top + bottom) / 2)
    upwards = sum(word.angle_deg < 180 for word in words) * 2 >= len(words)
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.box.center_x):
        if lines and word.box.center_x - lines[-1][-1].box.center_x < 0.7 * word.box.width:
            lines[-1].append(word)
        else:
            lines.append([word])
    title = max(lines, key=lambda line: sum(len(word.text) for word in line))
    title.sort(key=lambda word: -word.box.center_y if upwards else word.box.center_y)
    text = " ".join(word.text for word in title)
    return text if sum(character.isalpha() for character in text) >= 2 else ""


def _lone_letter(page: Page, left: float, right: float, middle: float) -> str:
    """Return a title of one letter, which may look upright when it is turned; empty where none is centred."""
    near = 1.5 * page.text_height
    for run in page.runs:
        is_beside = left <= run.box.center_x <= right and abs(run.box.center_y - middle) < near
        if is_beside and len(run.text) == 1 and run.text.isalpha():
            return run.text
    return ""


def title_below(page: Page, top: float, left: float, right: float) -> str:
    """Return the axis title centred under the tick labels; empty where there is none."""
    middle = (left + right) / 2
    height = page.text_height
    for run in sorted(page.runs, key=lambda run: run.box.y_min):
        centred = abs(run.box.center_x - middle) < 0.08 * (right - left) + height
        if top - 0.2 * height <= run.box.y_min <= top + 3.0 * height and centred and any(c.isalpha() for c in run.text):
            return "" if _SOURCE.match(run.text) else run.text
    return ""


def unit_in(title: str) -> str:
    """Return the unit an axis title ends with in brackets or names ("Share in %"); empty where it names none."""
    bracket = re.search(r"[(\[]([^()\[\]]{1,24})[)\]]\s*$", title)
    if bracket:
        return bracket[1].strip()
    spelled = re.search(
        r"\bin ((?:million|billion|thousand|trillion)?s?\s?[\w.$€£%]*(?:\s[\w.]+)?)$", title, re.IGNORECASE
    )
    if spelled:
        return spelled[1].strip()
    return "%" if "%" in title or re.search(r"\b(percent|per cent|percentage|share)\b", title, re.IGNORECASE) else ""
