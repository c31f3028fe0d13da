"""The policy's data is whole, and describes the runtime that programs really meet."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import servers.critic
from servers.critic.policy import load_policy

FOLDER = Path(servers.critic.__file__).parent


def test_the_names_were_taken_from_the_locked_runtime():
    pins = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())["dependency-groups"]["runtime"]
    names = json.loads((FOLDER / "module_names.json").read_text())
    assert names["python"] == "3.11"
    assert sorted(f"{name}=={version}" for name, version in names["versions"].items()) == sorted(pins)


def test_every_allowed_module_has_its_names_listed():
    data = load_policy().data
    names = json.loads((FOLDER / "module_names.json").read_text())["modules"]
    assert set(names) == set(data.modules)
    assert set(data.only_names) <= set(data.modules)
    assert set(data.module_aliases.values()) <= set(data.modules)


def test_every_denied_or_judged_name_of_a_module_exists_there():
    data = load_policy().data
    names = json.loads((FOLDER / "module_names.json").read_text())["modules"]
    judged = {*data.denied_names, *data.opens_path, *data.reads_attribute_by_name, *data.path_types}
    known = {f"{module}.{name}" for module, members in names.items() for name in members}
    missing = {path for path in judged - known if not path.startswith(("builtins.", "pathlib."))}
    assert missing == set()


def test_no_module_is_among_the_names_of_another():
    names = json.loads((FOLDER / "module_names.json").read_text())["modules"]
    for module in ("os", "sys", "subprocess", "ctypeslib", "cbook", "codecs", "importlib"):
        assert not [path for path, members in names.items() if module in members]


def test_ruff_and_bandit_rules_are_blocking_or_not_but_never_both():
    data = load_policy().data
    assert not data.ruff.blocking & data.ruff.informing
    assert not data.bandit.blocking & data.bandit.ignored
