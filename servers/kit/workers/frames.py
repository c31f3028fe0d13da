"""What a worker says, in frames: status (1 byte) | length (4 bytes) | payload. How it is asked is each server's own."""

from __future__ import annotations

import json
import struct

from loupe.type.v1.error_reason_pb2 import ErrorReason
from servers.kit.errors import LoupeError, class_of

RESPONSE = struct.Struct(">BI")
READY, PART, DONE, REFUSED = 0, 1, 2, 3
"""READY is said once, at the start; an answer is any number of PART, then one of DONE or REFUSED."""


def pack_error(error: LoupeError) -> bytes:
    """Return the payload of REFUSED."""
    return json.dumps({"reason": ErrorReason.Name(error.reason), "message": error.message}).encode()


def unpack_error(payload: bytes) -> LoupeError:
    """Return the error that a payload of REFUSED holds."""
    refusal = json.loads(payload)
    return class_of(ErrorReason.Value(refusal["reason"]))(refusal["message"])
