"""A hub of models for tests: real HTTP on loopback, with ranges, redirects, cut connections and wrong bytes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Hub:
    """What it has, how it misbehaves, and what it was asked."""

    files: dict[str, bytes]
    large: tuple[str, ...] = ("model.safetensors",)
    """Listed by their SHA-256; the others by git's."""
    cuts: list[int] = field(default_factory=list)
    """Bytes of a body after which each of the next connections breaks off."""
    wrong: dict[str, bytes] = field(default_factory=dict)
    """What is sent in place of a file."""
    knows_ranges: bool = True
    elsewhere: str = ""
    """Base URL that files are redirected to."""
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """Path, Range and Authorization of each request."""
    base_url: str = ""

    def listing(self) -> dict[str, object]:
        """The answer of the API."""
        return {"sha": COMMIT, "siblings": [self._entry(name, content) for name, content in self.files.items()]}

    def _entry(self, name: str, content: bytes) -> dict[str, object]:
        if name in self.large:
            told: dict[str, object] = {"lfs": {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}}
        else:
            told = {}
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        return {"rfilename": name, "size": len(content), "blobId": blob} | told


@contextmanager
def hub(files: dict[str, bytes], **more: object) -> Iterator[Hub]:
    """Run a hub until the block ends; its only model is "team/tiny"."""
    it = Hub(files, **more)  # type: ignore[arg-type]  # the tests name its fields

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            it.asked.append((self.path, self.headers.get("range"), self.headers.get("authorization")))
            if self.path == "/api/models/team/tiny/revision/main?blobs=true":
                self._send(json.dumps(it.listing()).encode())
                return
            name = self.path.removeprefix(f"/team/tiny/resolve/{COMMIT}/")
            if name not in it.files:
                self._send(b"", 404)
            elif it.elsewhere:
                self.send_response(302)
                self.send_header("location", it.elsewhere + self.path)
                self.send_header("content-length", "0")
                self.end_headers()
            else:
                self._send_file(it.wrong.get(name, it.files[name]))

        def _send_file(self, content: bytes) -> None:
            start = 0
            asked_range = self.headers.get("range")
            if asked_range and it.knows_ranges:
                start = int(asked_range.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if start else 200)
            if start:
                self.send_header("content-range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("content-length", str(len(content) - start))
            self.end_headers()
            cut = it.cuts.pop(0) if it.cuts else None
            self.wfile.write(content[start:] if cut is None else content[start : start + cut])
            if cut is not None:
                self.close_connection = True

        def _send(self, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    it.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield it
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
