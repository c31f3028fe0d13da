"""Rows of labels that may be dates: level ones, slanted ones, and those turned upright."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from servers.vision.charts.axes.slanted_text import end_of, turned_runs
from servers.vision.charts.picture.page import Page, TextRun, make_run
from servers.vision.dates import DateParts, date_parts
from servers.vision.geometry import PixelBox, union
from servers.vision.text import Word

_LONGEST_LABEL = 4  # words
_HYPHEN = 1.1  # letter heights between figures that a hyphen joins
_SHORT_YEAR = re.compile(r"['’`´‘]?(\d\d)")
_MONTH_NUMBER = re.compile(r"([A-Za-z]{3,9})\.? (\d\d)")
_FEWEST_SHORT = 3


@dataclass(frozen=True, slots=True)
class DateLabel:
    """One label of a row, and what it may mean."""

    text: str
    box: PixelBox
    x: float
    """Where it points, pixels."""
    meanings: tuple[DateParts, ...]


def level_rows(page: Page) -> list[list[DateLabel]]:
    """Return the labels that may be dates, by row from the top."""
    rows: list[list[TextRun]] = []
    for run in sorted(page.runs, key=lambda run: run.box.center_y):
        if rows and abs(run.box.center_y - float(np.median([r.box.center_y for r in rows[-1]]))) < 0.5 * (
            page.text_height
        ):
            rows[-1].append(run)
        else:
            rows.append([run])
    out = []
    for row in rows:
        ordered = _with_hyphens(sorted(row, key=lambda run: run.box.x_min), page.text_height)
        labels = _short_years([word for run in ordered for word in run.words]) or [
            label for run in _apart(ordered) for label in _labels_in(run)
        ]
        if labels and not _are_seasons(labels):
            out.append(labels)
    return out


def _short_years(words: Sequence[Word]) -> list[DateLabel]:
    """Return the labels of a row of years such as '98, '99, '00, whose apostrophes recognition may have lost.

    None unless the row holds nothing else, and an apostrophe or the turn of a century shows what they are.
    """
    found = [_SHORT_YEAR.fullmatch(word.text.strip()) for word in words]
    if len(words) < _FEWEST_SHORT or not all(found):
        return []
    years = [int(match[1]) for match in found if match]
    marked = sum(not word.text.strip().isdigit() for word in words)
    turns = sum(after < before for before, after in itertools.pairwise(years))
    steps = [(after - before) % 100 for before, after in itertools.pairwise(years)]
    is_regular = min(steps) > 0 and all(step % min(steps) == 0 for step in steps) and sum(steps) < 100
    if not is_regular or not (marked * 3 >= len(words) or turns == 1):
        return []
    return [
        DateLabel(f"'{year:02d}", word.box, word.box.center_x, tuple(date_parts(f"'{year:02d}")))
        for word, year in zip(words, years, strict=True)
    ]


def _apart(row: Sequence[TextRun]) -> list[TextRun]:
    """Return the runs with "October 2002" parted where months and years of the row are labels of their own."""
    kinds = [{parts.precision for parts in date_parts(run.text)} if len(run.words) == 1 else set() for run in row]
    if not (any("month" in kind for kind in kinds) and any("year" in kind for kind in kinds)):
        return list(row)
    return [
        piece
        for run in row
        for piece in (
            [make_run([word]) for word in run.words]
            if len(run.words) > 1 and all(date_parts(word.text) for word in run.words)
            else [run]
        )
    ]


def dated_by_short_years(row: Sequence[DateLabel]) -> list[DateParts] | None:
    """Return what labels such as "Dec 01", "Jan 02", "Feb 02" mean where the number turns with the year, else None."""
    found = [_MONTH_NUMBER.fullmatch(label.text) for label in row]
    if len(row) < _FEWEST_SHORT or not all(found):
        return None
    meanings = [date_parts(f"{match[1]} '{match[2]}") for match in found if match]
    if not all(meanings):
        return None
    parts = [meaning[0] for meaning in meanings]
    months = [(part.year or 0) * 12 + (part.month or 0) for part in parts]
    steps = {after - before for before, after in itertools.pairwise(months)}
    turns = len({part.year for part in parts}) > 1
    return parts if turns and all(0 < step <= 12 and step % min(steps) == 0 for step in steps) else None


def _with_hyphens(row: Sequence[TextRun], height: float) -> list[TextRun]:
    """Return the runs with "2019", "03", "15" joined where recognition left the hyphens out."""
    out: list[TextRun] = []
    start = 0
    while start < len(row):
        count = 1
        for size in (3, 2):
            pieces = row[start : start + size]
            near = all(b.box.x_min - a.box.x_max < _HYPHEN * height for a, b in itertools.pairwise(pieces))
            text = "-".join(re.sub("[–—]", "-", piece.text).strip("- ") for piece in pieces)
            if len(pieces) == size and near and re.fullmatch(r"\d{4}(?:-\d\d){1,2}|\d\d-\d\d-\d{4}", text):
                words = tuple(word for piece in pieces for word in piece.words)
                out.append(TextRun(words, union(piece.box for piece in pieces), text))
                count = size
                break
        else:
            out.append(row[start])
        start += count
    return out


def _are_seasons(labels: Sequence[DateLabel]) -> bool:
    """Tell whether labels are years that end in the next, "2003/04", rather than months of them."""
    pairs = [re.fullmatch(r"(\d{4})[/-](\d\d)", label.text) for label in labels]
    return len(pairs) > 1 and all(pair and (int(pair[1]) + 1) % 100 == int(pair[2]) for pair in pairs)


def _labels_in(run: TextRun) -> list[DateLabel]:
    """Return the dates in a run; narrow gaps may have joined neighbouring labels."""
    whole = _label(run)
    if whole is not None:
        return [whole]
    labels: list[DateLabel] = []
    start = 0
    while start < len(run.words):
        for end in range(min(len(run.words), start + _LONGEST_LABEL), start, -1):
            label = _label(make_run(run.words[start:end]))
            if label is not None:
                labels.append(label)
                start = end
                break
        else:
            return []  # words among dates are a sentence
    return labels


def _label(run: TextRun) -> DateLabel | None:
    text = re.sub(r"(?<=[a-z])(?=['’]?\d\d)", " ", run.text.strip(" |_—"))  # recognition loses the space of "Jul '20"
    # Of "2021-09-11" recognition may keep one hyphen only, or take it for the dash of a range.
    text = re.sub(r"^(\d{4})[-–—](\d\d) (\d\d)$", r"\1-\2-\3", text)
    meanings = tuple(date_parts(text))
    return DateLabel(text, run.box, run.box.center_x, meanings) if meanings else None


def slanted_rows(page: Page) -> list[list[DateLabel]]:
    """Return the rows of turned labels, each pointing at its tick with its end and, as another row, with its middle."""
    height = page.text_height
    rows: list[list[tuple[str, PixelBox, int]]] = []
    for piece in sorted(turned_runs(page), key=lambda piece: piece[1].y_min):
        row = next(
            (r for r in rows if abs(r[0][1].y_min - piece[1].y_min) < height and abs(r[0][2] - piece[2]) <= 10), None
        )
        if row is None:
            rows.append([piece])
        else:
            row.append(piece)
    out = []
    for row in rows:
        upright = all(80 <= angle % 180 <= 100 for _, _, angle in row)
        for at_end in (False,) if upright else (True, False):
            labels = [
                DateLabel(text, box, end_of(box, angle) if at_end else box.center_x, meanings)
                for text, box, angle in row
                if (meanings := tuple(date_parts(text)))
            ]
            if labels:
                out.append(sorted(labels, key=lambda label: label.x))
    return out
