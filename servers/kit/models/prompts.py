"""Prompts are files beside the engine that sends them, each with a version and the model card it was written from.

A prompt begins with lines of `key: value` between two lines of three dashes; what follows is sent as it stands, as the
system message. It is the same for every question, so that a model server's prefix cache holds it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources

_HEAD = re.compile(r"---\n(?P<head>.*?)\n---\n(?P<text>.*)", re.DOTALL)
_KEYS = ("name", "version", "written_for", "model_card")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is told before it is asked."""

    name: str
    version: int
    """Raised with every change of the text."""

    written_for: str
    """The model it was written for, as its hub calls it."""

    model_card: str
    """Address of the card that says how that model wants to be asked."""

    text: str

    @property
    def reference(self) -> str:
        """What a manifest names it by: "plan@1"."""
        return f"{self.name}@{self.version}"


def read_prompt(package: str, name: str) -> Prompt:
    """Return the prompt NAME.md of a package's folder `prompts`.

    Raises:
      ValueError: the file is not what this module's text says.
    """
    content = resources.files(package).joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
    found = _HEAD.fullmatch(content)
    if found is None:
        raise ValueError(f"the prompt {name} has no head")
    head = dict(line.split(": ", 1) for line in found["head"].splitlines())
    if tuple(head) != _KEYS or head["name"] != name:
        raise ValueError(f"the prompt {name} has the head {', '.join(head)}; it needs {', '.join(_KEYS)} in this order")
    text = found["text"].strip()
    return Prompt(name, int(head["version"]), head["written_for"], head["model_card"], text)
