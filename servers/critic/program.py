"""A program as the checkers see it: bytes, syntax tree, and the same text without comments."""

from __future__ import annotations

import ast
import hashlib
import io
import re
import tokenize
import unicodedata
import warnings
from dataclasses import dataclass
from types import CodeType

from loupe.critic.v1.critic_pb2 import Finding, Severity, Tool

# Hand-written programs stay under 30. Two or three Python frames a level must fit the interpreter's 1000.
MAX_DEPTH = 120
# 100 KiB of plain code. A review of so many took 1 s and 60 MB on 2 cores (November 2026), most of it bandit's.
MAX_NODES = 50_000
_FILE_NAME = "program.py"
_SHOWN_CHARACTERS = 300
# Tab, newline and form feed stand in honest programs; a lone carriage return hides lines from a reader.
_HIDDEN = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]|\r(?!\n)")


class Unparseable(Exception):
    """The text is not a program that can be judged; holds the finding that says why."""

    def __init__(self, rule: str, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.finding = Finding(
            tool=Tool.TOOL_PARSER,
            rule=rule,
            severity=Severity.SEVERITY_HIGH,
            is_blocking=True,
            message=shortened(message),
            line=line,
            column=column,
            end_line=line,
            end_column=column,
        )


@dataclass(frozen=True, slots=True)
class Span:
    """Where something stands, from 1, columns in code points; zeros mean the whole program."""

    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0


@dataclass(frozen=True, slots=True)
class Program:
    """A program that parses.

    `uncommented` has every comment blanked at unchanged positions, so that no comment can silence a tool.
    """

    source: str
    sha256: str
    tree: ast.Module
    uncommented: str
    lines: tuple[bytes, ...]

    def span(self, line: int, byte_column: int, end_line: int, end_byte_column: int) -> Span:
        """Return the span of a syntax node, whose columns are UTF-8 bytes from 0."""
        if line < 1:
            return Span()
        end_line = max(line, end_line)
        return Span(line, self._column(line, byte_column), end_line, self._column(end_line, end_byte_column))

    def _column(self, line: int, byte_column: int) -> int:
        # Nodes inside a multi-line f-string carry positions of their own text in Python 3.11: keep to the line.
        text = self.lines[line - 1] if line <= len(self.lines) else b""
        return len(text[: max(0, byte_column)].decode(errors="ignore")) + 1


def sha256(source: str) -> str:
    """Return the digest of the source's UTF-8 bytes, in lower-case hexadecimal."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def shortened(message: str) -> str:
    """Return a message short enough to show, whatever the program put into it."""
    return message if len(message) <= _SHOWN_CHARACTERS else f"{message[: _SHOWN_CHARACTERS - 1]}…"


def parse(source: str) -> Program:
    """Return the program, parsed and compiled (never run) by the Python that judges it.

    Raises:
      Unparseable: it is not Python, nests deeper than MAX_DEPTH, or hides what it says from a reader.
    Silences warnings while it runs: call it from one thread at a time.
    """
    _refuse_hidden_text(source)
    # Python counts \r\n as one line end; the tools then agree on every position.
    text = source.replace("\r\n", "\n")
    with warnings.catch_warnings():
        # An odd escape such as "\d" is only a warning; whoever made warnings errors must not change a verdict.
        warnings.simplefilter("ignore")
        tree, code = _compiled(text)
        uncommented = _without_comments(text)
        if uncommented != text and compile(uncommented, _FILE_NAME, "exec", dont_inherit=True) != code:
            raise Unparseable("syntax-error", "the program means something else without its comments")
    return Program(source, sha256(source), tree, uncommented, tuple(text.encode().split(b"\n")))


def _refuse_hidden_text(source: str) -> None:
    hidden = _HIDDEN.search(source)
    if hidden:
        before = source[: hidden.start()]
        name = unicodedata.name(hidden.group()[0], f"U+{ord(hidden.group()[0]):04X}").lower()
        line, column = before.count("\n") + 1, hidden.start() - (before.rfind("\n") + 1) + 1
        raise Unparseable("hidden-character", f"the text holds a character that can't be seen: {name}", line, column)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source.encode()).readline)
    except (SyntaxError, UnicodeError) as error:
        raise Unparseable("encoding", f"the text is not UTF-8: {error}") from error
    if encoding != "utf-8":
        # Read from a file, the same bytes would be another program.
        raise Unparseable("encoding", f"the program declares the encoding {encoding}, only utf-8 is taken")


def _compiled(text: str) -> tuple[ast.Module, CodeType]:
    too_deep = Unparseable("nested-too-deeply", f"the program nests deeper than {MAX_DEPTH} levels")
    try:
        tree = ast.parse(text, _FILE_NAME)
        refuse_deep(tree)
        # What the grammar allows and the compiler refuses: a return outside a function, a break outside a loop.
        code = compile(text, _FILE_NAME, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Unparseable(
            "syntax-error", error.msg, error.lineno or 0, max(1, error.offset or 0) if error.lineno else 0
        ) from error
    except ValueError as error:
        raise Unparseable("syntax-error", str(error)) from error
    except (RecursionError, MemoryError, OverflowError) as error:
        raise too_deep from error
    return tree, code


def refuse_deep(tree: ast.AST) -> None:
    """Raise Unparseable for a tree that recursive checkers could not walk, or not in time."""
    level: list[ast.AST] = [tree]
    nodes = 0
    for _ in range(MAX_DEPTH):
        nodes += len(level)
        if nodes > MAX_NODES:
            raise Unparseable("too-large", f"the program has more than {MAX_NODES} syntax nodes")
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise Unparseable("nested-too-deeply", f"the program nests deeper than {MAX_DEPTH} levels")


def _without_comments(text: str) -> str:
    """Return the text with each comment replaced by as many spaces."""
    if "#" not in text:
        return text
    lines = [line + "\n" for line in text.split("\n")]
    remaining = iter(lines)
    try:
        comments = [
            token for token in tokenize.generate_tokens(lambda: next(remaining, "")) if token.type == tokenize.COMMENT
        ]
    except (tokenize.TokenError, SyntaxError) as error:
        raise Unparseable("syntax-error", f"the program can't be split into tokens: {error}") from error
    for token in comments:
        (row, start), (_, end) = token.start, token.end
        line = lines[row - 1]
        lines[row - 1] = line[:start] + " " * (end - start) + line[end:]
    return "".join(lines)[:-1]
