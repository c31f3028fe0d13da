"""Tesseract, warm in this process: a grey crop in, words out."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tesserocr
from numpy.typing import NDArray

from servers.kit.errors import NotReady
from servers.vision.geometry import PixelBox

# Where Debian, Ubuntu, Fedora, Alpine and Homebrew put it.
_KNOWN_PLACES = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tesseract-ocr/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)
_DIGITS = "0123456789.,-+%$€£()kKMBTbn"


@dataclass(frozen=True, slots=True)
class RawWord:
    """A word as Tesseract read it."""

    text: str
    box: PixelBox
    """In the pixels of the crop that was given."""
    confidence: float
    """0 to 1."""


def find_tessdata() -> Path:
    """Return the directory that holds eng.traineddata.

    Raises:
      NotReady: it is nowhere; the message names the package to install.
    """
    prefix = os.environ.get("TESSDATA_PREFIX")
    places = ([prefix, f"{prefix}/tessdata"] if prefix else []) + list(_KNOWN_PLACES)
    for place in places:
        if (Path(place) / "eng.traineddata").is_file():
            return Path(place)
    raise NotReady(
        "English text recognition data is missing: run `apt-get install tesseract-ocr-eng` "
        "(macOS: `brew install tesseract`), or set TESSDATA_PREFIX to the folder with eng.traineddata"
    )


def recognise(grey: NDArray[np.uint8], *, single_line: bool, digits_only: bool = False) -> list[RawWord]:
    """Return the words of a grey picture, dark text on light, in Tesseract's order.

    Args:
      grey: uint8 [h, w].
      single_line: the picture is one line of text (page segmentation mode 7); otherwise text is sparse (mode 11).
      digits_only: only digits, separators, signs, % and currency are considered.
    Raises:
      NotReady: the recognition data is not installed.
    Not safe for threads: one recogniser is kept warm per process.
    """
    api = _recogniser()
    height, width = grey.shape
    api.SetPageSegMode(tesserocr.PSM.SINGLE_LINE if single_line else tesserocr.PSM.SPARSE_TEXT)
    api.SetVariable("tessedit_char_whitelist", _DIGITS if digits_only else "")
    api.SetImageBytes(np.ascontiguousarray(grey).tobytes(), width, height, 1, width)
    api.SetSourceResolution(200)  # the crops are scaled to about the letter height of a 200 dpi scan
    api.Recognize()
    found = api.GetIterator()
    if found is None:
        return []
    words = []
    level = tesserocr.RIL.WORD
    for item in tesserocr.iterate_level(found, level):
        if item.Empty(level):
            continue
        text = item.GetUTF8Text(level).strip()
        bounds = item.BoundingBox(level)
        if text and bounds:
            words.append(RawWord(text, PixelBox(*map(float, bounds)), item.Confidence(level) / 100))
    api.Clear()  # adapted state would make a result depend on the images before it
    return words


def warm() -> None:
    """Load the recognition data now instead of at the first picture.

    Raises:
      NotReady: it is not installed.
    """
    _recogniser()


@functools.cache
def _recogniser() -> tesserocr.PyTessBaseAPI:
    api = tesserocr.PyTessBaseAPI(
        path=f"{find_tessdata()}/", lang="eng", psm=tesserocr.PSM.SPARSE_TEXT, oem=tesserocr.OEM.LSTM_ONLY
    )
    api.SetVariable("debug_file", os.devnull)
    return api
