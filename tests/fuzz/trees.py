"""Folders as a hostile program leaves them, drawn and laid out."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

_ODD_NAMES = (
    *(
        "...",
        "-rf",
        " ",
        "~",
        "a b",
        "CON",
        "nul.txt",
        "__pycache__",
        "a\n",
        "\x1b[2J",
        "\u202egpj.exe",
        "é",
        "e\u0301",
    ),
    *("%2e%2e%2f", "..\\x", "C:x", "'\"$(x)`", "x" * 255, "a.png", "A.PNG", ".hidden", "index", "a+b=c,d@e(f).csv"),
)
_TARGETS = ("/etc/passwd", "..", ".", "a.png", "loop", "/proc/self/fd", "/dev/zero", "x/../../..", "/", "no such thing")


@dataclass(frozen=True)
class Entry:
    """One thing in a folder."""

    kind: str
    content: bytes = b""
    size: int = 0
    target: str = ""
    mode: int = 0o644
    inside: tuple[tuple[str, Any], ...] = ()


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name and len(os.fsencode(name)) <= 255


# Bytes that are no text arrive as lone surrogates, as Python gives them.
names = st.one_of(
    st.sampled_from(_ODD_NAMES), st.text(max_size=40), st.binary(min_size=1, max_size=60).map(os.fsdecode)
).filter(lambda name: _is_encodable(name) and _is_name(name))
_modes = st.sampled_from((0o644, 0o000, 0o400, 0o200, 0o111, 0o4755, 0o777))
_heads = st.sampled_from((b"", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"{", b"[" * 300, b"a,b\n1,2\n", b"<svg", b"RIFF"))
_leaves = st.one_of(
    st.builds(
        lambda head, rest, mode: Entry("file", content=head + rest, mode=mode), _heads, st.binary(max_size=400), _modes
    ),
    st.builds(lambda size: Entry("sparse", size=size), st.sampled_from((1, 4096, 1 << 20, (1 << 20) + 1, 1 << 40))),
    st.builds(lambda target: Entry("link", target=target), st.sampled_from(_TARGETS)),
    st.builds(lambda target: Entry("hard", target=target), st.sampled_from(("a.png", ".hidden", "index"))),
    st.sampled_from([Entry(kind) for kind in ("pipe", "socket", "null", "disk")]),
    st.builds(lambda depth: Entry("deep", size=depth), st.integers(1, 40)),
)


def _folders(inside: st.SearchStrategy[Entry]) -> st.SearchStrategy[Entry]:
    contents = st.dictionaries(names, inside, max_size=6).map(lambda found: tuple(found.items()))
    return st.builds(lambda found, mode: Entry("folder", inside=found, mode=mode | 0o100), contents, _modes)


trees = _folders(st.recursive(_leaves, _folders, max_leaves=25))


def lay_out(tree: Entry, folder: str) -> None:
    """Make what was drawn in an empty folder; what this machine does not let us make is left out."""
    for name, entry in tree.inside:
        path = f"{folder}/{name}"
        with suppress(OSError):
            _make(entry, path, folder)


def _make(entry: Entry, path: str, folder: str) -> None:
    match entry.kind:
        case "file" | "sparse":
            with open(path, "xb") as file:  # noqa: PTH123 - a name may be no text
                file.write(entry.content)
                file.truncate(entry.size or len(entry.content))
            os.chmod(path, entry.mode)  # noqa: PTH101
        case "folder":
            os.mkdir(path)  # noqa: PTH102
            lay_out(entry, path)
            os.chmod(path, entry.mode)  # noqa: PTH101
        case "link":
            os.symlink(entry.target, path)  # noqa: PTH211
        case "hard":
            os.link(f"{folder}/{entry.target}", path, follow_symlinks=False)
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as local:
                local.bind(path)
        case "null" | "disk":
            is_null = entry.kind == "null"
            os.mknod(path, (stat.S_IFCHR if is_null else stat.S_IFBLK) | 0o666, os.makedev(1 if is_null else 7, 3))
        case "deep":
            os.makedirs(path + "/d" * entry.size)  # noqa: PTH103


def _is_encodable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True
