"""Collects what a program left in its working directory, when everything that could still change it is dead.

Nothing is followed: no link, FIFO, socket, device. Files are opened beneath the directory's descriptor, one component
after the other. Sizes come from the open file, names are made safe, and nothing is decoded.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from loupe.sandbox.v1.sandbox_pb2 import Artifact, ArtifactChunk, Limits
from sandbox.limits import MIB
from sandbox.media_type import HEAD_BYTES, sniff

CHUNK_BYTES = 256 * 1024
_MAX_DEPTH = 8
_MAX_NAME_CHARS = 128
_MAX_NOTES = 20
_UNSAFE = re.compile(r"[^\w .()+,=@-]", re.ASCII)


@dataclass(slots=True)
class Harvest:
    """The artifacts of one run."""

    artifacts: list[Artifact] = field(default_factory=list)
    """Complete once `chunks` is exhausted."""
    notes: list[str] = field(default_factory=list)
    has_left_out: bool = False
    """A limit on artifacts kept something from coming back."""


@dataclass(frozen=True, slots=True)
class _Found:
    parts: tuple[str, ...]
    size_bytes: int

    @property
    def path(self) -> str:
        return "/".join(self.parts)


class Collector:
    """Reads one working directory once."""

    def __init__(self, work_fd: int, *, inputs: Collection[str], figures: Collection[str], limits: Limits) -> None:
        self._work_fd = work_fd
        self._inputs = inputs
        self._figures = figures
        self._limits = limits
        self._found: list[_Found] = []
        self.harvest = Harvest()

    def find(self) -> None:
        """Choose the files that come back, in the order of their names; say of the others why not."""
        candidates = sorted(self._walk((), os.dup(self._work_fd)), key=lambda found: found.parts)
        total, surplus = 0, 0
        for found in candidates:
            if found.size_bytes > self._limits.artifact_mib * MIB:
                size = _mib(found.size_bytes)
                self._leave_out(f"artifact {_safe(found.path)} is {size} MiB, at most {self._limits.artifact_mib} MiB")
            elif total + found.size_bytes > self._limits.disk_mib * MIB:
                # Sparse files pretend to hold more than the disk does.
                self._leave_out(
                    f"artifact {_safe(found.path)} is left out: together at most {self._limits.disk_mib} MiB"
                )
            elif len(self._found) >= self._limits.artifact_count:
                surplus += 1
            else:
                total += found.size_bytes
                self._found.append(found)
        if surplus:
            self._leave_out(f"{surplus} more files are left out: at most {self._limits.artifact_count} artifacts")

    def chunks(self) -> Iterator[ArtifactChunk]:
        """Yield the bytes of every chosen file, in order, and fill in `harvest.artifacts`."""
        # A file keeps its name when it is safe, whatever another has to be called.
        taken = {found.path for found in self._found if _safe(found.path) == found.path}
        for found in self._found:
            name = found.path
            if name not in taken:
                name = _unique(_safe(found.path), taken)
                taken.add(name)
                self._note(f"artifact {name} was called {_printable(found.path)}")
            artifact = Artifact(name=name, is_captured_figure=found.path in self._figures)
            yield from self._read(found, artifact)
            self.harvest.artifacts.append(artifact)

    def _read(self, found: _Found, artifact: Artifact) -> Iterator[ArtifactChunk]:
        fd = _open_beneath(self._work_fd, found.parts)
        try:
            digest, size = hashlib.sha256(), 0
            while size < found.size_bytes or size == 0:
                data = os.read(fd, min(CHUNK_BYTES, found.size_bytes - size))
                if size == 0:
                    artifact.media_type = sniff(data[:HEAD_BYTES], is_whole=found.size_bytes <= HEAD_BYTES)
                digest.update(data)
                size += len(data)
                yield ArtifactChunk(name=artifact.name, data=data)
                if not data:
                    break
        finally:
            os.close(fd)
        artifact.size_bytes, artifact.sha256 = size, digest.hexdigest()

    def _walk(self, parents: tuple[str, ...], folder_fd: int) -> Iterator[_Found]:
        try:
            with os.scandir(folder_fd) as entries:
                names = sorted(entry.name for entry in entries)
            for name in names:
                yield from self._visit((*parents, name), name, folder_fd)
        finally:
            os.close(folder_fd)

    def _visit(self, parts: tuple[str, ...], name: str, folder_fd: int) -> Iterator[_Found]:
        path = "/".join(parts)
        if path in self._inputs or name == "__pycache__":
            return
        status = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            if len(parts) > _MAX_DEPTH:
                self._note(f"folder {_safe(path)} is left out: at most {_MAX_DEPTH} folders deep")
                return
            yield from self._walk(parts, _open(name, folder_fd, status.st_mode))
        elif not stat.S_ISREG(status.st_mode):
            self._note(f"{_printable(path)} is left out: not a regular file")
        elif name.startswith("."):
            self._note(f"{_printable(path)} is left out: hidden")
        else:
            yield _Found(parts, status.st_size)

    def _leave_out(self, note: str) -> None:
        self.harvest.has_left_out = True
        self._note(note)

    def _note(self, text: str) -> None:
        if len(self.harvest.notes) < _MAX_NOTES:
            self.harvest.notes.append(text)


def _open_beneath(root_fd: int, parts: tuple[str, ...]) -> int:
    """Open a file component by component, so that no link on the way is followed."""
    fd = os.dup(root_fd)
    for name in parts:
        try:
            following = _open(name, fd, os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
        finally:
            os.close(fd)
        fd = following
    return fd


def _open(name: str, folder_fd: int, mode: int) -> int:
    """Open a regular file or a folder; one without read rights, which its owner took away, gets them back."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    if not mode & stat.S_IRUSR or (stat.S_ISDIR(mode) and not mode & stat.S_IXUSR):
        os.chmod(name, mode & 0o777 | 0o700, dir_fd=folder_fd)
    return os.open(name, flags, dir_fd=folder_fd)


def _safe(path: str) -> str:
    """Return a path that can be printed, stored and typed anywhere: no odd character, no leading dot or dash."""
    parts = (_UNSAFE.sub("_", part) for part in path.split("/"))
    safe = "/".join(f"_{part[1:]}" if part[:1] in {".", "-", " "} else part for part in parts)
    if len(safe) <= _MAX_NAME_CHARS:
        return safe
    stem, dot, suffix = safe.rpartition(".")
    tail = dot + suffix if stem and len(suffix) <= 10 else ""
    return safe[: _MAX_NAME_CHARS - len(tail)] + tail


def _printable(path: str) -> str:
    return ascii(path)[1:-1][:200]


def _unique(name: str, taken: set[str]) -> str:
    unique, number = name, 2
    while unique in taken:
        stem, dot, suffix = name.rpartition(".")
        unique = f"{stem}-{number}{dot}{suffix}" if stem else f"{name}-{number}"
        number += 1
    return unique


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:.1f}".removesuffix(".0")
