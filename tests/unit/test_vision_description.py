"""What is measured of any image: kind, colours, layout."""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
from PIL import Image

from loupe.type.v1.figure_pb2 import Chart, Figure, Table, TextBlock
from loupe.type.v1.geometry_pb2 import Box
from loupe.vision.v1 import vision_pb2 as v
from servers.vision.caption import describe
from servers.vision.description import describe_image
from servers.vision.palette import color_name, find_shades

NAVY, SAND = (20, 40, 120), (230, 200, 150)


def paper(width=400, height=300):
    return np.full((height, width, 3), 255, np.uint8)


def photo():
    """A portrait that matplotlib carries."""
    path = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
    return np.asarray(Image.open(path).convert("RGB"))


def answer_of(picture, *, figures=(), texts=()):
    height, width = picture.shape[:2]
    answer = v.AnalyzeImageResponse(width_px=width, height_px=height, figures=figures, text_blocks=texts)
    answer.description.CopyFrom(describe_image(picture, answer))
    return answer


def figure(content, box, figure_id="f1"):
    return Figure(
        figure_id=figure_id, box=Box(x_min=box[0], y_min=box[1], x_max=box[2], y_max=box[3]), confidence=0.9, **content
    )


def text(words, box):
    return TextBlock(text=words, box=Box(x_min=box[0], y_min=box[1], x_max=box[2], y_max=box[3]))


def test_the_colours_of_a_drawing_come_back_exactly_with_their_shares():
    picture = paper()
    picture[:, :100] = NAVY
    picture[:60, 300:] = SAND
    shades = find_shades(picture)
    assert [shade.rgb for shade in shades] == [(255, 255, 255), NAVY, SAND]
    assert [shade.share for shade in shades] == pytest.approx([0.70, 0.25, 0.05], abs=0.01)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((250, 250, 250), "white"),
        ((10, 10, 10), "black"),
        (NAVY, "blue"),
        ((200, 30, 30), "red"),
        ((150, 150, 150), "grey"),
    ],
)
def test_a_colour_has_the_name_a_person_would_give_it(rgb, name):
    assert color_name(rgb) == name


def test_an_empty_page_is_blank():
    answer = answer_of(paper())
    assert answer.description.kind == v.IMAGE_KIND_BLANK
    assert answer.description.background_share == 1.0
    assert list(answer.description.regions) == []


def test_a_photo_is_said_to_be_one_with_its_colours_and_nothing_else():
    answer = answer_of(photo())
    assert answer.description.kind == v.IMAGE_KIND_PHOTO
    assert len(answer.description.palette) >= 3
    caption, _ = describe(answer)
    assert caption.startswith("A picture in continuous tones, as of a photo, of 512×600 px, mostly ")


def test_boxes_joined_by_lines_are_a_diagram():
    picture = paper()
    cv2.rectangle(picture, (40, 100), (150, 180), NAVY, 2)
    cv2.rectangle(picture, (250, 100), (360, 180), NAVY, 2)
    cv2.arrowedLine(picture, (150, 140), (250, 140), NAVY, 2)
    texts = [text("Client", (70, 132, 120, 148)), text("Server", (280, 132, 330, 148))]
    assert answer_of(picture, texts=texts).description.kind == v.IMAGE_KIND_DIAGRAM


def test_a_page_of_words_is_text():
    picture = paper()
    for y in range(40, 260, 24):
        cv2.putText(picture, "A line of words on a page", (40, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1)
    answer = answer_of(picture, texts=[text("A line of words on a page", (38, 25, 300, 262))])
    assert answer.description.kind == v.IMAGE_KIND_TEXT
    assert [region.kind for region in answer.description.regions] == [v.IMAGE_KIND_TEXT]


def test_a_chart_and_a_table_make_a_page_whose_regions_are_in_reading_order():
    figures = [
        figure({"chart": Chart()}, (10, 120, 390, 200)),
        figure({"table": Table()}, (10, 220, 390, 290), "f2"),
    ]
    answer = answer_of(paper(), figures=figures, texts=[text("A heading", (10, 10, 120, 30))])
    assert answer.description.kind == v.IMAGE_KIND_PAGE
    assert [(region.kind, region.figure_id) for region in answer.description.regions] == [
        (v.IMAGE_KIND_TEXT, ""),
        (v.IMAGE_KIND_CHART, "f1"),
        (v.IMAGE_KIND_TABLE, "f2"),
    ]


def test_a_photo_within_a_page_is_a_region_of_its_own():
    picture = paper(800, 700)
    picture[60:660, 250:762] = photo()
    texts = [text("A caption beside the picture", (20, 300, 200, 320))]
    regions = answer_of(picture, texts=texts).description.regions
    (found,) = [region for region in regions if region.kind == v.IMAGE_KIND_PHOTO]
    assert (found.box.x_min, found.box.y_min) == pytest.approx((250, 60), abs=12)
    assert (found.box.x_max, found.box.y_max) == pytest.approx((762, 660), abs=12)
