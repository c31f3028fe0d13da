"""The library of parts: which functions there are, what each needs, and their text."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from importlib import resources

PACKAGE = "servers.codegen.programs.parts"
# A program reads from top to bottom in this order.
PARTS = (
    *(
        "writing",
        "reading",
        "choosing",
        "making",
        "timing",
        "relating",
        "grouping",
        "distributing",
        "coursing",
        "forecasting",
    ),
    *("joining", "coloring", "quoting", "replying", "drawing", "plotting"),
)


@dataclass(frozen=True)
class Definition:
    """A top-level function, class or constant of a part."""

    name: str
    text: str
    needs: frozenset[str]


@dataclass(frozen=True)
class Library:
    """All parts, read once."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    """By name, in the order a program has them."""
    imports: dict[str, str] = field(default_factory=dict)
    """Import statement by the name it binds."""

    def closure(self, text: str) -> list[Definition]:
        """Return the definitions that a program's text needs, directly or through another, in the program's order."""
        wanted: set[str] = set()
        waiting = set(_names(ast.parse(text)))
        while waiting:
            found = {name for name in waiting if name in self.definitions} - wanted
            wanted |= found
            waiting = set().union(*(self.definitions[name].needs for name in found)) - wanted if found else set()
        return [definition for name, definition in self.definitions.items() if name in wanted]

    def imports_for(self, text: str) -> list[str]:
        """Return the import statements that a program's text needs, the standard library first, each group by name."""
        used = set(_names(ast.parse(text)))
        wanted = list(dict.fromkeys(statement for name, statement in self.imports.items() if name in used))
        ours = [statement for statement in wanted if not _is_third_party(statement)]
        return [*ours, *([""] if len(ours) < len(wanted) else []), *(one for one in wanted if one not in ours)]


def read_library() -> Library:
    """Return the library, from the source text of the parts."""
    library = Library()
    statements: dict[str, str] = {"json": "import json", "Path": "from pathlib import Path"}
    for part in PARTS:
        source = resources.files(PACKAGE).joinpath(f"{part}.py").read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                bound = [] if _is_of_parts(node) else [alias.asname or alias.name for alias in node.names]
                statements |= dict.fromkeys(bound, ast.unparse(node))
                continue
            for name in _defined(node):
                text = ast.get_source_segment(source, node) or ""
                library.definitions[name] = Definition(name, text, frozenset(_names(node)) - {name})
    order = sorted(statements, key=lambda name: (_is_third_party(statements[name]), _sort_key(statements[name])))
    library.imports.update({name: statements[name] for name in order})
    return library


def _names(tree: ast.AST) -> list[str]:
    """Return the names that a tree uses and that none of its functions binds for itself."""
    bound = {id(node): _bound_in(node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)}
    found: list[str] = []

    def visit(node: ast.AST, local: frozenset[str]) -> None:
        inner = local | bound.get(id(node), frozenset())
        if isinstance(node, ast.Name) and node.id not in local:
            found.append(node.id)
        for child in ast.iter_child_nodes(node):
            visit(child, inner)

    visit(tree, frozenset())
    return found


def _bound_in(function: ast.FunctionDef | ast.Lambda) -> frozenset[str]:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    stored = (node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return frozenset(argument.arg for argument in named) | frozenset(stored)


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return []


def _is_of_parts(node: ast.Import | ast.ImportFrom) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE)


def _is_third_party(statement: str) -> bool:
    return any(name in statement for name in ("pandas", "matplotlib", "numpy", "scipy"))


def _sort_key(statement: str) -> tuple[bool, str]:
    return statement.startswith("from"), statement
