"""A table of cells becomes pixels: column widths, rules, fills and letters, in print of any size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tests.specimens import fonts
from tests.specimens.truth import Region, Rgb, TrueCell, TrueTable

Rules = Literal["all", "rows", "head", "none"]


@dataclass(frozen=True)
class TableLook:
    """How a table is set. Lengths are in shares of the letters' em."""

    font: str = "DejaVu Sans"
    em_px: float = 14.0
    rules: Rules = "all"
    rule_px: float = 1.0
    rule_color: str = "#808080"
    paper: str = "#ffffff"
    ink: str = "#111111"
    head_fill: str = ""
    head_ink: str = ""
    stripe_fill: str = ""
    is_head_bold: bool = True
    pad_x: float = 0.7
    pad_y: float = 0.35
    number_align: Literal["left", "center", "right"] = "right"
    least_column: float = 0.0
    """Narrowest column of numbers."""
    margin: float = 1.0
    caption: str = ""
    footnote: str = ""
    oversampling: int = 1
    """Drawn that many times larger and scaled down, as a page of a document is; 1 draws hinted letters as a browser."""


def typeset(table: TrueTable, look: TableLook) -> tuple[Rgb, Region]:
    """Return the picture of a table and where on it the table stands."""
    return _Sheet(table, look).drawn()


@cache
def _font(family: str, size_px: float, is_bold: bool) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(fonts.path_of(family, is_bold=is_bold), size_px, layout_engine=ImageFont.Layout.BASIC)


class _Sheet:
    """One table on its way to pixels; all lengths in pixels of the oversampled sheet."""

    def __init__(self, table: TrueTable, look: TableLook) -> None:
        self._table = table
        self._look = look
        self._times = look.oversampling
        self._em = look.em_px * self._times
        self._columns = self._column_edges()
        self._rows = self._row_edges()

    def drawn(self) -> tuple[Rgb, Region]:
        look, em = self._look, self._em
        margin = round(look.margin * em)
        note = _font(look.font, em * 0.9, False)
        wide = max(self._columns[-1], *(note.getlength(text) for text in (look.caption, look.footnote)))
        top = margin + (round(1.9 * em) if look.caption else 0)
        size = (round(wide) + 2 * margin, top + self._rows[-1] + margin + (round(1.6 * em) if look.footnote else 0))
        image = Image.new("RGB", size, look.paper)
        pen = ImageDraw.Draw(image)
        if look.caption:
            pen.text((margin, margin), look.caption, look.ink, _font(look.font, em, True))
        self._fill(pen, margin, top)
        for cell in self._table.cells:
            self._write(pen, cell, margin, top)
        self._rule(pen, margin, top)
        if look.footnote:
            pen.text((margin, top + self._rows[-1] + 0.5 * em), look.footnote, look.ink, note)
        region = Region(
            margin / size[0],
            top / size[1],
            (margin + self._columns[-1]) / size[0],
            (top + self._rows[-1]) / size[1],
        )
        if self._times > 1:
            smaller = (max(1, round(size[0] / self._times)), max(1, round(size[1] / self._times)))
            image = image.resize(smaller, Image.Resampling.BOX)
        return np.asarray(image, dtype=np.uint8), region

    def _letters(self, cell: TrueCell) -> ImageFont.FreeTypeFont:
        return _font(self._look.font, self._em, cell.is_header and self._look.is_head_bold)

    def _width(self, cell: TrueCell) -> int:
        font = self._letters(cell)
        widest = max(font.getlength(line) for line in _lines(cell))
        return round(widest + 2 * self._look.pad_x * self._em)

    def _column_edges(self) -> list[int]:
        least = round(self._look.least_column * self._em)
        widths = [
            0 if column < self._table.header_column_count else least for column in range(self._table.column_count)
        ]
        for cell in sorted(self._table.cells, key=lambda cell: cell.column_span):
            last = cell.column + cell.column_span
            lacking = self._width(cell) - sum(widths[cell.column : last])
            if lacking > 0:
                share = -(-lacking // cell.column_span)
                for column in range(cell.column, last):
                    widths[column] += share
        return [sum(widths[:column]) for column in range(len(widths) + 1)]

    def _row_edges(self) -> list[int]:
        line = 1.22 * self._em
        heights = [0.0] * self._table.row_count
        for cell in self._table.cells:
            if cell.row_span == 1:
                heights[cell.row] = max(heights[cell.row], len(_lines(cell)) * line + 2 * self._look.pad_y * self._em)
        return [round(sum(heights[:row])) for row in range(len(heights) + 1)]

    def _fill(self, pen: ImageDraw.ImageDraw, left: int, top: int) -> None:
        look, heads = self._look, self._table.header_row_count
        right = left + self._columns[-1]
        if look.stripe_fill:
            for row in range(heads + 1, self._table.row_count, 2):
                pen.rectangle((left, top + self._rows[row], right - 1, top + self._rows[row + 1] - 1), look.stripe_fill)
        if look.head_fill and heads:
            pen.rectangle((left, top, right - 1, top + self._rows[heads] - 1), look.head_fill)

    def _write(self, pen: ImageDraw.ImageDraw, cell: TrueCell, left: int, top: int) -> None:
        look, font = self._look, self._letters(cell)
        x0, x1 = self._columns[cell.column], self._columns[cell.column + cell.column_span]
        y0, y1 = self._rows[cell.row], self._rows[cell.row + cell.row_span]
        pad, line = look.pad_x * self._em, 1.22 * self._em
        lines = _lines(cell)
        y = (y0 + y1 - len(lines) * line) / 2 + 0.06 * self._em
        is_head = cell.row < self._table.header_row_count
        ink = look.head_ink if is_head and look.head_ink else look.ink
        for text in lines:
            wide = font.getlength(text)
            if cell.column < self._table.header_column_count:
                x = x0 + pad
            elif cell.column_span > 1 or look.number_align == "center":
                x = (x0 + x1 - wide) / 2
            elif look.number_align == "right":
                x = x1 - pad - wide
            else:
                x = x0 + pad
            pen.text((left + round(x), top + round(y)), text, ink, font)
            y += line

    def _rule(self, pen: ImageDraw.ImageDraw, left: int, top: int) -> None:
        look, heads = self._look, self._table.header_row_count
        thin = max(1, round(look.rule_px * self._times))
        right, bottom = left + self._columns[-1], top + self._rows[-1]

        def level(y: int, x0: int = left, x1: int = right, thick: int = thin) -> None:
            pen.rectangle((x0, y, x1, y + thick - 1), look.rule_color)

        if look.rules == "all":
            for cell in self._table.cells:
                x0, x1 = left + self._columns[cell.column], left + self._columns[cell.column + cell.column_span]
                y0, y1 = top + self._rows[cell.row], top + self._rows[cell.row + cell.row_span]
                level(y0, x0, x1)
                level(y1, x0, x1)
                pen.rectangle((x0, y0, x0 + thin - 1, y1), look.rule_color)
                pen.rectangle((x1, y0, x1 + thin - 1, y1 + thin - 1), look.rule_color)
        elif look.rules == "rows":
            for row in range(1, self._table.row_count + 1):
                level(top + self._rows[row], thick=2 * thin if row == heads else thin)
        elif look.rules == "head":
            thick = thin + (1 if thin > 1 else 0)
            level(top, thick=thick)
            level(bottom, thick=thick)
            level(top + self._rows[heads])
            for cell in self._table.cells:
                if cell.column_span > 1 and cell.row + 1 < heads:
                    inset = round(0.3 * self._em)
                    y = top + self._rows[cell.row + cell.row_span]
                    x0, x1 = self._columns[cell.column], self._columns[cell.column + cell.column_span]
                    level(y, left + x0 + inset, left + x1 - inset)


def _lines(cell: TrueCell) -> list[str]:
    return cell.text.split("\n")
