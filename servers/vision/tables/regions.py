"""Where on a page a table may stand: between rules of one length, or where lines fall into columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servers.vision.geometry import PixelBox, union
from servers.vision.tables.lines import Line, column_gap
from servers.vision.tables.ruling import Ruling

# In letter heights.
_SAME_EDGE = 2.0
_NARROWEST = 15.0
_LARGEST_STEP = 4.5  # between lines of one table without rules
_BELOW_RULES = 3.0
_LEAST_LINES = 3
_MOST_PENDING = 5
_RULED_ROWS, _MOST_ROW_LINES = 4, 2
_UNEVEN = 0.2  # of the usual distance of lines
_ALIKE = 0.3  # of the parted lines, that have a gap at the same place
_LEAST_PARTED = 0.4  # of the lines of a table without rules


def ruled_regions(ruling: Ruling, height_px: float) -> list[tuple[PixelBox, int]]:
    """Return the boxes between rules that begin and end alike, and how many these are; largest first."""
    groups: list[list[PixelBox]] = []
    for rule in ruling.horizontal:
        if rule.width < _NARROWEST * height_px:
            continue
        for group in groups:
            last = group[-1]
            near = _SAME_EDGE * height_px
            if abs(rule.x_min - last.x_min) <= near and abs(rule.x_max - last.x_max) <= near:
                group.append(rule)
                break
        else:
            groups.append([rule])
    boxes = [(_widened(union(group), ruling), len(group)) for group in groups if len(group) >= 2]
    return sorted(boxes, key=lambda box: -box[0].area)


def _widened(box: PixelBox, ruling: Ruling) -> PixelBox:
    """Return the box as wide as all rules between its first and last: pale ones are broken."""
    between = [
        rule
        for rule in ruling.horizontal
        if box.y_min <= rule.center_y <= box.y_max
        and min(rule.x_max, box.x_max) - max(rule.x_min, box.x_min) > 0.5 * min(rule.width, box.width)
    ]
    return union([box, *between])


def region_lines(
    region: PixelBox, rule_count: int, lines: Sequence[Line], beyond: Sequence[PixelBox], height_px: float
) -> list[Line]:
    """Return the lines between the rules of a region, and those near them that carry the table on.

    Args:
      rule_count: of the region. With two, its last rule may be the one under the headings.
      lines: of the page, cut to the region's width, top to bottom.
      beyond: words to the right of it; a line that goes on there is a caption or running text.
    """
    inside = [line for line in lines if region.y_min < line.box.center_y < region.y_max]
    if not inside:
        return []
    gap = column_gap(inside, height_px)
    lines = [line for line in lines if line in inside or not _is_longer(line, beyond, gap)]
    above = [line for line in lines if line.box.center_y <= region.y_min]
    rivers = _gaps(inside, gap)
    found = [*reversed(_carried_on(above[::-1], region, height_px, rivers, gap)), *inside]
    below = [line for line in lines if line.box.center_y >= region.y_max]
    if rule_count <= 2:
        found += _carried_on(below, region, height_px, rivers, gap)
    elif rule_count >= _RULED_ROWS and len(inside) <= _MOST_ROW_LINES * rule_count:
        # Rules that part the rows need not close the last one; of stripes, only the edges of some may be seen.
        count = max(_MOST_ROW_LINES, _even_count(inside, below))
        found += _carried_on(below[:count], region, height_px, rivers, gap)
    return found


def _even_count(inside: Sequence[Line], below: Sequence[Line]) -> int:
    """Return how many lines below a region follow at the distance that its own lines have."""
    middles = [line.box.center_y for line in inside]
    if len(middles) < _LEAST_LINES:
        return 0
    usual = float(np.median(np.diff(middles)))
    steps = np.diff([middles[-1], *(line.box.center_y for line in below)])
    uneven = np.flatnonzero(np.abs(steps - usual) > _UNEVEN * usual)
    return int(uneven[0]) if len(uneven) else len(steps)


def _is_longer(line: Line, beyond: Sequence[PixelBox], gap: float) -> bool:
    end = line.box
    return any(
        word.x_min - end.x_max < gap and word.y_min < end.center_y < word.y_max and word.x_max > end.x_max
        for word in beyond
    )


def _gaps(lines: Sequence[Line], gap: float) -> list[list[tuple[float, float]]]:
    """Return the wide gaps of each line that has any."""
    gaps = [[(end, start) for end, start in line.gaps() if start - end >= gap] for line in lines]
    return [found for found in gaps if found]


def _is_parted_alike(line: Line, others: Sequence[Sequence[tuple[float, float]]], gap: float) -> bool:
    """Tell whether a line has a wide gap where enough of the others have one."""
    own = [(end, start) for end, start in line.gaps() if start - end >= gap]
    return any(
        sum(any(min(start, s) > max(end, e) for e, s in gaps) for gaps in others) >= _ALIKE * len(others)
        for end, start in own
    )


def _carried_on(
    lines: Sequence[Line],
    region: PixelBox,
    height: float,
    rivers: Sequence[Sequence[tuple[float, float]]],
    gap: float,
) -> list[Line]:
    """Return the lines, from a region's edge outwards, up to the last that is parted into columns.

    Below it, the rest of a label may follow.
    """
    found: list[Line] = []
    pending: list[Line] = []
    edge = region
    for line in lines:
        step = max(line.box.y_min - edge.y_max, edge.y_min - line.box.y_max)
        if step > _BELOW_RULES * height or len(pending) >= _MOST_PENDING:
            break
        edge = line.box
        pending.append(line)
        if _is_parted_alike(line, rivers, gap):
            found += pending
            pending = []
    if found and lines[0].box.center_y > region.center_y:
        for line in pending:
            is_label = line.box.x_min - region.x_min <= _SAME_EDGE * height and line.box.width < 0.4 * region.width
            if not is_label or line.box.y_min - found[-1].box.y_max > height:
                break
            found.append(line)
    return found


def blocks(lines: Sequence[Line], height_px: float) -> list[list[Line]]:
    """Return runs of lines that may be a table: close together, from the first parted line to the last."""
    runs: list[list[Line]] = []
    for line in lines:
        if runs and line.box.y_min - runs[-1][-1].box.y_max <= _LARGEST_STEP * height_px:
            runs[-1].append(line)
        else:
            runs.append([line])
    return [trimmed for run in runs if len(trimmed := _trimmed(run, height_px)) >= _LEAST_LINES]


def _trimmed(lines: Sequence[Line], height: float) -> list[Line]:
    gap = column_gap(lines, height)
    rivers = _gaps(lines, gap)
    parted = [index for index, line in enumerate(lines) if _is_parted_alike(line, rivers, gap)]
    if len(parted) < 2 or len(parted) < _LEAST_PARTED * (parted[-1] - parted[0] + 1):
        return []
    return list(lines[parted[0] : parted[-1] + 1])
