"""Answers of earlier calls, in memory, bounded by size and age; never shared between owners."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from typing import NamedTuple, TypeVar

from loupe.router.v1.router_pb2 import CompleteRequest, Completion, TranscribeRequest, TranscribeResponse
from servers.router.fleet import RunningModel
from servers.router.payers import NOBODY

R = TypeVar("R", CompleteRequest, TranscribeRequest)
A = TypeVar("A", Completion, TranscribeResponse)
# Of a request: what changes no answer, or is in the key otherwise.
_LEFT_OUT = ("model", "switches", "job_id", "figure_kind")


class _Kept(NamedTuple):
    until_s: float
    owner: str
    data: bytes


class AnswerCache:
    """The most recently used answers."""

    def __init__(self, max_bytes: int, ttl_s: float) -> None:
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._size = 0
        self._answers: OrderedDict[bytes, _Kept] = OrderedDict()
        self._keys_of: dict[str, set[bytes]] = {}

    @staticmethod
    def key(owner: str, model: RunningModel, request: R) -> bytes:
        """Return what an answer depends on: owner, model, its revision, and all that was asked, media by its bytes."""
        asked = type(request)()
        asked.CopyFrom(request)
        for field in _LEFT_OUT:
            if field in asked.DESCRIPTOR.fields_by_name:
                asked.ClearField(field)  # type: ignore[arg-type]  # the stubs name each message's own fields
        section = model.section
        names: tuple[str, ...] = (owner, model.name, section.upstream, section.revision, request.DESCRIPTOR.name)
        digest = hashlib.sha256()
        for part in (*map(str.encode, names), asked.SerializeToString(deterministic=True)):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()

    def get(self, key: bytes, kind: type[A]) -> A | None:
        """Return the answer of an equal call, without its cost and decision; None where there is none."""
        found = self._answers.get(key)
        if found is None:
            return None
        if time.monotonic() > found.until_s:
            self._remove(key)
            return None
        self._answers.move_to_end(key)
        return kind.FromString(found.data)

    def put(self, key: bytes, owner: str, answer: Completion | TranscribeResponse) -> None:
        """Keep a whole answer for its owner; for nobody, who may have been erased meanwhile, nothing is kept.

        Of what it used only a recording's length stays true of an equal call.
        """
        if owner == NOBODY:
            return
        kept: Completion | TranscribeResponse
        if isinstance(answer, Completion):
            kept = Completion(text=answer.text, tool_calls=answer.tool_calls, finish_reason=answer.finish_reason)
        else:
            kept = TranscribeResponse(
                text=answer.text, segments=answer.segments, words=answer.words, language=answer.language
            )
            kept.usage.audio_s = answer.usage.audio_s
            kept.usage.is_estimated = answer.usage.is_estimated
        data = kept.SerializeToString()
        if key in self._answers:
            self._remove(key)
        if len(data) > self._max_bytes:
            return
        self._answers[key] = _Kept(time.monotonic() + self._ttl_s, owner, data)
        self._keys_of.setdefault(owner, set()).add(key)
        self._size += len(data)
        while self._size > self._max_bytes:
            self._remove(next(iter(self._answers)))

    def forget(self, owner: str) -> None:
        """Drop an owner's answers, in time that grows with their number alone."""
        for key in tuple(self._keys_of.get(owner, ())):
            self._remove(key)

    def _remove(self, key: bytes) -> None:
        kept = self._answers.pop(key)
        self._size -= len(kept.data)
        keys = self._keys_of[kept.owner]
        keys.remove(key)
        if not keys:
            del self._keys_of[kept.owner]
