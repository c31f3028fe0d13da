"""Weights from a hub that speaks the Hugging Face Hub's HTTP: list of files, then each by Range until it is whole.

`GET BASE/api/models/NAME/revision/REV?blobs=true` lists a commit and its files with digests, `GET
BASE/NAME/resolve/COMMIT/PATH` is a file (Hub API reference, November 2026).
"""

from __future__ import annotations

import errno
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import IO, Any

from servers.kit.errors import NotFound, NotReady, StorageUnavailable, UpstreamUnavailable
from servers.kit.models.weights import Listing, Told, WeightFile

_READ_BYTES = 1 << 20
_MAX_LISTING_BYTES = 16 << 20
# In a row without a byte; each byte that comes starts the count anew.
_TRIES = 5
_FIRST_PAUSE_S = 0.5
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class _LostThread(Exception):
    """The connection ended before the file did."""


class _CarefulRedirects(urllib.request.HTTPRedirectHandler):
    """Follows to where the bytes lie, and leaves the key behind when that is another host."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        following = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]  # typeshed wants HTTPMessage, a subclass
        if following is not None and _origin(newurl) != _origin(req.full_url):
            following.remove_header("Authorization")
        return following


def _origin(url: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc


class HubSource:
    """One model of a hub."""

    def __init__(
        self,
        base_url: str,
        name: str,
        *,
        revision: str = "main",
        token: str = "",
        timeout_s: float = 30.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base = base_url.rstrip("/")
        if urllib.parse.urlsplit(self._base).scheme not in ("http", "https"):
            raise NotReady(f"the hub's address {base_url!r} is no http or https address")
        self._name = urllib.parse.quote(name)
        self._revision = revision
        self._headers = {"accept-encoding": "identity"} | ({"authorization": f"Bearer {token}"} if token else {})
        self._timeout_s = timeout_s
        self._pause = pause
        self._opener = urllib.request.build_opener(_CarefulRedirects())

    @property
    def address(self) -> str:
        """The model's page."""
        return f"{self._base}/{self._name}"

    def listing(self) -> Listing:
        """Return the commit that the revision stands for, and its files."""
        revision = urllib.parse.quote(self._revision, safe="")
        url = f"{self._base}/api/models/{self._name}/revision/{revision}?blobs=true"
        try:
            with self._open(url, {}) as response:
                data = json.loads(response.read(_MAX_LISTING_BYTES))
            return Listing(str(data["sha"]), tuple(_file(entry) for entry in data["siblings"]))
        except (OSError, http.client.HTTPException) as error:
            raise UpstreamUnavailable(f"the hub at {self._base} does not answer: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UpstreamUnavailable(f"the hub at {self._base} answers, but with no list of files") from error

    def fetch(self, file: WeightFile, listing: Listing, part: Path, told: Told) -> None:
        """Write a file to `part`; a connection that breaks off is taken up where it ended."""
        url = f"{self._base}/{self._name}/resolve/{listing.revision}/{urllib.parse.quote(file.path)}"
        failures = 0
        while True:
            before = _size(part)
            if before > file.size_bytes:
                part.unlink()
                before = 0
            told(file, before)
            if before == file.size_bytes:
                part.touch()
                return
            try:
                self._go_on(url, file, part, before, told)
            except (OSError, http.client.HTTPException, _LostThread) as error:
                if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                    raise StorageUnavailable(f"{file.path} can't be written: {error.strerror}") from error
                failures = failures + 1 if _size(part) <= before else 1
                if failures >= _TRIES:
                    raise UpstreamUnavailable(
                        f"{file.path} broke off {failures} times at byte {_size(part)} of {file.size_bytes}: {error}; "
                        "what came is kept"
                    ) from error
                self._pause(_FIRST_PAUSE_S * 2 ** (failures - 1))

    def _go_on(self, url: str, file: WeightFile, part: Path, start: int, told: Told) -> None:
        with self._open(url, {"range": f"bytes={start}-"} if start else {}) as response:
            if start and not _continues(response, start):
                start = 0  # the hub knows no ranges: the file comes from its beginning
            with part.open("r+b" if start else "wb") as out:
                out.seek(start)
                written = start
                while piece := response.read(min(_READ_BYTES, file.size_bytes + 1 - written)):
                    out.write(piece)
                    written += len(piece)
                    told(file, written)
                    if written > file.size_bytes:
                        raise NotReady(f"{file.path} has more than the {file.size_bytes} bytes that were announced")
        if written < file.size_bytes:
            raise _LostThread(f"ended at byte {written} of {file.size_bytes}")

    def _open(self, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        request = urllib.request.Request(url, headers=self._headers | headers)
        try:
            response: http.client.HTTPResponse = self._opener.open(request, timeout=self._timeout_s)
            return response
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    raise NotFound(f"the hub has no {url}") from error
                if error.code in (401, 403):
                    raise NotReady(f"the hub gives {self.address} only to a key that may read it") from error
                raise OSError(f"HTTP {error.code}") from error


def _continues(response: http.client.HTTPResponse, start: int) -> bool:
    return response.status == 206 and (response.headers.get("content-range") or "").startswith(f"bytes {start}-")


def _file(entry: dict[str, Any]) -> WeightFile:
    large = entry.get("lfs")
    path, size = str(entry["rfilename"]), int((large or entry)["size"])
    if size < 0:
        raise ValueError("a file has a size below 0")
    if large:
        return WeightFile(path, size, str(large["sha256"]).lower(), "sha256")
    return WeightFile(path, size, str(entry["blobId"]).lower(), "git")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
