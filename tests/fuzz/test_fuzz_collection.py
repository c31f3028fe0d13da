"""Whatever a program leaves in its folder, what comes back is bounded, safely named, and its own."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path, PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from loupe.sandbox.v1.sandbox_pb2 import Limits
from sandbox.collection import Collector
from tests.fuzz.trees import Entry, lay_out, names, trees

LIMITS = Limits(artifact_count=10, artifact_mib=1, disk_mib=3, inode_count=500)
# No control character, nothing a shell or a path reads, no dot or dash in front.
_SAFE = re.compile(r"(?:[A-Za-z0-9_()+,=@][A-Za-z0-9_ .()+,=@-]*)(?:/[A-Za-z0-9_()+,=@][A-Za-z0-9_ .()+,=@-]*)*")


@given(tree=trees, inputs=st.sets(names, max_size=3), captured=st.sets(names, max_size=3))
def test_any_tree_is_collected_within_bounds(tree: Entry, inputs: set[str], captured: set[str]) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with tempfile.TemporaryDirectory() as outer:
        (Path(outer) / "work").mkdir()
        (Path(outer) / "secret").write_text("what stands outside")
        lay_out(tree, f"{outer}/work")
        made = _contents(f"{outer}/work")
        fd = os.open(f"{outer}/work", os.O_RDONLY | os.O_DIRECTORY)
        try:
            collector = Collector(fd, inputs=inputs, captured=captured, limits=LIMITS)
            collector.find()
            files: dict[str, bytes] = {}
            for chunk in collector.chunks():
                assert len(chunk.data) <= 256 * 1024
                files[chunk.name] = files.get(chunk.name, b"") + chunk.data
        finally:
            os.close(fd)
        harvest = collector.harvest
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
    assert [item.name for item in harvest.artifacts] == list(files)
    assert not {str(folder) for name in files for folder in PurePosixPath(name).parents} & set(files)
    assert len(files) <= 10
    assert sum(map(len, files.values())) <= 3 * 1024 * 1024
    for item in harvest.artifacts:
        assert _SAFE.fullmatch(item.name), item.name
        assert len(item.name) <= 128
        assert item.size_bytes == len(files[item.name]) <= 1024 * 1024
        assert files[item.name] in made
        assert item.media_type
    assert len(harvest.notes) <= 20
    assert all(note.isascii() and note.isprintable() and len(note) <= 400 for note in harvest.notes)


def _contents(folder: str) -> set[bytes]:
    """Return what stands in the regular files of at most a MiB, which alone may come back."""
    found = set()
    for parent, _, files in os.walk(folder):
        for name in files:
            path = f"{parent}/{name}"
            if os.path.isfile(path) and not os.path.islink(path) and os.stat(path).st_size <= 1 << 20:  # noqa: PTH113, PTH114, PTH116
                with open(path, "rb") as file:  # noqa: PTH123
                    found.add(file.read())
    return found
