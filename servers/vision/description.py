"""What can be measured of any image: kind, colours, layout. Nothing is recognised in a photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from loupe.type.v1.figure_pb2 import TextBlock
from loupe.type.v1.geometry_pb2 import Color
from loupe.vision.v1 import vision_pb2
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse, ImageDescription, PaletteColor, Region
from servers.vision.geometry import PixelBox, box_of
from servers.vision.palette import Shade, find_shades
from servers.vision.tones import has_continuous_tones

_BACKGROUND_LEVELS = 24  # of 255, a channel: JPEG noise on plain paper stays below
_BLANK_SHARE = 0.9995  # 240 px of a 800 x 600 picture are less than a word
_LEAST_TEXT_OF_INK = 0.5  # of what is not background; letters fill about a third of their boxes, drawings reach beyond
# Of the page: smaller ones are icons, thinner ones rules.
_LEAST_PICTURE_SHARE = 0.02
_LEAST_PICTURE_SIDE = 0.08
_LEAST_FILLED = 0.25  # of a picture's box; a frame around text is not one
_PICTURE_FILL = 0.02  # of a side: gaps inside a picture that don't part it
_WORDS_BESIDE_FIGURES = 40  # titles, sources and labels of a chart on its own stay below


class _Block(NamedTuple):
    box: PixelBox
    kind: vision_pb2.ImageKind.ValueType
    figure_id: str = ""


def describe_image(rgb: NDArray[np.uint8], answer: AnalyzeImageResponse) -> ImageDescription:
    """Return what was measured of an upright image, uint8 [h, w, 3], whose figures and text were read already.

    Boxes are in the pixels of `rgb`, as those of the answer must be.
    """
    shades = find_shades(rgb)
    foreground = _foreground(rgb, shades)
    blocks = _blocks(rgb, foreground, answer)
    kind, confidence = _kind(rgb, foreground, answer, blocks)
    height, width = foreground.shape
    text = sum(box_of(block.box).area for block in answer.text_blocks)
    return ImageDescription(
        kind=kind,
        kind_confidence=confidence,
        palette=[
            PaletteColor(color=Color(red=red, green=green, blue=blue), share=round(shade.share, 4))
            for shade in shades
            for red, green, blue in (shade.rgb,)
        ],
        text_share=min(1.0, text / (width * height)),
        background_share=1.0 - float(foreground.mean()),
        regions=[Region(box=block.box.to_proto(), kind=block.kind, figure_id=block.figure_id) for block in blocks],
    )


def _foreground(rgb: NDArray[np.uint8], shades: Sequence[Shade]) -> NDArray[np.bool_]:
    """Return the pixels, bool [h, w], that have not the most frequent colour."""
    if not shades:
        return np.ones(rgb.shape[:2], np.bool_)
    paper = np.array(shades[0].rgb, np.int16)
    return np.asarray(np.abs(rgb.astype(np.int16) - paper).max(axis=2) > _BACKGROUND_LEVELS, np.bool_)


def _kind(
    rgb: NDArray[np.uint8], foreground: NDArray[np.bool_], answer: AnalyzeImageResponse, blocks: Sequence[_Block]
) -> tuple[vision_pb2.ImageKind.ValueType, float]:
    kinds = {"chart" if figure.HasField("chart") else "table" for figure in answer.figures}
    if kinds:
        sure = min(figure.confidence for figure in answer.figures)
        beside = sum(len(block.text.split()) for block in _texts_beside(answer))
        pictures = any(block.kind in (vision_pb2.IMAGE_KIND_PHOTO, vision_pb2.IMAGE_KIND_DIAGRAM) for block in blocks)
        if len(kinds) > 1 or beside > _WORDS_BESIDE_FIGURES or pictures:
            return vision_pb2.IMAGE_KIND_PAGE, sure
        return vision_pb2.IMAGE_KIND_CHART if "chart" in kinds else vision_pb2.IMAGE_KIND_TABLE, sure
    if not answer.text_blocks and float(foreground.mean()) <= 1 - _BLANK_SHARE:
        return vision_pb2.IMAGE_KIND_BLANK, 0.99
    if has_continuous_tones(rgb):
        return vision_pb2.IMAGE_KIND_PHOTO, 0.8
    if not answer.text_blocks:
        return vision_pb2.IMAGE_KIND_UNSPECIFIED, 0.0
    in_words = np.zeros_like(foreground)
    for block in answer.text_blocks:
        _fill(in_words, box_of(block.box))
    share = float((foreground & in_words).sum()) / max(1, int(foreground.sum()))
    if share >= _LEAST_TEXT_OF_INK:
        return vision_pb2.IMAGE_KIND_TEXT, min(0.95, 0.5 + share / 2)
    return vision_pb2.IMAGE_KIND_DIAGRAM, 0.6


def _blocks(rgb: NDArray[np.uint8], foreground: NDArray[np.bool_], answer: AnalyzeImageResponse) -> list[_Block]:
    """Return figures, text outside them and pictures outside both, in reading order."""
    rest = foreground.copy()
    blocks = []
    for figure in answer.figures:
        kind = vision_pb2.IMAGE_KIND_CHART if figure.HasField("chart") else vision_pb2.IMAGE_KIND_TABLE
        blocks.append(_Block(box_of(figure.box), kind, figure.figure_id))
        _fill(rest, box_of(figure.box), value=False)
    for text in _texts_beside(answer):
        blocks.append(_Block(box_of(text.box), vision_pb2.IMAGE_KIND_TEXT))
        _fill(rest, box_of(text.box), value=False)
    blocks += _pictures(rgb, rest)
    return sorted(blocks, key=lambda block: (block.box.y_min, block.box.x_min))[:200]


def _pictures(rgb: NDArray[np.uint8], rest: NDArray[np.bool_]) -> list[_Block]:
    height, width = rest.shape
    reach = max(1, round(_PICTURE_FILL * min(height, width)))
    solid = cv2.morphologyEx(rest.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    blocks = []
    for left, top, wide, high, filled in stats[1:].tolist():
        is_thin = min(wide, high) < _LEAST_PICTURE_SIDE * min(width, height)
        if is_thin or filled < _LEAST_FILLED * wide * high or wide * high < _LEAST_PICTURE_SHARE * width * height:
            continue
        is_photo = has_continuous_tones(np.ascontiguousarray(rgb[top : top + high, left : left + wide]))
        kind = vision_pb2.IMAGE_KIND_PHOTO if is_photo else vision_pb2.IMAGE_KIND_DIAGRAM
        blocks.append(_Block(PixelBox(left, top, left + wide, top + high), kind))
    return blocks


def _texts_beside(answer: AnalyzeImageResponse) -> list[TextBlock]:
    figures = [box_of(figure.box) for figure in answer.figures]
    return [
        block
        for block in answer.text_blocks
        if not any(figure.contains_point(box_of(block.box).center_x, box_of(block.box).center_y) for figure in figures)
    ]


def _fill(mask: NDArray[np.bool_], box: PixelBox, *, value: bool = True) -> None:
    x0, y0 = max(0, int(box.x_min)), max(0, int(box.y_min))
    mask[y0 : int(np.ceil(box.y_max)), x0 : int(np.ceil(box.x_max))] = value
