"""The policy as data: what programs may use, and which rules of the tools deny.

`policy.json` is written by hand and has a version. `module_names.json` lists public names of the allowed modules, as
`snapshot.py` finds them in the sandbox's runtime.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from importlib.resources import files

from pydantic import BaseModel, ConfigDict


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Attributes(_Data):
    """Attributes of objects whose type is not known."""

    denied: frozenset[str]
    """Lead to modules, frames, pickles or other programs on some object."""

    private: frozenset[str]
    """Names with a leading underscore that are public all the same."""

    dunder: frozenset[str]
    """Special methods a program may define and name."""


class TextRules(_Data):
    """What string literals may not hold."""

    denied_words: frozenset[str]
    """Special attributes that format strings and name lookups would reach."""

    denied_beginnings: tuple[str, ...]
    system_folders: frozenset[str]
    """A literal that starts with /NAME/ is worth a remark: a path, or a label of a chart of disks."""


class RuffRules(_Data):
    """Ruff's rules in use: those that say the program will crash, and those that say it may be wrong."""

    blocking: frozenset[str]
    informing: frozenset[str]


class BanditRules(_Data):
    """Bandit's rules that deny, and those that mean nothing inside a sandbox. The others inform."""

    blocking: frozenset[str]
    ignored: frozenset[str]


class ModuleNames(_Data):
    """What `snapshot.py` found."""

    python: str
    versions: dict[str, str]
    modules: dict[str, frozenset[str]]


class PolicyData(_Data):
    """The content of policy.json. Callables are dotted paths such as "builtins.open"."""

    version: str
    modules: tuple[str, ...]
    """May be imported; no other module may."""

    module_aliases: dict[str, str]
    """Allowed modules that another module shows under a name of its own."""

    only_names: dict[str, frozenset[str]]
    """Modules of which only these names may be used."""

    denied_names: dict[str, str]
    """May not be used, with the reason."""

    reads_attribute_by_name: frozenset[str]
    """Take attribute names as text: these must be literals."""

    opens_path: frozenset[str]
    """Take a path or an address first."""

    path_types: frozenset[str]
    """Make a path of their arguments."""

    opens_path_methods: frozenset[str]
    """Methods, on whatever object, that take a path first."""

    path_arguments: frozenset[str]
    """Keywords under which the callables above take it."""

    evaluates_text_methods: frozenset[str]
    """Methods that evaluate their first argument: it must be a literal."""

    attributes: Attributes
    dunder_names: frozenset[str]
    """Special variables a program may name."""

    text: TextRules
    ruff: RuffRules
    bandit: BanditRules


class Policy:
    """The policy data with the questions the checkers ask of it."""

    def __init__(self, data: PolicyData, names: ModuleNames, digest: str) -> None:
        self.data = data
        self.version = f"{data.version}.{digest[:8]}"
        """Changes whenever either file does."""
        self._names = names

    @cached_property
    def modules(self) -> frozenset[str]:
        """Modules a program may import."""
        return frozenset(self.data.modules)

    def canonical(self, path: str) -> str:
        """Return a dotted path with a module's alias replaced by the module."""
        for alias, module in self.data.module_aliases.items():
            if path == alias or path.startswith(f"{alias}."):
                return module + path[len(alias) :]
        return path

    @cached_property
    def direct_only(self) -> frozenset[str]:
        """Callables whose arguments are judged: each use must be a plain call."""
        return self.data.reads_attribute_by_name | self.data.opens_path

    def allows_name(self, module: str, name: str) -> bool:
        """Return whether a program may use a name of an allowed module; names of modules are `modules`' matter."""
        if name in self.data.dunder_names:
            return True
        only = self.data.only_names.get(module)
        return name in (self._names.modules.get(module, frozenset()) if only is None else only)

    def reason_against(self, path: str) -> str:
        """Return why a dotted path is denied; empty if it is not."""
        return self.data.denied_names.get(path, "")


def load_policy() -> Policy:
    """Return the policy that ships beside this module.

    Raises:
      ValidationError: one of the two files is not what it should be.
    """
    folder = files("servers.critic")
    rules = (folder / "policy.json").read_bytes()
    names = (folder / "module_names.json").read_bytes()
    digest = hashlib.sha256(rules + b"\0" + names).hexdigest()
    return Policy(PolicyData.model_validate_json(rules), ModuleNames.model_validate_json(names), digest)
