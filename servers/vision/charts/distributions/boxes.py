"""Box plots: bodies with a line across them, whiskers at their ends and single points beyond (Tukey 1977)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from servers.vision.charts.axes.calibration import Floats
from servers.vision.charts.bars.frame import Frame
from servers.vision.charts.picture.bounds import MOST_RECTANGLES
from servers.vision.charts.picture.page import Lab, Mask

_LEAST_WIDTH, _LEAST_LENGTH = 7, 4  # pixels of a body
_NARROW = 0.34  # of a body's width: whiskers are narrower, notches seldom
_WHISKER_PX = 6
_CAP_PX = 6  # along
_SAME_WIDTH = 0.15
_LINE = 0.7  # of a body's width that the median line crosses
_OFF_FILL = 12.0  # colour difference of the line from what it crosses
_DASH_GAP = 1.0  # letter heights
_ASIDE = 0.2  # of the width: how far from the middle whiskers and points stand
_CORNERED = 0.85  # of a body's width: its first and last rows, those of discs, stars and crosses are narrower
_LEAST_CORNER_ROWS, _CORNER = 2, 0.12  # of a body's length: the edges of a slightly turned one are slanted
_WHISKER_LENGTH_PX = 3
_WHISKERED = 0.6  # of the boxes, that have a whisker
_LINED = 0.5  # of the bodies of one width, that have a line across: two square points that meet look like it
_SAME_LANE = 0.3  # of a body's width
_MOST_IN_LANES = 0.3  # of the boxes, that stand beyond another one of their lane


@dataclass(frozen=True, slots=True)
class Box:
    """One box, pixels along the values; low and high are by value, not by pixel."""

    across: tuple[float, float]
    low_whisker: float
    low_quartile: float
    median: float
    high_quartile: float
    high_whisker: float
    outliers: tuple[float, ...]
    body: tuple[float, float]
    """Along, pixels in order."""
    rgb_at: tuple[int, int]
    """(along, across) of a pixel of its fill."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A connected piece of ink: extents and how wide each of its rows is."""

    across: tuple[int, int]
    along: tuple[int, int]
    widths: tuple[int, ...]

    @property
    def width(self) -> int:
        return self.across[1] - self.across[0]

    @property
    def length(self) -> int:
        return self.along[1] - self.along[0]

    @property
    def center(self) -> float:
        return (self.across[0] + self.across[1]) / 2


def find_boxes(ink: Mask, lab: Lab, frame: Frame, *, dash_gap_px: float, widest_px: float) -> list[Box]:
    """Return the boxes in reading order, or nothing where the marks are no box plot.

    Args:
      ink: pixels of marks, bool [h, w], without words, grid and frame.
      lab: the picture's colours, [h, w, 3].
      dash_gap_px: the widest gap in a dashed whisker.
      widest_px: what is wider crosses the plot, as lines do.
    """
    turned, colors = np.ascontiguousarray(frame.turned(ink)), frame.turned(lab)
    # What a removed grid line cut through is joined again.
    closed = cv2.morphologyEx(turned.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 1), np.uint8))
    pieces = _pieces(closed.astype(np.uint8))
    narrow = [piece for piece in pieces if piece.width <= widest_px]
    bodies = [(piece, body) for piece in narrow if (body := _body(piece)) is not None]
    if not bodies or len(pieces) > MOST_RECTANGLES:
        return []
    # The width that carries most ink: points beyond the whiskers may be outlined too.
    widths = np.array([piece.width for piece, _ in bodies])
    areas = np.array([piece.width * (end - begin) for piece, (begin, end) in bodies])
    support = [areas[np.abs(widths - width) <= max(3.0, _SAME_WIDTH * width)].sum() for width in widths]
    typical = float(widths[int(np.argmax(support))])
    alike = [(piece, body) for piece, body in bodies if abs(piece.width - typical) <= max(3.0, _SAME_WIDTH * typical)]
    found = []
    whiskers: list[int] = []
    for piece, (begin, end) in alike:
        lines = _lines(colors, piece, begin, end)
        if lines is None:
            continue
        first, median, last = lines
        before, after = (
            _whisker(pieces, piece, begin, -1, dash_gap_px),
            _whisker(pieces, piece, end, 1, dash_gap_px),
        )
        whiskers.append(_is_long(before, begin) + _is_long(after, end))
        ends = (first if before is None else before, last if after is None else after)
        points = _outliers(pieces, piece, ends)
        values = (ends[0], first, median, last, ends[1])
        if frame.growth < 0:
            values = values[::-1]
        found.append(
            Box(
                (float(piece.across[0]), float(piece.across[1])),
                *values,
                tuple(points),
                (float(begin), float(end)),
                (round((median + (last if last - median > median - first else first)) / 2), round(piece.center) + 2),
            )
        )
    if len(found) < _LINED * len(alike):
        return []
    # Outlined bars have a line across now and then, but no whiskers at both ends.
    if not found or sum(whiskers) < 1.2 * len(found) or sum(map(bool, whiskers)) < _WHISKERED * len(found):
        return []
    return one_a_lane(found)


def _is_long(whisker: float | None, edge: int) -> bool:
    """Tell whether a whisker is one, and no tip of a marker."""
    return whisker is not None and abs(whisker - edge) >= _WHISKER_LENGTH_PX


def one_a_lane(found: Sequence[Box]) -> list[Box]:
    """Return the longest box of each lane in order; nothing where many share lanes, as points anywhere do."""
    kept: list[Box] = []
    for box in sorted(found, key=lambda box: box.body[0] - box.body[1]):
        most = _SAME_LANE * (box.across[1] - box.across[0])
        if all(min(box.across[1], o.across[1]) - max(box.across[0], o.across[0]) <= most for o in kept):
            kept.append(box)
    if len(found) - len(kept) > _MOST_IN_LANES * len(found):
        return []
    return sorted(kept, key=lambda box: box.across)


def _pieces(ink: np.ndarray) -> list[_Piece]:
    count, component, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    pieces = []
    for part in range(1, min(count, MOST_RECTANGLES + 2)):
        a, v, w, h, area = (int(value) for value in stats[part])
        if area < 2:
            continue
        window = component[v : v + h, a : a + w] == part
        left = window.argmax(axis=1)
        right = w - window[:, ::-1].argmax(axis=1)
        pieces.append(_Piece((a, a + w), (v, v + h), tuple(int(x) for x in right - left)))
    return pieces


def _body(piece: _Piece) -> tuple[int, int] | None:
    """Return where along a piece its body begins and ends: its longest stretch of wide rows."""
    if piece.width < _LEAST_WIDTH or piece.length < _LEAST_LENGTH:
        return None
    widths = np.array(piece.widths)
    wide = np.flatnonzero(widths > max(_NARROW * piece.width, _WHISKER_PX))
    if not len(wide):
        return None
    runs = np.split(wide, np.flatnonzero(np.diff(wide) > 1) + 1)
    longest = max(runs, key=len)
    rows = widths[longest]
    if len(longest) < _LEAST_LENGTH or rows.max() < 0.9 * piece.width or float((rows > 0.9 * piece.width).mean()) < 0.3:
        return None
    corner = max(_LEAST_CORNER_ROWS, round(_CORNER * len(rows)))
    if min(rows[:corner].max(), rows[-corner:].max()) < _CORNERED * piece.width:
        return None
    return piece.along[0] + int(longest[0]), piece.along[0] + int(longest[-1]) + 1


def _lines(colors: Lab, piece: _Piece, begin: int, end: int) -> tuple[float, float, float] | None:
    """Return (first border, median, last border) along a body, each its line's middle, or None without a median."""
    a0, a1 = piece.across
    inset = max(2, round(0.25 * piece.width))
    body = colors[begin:end, a0 + inset : a1 - inset]
    if body.shape[0] < _LEAST_LENGTH or body.shape[1] < 2:
        return None
    fill = np.median(body.reshape(-1, 3), axis=0)
    off = np.linalg.norm(body - fill, axis=2)
    crossed = np.flatnonzero((off > _OFF_FILL).mean(axis=1) >= _LINE)
    if not len(crossed):
        return None
    strength = off.mean(axis=1)
    groups = np.split(crossed, np.flatnonzero(np.diff(crossed) > 1) + 1)
    last_row = body.shape[0] - 1
    head = groups[0] if groups[0][0] <= 1 else None
    tail = groups[-1] if groups[-1][-1] >= last_row - 1 else None
    inner = [group for group in groups if group is not head and group is not tail]
    first = begin + (_middle(head, strength) if head is not None else 0.0)
    last = begin + (_middle(tail, strength) if tail is not None else last_row + 1.0)
    if inner:
        best = max(inner, key=lambda group: float(strength[group].sum()))
        return first, begin + _middle(best, strength), last
    # The median on a border makes that border thicker than the other.
    if head is not None and tail is not None and abs(len(head) - len(tail)) >= 1:
        thick, thin = (head, tail) if len(head) > len(tail) else (tail, head)
        inside = thick[len(thin) :] if thick is head else thick[: len(thick) - len(thin)]
        edge = thick[: len(thin)] if thick is head else thick[len(thick) - len(thin) :]
        border = begin + float(edge.mean()) + 0.5
        if thick is head:
            return border, begin + float(inside.mean()) + 0.5, last
        return first, begin + float(inside.mean()) + 0.5, border
    return None


def _middle(group: np.ndarray, strength: Floats) -> float:
    weight = strength[group]
    return float(((group + 0.5) * weight).sum() / max(float(weight.sum()), 1e-9))


def _whisker(pieces: Sequence[_Piece], body: _Piece, edge: int, step: int, gap_px: float) -> float | None:
    """Return where the whisker that leaves a body at an edge ends, None where none does."""
    reach: float = float(edge)
    end: float | None = None
    own = _part(body, edge, step)
    line_px = 0
    if own is not None:
        end, reach, line_px, is_capped = own
        if is_capped:
            return end
    for piece in _beyond(pieces, body, edge, step):
        near, far = piece.along if step > 0 else piece.along[::-1]
        if (near - reach) * step > gap_px:
            break
        is_cap = piece.length <= _CAP_PX and piece.width > max(_WHISKER_PX, 2.5 * piece.length)
        # A dash with the cap at its end: wide rows only at the far end.
        widths = piece.widths if step > 0 else piece.widths[::-1]
        is_wide = [width > _WHISKER_PX for width in widths]
        has_cap = not is_cap and is_wide[-1] and sum(is_wide) <= _CAP_PX and not any(is_wide[:-_CAP_PX])
        if is_cap:
            return sum(piece.along) / 2
        if has_cap:
            return far - step * sum(is_wide) / 2
        if max(widths) > max(_WHISKER_PX - 2, line_px + 1) or (line_px and max(widths) > line_px + 1):
            break
        line_px = max(line_px, max(widths))
        reach, end = float(far), float(far)
    return end


def _part(body: _Piece, edge: int, step: int) -> tuple[float, float, int, bool] | None:
    """Return (end, reach, width, whether it is capped) of the part of the body's own piece beyond its edge."""
    offset = body.along[0]
    rows = body.widths[edge - offset :] if step > 0 else body.widths[: edge - offset][::-1]
    if len(rows) < 2:
        return None
    wide = [index for index, width in enumerate(rows) if width > max(_WHISKER_PX, 2 * min(rows))]
    line_px = int(np.median([width for width in rows if width <= _WHISKER_PX] or [1]))
    if wide and wide[-1] >= len(rows) - 2:
        block = [index for index in wide if index >= wide[-1] - _CAP_PX]
        return edge + step * (float(np.mean(block)) + 0.5), edge + step * len(rows), line_px, True
    end = float(edge + step * len(rows))
    return end, end, line_px, False


def _beyond(pieces: Sequence[_Piece], body: _Piece, edge: int, step: int) -> list[_Piece]:
    """Return the pieces in a body's lane beyond its edge, the nearest first."""
    beyond = [
        piece
        for piece in pieces
        if piece is not body
        and abs(piece.center - body.center) <= max(2.0, _ASIDE * body.width)
        and piece.width <= 1.05 * body.width
        and (piece.along[0] >= edge - 1 if step > 0 else piece.along[1] <= edge + 1)
    ]
    return sorted(beyond, key=lambda piece: piece.along[0] * step)


def _outliers(pieces: Sequence[_Piece], body: _Piece, ends: tuple[float, float]) -> list[float]:
    found = []
    for piece in pieces:
        middle = sum(piece.along) / 2
        is_inside = ends[0] - 1 <= middle <= ends[1] + 1
        is_round = (
            piece.length >= 3
            and piece.width >= 3
            and max(piece.length, piece.width) <= 2.2 * min(piece.length, piece.width)
        )
        aside = abs(piece.center - body.center)
        if piece is body or is_inside or not is_round or aside > max(2.0, _ASIDE * body.width):
            continue
        if piece.width < 0.9 * body.width or piece.width <= _LEAST_WIDTH:
            found.append(middle)
    return sorted(found)
