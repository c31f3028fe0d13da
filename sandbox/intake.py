"""Receives the input files of a run, in bounded memory, and believes none of what is said about them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO

from loupe.sandbox.v1.sandbox_pb2 import InputChunk, InputFile, RunCodeRequest, RunSpec
from sandbox.limits import MIB
from servers.kit.errors import BrokenStream, DeadlineExceeded, DigestMismatch, InvalidField, TooLarge


async def first_spec(messages: AsyncIterator[RunCodeRequest]) -> RunSpec:
    """Return the spec, which must be the first message.

    Raises:
      BrokenStream: it is not.
    """
    async for message in messages:
        if message.WhichOneof("message") == "spec":
            return message.spec
        raise BrokenStream("the first message must be the spec")
    raise BrokenStream("the stream ended without a spec")


def check_inputs(inputs: Sequence[InputFile], total_mib: int) -> None:
    """Raise InvalidField for two inputs of one name, TooLarge for more bytes together than allowed."""
    names = [item.name for item in inputs]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise InvalidField(f"spec.inputs[{position}].name", f"a second input is called {name}")
    total = sum(item.size_bytes for item in inputs)
    if total > total_mib * MIB:
        raise TooLarge(f"the inputs are {total} bytes together, at most {total_mib} MiB ({total_mib * MIB} bytes)")


async def receive(
    inputs: Sequence[InputFile], messages: AsyncIterator[RunCodeRequest], *, timeout_s: float
) -> IO[bytes]:
    """Return an unnamed file with the bytes of all inputs, one after the other; the caller closes it.

    Raises:
      BrokenStream: a second spec; bytes out of order, too many or too few.
      DigestMismatch: an input is not what its SHA-256 says.
      DeadlineExceeded: they did not arrive in time.
    """
    spool = _spool(is_needed=bool(inputs))
    try:
        async with asyncio.timeout(timeout_s):
            intake = _Intake(inputs, spool)
            async for message in messages:
                if message.WhichOneof("message") != "input":
                    raise BrokenStream("after the spec only inputs may come")
                intake.add(message.input)
            intake.finish()
    except TimeoutError as error:
        spool.close()
        raise DeadlineExceeded(f"the inputs did not arrive within {timeout_s:g} s") from error
    except BaseException:
        spool.close()
        raise
    return spool


def _spool(*, is_needed: bool) -> IO[bytes]:
    # A program without inputs needs no file, and its first output need not wait for one.
    return tempfile.TemporaryFile(buffering=0) if is_needed else Path(os.devnull).open("rb", buffering=0)


class _Intake:
    """Which input is being received, and how much of it is here."""

    def __init__(self, inputs: Sequence[InputFile], spool: IO[bytes]) -> None:
        self._inputs = inputs
        self._spool = spool
        self._current = 0
        self._received = 0
        self._digest = hashlib.sha256()

    def add(self, chunk: InputChunk) -> None:
        while self._current < len(self._inputs) and self._is_complete() and chunk.name != self._item().name:
            self._next()
        if self._current == len(self._inputs) or chunk.name != self._item().name:
            expected = self._item().name if self._current < len(self._inputs) else "the end"
            raise BrokenStream(f"input {chunk.name!r} came where {expected!r} was expected")
        self._received += len(chunk.data)
        if self._received > self._item().size_bytes:
            raise BrokenStream(f"input {chunk.name!r} has more than its {self._item().size_bytes} bytes")
        self._digest.update(chunk.data)
        self._spool.write(chunk.data)

    def finish(self) -> None:
        while self._current < len(self._inputs):
            if not self._is_complete():
                item = self._item()
                raise BrokenStream(f"input {item.name!r} ended after {self._received} of {item.size_bytes} bytes")
            self._next()

    def _item(self) -> InputFile:
        return self._inputs[self._current]

    def _is_complete(self) -> bool:
        return self._received == self._item().size_bytes

    def _next(self) -> None:
        if self._digest.hexdigest() != self._item().sha256:
            raise DigestMismatch(f"input {self._item().name!r} does not have the SHA-256 that the spec names")
        self._current += 1
        self._received = 0
        self._digest = hashlib.sha256()
