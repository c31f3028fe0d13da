"""Literals: names and numbers as they stand in a program's text."""

from __future__ import annotations

import json


def string(text: str) -> str:
    """Return a string literal."""
    return json.dumps(text, ensure_ascii=False)


def number(value: float) -> str:
    """Return a number literal of at most 12 significant digits."""
    return f"{value:.12g}"


def listed(names: list[str]) -> str:
    """Return a list literal on one line."""
    return f"[{', '.join(string(name) for name in names)}]"


def wrapped(names: list[str]) -> list[str]:
    """Return the lines between the brackets of a long list."""
    lines, line = [], ""
    for name in names:
        piece = f"{string(name)}, "
        if line and len(line) + len(piece) > 100:
            lines.append(f"    {line.rstrip()}")
            line = ""
        line += piece
    return [*lines, f"    {line.rstrip()}"]
