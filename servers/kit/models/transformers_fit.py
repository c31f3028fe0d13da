"""Whether a model's weights fit into what this machine has free, known before any of them is read."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from servers.kit.errors import NotReady

BYTES_OF = {"float32": 4, "bfloat16": 2, "float16": 2}
# An allowance for the cache of a conversation and for what a forward pass needs beside the weights; a long conversation
# with a small model may need more.
_MARGIN = 1.2
_BASE_BYTES = 512 << 20
_MAX_HEADER_BYTES = 100 << 20
_INTEGERS = ("I", "U", "BOOL")


def needed_bytes(folder: Path, dtype: str) -> int:
    """Return the memory that a model takes in a dtype: its weights as safetensors' headers tell, and a margin.

    Args:
      dtype: a key of BYTES_OF.
    Raises:
      NotReady: there are no weights, or a header is damaged.
    """
    total = 0
    files = sorted(folder.glob("*.safetensors"))
    if (folder / "model.safetensors.index.json").exists() or (folder / "model.safetensors").exists():
        files = [file for file in files if not file.name.startswith("consolidated")]
    if not files:
        raise NotReady(f"{folder} has no weights in safetensors; `loupe models pull` fetches them")
    for file in files:
        for tensor in _header(file).values():
            width = int(tensor["data_offsets"][1]) - int(tensor["data_offsets"][0])
            if not str(tensor["dtype"]).startswith(_INTEGERS):
                width = math.prod(tensor["shape"]) * BYTES_OF[dtype]
            total += width
    return int(total * _MARGIN) + _BASE_BYTES


def free_bytes(*, meminfo: Path = Path("/proc/meminfo"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the memory this process may still take: the machine's, or its control group's where that is less.

    None where the system says neither.
    """
    found = [free for free in (_of_machine(meminfo), _of_group(groups)) if free is not None]
    return min(found) if found else None


def gib(size_bytes: int) -> str:
    """Return a size for a person."""
    return f"{size_bytes / 2**30:.1f} GiB"


def _header(file: Path) -> dict[str, dict[str, list[int]]]:
    """Return the tensors that a safetensors file announces (safetensors format: a length, then JSON)."""
    try:
        with file.open("rb") as content:
            (length,) = struct.unpack("<Q", content.read(8))
            if length > _MAX_HEADER_BYTES:
                raise ValueError("the header is too long")
            header = json.loads(content.read(length))
        header.pop("__metadata__", None)
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        if file.stat().st_size != 8 + length + end:
            raise ValueError("its size is not what the header says")
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError, IndexError) as error:
        raise NotReady(f"the weights in {file.name} are damaged: {error}") from error
    return header  # type: ignore[no-any-return]  # read as JSON, checked by use


def _of_machine(meminfo: Path) -> int | None:
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return None
    return None


def _of_group(groups: Path) -> int | None:
    """Return what the control group leaves, version 2 or 1; its own page cache counts as free."""
    for limit_file, used_file, cache_key in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            limit = (groups / limit_file).read_text().strip()
            used = int((groups / used_file).read_text())
            stat = ((groups / limit_file).parent / "memory.stat").read_text()
        except (OSError, ValueError):
            continue
        if limit == "max":
            return None
        cached = next((int(line.split()[1]) for line in stat.splitlines() if line.startswith(f"{cache_key} ")), 0)
        return max(int(limit) - used + cached, 0)
    return None
