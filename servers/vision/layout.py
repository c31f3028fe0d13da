"""Words become blocks of text in reading order, ranked by letter height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loupe.type.v1.figure_pb2 import TextBlock
from servers.vision.geometry import PixelBox, union
from servers.vision.text import Word, language_of

# In line heights.
_SPACE = 1.6  # between words of a line; more is another column
_LEADING = 0.9  # between lines of a block
_SIMILAR = 1.35  # heights of lines of a block
_MOST_BLOCKS = 2000


@dataclass
class _Line:
    words: list[Word]

    @property
    def box(self) -> PixelBox:
        return union(word.box for word in self.words)

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def height(self) -> float:
        """Across the reading direction."""
        if self.words[0].angle_deg in (90, 270):
            return float(np.median([word.box.width for word in self.words]))
        return float(np.median([word.box.height for word in self.words]))


def text_blocks(words: Sequence[Word]) -> list[TextBlock]:
    """Return the blocks of words that came in reading order; lines of a block are parted by line ends."""
    blocks: list[list[_Line]] = []
    lines = _lines(words)
    neighbours = _neighbours(lines)
    for line, beside in zip(lines, neighbours, strict=True):
        # In a table the row is what belongs together; a page's columns have one neighbour and long lines.
        is_tabular = beside >= 2 or (beside == 1 and len(line.words) < 3)
        near = () if is_tabular else reversed(blocks[-6:])
        home = next((block for block in near if _continues(block[-1], line)), None)
        if home is None:
            blocks.append([line])
        else:
            home.append(line)
    heights = [float(np.median([line.height for line in block])) for block in blocks]
    ranks = _ranks(heights)
    return [_message(block, rank) for block, rank in zip(blocks, ranks, strict=True)][:_MOST_BLOCKS]


def _lines(words: Sequence[Word]) -> list[_Line]:
    lines: list[_Line] = []
    for word in words:
        if lines and _follows(lines[-1].words[-1], word):
            lines[-1].words.append(word)
        else:
            lines.append(_Line([word]))
    return lines


def _neighbours(lines: Sequence[_Line]) -> list[int]:
    """Return how many other lines stand in the same row as each."""
    counts = [0] * len(lines)
    boxes = [_upright(line.box, line.words[0].angle_deg) for line in lines]
    for index, box in enumerate(boxes):
        # Lines come row by row, so those of a row are next to each other.
        for other in range(index + 1, len(lines)):
            next_box = boxes[other]
            shared = min(box.y_max, next_box.y_max) - max(box.y_min, next_box.y_min)
            if shared <= 0.5 * min(box.height, next_box.height):
                break
            counts[index] += 1
            counts[other] += 1
    return counts


def _follows(before: Word, word: Word) -> bool:
    if before.angle_deg != word.angle_deg:
        return False
    first, second = _upright(before.box, word.angle_deg), _upright(word.box, word.angle_deg)
    height = max(first.height, second.height)
    shared = min(first.y_max, second.y_max) - max(first.y_min, second.y_min)
    gap = second.x_min - first.x_max
    return shared > 0.3 * min(first.height, second.height) and -0.5 * height < gap <= _SPACE * height


def _upright(box: PixelBox, angle_deg: int) -> PixelBox:
    """Return the box on the page turned so that text at this angle reads from left to right."""
    if angle_deg == 90:
        return PixelBox(-box.y_max, box.x_min, -box.y_min, box.x_max)
    if angle_deg == 180:
        return PixelBox(-box.x_max, -box.y_max, -box.x_min, -box.y_min)
    if angle_deg == 270:
        return PixelBox(box.y_min, -box.x_max, box.y_max, -box.x_min)
    return box


def _continues(before: _Line, line: _Line) -> bool:
    if before.words[0].angle_deg != line.words[0].angle_deg:
        return False
    angle = line.words[0].angle_deg
    first, second = _upright(before.box, angle), _upright(line.box, angle)
    larger, smaller = max(before.height, line.height), max(min(before.height, line.height), 1.0)
    gap = second.y_min - first.y_max
    shared = min(first.x_max, second.x_max) - max(first.x_min, second.x_min)
    return (
        larger <= _SIMILAR * smaller
        and -0.4 * larger <= gap <= _LEADING * larger
        and shared > 0.5 * min(first.width, second.width)
    )


def _ranks(heights: Sequence[float]) -> list[int]:
    """Return 1 for the largest; heights within a tenth of each other share a rank."""
    rank, reference = 0, float("inf")
    ranks = [0] * len(heights)
    for index in sorted(range(len(heights)), key=lambda index: -heights[index]):
        if heights[index] < 0.9 * reference:
            rank, reference = rank + 1, heights[index]
        ranks[index] = rank
    return ranks


def _message(block: Sequence[_Line], rank: int) -> TextBlock:
    words = [word for line in block for word in line.words]
    letters = sum(len(word.text) for word in words)
    return TextBlock(
        text="\n".join(line.text for line in block)[:10_000],
        box=union(word.box for word in words).to_proto(),
        confidence=min(1.0, sum(word.confidence * len(word.text) for word in words) / letters),
        font_size_rank=rank,
        language=language_of(" ".join(word.text for word in words)),
    )
