"""What comes back from a working directory, and under which name and type."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from loupe.sandbox.v1.sandbox_pb2 import Limits
from sandbox.collection import Collector, Harvest
from sandbox.media_type import sniff

LIMITS = Limits(artifact_count=50, artifact_mib=1, disk_mib=3)


def collect(folder: Path, *, limits: Limits = LIMITS, inputs=(), captured=()) -> tuple[dict[str, bytes], Harvest]:
    fd = os.open(folder, os.O_RDONLY)
    try:
        collector = Collector(fd, inputs=inputs, captured=captured, limits=limits)
        collector.find()
        files: dict[str, bytes] = {}
        for chunk in collector.chunks():
            assert len(chunk.data) <= 256 * 1024
            files[chunk.name] = files.get(chunk.name, b"") + chunk.data
    finally:
        os.close(fd)
    return files, collector.harvest


def test_inputs_stay_and_everything_else_comes_in_the_order_of_names(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.txt", "a.txt", "input.json", "sub/c.txt"):
        (tmp_path / name).write_text(name)
    files, harvest = collect(tmp_path, inputs={"input.json"}, captured={"a.txt"})
    assert list(files) == ["a.txt", "b.txt", "sub/c.txt"]
    assert [item.is_captured_figure for item in harvest.artifacts] == [True, False, False]
    assert harvest.notes == []


def test_a_large_file_comes_in_pieces_and_whole(tmp_path):
    content = os.urandom(1024 * 1024)
    (tmp_path / "large").write_bytes(content)
    files, harvest = collect(tmp_path)
    assert files == {"large": content}
    assert harvest.artifacts[0].size_bytes == 1024 * 1024


def test_nothing_but_regular_files_is_opened(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "secret").write_text("secret")
    (work / "link").symlink_to(tmp_path / "secret")
    (work / "folder").symlink_to(tmp_path)
    os.mkfifo(work / "pipe")
    (work / "hard").hardlink_to(tmp_path / "secret")  # within one file system, as /work is
    with socket.socket(socket.AF_UNIX) as local:
        fd = os.open(work, os.O_RDONLY)
        local.bind(f"/proc/self/fd/{fd}/socket")
        os.close(fd)
    files, harvest = collect(work)
    assert files == {"hard": b"secret"}
    assert harvest.notes == [f"{name} is left out: not a regular file" for name in ("folder", "link", "pipe", "socket")]
    assert not harvest.has_left_out


def test_sparse_files_do_not_multiply_the_disk(tmp_path):
    for name in ("a", "b", "c", "d"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(1024 * 1024)
    files, harvest = collect(tmp_path)
    assert list(files) == ["a", "b", "c"]
    assert harvest.notes == ["artifact d is left out: together at most 3 MiB"]
    assert harvest.has_left_out


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("ok name (1).csv", "ok name (1).csv"),
        ("-rf", "_rf"),
        ("a\x1b[31m.txt", "a__31m.txt"),
        ("größe.csv", "gr__e.csv"),
        ("a\\b:c.txt", "a_b_c.txt"),
        ("x" * 200 + ".png", "x" * 124 + ".png"),
    ],
)
def test_names_are_made_safe(tmp_path, name, safe):
    (tmp_path / name).write_text("x")
    files, harvest = collect(tmp_path)
    assert list(files) == [safe]
    assert len(harvest.notes) == (0 if name == safe else 1)


def test_a_name_that_is_no_text_is_made_safe_too(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")).write_text("x")
    files, harvest = collect(tmp_path)
    assert list(files) == ["_.txt"]
    assert harvest.notes == ["artifact _.txt was called \\udcff.txt"]


def test_folders_without_end_are_cut_off(tmp_path):
    deep = tmp_path.joinpath(*["d"] * 12)
    deep.mkdir(parents=True)
    (deep / "x").write_text("x")
    files, harvest = collect(tmp_path)
    assert files == {}
    assert harvest.notes == ["folder d/d/d/d/d/d/d/d/d is left out: at most 8 folders deep"]


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
        (b"a,b\n1,2\n", "text/csv"),
        (b'name,note\n"x, y",2\n', "text/csv"),
        (b"a,b\n1,2,3\n", "text/plain"),
        (b"one, two\n", "text/plain"),
        (b'{"a": 1}', "application/json"),
        (b"{not json}", "text/plain"),
        (b"[" * 60000, "text/plain"),
        (b"<?xml version='1.0'?><svg xmlns=''/>", "image/svg+xml"),
        (b"\xff\x00", "application/octet-stream"),
        (b"", "text/plain"),
    ],
)
def test_media_types_are_decided_from_the_content(head, media_type):
    assert sniff(head, is_whole=True) == media_type


def test_a_character_split_by_the_cut_does_not_make_a_text_binary():
    assert sniff("größe".encode()[:3], is_whole=False) == "text/plain"


def test_names_that_are_cut_to_the_same_stay_apart_and_within_bounds(tmp_path):
    folder = tmp_path / ("f" * 127)
    folder.mkdir()
    for name in ("a.csv", "b.csv", "c"):
        (folder / f"{'x' * 150}{name}").write_text(name)
    files, _ = collect(tmp_path)
    assert files == {"f" * 124 + ".csv": b"a.csv", "f" * 122 + "-2.csv": b"b.csv", "f" * 127: b"c"}


def test_no_file_gets_the_name_that_another_needs_for_its_folder(tmp_path):
    (tmp_path / "a?").write_text("file")
    for folder in ("a_", "b*"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_text(folder)
    (tmp_path / "b_").write_text("other file")
    files, _ = collect(tmp_path)
    assert files == {"a_-2": b"file", "a_/x": b"a_", "b__x": b"b*", "b_": b"other file"}
