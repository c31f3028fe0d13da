"""Pulling weights from a real HTTP server that plays a hub, and from a folder."""

from __future__ import annotations

import hashlib
import shutil
from collections import namedtuple

import pytest

from cli.main import run
from servers.kit.errors import DigestMismatch, InvalidField, NotFound, NotReady, StorageUnavailable, UpstreamUnavailable
from servers.kit.models import weights
from servers.kit.models.weights_folder import FolderSource
from servers.kit.models.weights_hub import HubSource
from tests.hub import COMMIT, hub

WEIGHTS = bytes(range(256)) * 400
FILES = {"config.json": b'{"model_type": "llama"}', "model.safetensors": WEIGHTS, "tokenizer.json": b"{}"}


def source(it, **more):
    return HubSource(it.base_url, "team/tiny", pause=lambda _s: None, **more)


def asked_for(it, name):
    return [(path, span) for path, span, _key in it.asked if path.endswith(name)]


def test_a_pulled_model_is_whole_named_and_needs_the_hub_no_more(home):
    with hub(FILES | {"modeling.py": b"import os", "pytorch_model.bin": b"x", ".gitattributes": b""}) as it:
        model = weights.pull(home, "team/tiny", source(it))
        assert (model.name, model.revision) == ("team/tiny", COMMIT)
        weights.pull(home, "team/tiny", source(it))
        # The second pull asked for the list alone; programs and pickles were never asked for.
        assert [path.rpartition("/")[2] for path, _, _ in it.asked] == [
            "main?blobs=true",
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "main?blobs=true",
        ]
    folder = home / "models" / "team" / "tiny"
    assert {path.name for path in folder.iterdir()} == {*FILES, "loupe-model.json"}
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert [model.name for model in weights.installed(home)] == ["team/tiny"]
    assert weights.is_whole(folder)


def test_a_connection_that_is_cut_again_and_again_goes_on_where_it_ended(home):
    with hub(FILES, cuts=[23, 1000, 0, 60_000]) as it:
        weights.pull(home, "team/tiny", source(it))
        spans = [span for _, span in asked_for(it, "model.safetensors")]
        assert spans == [None, "bytes=1000-", "bytes=1000-", "bytes=61000-"]
    assert (home / "models/team/tiny/model.safetensors").read_bytes() == WEIGHTS


def test_what_came_stays_for_the_next_pull_when_the_hub_goes_away(home):
    with hub(FILES, cuts=[23, 5000, 0, 0, 0, 0, 0]) as it:
        with pytest.raises(UpstreamUnavailable, match="at byte 5000 of 102400"):
            weights.pull(home, "team/tiny", source(it))
        assert not (home / "models/team/tiny").exists()
        it.cuts.clear()
        it.asked.clear()
        weights.pull(home, "team/tiny", source(it))
        assert asked_for(it, "config.json") == []
        assert [span for _, span in asked_for(it, "model.safetensors")] == ["bytes=5000-"]


def test_what_a_pull_of_another_revision_left_goes_with_the_next_that_is_whole(home):
    left = home / "models" / ".pulling" / "team--tiny@0ld"
    left.mkdir(parents=True)
    (left / "model.safetensors.part").write_bytes(b"gigabytes")
    with hub(FILES) as it:
        weights.pull(home, "team/tiny", source(it))
    assert not left.exists()


def test_a_hub_without_ranges_sends_the_file_from_its_beginning(home):
    with hub(FILES, cuts=[23, 1000], knows_ranges=False) as it:
        weights.pull(home, "team/tiny", source(it))
    assert (home / "models/team/tiny/model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_with_a_wrong_checksum_is_refused_and_gone(home, name):
    wrong = FILES[name][:-1] + b"!"
    with hub(FILES, wrong={name: wrong}) as it:
        with pytest.raises(DigestMismatch, match=name):
            weights.pull(home, "team/tiny", source(it))
        assert not (home / "models/team/tiny").exists()
        assert not list(home.rglob(f"{name}*"))


def test_a_beginning_of_other_bytes_is_fetched_anew(home):
    with hub(FILES, cuts=[23, 5000, 0, 0, 0, 0, 0]) as it:
        with pytest.raises(UpstreamUnavailable):
            weights.pull(home, "team/tiny", source(it))
        (part,) = home.rglob("*.part")
        part.write_bytes(bytes(5000))
        it.cuts.clear()
        weights.pull(home, "team/tiny", source(it))
    assert (home / "models/team/tiny/model.safetensors").read_bytes() == WEIGHTS


def test_a_body_longer_than_announced_ends_the_pull(home):
    with hub(FILES, wrong={"config.json": b"x" * 100_000}) as it, pytest.raises(NotReady, match="more than the 23"):
        weights.pull(home, "team/tiny", source(it))


def test_the_key_goes_to_the_hub_and_not_where_it_leads(home):
    with hub(FILES) as other, hub(FILES, elsewhere=other.base_url) as it:
        weights.pull(home, "team/tiny", source(it, token="secret"))
        assert {key for _, _, key in it.asked} == {"Bearer secret"}
        assert {key for _, _, key in other.asked} == {None}


@pytest.mark.parametrize("path", ["../evil.json", "/etc/evil.json", "a/../../evil.json", "loupe-model.json"])
def test_a_list_that_leads_out_of_the_folder_is_refused(home, path):
    with hub(FILES | {path: b"{}"}) as it, pytest.raises(NotReady, match="no path within"):
        weights.pull(home, "team/tiny", source(it))


def test_a_model_without_safetensors_an_unknown_one_and_a_dead_hub_are_told_apart(home):
    with hub({"config.json": b"{}"}) as it:
        with pytest.raises(NotReady, match="no weights in safetensors"):
            weights.pull(home, "team/tiny", source(it))
        with pytest.raises(NotFound):
            weights.pull(home, "team/none", HubSource(it.base_url, "team/none"))
        gone = it.base_url
    with pytest.raises(UpstreamUnavailable, match="does not answer"):
        weights.pull(home, "team/tiny", HubSource(gone, "team/tiny"))


def test_a_name_never_takes_the_folder_of_something_else(home, tmp_path):
    own = FolderSource(make_folder(tmp_path / "own"))
    weights.pull(home, "team/tiny", own)
    with pytest.raises(InvalidField, match="holds other things"):
        weights.pull(home, "team", own)
    weights.pull(home, "own", own)
    with pytest.raises(InvalidField, match="is a model itself"):
        weights.pull(home, "own/tiny", own)
    assert [model.name for model in weights.installed(home)] == ["own", "team/tiny"]


@pytest.mark.parametrize(
    "listing",
    [
        [],
        {},
        {"sha": "c0ffee", "siblings": None},
        {"sha": "c0ffee", "siblings": ["config.json"]},
        {"sha": "c0ffee", "siblings": [{"rfilename": "config.json"}]},
        {"sha": "c0ffee", "siblings": [{"rfilename": "config.json", "size": None, "blobId": "0"}]},
        {"sha": "c0ffee", "siblings": [{"rfilename": "config.json", "size": -1, "blobId": "0"}]},
        {"sha": "c0ffee", "siblings": [{"rfilename": "a.safetensors", "size": 1, "lfs": {"size": 1}}]},
    ],
)
def test_a_hub_that_answers_with_something_else_is_told_from_one_that_does_not(home, listing, monkeypatch):
    with hub(FILES) as it:
        monkeypatch.setattr(it, "listing", lambda: listing)
        with pytest.raises(UpstreamUnavailable, match="no list of files"):
            weights.pull(home, "team/tiny", source(it))


def test_a_revision_that_leads_elsewhere_is_refused(home, monkeypatch):
    with hub(FILES) as it:
        whole = it.listing()
        monkeypatch.setattr(it, "listing", lambda: whole | {"sha": "../../elsewhere"})
        with pytest.raises(NotReady, match="which is none"):
            weights.pull(home, "team/tiny", source(it))


def test_the_same_weights_in_a_second_layout_are_left_out(home):
    with hub(FILES | {"consolidated.safetensors": b"y"}) as it:
        model = weights.pull(home, "team/tiny", source(it))
    assert [file.path for file in model.files] == ["config.json", "model.safetensors", "tokenizer.json"]


def test_a_disk_without_room_is_told_in_figures_before_anything_is_fetched(home, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(2**30, 2**30, 3 * 2**20))
    with hub(FILES) as it:
        with pytest.raises(StorageUnavailable, match=r"the disk has 0\.00 GiB free"):
            weights.pull(home, "team/tiny", source(it))
        assert len(it.asked) == 1


def make_folder(folder, sums=None):
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    if sums is not None:
        (folder / "SHA256SUMS").write_text(sums)
    return folder


def test_a_folder_is_pulled_with_the_checksums_it_states(home, tmp_path):
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    model = weights.pull(home, "own", FolderSource(make_folder(tmp_path / "a", f"{digest}  model.safetensors\n")))
    assert len(model.revision) == 64
    # A folder that was pulled is itself a source, under the revision it had.
    again = weights.pull(home, "copy", FolderSource(home / "models" / "own"))
    assert (again.revision, again.files) == (model.revision, model.files)
    with pytest.raises(DigestMismatch, match=r"model\.safetensors"):
        weights.pull(home, "own", FolderSource(make_folder(tmp_path / "b", f"{'0' * 64}  model.safetensors\n")))
    assert [(one.name, one.revision) for one in weights.installed(home)] == [
        ("copy", model.revision),
        ("own", model.revision),
    ]
    with pytest.raises(NotReady, match=r"lacks: none\.json"):
        weights.pull(home, "own", FolderSource(make_folder(tmp_path / "c", f"{'0' * 64} *none.json\n")))


def test_the_command_pulls_by_name_and_from_a_folder_and_says_what_is_wrong(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LOUPE_HOME", str(home))
    with hub(FILES) as it:
        monkeypatch.setenv("LOUPE_HUB_URL", it.base_url)
        assert run(["models", "pull", "team/tiny"]) == 0
        assert capsys.readouterr().out.startswith("team/tiny  c0ffee000000  0.1 MiB in 3 files")
        assert run(["models", "pull", "team/none"]) == 1
        assert "the hub has no" in capsys.readouterr().err
    assert run(["models", "pull", str(make_folder(tmp_path / "own")), "--as", "team/own"]) == 0
    assert run(["models", "pull", str(tmp_path / "own"), "--as", "../own"]) == 2
    assert "is no model's name" in capsys.readouterr().err
    assert [model.name for model in weights.installed(home)] == ["team/own", "team/tiny"]
