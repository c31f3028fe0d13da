"""The panels of a picture, each a picture of its own: its region with the axes that it shares with its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Box
from servers.vision.charts.panels.evidence import Evidence, drawing_of, find_evidence
from servers.vision.charts.panels.parting import find_parts
from servers.vision.charts.picture.page import Page, cropped, moved, prepare
from servers.vision.geometry import PixelBox, box_of
from servers.vision.rescale import all_inside
from servers.vision.text import Word

_SAME_EDGE_PX = 6.0
_MARGIN = 0.4  # letter heights kept around what stands in a region


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of the picture and where its top-left corner stands in the panel."""

    source: PixelBox
    x: float
    y: float

    @property
    def box(self) -> PixelBox:
        """In the panel's pixels."""
        return PixelBox(self.x, self.y, self.x + self.source.width, self.y + self.source.height)


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart's part of the picture."""

    page: Page
    tiles: tuple[Tile, ...]
    """The region itself first, then the strips of shared axes set beside it."""

    @property
    def source(self) -> PixelBox:
        """The region in the picture's pixels."""
        return self.tiles[0].source

    def settle(self, figure: figure_pb2.Figure) -> None:
        """Turn everything in a figure read from the panel into the picture's pixels, in place."""
        home = self.tiles[0]
        dx, dy = home.source.x_min - home.x, home.source.y_min - home.y
        for inner in all_inside(figure):
            if isinstance(inner, Box):
                self._settle_box(inner)
            elif isinstance(inner, figure_pb2.Axis):
                offset = dx if _runs_across(inner) else dy
                for tick in inner.ticks:
                    tick.position_px += offset
                for fit in [*([inner.calibration] if inner.HasField("calibration") else []), *inner.segments]:
                    fit.intercept -= fit.slope * offset
                    for name in ("from_px", "to_px"):
                        if fit.HasField(name):
                            setattr(fit, name, getattr(fit, name) + offset)
        offsets = {axis.dimension: dx if _runs_across(axis) else dy for axis in figure.chart.axes}
        for series in figure.chart.series:
            for point in series.points:
                _settle_value(point.y, offsets.get(series.value_axis, dy))
                for x in (point.x, point.x_end):
                    _settle_value(x, offsets.get(figure_pb2.AXIS_DIMENSION_X, dx))
        # What reaches over several tiles stays with the region.
        for box in (figure.box, figure.chart.plot_area):
            box.CopyFrom(_inside(box_of(box), self.source).to_proto())

    def _settle_box(self, box: Box) -> None:
        at = box_of(box)
        tile = next((tile for tile in self.tiles if tile.box.contains_point(at.center_x, at.center_y)), self.tiles[0])
        box.CopyFrom(at.shifted(tile.source.x_min - tile.x, tile.source.y_min - tile.y).to_proto())


def _settle_value(value: figure_pb2.Value, offset: float) -> None:
    if value.HasField("position_px"):
        value.position_px += offset
    if value.HasField("base_px"):
        value.base_px += offset


def _runs_across(axis: figure_pb2.Axis) -> bool:
    if len(axis.ticks) >= 2:
        first, last = box_of(axis.ticks[0].box), box_of(axis.ticks[-1].box)
        return abs(first.center_x - last.center_x) > abs(first.center_y - last.center_y)
    return axis.dimension == figure_pb2.AXIS_DIMENSION_X


def _inside(box: PixelBox, outer: PixelBox) -> PixelBox:
    return PixelBox(
        max(box.x_min, outer.x_min),
        max(box.y_min, outer.y_min),
        min(box.x_max, outer.x_max),
        min(box.y_max, outer.y_max),
    )


@dataclass(frozen=True, slots=True)
class _Region:
    box: PixelBox
    evidence: Evidence
    page: Page

    @property
    def frame(self) -> PixelBox | None:
        """The largest frame, in the picture's pixels."""
        largest = max(self.evidence.frames, key=lambda frame: frame.area, default=None)
        return largest.shifted(self.box.x_min, self.box.y_min) if largest is not None else None

    @property
    def has_labels_below(self) -> bool:
        """Words stand right under the frame."""
        frame = self.frame
        if frame is None:
            return True
        foot = frame.y_max - self.box.y_min
        near = foot + 3 * self.page.text_height
        words = [run.box for run in self.page.runs] + [word.box for word in self.page.turned]
        return any(foot - 2 <= box.center_y and box.y_min < near for box in words)


def find_panels(page: Page) -> list[Panel]:
    """Return the picture's panels in reading order; the whole page as the only one where it holds no several charts."""
    boxes = find_parts(page)
    if len(boxes) == 1:
        return [Panel(page, (Tile(boxes[0], 0.0, 0.0),))]
    regions = []
    for box in boxes:
        tight = _tight(page, box)
        inner = cropped(page, tight)
        regions.append(_Region(tight, find_evidence(inner, drawing_of(inner)), inner))
    return [_panel(page, region, regions) for region in regions]


def _tight(page: Page, box: PixelBox) -> PixelBox:
    """Return the box without the paper around what stands in it."""
    x0, y0, x1, y1 = (round(edge) for edge in box)
    away = np.linalg.norm(page.lab[y0:y1, x0:x1] - page.background, axis=2) > 7.0
    rows, columns = np.flatnonzero(away.any(axis=1)), np.flatnonzero(away.any(axis=0))
    if not len(rows):
        return box
    margin = _MARGIN * page.text_height
    inked = PixelBox(x0 + columns[0], y0 + rows[0], x0 + columns[-1] + 1.0, y0 + rows[-1] + 1.0)
    edges = _inside(inked.grown(margin, margin), PixelBox(x0, y0, x1, y1))
    return PixelBox(*(float(round(edge)) for edge in edges))


def _panel(page: Page, region: _Region, regions: Sequence[_Region]) -> Panel:
    frame, source = region.frame, region.box
    left = below = None
    if frame is not None and region.evidence.y_axis is None:
        left = _strip_of_left_axis(region, frame, regions)
    if frame is not None and not region.has_labels_below:
        below = _strip_of_labels_below(region, frame, regions)
    if left is None and below is None:
        return Panel(region.page, (Tile(source, 0.0, 0.0),))
    if left is not None and frame is not None:
        source = PixelBox(frame.x_min, source.y_min, source.x_max, source.y_max)
    if below is not None and frame is not None:
        source = PixelBox(source.x_min, source.y_min, source.x_max, frame.y_max)
    x = left.width if left is not None else 0.0
    tiles = [Tile(source, round(x), 0.0)]
    if left is not None:
        tiles.append(Tile(PixelBox(left.x_min, source.y_min, left.x_max, source.y_max), 0.0, 0.0))
    if below is not None:
        strip = PixelBox(source.x_min, below.y_min, source.x_max, below.y_max)
        tiles.append(Tile(strip, round(x), float(round(source.y_max) - round(source.y_min))))
    return _set_together(page, tiles)


def _strip_of_left_axis(region: _Region, frame: PixelBox, regions: Sequence[_Region]) -> PixelBox | None:
    """Return what stands left of the nearest plot of the same row that has numbers there."""
    donors = []
    for other in regions:
        its = other.frame
        if its is None or other.evidence.y_axis is None or its.x_min >= frame.x_min:
            continue
        if max(abs(its.y_min - frame.y_min), abs(its.y_max - frame.y_max)) <= _SAME_EDGE_PX:
            donors.append(PixelBox(other.box.x_min, region.box.y_min, its.x_min, region.box.y_max))
    return max(donors, key=lambda strip: strip.x_min, default=None)


def _strip_of_labels_below(region: _Region, frame: PixelBox, regions: Sequence[_Region]) -> PixelBox | None:
    """Return what stands under the nearest plot of the same column that has labels there."""
    donors = []
    for other in regions:
        its = other.frame
        if its is None or not other.has_labels_below or its.y_min <= frame.y_min:
            continue
        if max(abs(its.x_min - frame.x_min), abs(its.x_max - frame.x_max)) <= _SAME_EDGE_PX:
            donors.append(PixelBox(region.box.x_min, its.y_max, region.box.x_max, other.box.y_max))
    return min(donors, key=lambda strip: strip.y_min, default=None)


def _set_together(page: Page, tiles: Sequence[Tile]) -> Panel:
    width = max(round(tile.box.x_max) for tile in tiles)
    height = max(round(tile.box.y_max) for tile in tiles)
    paper = np.median(page.rgb[np.linalg.norm(page.lab - page.background, axis=2) < 3.0].reshape(-1, 3), axis=0)
    rgb = np.full((height, width, 3), paper.astype(np.uint8), np.uint8)
    words: list[Word] = []
    placed = []
    for tile in tiles:
        x0, y0, x1, y1 = (round(edge) for edge in tile.source)
        part = page.rgb[y0:y1, x0:x1]
        x, y = round(tile.x), round(tile.y)
        part = part[: height - y, : width - x]
        rgb[y : y + part.shape[0], x : x + part.shape[1]] = part
        source = PixelBox(float(x0), float(y0), float(x1), float(y1))
        placed.append(Tile(source, float(x), float(y)))
        inner = cropped(page, source)
        words += [moved(word, x, y) for run in inner.runs for word in run.words]
        words += [moved(word, x, y) for word in inner.turned]
    return Panel(prepare(rgb, words), tuple(placed))
