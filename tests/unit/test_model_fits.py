"""How much memory a model takes and a machine has, read from files that a test can write."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from servers.kit.errors import NotReady
from servers.kit.models.transformers_fit import free_bytes, needed_bytes

MIB = 2**20


def write_weights(path, tensors):
    """Write a safetensors file of zeros: name -> (dtype, shape, bytes)."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, start + size]}
        start += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(start))


def test_weights_count_in_the_numbers_they_will_have(tmp_path):
    write_weights(
        tmp_path / "model-00001-of-00002.safetensors",
        {"a": ("BF16", [1000, 1000], 2_000_000), "positions": ("I64", [10], 80)},
    )
    write_weights(tmp_path / "model-00002-of-00002.safetensors", {"b": ("F32", [500, 1000], 2_000_000)})
    # 1.5 million numbers, ten integers of 8 bytes; a fifth more, and half a GiB.
    assert needed_bytes(tmp_path, "float32") == int((6_000_000 + 80) * 1.2) + 512 * MIB
    assert needed_bytes(tmp_path, "bfloat16") == int((3_000_000 + 80) * 1.2) + 512 * MIB


def test_the_same_weights_in_a_second_layout_do_not_count_twice(tmp_path):
    write_weights(tmp_path / "model.safetensors", {"a": ("F32", [1000], 4000)})
    write_weights(tmp_path / "consolidated.safetensors", {"a": ("F32", [1000], 4000)})
    assert needed_bytes(tmp_path, "float32") == 4800 + 512 * MIB


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x10\x00",
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"{]",
        struct.pack("<Q", 8) + b'{"a": 1}',
        struct.pack("<Q", 2) + b"{}" + b"more",
    ],
)
def test_a_damaged_header_is_named(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(NotReady, match=r"the weights in model\.safetensors are damaged"):
        needed_bytes(tmp_path, "float32")


def test_a_folder_without_weights_is_told_how_to_get_them(tmp_path):
    with pytest.raises(NotReady, match="loupe models pull"):
        needed_bytes(tmp_path, "float32")


def write_group(folder, limit, used, cached):
    folder.mkdir(exist_ok=True)
    (folder / "memory.max").write_text(limit)
    (folder / "memory.current").write_text(str(used))
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")


def test_free_memory_is_the_machine_s_or_the_group_s_whichever_is_less(tmp_path):
    meminfo, groups = tmp_path / "meminfo", tmp_path / "groups"
    meminfo.write_text("MemTotal:       9000 kB\nMemAvailable:   5000 kB\n")
    assert free_bytes(meminfo=meminfo, groups=groups) == 5_120_000
    write_group(groups, "max\n", 0, 0)
    assert free_bytes(meminfo=meminfo, groups=groups) == 5_120_000
    write_group(groups, "3000000\n", 2_500_000, 700_000)
    assert free_bytes(meminfo=meminfo, groups=groups) == 1_200_000
    write_group(groups, "3000000\n", 5_000_000, 0)
    assert free_bytes(meminfo=meminfo, groups=groups) == 0
    meminfo.unlink()
    write_group(groups, "max\n", 0, 0)
    assert free_bytes(meminfo=meminfo, groups=groups) is None


def test_a_group_of_the_first_version_counts_too(tmp_path):
    memory = tmp_path / "groups" / "memory"
    memory.mkdir(parents=True)
    (memory / "memory.limit_in_bytes").write_text("1000000")
    (memory / "memory.usage_in_bytes").write_text("400000")
    (memory / "memory.stat").write_text("total_inactive_file 100000\n")
    assert free_bytes(meminfo=tmp_path / "none", groups=tmp_path / "groups") == 700_000
