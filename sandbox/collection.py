"""Collects what a program left in its working directory.

Mostly when everything that could still change it is dead; after a run in a session the processes live on, so nothing
here trusts that a name still means what it meant a moment ago. Nothing is followed: no link, FIFO, socket, device. A
name is first held (O_PATH), then looked at, and only what is held is opened, beneath the directory's descriptor, one
component after the other. Sizes come from the open file, names are made safe, and nothing is decoded.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from loupe.sandbox.v1.sandbox_pb2 import Artifact, ArtifactChunk, Limits
from sandbox.limits import MIB
from sandbox.media_type import HEAD_BYTES, sniff

CHUNK_BYTES = 256 * 1024
_MAX_DEPTH = 8
_MAX_NAME_CHARS = 128
_MAX_SUFFIX_CHARS = 10
_MAX_NOTES = 20
# Folders and links of our own count, too.
_ENTRIES_BEYOND_LIMIT = 256
_UNSAFE = re.compile(r"[^\w .()+,=@-]", re.ASCII)


@dataclass(slots=True)
class Harvest:
    """The artifacts of one run."""

    artifacts: list[Artifact] = field(default_factory=list)
    """Complete once `chunks` is exhausted."""
    notes: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """Under which name each file came back, by its path."""
    has_left_out: bool = False
    """A limit on artifacts kept something from coming back."""


Version = tuple[int, int, int]
"""Inode, size and time of the last change, which a program can't set: another one means other content."""


@dataclass(frozen=True, slots=True)
class _Found:
    parts: tuple[str, ...]
    size_bytes: int
    version: Version

    @property
    def path(self) -> str:
        return "/".join(self.parts)


class Collector:
    """Reads one working directory once."""

    def __init__(
        self,
        work_fd: int,
        *,
        inputs: Collection[str],
        captured: Collection[str],
        limits: Limits,
        known: Mapping[str, Version] | None = None,
    ) -> None:
        """Take what is no artifact: inputs by name, and, by path, the versions of files that came back before."""
        self._work_fd = work_fd
        self._inputs = inputs
        self._captured = captured
        self._limits = limits
        self._known = known or {}
        self._found: list[_Found] = []
        self._entries_left = limits.inode_count + _ENTRIES_BEYOND_LIMIT
        self.harvest = Harvest()
        self.versions: dict[str, Version] = {}
        """Of every file that came back, now or before, and is still there."""

    def find(self) -> None:
        """Choose the files that come back, in the order of their names; say of the others why not."""
        candidates = sorted(self._walk((), os.dup(self._work_fd)), key=lambda found: found.parts)
        total, surplus = 0, 0
        for found in candidates:
            if self._known.get(found.path) == found.version:
                self.versions[found.path] = found.version
            elif found.size_bytes > self._limits.artifact_mib * MIB:
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
            artifact = Artifact(name=name, is_captured_figure=found.path in self._captured)
            try:
                yield from self._read(found, artifact)
            except OSError as error:
                self._note(f"artifact {name} could not be read: {os.strerror(error.errno or 0)}")
                continue
            self.harvest.artifacts.append(artifact)
            self.harvest.names[found.path] = name
            self.versions[found.path] = found.version

    def _read(self, found: _Found, artifact: Artifact) -> Iterator[ArtifactChunk]:
        with _opened_beneath(self._work_fd, found.parts) as fd:
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
        artifact.size_bytes, artifact.sha256 = size, digest.hexdigest()

    def _walk(self, parents: tuple[str, ...], folder_fd: int) -> Iterator[_Found]:
        try:
            with os.scandir(folder_fd) as entries:
                names = sorted(entry.name for entry in itertools.islice(entries, self._entries_left))
            self._entries_left -= len(names)
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                    yield from self._visit((*parents, name), name, folder_fd)
        finally:
            os.close(folder_fd)

    def _visit(self, parts: tuple[str, ...], name: str, folder_fd: int) -> Iterator[_Found]:
        path = "/".join(parts)
        if path in self._inputs or name == "__pycache__":
            return
        with _held(name, folder_fd) as held:
            status = os.fstat(held)
            if stat.S_ISDIR(status.st_mode):
                if len(parts) > _MAX_DEPTH:
                    self._note(f"folder {_safe(path)} is left out: at most {_MAX_DEPTH} folders deep")
                    return
                inner_fd = _open(held)
        if stat.S_ISDIR(status.st_mode):
            yield from self._walk(parts, inner_fd)
        elif not stat.S_ISREG(status.st_mode):
            self._note(f"{_printable(path)} is left out: not a regular file")
        elif name.startswith("."):
            self._note(f"{_printable(path)} is left out: hidden")
        else:
            yield _Found(parts, status.st_size, (status.st_ino, status.st_size, status.st_ctime_ns))

    def _leave_out(self, note: str) -> None:
        self.harvest.has_left_out = True
        self._note(note)

    def _note(self, text: str) -> None:
        if len(self.harvest.notes) < _MAX_NOTES:
            self.harvest.notes.append(text)


@contextlib.contextmanager
def _opened_beneath(root_fd: int, parts: tuple[str, ...]) -> Iterator[int]:
    """Open a regular file component by component, so that no link on the way is followed."""
    fd = os.dup(root_fd)
    try:
        for name in parts:
            with _held(name, fd) as held:
                following = _open(held)
            os.close(fd)
            fd = following
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file any more")
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _held(name: str, folder_fd: int) -> Iterator[int]:
    """Hold what a name means now, without opening it: a link itself, a FIFO without waiting for its other end."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder_fd)
    try:
        yield fd
    finally:
        os.close(fd)


def _open(held: int) -> int:
    """Open a regular file or folder that is held; one without read rights, which its owner took away, gets them back.

    Raises:
      OSError: it is anything else.
    """
    mode = os.fstat(held).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "neither file nor folder")
    by_descriptor = f"/proc/self/fd/{held}"
    if not mode & stat.S_IRUSR or (stat.S_ISDIR(mode) and not mode & stat.S_IXUSR):
        os.chmod(by_descriptor, mode & 0o777 | 0o700)  # noqa: PTH101 - a descriptor, no path
    return os.open(by_descriptor, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _safe(path: str) -> str:
    """Return a path that can be printed, stored and typed anywhere: no odd character, no leading dot or dash."""
    parts = (_UNSAFE.sub("_", part) for part in path.split("/"))
    safe = "/".join(f"_{part[1:]}" if part[:1] in {".", "-", " "} else part for part in parts)
    return _cut(safe)


def _cut(name: str, mark: str = "") -> str:
    """Return a name with a mark before its ending, cut to what a name may have; it ends in no slash."""
    stem, dot, suffix = name.rpartition(".")
    tail = dot + suffix if stem and len(suffix) <= _MAX_SUFFIX_CHARS and "/" not in suffix else ""
    return name[: len(name) - len(tail)][: _MAX_NAME_CHARS - len(mark + tail)].rstrip("/") + mark + tail


def _printable(path: str) -> str:
    return ascii(path)[1:-1][:200]


def _unique(name: str, taken: set[str]) -> str:
    """Return a name at which a file can stand beside all others: none of them has it, or needs it for a folder."""
    if any(str(folder) in taken for folder in PurePosixPath(name).parents):
        name = name.replace("/", "_")
    unique, number = name, 2
    while unique in taken or any(other.startswith(f"{unique}/") for other in taken):
        unique = _cut(name, f"-{number}")
        number += 1
    return unique


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:.1f}".removesuffix(".0")
