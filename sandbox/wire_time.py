"""Seconds as the contract spells them."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp


def duration(seconds: float) -> Duration:
    """Return a length of time."""
    message = Duration()
    message.FromNanoseconds(round(seconds * 1e9))
    return message


def timestamp(seconds: float) -> Timestamp:
    """Return a moment, in whole milliseconds, from the seconds since 1970."""
    message = Timestamp()
    message.FromMilliseconds(round(seconds * 1000))
    return message
