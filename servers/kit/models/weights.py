"""Weights of models on this machine: pulled once, each file held against its digest, then used without a network.

A model lies in LOUPE_HOME/models/NAME beside a manifest of what was pulled. A pull fills a folder of its own and takes
the name only when every file is there and right, so that a model under its name is always whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from servers.kit.errors import DigestMismatch, InvalidField, NotReady, StorageUnavailable

MANIFEST = "loupe-model.json"
Told = Callable[["WeightFile", int], None]
"""Takes a file and how many of its bytes are there."""

_REVISION = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$")
# Programs (*.py) are left out on purpose: no model's code runs here. So are other formats of the same weights.
_WANTED = (".safetensors", ".json", ".txt", ".model", ".jinja", ".md")
_LICENCES = ("LICENSE", "LICENCE", "NOTICE")
_READ_BYTES = 1 << 20
# Beside the files themselves: a disk filled to its last byte breaks everything else on the machine.
_SPARE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of a model."""

    path: str
    """Relative, with slashes."""
    size_bytes: int
    digest: str
    """Lower-case hexadecimal."""
    digest_kind: Literal["sha256", "git"]
    """git: SHA-1 over git's header and the content, which hubs give for small files."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source has of a model."""

    revision: str
    files: tuple[WeightFile, ...]


@dataclass(frozen=True, slots=True)
class PulledModel:
    """A model on this machine."""

    name: str
    revision: str
    source: str
    """Address of the hub or path of the folder it came from."""
    files: tuple[WeightFile, ...]

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files)


class Source(Protocol):
    """Where weights come from."""

    @property
    def address(self) -> str:
        """For the manifest."""
        ...

    def listing(self) -> Listing:
        """Return revision and files. Raises NotFound, UpstreamUnavailable, NotReady."""
        ...

    def fetch(self, file: WeightFile, listing: Listing, part: Path, told: Told) -> None:
        """Write a file to `part`, going on where it ends.

        Raises:
          UpstreamUnavailable: the source went away for good; what came stays for the next time.
        """
        ...


def folder_of(home: Path, name: str) -> Path:
    """Return the folder of a model, whether it is there or not. Raises InvalidField for what is no name."""
    if not _NAME.match(name):
        raise InvalidField("name", f"{name!r} is no model's name: letters, digits, '.', '_', '-' and one '/'")
    return home / "models" / name


def installed(home: Path) -> list[PulledModel]:
    """Return the models on this machine, by name."""
    found = [read_manifest(path.parent) for path in (home / "models").glob(f"*/{MANIFEST}")]
    found += [read_manifest(path.parent) for path in (home / "models").glob(f"*/*/{MANIFEST}")]
    return sorted((model for model in found if model is not None), key=lambda model: model.name)


def read_manifest(folder: Path) -> PulledModel | None:
    """Return what a folder says was pulled into it; None where it says nothing that can be read."""
    try:
        data = json.loads((folder / MANIFEST).read_bytes())
        files = tuple(WeightFile(**file) for file in data.pop("files"))
        return PulledModel(**data, files=files)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def wanted(files: Sequence[WeightFile]) -> tuple[WeightFile, ...]:
    """Return the files that a model needs here.

    Raises:
      NotReady: there are no weights in safetensors, or a path leads out of the model's folder.
    """
    kept = [file for file in files if _is_wanted(file.path)]
    for file in kept:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts or "\\" in file.path or path.name == MANIFEST:
            raise NotReady(f"the source lists {file.path!r}, which is no path within a model's folder")
    if any(PurePosixPath(file.path).name.startswith("model") and _is_weights(file) for file in kept):
        # The same weights once more, in Mistral's own layout.
        kept = [file for file in kept if not PurePosixPath(file.path).name.startswith("consolidated")]
    if not any(_is_weights(file) for file in kept):
        raise NotReady("the source has no weights in safetensors; other formats can carry programs and are not taken")
    return tuple(kept)


def pull(home: Path, name: str, source: Source, *, told: Told = lambda _file, _size: None) -> PulledModel:
    """Return the model once it is whole on this machine; what is there already is not fetched again.

    Raises:
      InvalidField: the name is none, or its folder holds something else.
      NotFound, UpstreamUnavailable: as the source says; what came stays, and the next pull goes on there.
      DigestMismatch: a file is not what the source announced. It is gone again.
      NotReady, StorageUnavailable: no weights, no room, or another pull of this model is at work.
    """
    folder = folder_of(home, name)
    if read_manifest(folder) is None and folder.exists() and any(folder.iterdir()):
        raise InvalidField("name", f"{folder} holds other things, which would be lost")
    if "/" in name and (folder.parent / MANIFEST).exists():
        raise InvalidField("name", f"{folder.parent} is a model itself")
    listing = source.listing()
    files = wanted(listing.files)
    if not _REVISION.match(listing.revision):
        raise NotReady(f"the source names its revision {listing.revision[:80]!r}, which is none")
    before = read_manifest(folder)
    if before is not None and before.revision == listing.revision and before.files == files and is_whole(folder):
        return before
    staging = home / "models" / ".pulling" / f"{name.replace('/', '--')}@{listing.revision}"
    staging.mkdir(parents=True, exist_ok=True)
    with _alone(staging.with_name(staging.name + ".lock"), name):
        _check_room(staging, files)
        for file in files:
            _take(source, file, listing, staging, told)
        model = PulledModel(name, listing.revision, source.address, files)
        _write_synced(staging / MANIFEST, json.dumps(asdict(model), indent=1).encode())
        _move_into_place(staging, folder)
    _forget_others(staging, name)
    return model


def is_whole(folder: Path) -> bool:
    """Return whether every file of the manifest is there in its size; contents are held against digests by a pull."""
    model = read_manifest(folder)
    return model is not None and all(_size(folder / file.path) == file.size_bytes for file in model.files)


def digest_of(path: Path, kind: Literal["sha256", "git"]) -> str:
    """Return a file's digest in hexadecimal."""
    hashing = hashlib.sha256()
    if kind == "git":
        hashing = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as content:
        while piece := content.read(_READ_BYTES):
            hashing.update(piece)
    return hashing.hexdigest()


def _take(source: Source, file: WeightFile, listing: Listing, staging: Path, told: Told) -> None:
    """Fetch one file, or find it there, and hold it against its digest."""
    target = staging / file.path
    if _size(target) == file.size_bytes:  # of an earlier pull, checked then
        told(file, file.size_bytes)
        return
    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    had_begun = part.exists()
    source.fetch(file, listing, part, told)
    if digest_of(part, file.digest_kind) != file.digest and had_begun:
        # The beginning may be of another time; all of it from one source has one more chance.
        part.unlink()
        source.fetch(file, listing, part, told)
    found = digest_of(part, file.digest_kind)
    if found != file.digest:
        part.unlink()
        raise DigestMismatch(f"{file.path} has the digest {found}, the source announced {file.digest}")
    with part.open("rb") as content:
        os.fsync(content.fileno())
    part.replace(target)


def _is_wanted(path: str) -> bool:
    parts = PurePosixPath(path)
    if any(part.startswith(".") and part != ".." for part in parts.parts):
        return False
    return parts.suffix in _WANTED or parts.name.startswith(_LICENCES)


def _is_weights(file: WeightFile) -> bool:
    return file.path.endswith(".safetensors")


def _check_room(staging: Path, files: Sequence[WeightFile]) -> None:
    missing = sum(
        file.size_bytes - max(_size(staging / file.path), _size(staging / f"{file.path}.part")) for file in files
    )
    free = shutil.disk_usage(staging).free
    if missing + _SPARE_BYTES > free:
        raise StorageUnavailable(
            f"the weights need {missing / 2**30:.2f} GiB more, the disk has {free / 2**30:.2f} GiB free"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _move_into_place(staging: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    outgoing = staging.with_name(staging.name + ".old")
    shutil.rmtree(outgoing, ignore_errors=True)
    if folder.exists():
        folder.rename(outgoing)
    staging.rename(folder)
    shutil.rmtree(outgoing, ignore_errors=True)


def _forget_others(staging: Path, name: str) -> None:
    """Remove what broken pulls of other revisions left, gigabytes perhaps; what is still being pulled stays."""
    for other in staging.parent.glob(f"{staging.name.rpartition('@')[0]}@*"):
        if other.is_dir():
            with suppress(NotReady), _alone(other.with_name(other.name + ".lock"), name):
                shutil.rmtree(other, ignore_errors=True)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _alone(path: Path, name: str) -> Iterator[None]:
    """Keep other pulls of the same model out until the block ends."""
    with path.open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotReady(f"another pull of {name} is at work") from None
        yield  # the file stays: who unlinks a lock may take it from under another's feet
