"""Tells a job's webhook of its incidents and its end: signed, and again until it is taken.

A notice is recorded in the transaction of the step that it tells of, so none is lost with a process. The receiver
answers 2xx for "taken"; anything else, or nothing within 5 s, is tried again after 2, 4, 8, ... seconds, ten times.
One that is put off is overtaken by later ones; the step's number says the order. Of several processes one sends a
notice; where it ends meanwhile another does, so a notice may come twice. Redirects are not followed, and only hosts
that the operator named are called.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import logging
import time
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from servers.kit import wire_json
from servers.kit.errors import InvalidField, StorageUnavailable
from servers.orchestrator.notices import Notice, Notices

log = logging.getLogger(__name__)

MAX_TRIES = 10
_TIMEOUT_S = 5.0
_IDLE_S = 0.5
"""A person is to be told within 2 s, a busy machine allowed for."""
_AT_ONCE = 10
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def check(url: str, hosts: frozenset[str]) -> None:
    """Refuse a URL that may not be called.

    Args:
      hosts: what the operator allows, as "example.org" or "example.org:8443".
    Raises:
      InvalidField: it is no HTTPS URL of one of them. Plain HTTP is for this machine only.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidField("spec.webhook_url", f"no URL: {error}") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise InvalidField("spec.webhook_url", "must begin with https://")
    if parts.username is not None or parts.password is not None:
        raise InvalidField("spec.webhook_url", "must hold no password")
    named = f"{parts.hostname}:{port}" if port else str(parts.hostname)
    if named not in hosts:
        raise InvalidField("spec.webhook_url", f"the operator has not named {named} (LOUPE_ORCHESTRATOR_WEBHOOK_HOSTS)")


def signature(key: Ed25519PrivateKey, time_s: int, body: bytes) -> str:
    """Return the header `loupe-signature`: the time, and the signature over "TIME.BODY", by public/orchestrator.pem."""
    signed = key.sign(f"{time_s}.".encode() + body)
    return f"t={time_s},ed25519={base64.b64encode(signed).decode()}"


class Webhooks:
    """Sends what is recorded for webhooks, of ten jobs at a time: a receiver that hangs holds up its own job's only."""

    def __init__(self, notices: Notices, key: Ed25519PrivateKey) -> None:
        self._notices = notices
        self._key = key
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send, beginning with what an earlier process left."""
        self._task = asyncio.create_task(self._send_all())

    async def close(self) -> None:
        """Stop; what was not taken is sent at the next start."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _send_all(self) -> None:
        places = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as sending:
            while True:
                due: list[Notice] = []
                # What can't be read now can be read later; the database says so itself.
                with contextlib.suppress(StorageUnavailable):
                    due = await self._notices.due(_AT_ONCE, for_s=_AT_ONCE * 2 * _TIMEOUT_S)
                for job_id in dict.fromkeys(notice.job_id for notice in due):
                    await places.acquire()
                    of_job = [notice for notice in due if notice.job_id == job_id]
                    sending.create_task(self._send_each(places, of_job))
                if not due:
                    await asyncio.sleep(_IDLE_S)

    async def _send_each(self, places: asyncio.Semaphore, notices: Sequence[Notice]) -> None:
        try:
            for notice in notices:
                with contextlib.suppress(StorageUnavailable):  # then it comes again
                    await self._send(notice)
        finally:
            places.release()

    async def _send(self, notice: Notice) -> None:
        told = {"job_id": notice.job_id, "step": wire_json.to_object(notice.step)}
        body = json.dumps(told, ensure_ascii=False).encode()
        problem = await asyncio.to_thread(_post, notice.url, body, signature(self._key, int(time.time()), body))
        tries = notice.tries + 1
        if problem:
            log.warning("webhook not taken", extra={"job_id": notice.job_id, "tries": tries, "reason": problem})
        if not problem or tries == MAX_TRIES:
            await self._notices.end(notice)
        else:
            await self._notices.put_off(notice, for_s=float(2**tries))


def _post(url: str, body: bytes, signed: str) -> str:
    """Send a notice; return what is wrong, empty where it was taken."""
    parts = urlsplit(url)
    connection = _connection(parts)
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection.request("POST", path, body, {"content-type": "application/json", "loupe-signature": signed})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return "" if 200 <= status < 300 else f"HTTP {status}"


def _connection(parts: SplitResult) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(str(parts.hostname), parts.port, timeout=_TIMEOUT_S)
