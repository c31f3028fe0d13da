"""What begins a block at the begin of a line, and the backslash that keeps a line of a text from it.

A text holds no such backslash: it is put there when a text is written, and taken away when it is read. So a text of a
document reads as it was written, and renders the same with the backslash as without, for it stands for the same letter.
"""

from __future__ import annotations

import re

_OPENING = re.compile(r"#{1,6}(?:[ \t]|$)|>|[-+*](?:[ \t]|$)|~~~|`{3,}[^`]*$")
_NUMBER = re.compile(r"(\d{1,9})([.)](?:[ \t]|$))")
_ESCAPED_NUMBER = re.compile(r"(\d{1,9})\\([.)](?:[ \t]|$))")
_CLOSING_HASHES = re.compile(r"(^|[ \t])(#+)$")
_ESCAPED_HASHES = re.compile(r"(^|[ \t])\\(#+)$")
TASK = re.compile(r"\[([ xX])\](?:[ \t\n]+|$)")


def escaped(text: str) -> str:
    """Return the lines of a paragraph as they can stand in Markdown without beginning anything else."""
    made = []
    for number, line in enumerate(text.split("\n")):
        if _begins_a_block(line, is_first=not number):
            made.append("\\" + line)
        else:
            made.append(_NUMBER.sub(r"\1\\\2", line, count=1) if _NUMBER.match(line) else line)
    return "\n".join(made)


def unescaped(text: str) -> str:
    """Return the lines of a paragraph without the backslashes that `escaped` puts there."""
    made = []
    for number, line in enumerate(text.split("\n")):
        if line.startswith("\\") and _begins_a_block(line[1:], is_first=not number):
            made.append(line[1:])
        else:
            made.append(_ESCAPED_NUMBER.sub(r"\1\2", line, count=1) if _ESCAPED_NUMBER.match(line) else line)
    return "\n".join(made)


def escaped_heading(text: str) -> str:
    """Return the line of a heading whose last letters are not taken for its closing marks."""
    return _CLOSING_HASHES.sub(r"\1\\\2", text)


def unescaped_heading(text: str) -> str:
    """Return the line of a heading without the backslash that `escaped_heading` puts there."""
    return _ESCAPED_HASHES.sub(r"\1\2", text)


def plain(text: str) -> str:
    """Return a text with the line breaks and letters that Markdown makes of others."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")


def tidy(text: str) -> str:
    """Return a paragraph's lines as Markdown reads them: without indentation, empty lines and needless space."""
    lines = [line.lstrip(" \t") for line in plain(text).strip().split("\n")]
    # Two spaces at its end break a line, more say no more.
    return "\n".join(line.rstrip(" \t") + ("  " if line.endswith("  ") else "") for line in lines if line).strip()


def one_line(text: str) -> str:
    """Return a text as one line."""
    return " ".join(tidy(text).split("\n")).strip()


def _begins_a_block(line: str, *, is_first: bool) -> bool:
    if _OPENING.match(line):
        return True
    marks = line.replace(" ", "").replace("\t", "")
    # A line across; of two marks as well, for the mark of a list's item may stand before it.
    if len(marks) > 1 and marks[0] in "-_*" and marks == marks[0] * len(marks):
        return True
    if is_first or not marks:
        return False
    # What stands under a heading, or between a table's header and its rows.
    return marks == "=" * len(marks) or ("-" in marks and not marks.strip("|:-"))
