"""Answers of earlier calls, in memory, bounded by size and age; never shared between owners."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict

from loupe.router.v1.router_pb2 import CompleteRequest, Completion
from servers.router.fleet import RunningModel


class AnswerCache:
    """The most recently used answers."""

    def __init__(self, max_bytes: int, ttl_s: float) -> None:
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._size = 0
        self._answers: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()

    @staticmethod
    def key(owner: str, model: RunningModel, request: CompleteRequest) -> bytes:
        """Return what an answer depends on: owner, model and its revision, prompt, images' bytes and parameters."""
        asked = CompleteRequest()
        asked.CopyFrom(request)
        for field in ("model", "switches", "job_id", "figure_kind"):
            asked.ClearField(field)
        digest = hashlib.sha256()
        names = (owner, model.name, model.section.upstream, model.section.revision)
        for part in (*(name.encode() for name in names), asked.SerializeToString(deterministic=True)):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()

    def get(self, key: bytes) -> Completion | None:
        """Return the answer of an equal call, without usage and decision; None where there is none."""
        found = self._answers.get(key)
        if found is None:
            return None
        if time.monotonic() > found[0]:
            self._remove(key)
            return None
        self._answers.move_to_end(key)
        return Completion.FromString(found[1])

    def put(self, key: bytes, answer: Completion) -> None:
        """Keep a whole answer."""
        kept = Completion(text=answer.text, tool_calls=answer.tool_calls, finish_reason=answer.finish_reason)
        data = kept.SerializeToString()
        if key in self._answers:
            self._remove(key)
        if len(data) > self._max_bytes:
            return
        self._answers[key] = (time.monotonic() + self._ttl_s, data)
        self._size += len(data)
        while self._size > self._max_bytes:
            self._remove(next(iter(self._answers)))

    def _remove(self, key: bytes) -> None:
        self._size -= len(self._answers.pop(key)[1])
