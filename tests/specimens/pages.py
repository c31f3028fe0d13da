"""Figures where people meet them: between paragraphs on a page, and worn by what was done to the picture."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tests.specimens import areas, bars, fonts, lines, pies, points, tables
from tests.specimens.canvas import Drawing
from tests.specimens.degrade import degrade_hard, rescaled
from tests.specimens.truth import Region, TrueFigure

_FIGURES = ("bar", "horizontal_bar", "grouped_bar", "stacked_bar", "line", "lines", "area", "pie", "scatter")
_TABLES = ("table_ruled", "table_unruled", "table_zebra", "table_financial")
_DRAWINGS = {**bars.KINDS, **lines.KINDS, **areas.KINDS, **pies.KINDS, **points.KINDS, **tables.KINDS}
_SENTENCES = (
    "The figures of the last quarter confirm what the first survey had suggested.",
    "Most of the growth came from customers who had bought before.",
    "Costs rose more slowly than in any year since the method was changed.",
    "We asked the same people again after twelve months and compared their answers.",
    "Regional differences remain large, although they have become smaller over time.",
    "None of the models reaches the accuracy of a careful reader.",
    "Prices are adjusted for inflation and given in the currency of the last year.",
    "The sample is small, so single numbers should not be overrated.",
)


def _page(rng: Random) -> Drawing:
    """A page of one column: paragraphs, one or two figures with captions."""
    em = rng.randint(13, 20)
    wide = rng.randint(40, 56) * em
    font = ImageFont.truetype(
        fonts.path_of(rng.choice((*fonts.SERIF, *fonts.SANS))), em, layout_engine=ImageFont.Layout.BASIC
    )
    kinds = [rng.choice(_FIGURES)] + ([rng.choice((*_TABLES, *_FIGURES))] if rng.random() < 0.5 else [])
    rng.shuffle(kinds)
    blocks: list[tuple[Image.Image, tuple[TrueFigure, ...]]] = [(_paragraph(rng, font, em, wide), ())]
    for number, kind in enumerate(kinds, 1):
        rgb, truth = _DRAWINGS[kind](rng)
        narrow = rng.uniform(0.7, 1.0) * wide
        if rgb.shape[1] > narrow:
            rgb = rescaled(rgb, narrow / rgb.shape[1])
        blocks.append((Image.fromarray(rgb), truth))
        word = "Table" if kind in _TABLES else "Figure"
        blocks.append((_set(f"{word} {number}: {rng.choice(_SENTENCES)}", font, em, wide), ()))
        blocks.append((_paragraph(rng, font, em, wide), ()))
    gap, margin = round(1.2 * em), 2 * em
    sheet = Image.new(
        "RGB", (wide + 2 * margin, 2 * margin + sum(image.height + gap for image, _ in blocks)), "#ffffff"
    )
    y, found = margin, []
    for image, truth in blocks:
        x = margin + (wide - image.width) // 2 if truth else margin
        sheet.paste(image, (x, y))
        found += [replace(true, region=_inside(true.region, x, y, image, sheet)) for true in truth]
        y += image.height + gap
    return np.asarray(sheet, dtype=np.uint8), tuple(found)


def _paragraph(rng: Random, font: ImageFont.FreeTypeFont, em: int, wide: int) -> Image.Image:
    return _set(" ".join(rng.choices(_SENTENCES, k=rng.randint(2, 6))), font, em, wide)


def _set(text: str, font: ImageFont.FreeTypeFont, em: int, wide: int) -> Image.Image:
    """Return a paragraph in lines as long as the column allows."""
    rows = textwrap.wrap(text, int(0.93 * wide / (font.getlength(text) / len(text))))
    image = Image.new("RGB", (wide, round(1.45 * em * len(rows))), "#ffffff")
    pen = ImageDraw.Draw(image)
    for index, row in enumerate(rows):
        pen.text((0, round(1.45 * em * index)), row, "#222222", font)
    return image


def _inside(region: Region, x: int, y: int, part: Image.Image, sheet: Image.Image) -> Region:
    return Region(
        (x + region.x_min * part.width) / sheet.width,
        (y + region.y_min * part.height) / sheet.height,
        (x + region.x_max * part.width) / sheet.width,
        (y + region.y_max * part.height) / sheet.height,
    )


def _worn(rng: Random) -> Drawing:
    """A chart with two harms that a person reads through."""
    rgb, truth = _DRAWINGS[rng.choice(_FIGURES)](rng)
    return degrade_hard(rgb, rng), truth


KINDS: dict[str, Callable[[Random], Drawing]] = {"page": _page, "worn": _worn}
