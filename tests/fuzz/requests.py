"""Streams of RunCode messages: right ones, bent ones, and nonsense."""

from __future__ import annotations

import hashlib

from google.protobuf.message import DecodeError
from hypothesis import strategies as st

from loupe.sandbox.v1.sandbox_pb2 import InputChunk, InputFile, Limits, RunCodeRequest, RunSpec

SOURCES = ("print(1)", "1 / 0", "\ufeffx", "é = 1")
TOKENS = ("valid", "other code", "other issuer", "used", "", "eyJ.eyJ.x")
_NAMES = st.sampled_from(("a.csv", "b", "c.json", "../x", ".hidden", "a/b", "x" * 129, ""))
_numbers = st.sampled_from((0, 1, 2, 50, 100, 4096, 2**31, 2**32 - 1))
_reals = st.sampled_from((0.0, -1.0, 0.5, 2.0, 120.0, 1e308, float("inf"), float("nan")))
_limits = st.builds(
    Limits,
    cpu_count=st.none() | _reals,
    wall_time_s=st.none() | _reals,
    memory_mib=st.none() | _numbers,
    disk_mib=st.none() | _numbers,
    process_count=st.none() | _numbers,
    output_kib=st.none() | _numbers,
    artifact_count=st.none() | _numbers,
    artifact_mib=st.none() | _numbers,
    inode_count=st.none() | _numbers,
)
_chunks = st.builds(InputChunk, name=_NAMES, data=st.binary(max_size=30))


@st.composite
def _right(draw: st.DrawFn) -> list[RunCodeRequest]:
    """A stream that keeps every rule."""
    contents = draw(st.dictionaries(st.sampled_from(("a.csv", "b", "c.json")), st.binary(max_size=60), max_size=3))
    spec = RunSpec(source=draw(st.sampled_from(SOURCES)), critic_token="valid", seed=draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        spec.limits.CopyFrom(Limits(wall_time_s=1.0, disk_mib=10))
    messages = [RunCodeRequest(spec=spec)]
    for name, content in contents.items():
        digest = hashlib.sha256(content).hexdigest()
        spec.inputs.append(InputFile(name=name, size_bytes=len(content), sha256=digest))
        for start in range(0, len(content), step := draw(st.integers(1, 60))):
            messages.append(RunCodeRequest(input=InputChunk(name=name, data=content[start : start + step])))
    messages[0].spec.CopyFrom(spec)
    return messages


_bends = st.sampled_from(("none", "drop", "double", "swap", "limits", "token", "session", "input", "bytes", "insert"))


@st.composite
def streams(draw: st.DrawFn) -> list[RunCodeRequest]:
    """A right stream, bent up to three times. `critic_token` holds one of TOKENS, for the test to sign."""
    messages = draw(_right())
    for bend in draw(st.lists(_bends, max_size=3)):
        if not messages:
            break
        here = draw(st.integers(0, len(messages) - 1))
        match bend:
            case "drop":
                del messages[here]
            case "double":
                messages.insert(here, messages[draw(st.integers(0, len(messages) - 1))])
            case "swap":
                there = draw(st.integers(0, len(messages) - 1))
                messages[here], messages[there] = messages[there], messages[here]
            case "insert":
                messages.insert(
                    here, draw(_chunks.map(lambda chunk: RunCodeRequest(input=chunk)) | st.just(RunCodeRequest()))
                )
            case "bytes":
                messages[here] = _flipped(messages[here], draw(st.integers(0, 2**16)), draw(st.integers(1, 255)))
            case "none":
                continue
            case _:
                _bend_spec(draw, messages[here], bend)
    return messages


def _bend_spec(draw: st.DrawFn, message: RunCodeRequest, bend: str) -> None:
    if not message.HasField("spec"):
        return
    spec = message.spec
    match bend:
        case "limits":
            spec.limits.CopyFrom(draw(_limits))
        case "token":
            spec.critic_token = draw(st.sampled_from(TOKENS))
        case "session":
            spec.session_id = draw(st.text(max_size=20))
        case "input":
            digest = draw(st.sampled_from(("0" * 64, "", "A" * 64)))
            spec.inputs.append(InputFile(name=draw(_NAMES), size_bytes=draw(_numbers), sha256=digest))


def _flipped(message: RunCodeRequest, position: int, mask: int) -> RunCodeRequest:
    """Return a message with one byte changed on the wire, or an empty one where that is none."""
    wire = bytearray(message.SerializeToString())
    if wire:
        wire[position % len(wire)] ^= mask
    try:
        return RunCodeRequest.FromString(bytes(wire))
    except DecodeError:
        return RunCodeRequest()
