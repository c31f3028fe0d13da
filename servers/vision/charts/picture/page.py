"""An image prepared for chart reading: its pixels in two colour spaces, its runs of text, its background."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.picture.bounds import Cuts
from servers.vision.charts.picture.lost_points import with_points
from servers.vision.charts.picture.percent_signs import with_percent_signs
from servers.vision.charts.picture.ranges import with_ranges
from servers.vision.geometry import PixelBox, union
from servers.vision.numbers import ParsedNumber, parse_number
from servers.vision.text import Word, read_line

Rgb = NDArray[np.uint8]
Lab = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Shares of the letter height. Word gaps are 0.3 to 0.6 of a capital's height; neighbouring ticks stand further apart.
_WORD_GAP = 0.85
_DIGIT_GROUP_GAP = 0.85
_LEVEL_DEG = 5
_SAME_PAPER = 3.0  # colour difference
_LEAST_PAPER = 0.1  # of a part's pixels
_DOUBLED = r"([cosuvwxz])\1"


@dataclass(frozen=True, slots=True)
class TextRun:
    """Words that stand on one line close together."""

    words: tuple[Word, ...]
    box: PixelBox
    text: str

    @property
    def confidence(self) -> float:
        """Of the recognition, 0 to 1."""
        return min((word.confidence for word in self.words), default=0.0)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with the unit that stood around it."""

    number: float
    unit: str


@dataclass
class Page:
    """One image while it is being read. Crops that were read again are remembered."""

    rgb: Rgb
    lab: Lab
    runs: list[TextRun]
    text_height: float
    """Median letter height in pixels."""
    background: NDArray[np.float32]
    """Lab [3] of the paper."""
    keys: NDArray[np.int32]
    """[h, w]: each pixel's colour at 6 bits a channel, for work that is done once per colour."""
    turned: list[Word] = field(default_factory=list)
    """Words that do not lie level: axis titles and slanted category labels."""
    cuts: Cuts = field(default_factory=Cuts)
    origin: tuple[int, int] = (0, 0)
    """Where the top-left corner stands in the picture that this page is a part of."""
    _read: dict[tuple[int, int, int, int, bool, bool], Word] = field(default_factory=dict)
    """Of the whole picture, shared by the pages of its parts."""

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.rgb.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.rgb.shape[1])

    @cached_property
    def distinct(self) -> tuple[NDArray[np.int64], Lab]:
        """The colour keys that occur and their Lab colours, as `key_colors` returns."""
        return key_colors(self.keys)

    def read(self, box: PixelBox, *, digits_only: bool = False) -> str:
        """Return the one line of text inside the box, read afresh at a larger scale."""
        return self.read_word(box, digits_only=digits_only).text

    def read_word(self, box: PixelBox, *, digits_only: bool = False, upwards: bool = False) -> Word:
        """Return the one line of text inside the box with its confidence; `upwards` text reads from bottom to top."""
        x0, y0, x1, y1 = (round(edge) for edge in box.clipped(self.width, self.height))
        dx, dy = self.origin
        key = (x0 + dx, y0 + dy, x1 + dx, y1 + dy, digits_only, upwards)
        if key not in self._read:
            crop = self.rgb[y0:y1, x0:x1]
            if upwards:
                crop = np.ascontiguousarray(np.rot90(crop, -1))
            word = read_line(crop, digits_only=digits_only) if crop.size else Word("", box, 0.0)
            if re.fullmatch(_DOUBLED, word.text, re.IGNORECASE):  # one large letter reads as itself twice: Cc, Zz
                word = Word(word.text[0], word.box, word.confidence)
            self._read[key] = word
        return self._read[key]

    def text_mask(self, margin: float = 1.0, *, sure_only: bool = False) -> Mask:
        """Return where words stand, bool [h, w].

        Args:
          margin: pixels added around each word.
          sure_only: leave out one or two letters, which may be pieces of a curve read as text; numbers count.
        """
        mask = np.zeros(self.rgb.shape[:2], dtype=bool)
        for run in self.runs:
            for word in run.words:
                if sure_only and len(word.text) < 3 and parse_number(word.text) is None:
                    continue
                x0, y0, x1, y1 = (
                    round(edge) for edge in word.box.grown(margin, margin).clipped(self.width, self.height)
                )
                mask[y0:y1, x0:x1] = True
        return mask


def prepare(rgb: Rgb, words: Sequence[Word]) -> Page:
    """Return the image with its text grouped into runs.

    Args:
      rgb: uint8 [h, w, 3].
      words: of the whole image.
    """
    return _assembled(rgb, lab_of(rgb), color_keys(rgb), words)


def _assembled(rgb: Rgb, lab: Lab, keys: NDArray[np.int32], words: Sequence[Word]) -> Page:
    level = [word for word in words if _is_level(word) and word.text.strip()]
    # Crosses and rings of a scatter chart are read as lone letters: they count only where nothing else does.
    lettering = [word for word in level if len(word.text) > 1 or word.text.isdigit()]
    heights = [word.box.height for word in lettering or [word for word in level if word.text.isalnum()]]
    text_height, paper = float(np.median(heights)) if heights else max(8.0, rgb.shape[0] / 50), _paper(rgb)
    level = with_ranges(with_points(with_percent_signs(level, text_height), text_height), lab, paper)
    turned = [word for word in words if not _is_level(word) and any(letter.isalnum() for letter in word.text)]
    return Page(rgb, lab, group_words(level), text_height, paper, keys, turned)


def cropped(page: Page, box: PixelBox) -> Page:
    """Return the part of the page inside the box with the runs that lie in it, in its own pixels.

    A run that goes on outside belongs to more than this part and is left out. The paper stays the page's unless little
    of the part shows it, as on a card of another colour.
    """
    x0, y0, x1, y1 = (round(edge) for edge in box.clipped(page.width, page.height))
    inner, slack = PixelBox(x0, y0, x1, y1), 0.5 * page.text_height
    words = [
        moved(word, -x0, -y0)
        for run in page.runs
        for word in run.words
        if inner.contains_point(word.box.center_x, word.box.center_y) and _within(run.box, inner, slack)
    ]
    words += [moved(word, -x0, -y0) for word in page.turned if _within(word.box, inner, slack)]
    lab = np.ascontiguousarray(page.lab[y0:y1, x0:x1])
    rgb, keys = np.ascontiguousarray(page.rgb[y0:y1, x0:x1]), np.ascontiguousarray(page.keys[y0:y1, x0:x1])
    part = _assembled(rgb, lab, keys, words)
    if float((np.linalg.norm(lab - page.background, axis=2) < _SAME_PAPER).mean()) > _LEAST_PAPER:
        part.background = page.background
    part.origin = (page.origin[0] + x0, page.origin[1] + y0)
    part._read = page._read
    return part


def moved(word: Word, dx: float, dy: float) -> Word:
    """Return the word shifted."""
    return replace(word, box=word.box.shifted(dx, dy))


def _within(box: PixelBox, outer: PixelBox, slack: float) -> bool:
    grown = outer.grown(slack, slack)
    return box.intersection_area(grown) >= 0.999 * box.area


def _is_level(word: Word) -> bool:
    return word.angle_deg <= _LEVEL_DEG or word.angle_deg >= 360 - _LEVEL_DEG


def lab_of(rgb: Rgb) -> Lab:
    """Return CIE L*a*b* (D65), float32 [h, w, 3]; Euclidean distance there is the 1976 colour difference."""
    return cv2.cvtColor(rgb.astype(np.float32) / np.float32(255.0), cv2.COLOR_RGB2LAB).astype(np.float32)


def color_keys(rgb: Rgb) -> NDArray[np.int32]:
    """Return each pixel's colour at 6 bits a channel as one number below 2**18."""
    coarse = (rgb >> 2).astype(np.int32)
    return (coarse[..., 0] << 12) | (coarse[..., 1] << 6) | coarse[..., 2]


def key_colors(keys: NDArray[np.int32]) -> tuple[NDArray[np.int64], Lab]:
    """Return (the keys that occur, their Lab colours float32 [n, 3])."""
    present = np.flatnonzero(np.bincount(keys.ravel(), minlength=1))
    channels = np.stack([present >> 12, (present >> 6) & 63, present & 63], axis=1)
    return present, lab_of((channels * 4 + 2).astype(np.uint8)[None])[0]


def quantity(text: str) -> Quantity | None:
    """Return the number a label states, words after it as its unit ("23 kilocalories"), or None."""
    cleaned = text.strip().strip("|_~—'‘’`\"“”:;•·=").strip()
    cleaned = re.sub(r"(?<=\d)[\s]*[-_.,:;'‘’]+$", "", cleaned)
    parsed: ParsedNumber | None = parse_number(cleaned)
    if parsed is not None:
        return Quantity(parsed.number, parsed.unit)
    match = re.fullmatch(r"([-+(−–]?\s*[$€£]?\d[\d., ]*\d|[-+−–]?\s*\d)\s*([A-Za-z][A-Za-z./²³ ]{1,30})", cleaned)
    if match is None or re.match(r"(to|and|or|of|years?|in|st|nd|rd|th)\b", match[2]):
        return None
    parsed = parse_number(match[1])
    return Quantity(parsed.number, match[2].strip()) if parsed is not None else None


def group_words(words: Iterable[Word]) -> list[TextRun]:
    """Return the words grouped into runs on one line, top to bottom.

    Two numbers side by side stay apart, unless together they are one number with its thousands set off ("12 500").
    """
    runs: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.box.x_min):
        home: list[Word] | None = None
        nearest = np.inf
        for run in runs:
            gap = _gap(run, word)
            if gap is not None and gap < nearest:
                home, nearest = run, gap
        if home is None:
            runs.append([word])
        else:
            home.append(word)
    made = [make_run(run) for run in runs]
    return sorted(made, key=lambda run: (run.box.y_min, run.box.x_min))


def make_run(words: Sequence[Word]) -> TextRun:
    """Return the words, left to right, as one run."""
    return TextRun(tuple(words), union(word.box for word in words), " ".join(word.text for word in words))


def _gap(run: list[Word], word: Word) -> float | None:
    """Return the distance at which the word continues the run, or None where it does not."""
    last = run[-1]
    height = max(max(member.box.height for member in run[-3:]), word.box.height)
    low = min(last.box.height, word.box.height)
    shared = min(last.box.y_max, word.box.y_max) - max(last.box.y_min, word.box.y_min)
    gap = word.box.x_min - last.box.x_max
    if shared < 0.5 * low or not -0.5 * height < gap < _WORD_GAP * height:
        return None
    text = " ".join(member.text for member in run)
    if parse_number(text) and parse_number(word.text) and word.text[:1].isdigit():
        digits = re.fullmatch(r"\d{3}(%|\D?)", word.text)
        joined = parse_number(f"{text} {word.text}")
        if not (digits and joined and gap < _DIGIT_GROUP_GAP * height):
            return None
    return gap


def _paper(rgb: Rgb) -> NDArray[np.float32]:
    """Return the Lab colour that is most frequent in the image's outermost rim, which marks and panels seldom reach."""
    h, w = rgb.shape[:2]
    dy, dx = max(2, h // 40), max(2, w // 40)
    ring = np.concatenate([part.reshape(-1, 3) for part in (rgb[:dy], rgb[-dy:], rgb[:, :dx], rgb[:, -dx:])])
    keys = (ring >> 2).astype(np.int64) @ np.array([1 << 12, 1 << 6, 1])
    most = np.bincount(keys).argmax()
    color = np.median(ring[keys == most], axis=0).astype(np.uint8)
    return np.asarray(lab_of(color.reshape(1, 1, 3))[0, 0], dtype=np.float32)
