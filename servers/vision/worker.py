"""The program of one worker: `python -m servers.vision.worker MAX_BYTES MAX_PIXELS MEMORY_MIB`.

It reads requests from its standard input until that ends, one image at a time; see `servers.vision.pool`.
"""

from __future__ import annotations

import sys

import cv2

from loupe.vision.v1.vision_pb2 import RenderOverlayRequest
from servers.kit.errors import LoupeError, TooManyPixels
from servers.kit.workers.program import Answers
from servers.vision.image import ImageLimits, load_image
from servers.vision.overlay import draw_overlay
from servers.vision.pool import OPERATIONS, REQUEST
from servers.vision.reading import read_image
from servers.vision.shrink import shrunk
from servers.vision.text import warm


def main(arguments: list[str]) -> None:
    """Answer until the standard input ends."""
    max_bytes, max_pixels, memory_mib = map(int, arguments)
    answers = Answers.open(memory_mib=memory_mib)
    cv2.setNumThreads(1)
    try:
        warm()
    except LoupeError as error:
        answers.refuse(error)
        return
    answers.ready()
    limits = ImageLimits(max_bytes, max_pixels)
    while header := sys.stdin.buffer.read(REQUEST.size):
        operation, argument_bytes, image_bytes = REQUEST.unpack(header)
        argument, image = sys.stdin.buffer.read(argument_bytes), sys.stdin.buffer.read(image_bytes)
        try:
            answers.done(_work(OPERATIONS[operation], argument, image, limits))
        except LoupeError as error:
            answers.refuse(error)
        except MemoryError:
            answers.refuse(TooManyPixels(f"reading the image takes more than the {memory_mib} MiB that it may"))


def _work(operation: str, argument: bytes, image: bytes, limits: ImageLimits) -> bytes:
    upright = load_image(image, limits)
    if operation == "analyze":
        return read_image(upright.rgb).SerializeToString(deterministic=True)
    if operation == "shrink":
        return shrunk(upright.rgb, int(argument))
    return draw_overlay(upright.rgb, RenderOverlayRequest.FromString(argument).figures)


if __name__ == "__main__":
    main(sys.argv[1:])
