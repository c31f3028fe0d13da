"""Finding the locked runtime, and telling what to do when it isn't there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox import runtime


def make_build(directory: Path, name: str, *, recipe: int = runtime.RECIPE) -> Path:
    build = directory / name
    build.mkdir(parents=True)
    manifest = {"digest": name * 8, "recipe": recipe, "python_version": "3.11.2", "packages": []}
    (build / "loupe-runtime.json").write_text(json.dumps(manifest))
    return build


def test_the_current_build_is_found_with_its_links_resolved(tmp_path):
    build = make_build(tmp_path, "a1")
    (tmp_path / "current").symlink_to("a1")
    found = runtime.find(tmp_path)
    assert (found.path, found.digest, found.python_version) == (build, "a1" * 8, "3.11.2")


@pytest.mark.parametrize("state", ["nothing", "no manifest", "damaged manifest", "older recipe"])
def test_whatever_is_missing_the_message_says_what_to_run(tmp_path, state):
    if state != "nothing":
        build = make_build(tmp_path, "a1", recipe=0 if state == "older recipe" else runtime.RECIPE)
        (tmp_path / "current").symlink_to("a1")
        if state == "no manifest":
            (build / "loupe-runtime.json").unlink()
        elif state == "damaged manifest":
            (build / "loupe-runtime.json").write_text("{")
    with pytest.raises(runtime.RuntimeMissing, match="run `make runtime`"):
        runtime.find(tmp_path)


def test_a_lock_whose_runtime_is_current_is_not_built_again(tmp_path):
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\n[ $1 = export ] || exit 9\nprintf 'numpy==2.4.6\\n'\n")
    uv.chmod(0o755)
    directory = tmp_path / "runtime"
    digest = "7242524339a9388141e1383e79b66ac2fd4b82276448eae06b8fa428192ccd1f"
    make_build(directory, "a1")
    manifest = {"digest": digest, "recipe": runtime.RECIPE, "python_version": "3.11.2", "packages": []}
    (directory / "a1/loupe-runtime.json").write_text(json.dumps(manifest))
    (directory / "current").symlink_to("a1")
    assert runtime.build(uv=uv, project=tmp_path, directory=directory).digest == digest
