"""Text from pictures and people inside Markdown: shown, never obeyed."""

from __future__ import annotations

import re

# What begins a construct inside a line, the backslash first of all: before a bracket it would undo ours.
_ACTIVE = re.compile(r"[\\`*_\[\]<>&|~$]")


def inline(text: str) -> str:
    """Return text as one line in which nothing is markup: no link, picture, HTML, emphasis, formula or column.

    Characters that no one can see, such as those that turn the writing direction round, are left out.
    """
    line = " ".join(text.split())
    visible = "".join(character for character in line if character.isprintable())
    return _ACTIVE.sub(lambda found: "\\" + found[0], visible)
