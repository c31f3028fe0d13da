"""Weights from a folder of this machine, held against its list of checksums where it has one."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from servers.kit.errors import NotFound, NotReady
from servers.kit.models.weights import MANIFEST, Listing, Told, WeightFile, digest_of, read_manifest

SUMS = "SHA256SUMS"
"""As `sha256sum *` writes it."""


class FolderSource:
    """A folder of files, at any depth."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    @property
    def address(self) -> str:
        """The folder's path."""
        return str(self._folder)

    def listing(self) -> Listing:
        """Return the files with the digests that the folder itself states, else with those they have.

        The revision is the one of a model pulled before, else a digest over all files.
        """
        if not self._folder.is_dir():
            raise NotFound(f"{self._folder} is no folder")
        earlier = read_manifest(self._folder)
        if earlier is not None:
            return Listing(earlier.revision, earlier.files)
        stated = self._stated()
        paths = sorted(path for path in self._folder.rglob("*") if path.is_file() and path.name not in (SUMS, MANIFEST))
        files = []
        for path in paths:
            name = path.relative_to(self._folder).as_posix()
            digest = stated.pop(name, "") or digest_of(path, "sha256")
            files.append(WeightFile(name, path.stat().st_size, digest, "sha256"))
        if stated:
            raise NotReady(f"{SUMS} names files that the folder lacks: {', '.join(sorted(stated)[:5])}")
        over = hashlib.sha256("".join(f"{file.digest} {file.path}\n" for file in files).encode())
        return Listing(over.hexdigest(), tuple(files))

    def fetch(self, file: WeightFile, listing: Listing, part: Path, told: Told) -> None:
        """Copy a file."""
        shutil.copyfile(self._folder / file.path, part)
        told(file, file.size_bytes)

    def _stated(self) -> dict[str, str]:
        sums = self._folder / SUMS
        if not sums.is_file():
            return {}
        stated = {}
        for line in sums.read_text().splitlines():
            digest, _, name = line.partition(" ")
            if len(digest) != 64 or not name:
                raise NotReady(f"{sums} has a line that sha256sum would not write: {line[:80]!r}")
            stated[name.strip().removeprefix("*").removeprefix("./")] = digest.lower()
        return stated
