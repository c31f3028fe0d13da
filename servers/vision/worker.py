"""The program of one worker: `python -m servers.vision.worker MAX_BYTES MAX_PIXELS MEMORY_MIB`.

It reads requests from its standard input until that ends, one image at a time; see `servers.vision.pool`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import BinaryIO

import cv2

from loupe.type.v1.error_reason_pb2 import ErrorReason
from loupe.vision.v1.vision_pb2 import RenderOverlayRequest
from servers.kit.errors import LoupeError, TooManyPixels
from servers.vision.image import ImageLimits, load_image
from servers.vision.overlay import draw_overlay
from servers.vision.pool import DONE, OPERATIONS, READY, REFUSED, REQUEST, RESPONSE
from servers.vision.reading import read_image
from servers.vision.shrink import shrunk
from servers.vision.text import warm


def main(arguments: list[str]) -> None:
    """Answer until the standard input ends."""
    max_bytes, max_pixels, memory_mib = map(int, arguments)
    # Ctrl-C reaches every process of a terminal; the server ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a C library prints must not look like a frame
    cv2.setNumThreads(1)
    if memory_mib:
        resource.setrlimit(resource.RLIMIT_AS, (memory_mib * 2**20,) * 2)
    try:
        warm()
    except LoupeError as error:
        _refuse(answers, error)
        return
    _answer(answers, READY, b"")
    limits = ImageLimits(max_bytes, max_pixels)
    while header := sys.stdin.buffer.read(REQUEST.size):
        operation, argument_bytes, image_bytes = REQUEST.unpack(header)
        argument, image = sys.stdin.buffer.read(argument_bytes), sys.stdin.buffer.read(image_bytes)
        try:
            _answer(answers, DONE, _work(OPERATIONS[operation], argument, image, limits))
        except LoupeError as error:
            _refuse(answers, error)
        except MemoryError:
            _refuse(answers, TooManyPixels(f"reading the image takes more than the {memory_mib} MiB that it may"))


def _work(operation: str, argument: bytes, image: bytes, limits: ImageLimits) -> bytes:
    upright = load_image(image, limits)
    if operation == "analyze":
        return read_image(upright.rgb).SerializeToString(deterministic=True)
    if operation == "shrink":
        return shrunk(upright.rgb, int(argument))
    return draw_overlay(upright.rgb, RenderOverlayRequest.FromString(argument).figures)


def _refuse(answers: BinaryIO, error: LoupeError) -> None:
    refusal = {"reason": ErrorReason.Name(error.reason), "message": error.message}
    _answer(answers, REFUSED, json.dumps(refusal).encode())


def _answer(answers: BinaryIO, status: int, payload: bytes) -> None:
    answers.write(RESPONSE.pack(status, len(payload)))
    answers.write(payload)
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
