"""Which lines of a program lead to a line: read from its text, without running it.

A line comes from the lines above it in its function that give the names it uses their values, and the first of those
from the line that calls the function. That is more than was needed in the one run there was, and never less than a
reader would have to look at; what a called function does inside is not followed, but for `solve`, where programs have
their analysis.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

_MOST_ABOVE = 20  # lines that one line comes from
_MOST_COURSE = 500
_MOST_WRITING = 4
_CHANGING = frozenset({"add", "append", "appendleft", "extend", "insert", "setdefault", "sort", "update", "write"})
_DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_Function = ast.FunctionDef | ast.AsyncFunctionDef | None


@dataclass
class _Scope:
    """A function, or the top level."""

    parameters: frozenset[str] = frozenset()
    given: dict[str, list[int]] = field(default_factory=dict)
    """Lines that give a name its value or change it, by name, in order."""


class Lines:
    """The lines of one program that are asked for, with those that they come from."""

    def __init__(self, source: str) -> None:
        self._tree = ast.parse(source)
        self._texts = source.splitlines()
        self.count = len(self._texts)
        self._statements: list[tuple[ast.stmt, _Function]] = []
        self._scopes: dict[_Function, _Scope] = {None: _Scope()}
        self._sources: dict[int, list[int]] = {}
        self._traced: set[tuple[int, ...]] = set()
        self._read(self._tree.body, None)

    def called(self, lines: Sequence[int]) -> int | None:
        """Add the lines that lead to the last of nested calls, outermost first; return its number.

        None for lines that the program does not have: they are told by the program.
        """
        found = [self._statement_at(line) for line in lines]
        chain = [statement for statement in found if statement is not None]
        if not chain or len(chain) < len(lines):
            return None
        numbers = tuple(statement.lineno for statement, _ in chain)
        if numbers not in self._traced:
            self._traced.add(numbers)
            caller = None
            for statement, function in chain:
                self._trace(statement, function, caller)
                caller = statement.lineno
        return numbers[-1]

    def naming(self, file: str) -> set[int]:
        """Return the lines that name a file."""
        return {statement.lineno for statement, _ in self._statements if file in _texts(statement)}

    def writing(self, file: str) -> list[int]:
        """Add the lines that write a file, and those that lead there; return them, the last few where they are many.

        These are the lines that name it, or where that only opens it, those that use what it was opened as.
        """
        found: dict[int, tuple[ast.stmt, _Function]] = {}
        for place, (statement, function) in enumerate(self._statements):
            if file in _texts(statement):
                using: list[tuple[ast.stmt, _Function]] = []
                if "open" in _calls_within(statement):
                    using = self._using(_given(statement), statement, self._statements[place + 1 :], function)
                for one in using or [(statement, function)]:
                    found[one[0].lineno] = one
        last = sorted(found)[-_MOST_WRITING:]
        for number in last:
            self._trace(*found[number], None)
        return last

    def _using(
        self, names: set[str], opening: ast.stmt, below: Sequence[tuple[ast.stmt, _Function]], function: _Function
    ) -> list[tuple[ast.stmt, _Function]]:
        """Return what uses what a line opened, while it is open under one of these names."""
        found = []
        reached = set(names)
        for statement, owner in below:
            if owner is not function:
                continue
            is_closed = isinstance(opening, ast.With) and statement.lineno > (opening.end_lineno or 0)
            if is_closed or _given(statement) & names - _used(statement):
                break
            if _used(statement) & reached:
                reached |= _given(statement)
                found.append((statement, function))
        return found

    def course(self) -> list[int]:
        """Add the lines that compute the answer, each from the one before; return them.

        These are the statements of the program's `solve`; of a program without it, those that it goes through at its
        top level and in the functions called there.
        """
        functions = {node.name: node for node in self._tree.body if isinstance(node, ast.FunctionDef)}
        top = [node for node in self._tree.body if not isinstance(node, (*_DEFINED, ast.Import, ast.ImportFrom))]
        if "solve" in functions:
            statements = functions["solve"].body
        else:
            statements = top + [node for name in _calls(top) if name in functions for node in functions[name].body]
        numbers = sorted({node.lineno for node in statements if not _is_docstring(node)})[:_MOST_COURSE]
        before: int | None = None
        for number in numbers:
            self._sources.setdefault(number, [])
            if before is not None:
                self._link(number, before)
            before = number
        if "solve" in functions and numbers:
            for statement, function in self._statements:
                if "solve" in _calls([statement]) and function is not functions["solve"]:
                    self._trace(statement, function, None)
                    self._link(numbers[0], statement.lineno)
        return numbers

    def ordered(self, wanted: Iterable[int]) -> Iterator[tuple[int, str, list[int]]]:
        """Yield lines that were added and those that lead there, their text and what they come from; that first."""
        done: set[int] = set()
        for start in sorted(wanted):
            waiting = [start]
            while waiting:
                number = waiting[-1]
                left = [source for source in self._sources[number] if source not in done]
                if left and number not in done:
                    waiting += left
                    continue
                waiting.pop()
                if number not in done:
                    done.add(number)
                    yield number, self._texts[number - 1].strip(), self._sources[number]

    def _read(self, body: Sequence[ast.AST], function: _Function) -> None:
        for node in body:
            if isinstance(node, ast.stmt) and not _is_docstring(node):
                self._statements.append((node, function))
                for name in _given(node):
                    self._scopes[function].given.setdefault(name, []).append(node.lineno)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                rest = [one for one in (node.args.vararg, node.args.kwarg) if one]
                self._scopes[node] = _Scope(frozenset(argument.arg for argument in [*arguments, *rest]))
                self._read(node.body, node)
            else:
                inner = [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]
                self._read(inner, function)

    def _statement_at(self, line: int) -> tuple[ast.stmt, _Function] | None:
        """Return the innermost statement that a line is a part of."""
        covering = [
            found for found in self._statements if found[0].lineno <= line <= (found[0].end_lineno or found[0].lineno)
        ]
        if not covering:
            return None
        innermost = max(covering, key=lambda found: (found[0].lineno, -(found[0].end_lineno or 0)))
        return None if isinstance(innermost[0], _DEFINED) else innermost

    def _trace(self, statement: ast.stmt, function: _Function, caller: int | None) -> None:
        scope = self._scopes[function]
        by_line = {one.lineno: one for one, owner in self._statements if owner is function}
        waiting, seen = [statement.lineno], set()
        while waiting:
            number = waiting.pop()
            if number in seen:
                continue
            seen.add(number)
            self._sources.setdefault(number, [])
            used = _used(by_line[number])
            above = {line for name in used for line in scope.given.get(name, ()) if line < number}
            nearest = sorted(above)[-_MOST_ABOVE:]
            for line in nearest:
                self._sources.setdefault(line, [])
                self._link(number, line)
            waiting += nearest
            if caller is not None and (not nearest or used & scope.parameters):
                self._link(number, caller)

    def _link(self, number: int, source: int) -> None:
        """Let a line come from another, unless that one comes from it."""
        if number == source or source in self._sources[number]:
            return
        waiting, seen = [source], {source}
        while waiting:
            for before in self._sources.get(waiting.pop(), ()):
                if before == number:
                    return
                if before not in seen:
                    seen.add(before)
                    waiting.append(before)
        self._sources[number].append(source)


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield what a statement consists of, without the statements inside it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, _DEFINED):
            continue
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]


def _texts(statement: ast.stmt) -> list[object]:
    return [node.value for node in _own_nodes(statement) if isinstance(node, ast.Constant)]


def _calls_within(statement: ast.stmt) -> set[str]:
    """Return the last names of what a statement calls: "open" of `open(...)` and of `path.open(...)`."""
    called = (node.func for node in _own_nodes(statement) if isinstance(node, ast.Call))
    return {
        name.attr if isinstance(name, ast.Attribute) else name.id
        for name in called
        if isinstance(name, ast.Attribute | ast.Name)
    }


def _used(statement: ast.stmt) -> set[str]:
    return {node.id for node in _own_nodes(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _given(statement: ast.stmt) -> set[str]:
    """Return the names that a statement gives a value, or whose value it changes."""
    found = set()
    for node in _own_nodes(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            found |= _root(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
            found |= _root(node.func.value)
    return found


def _root(node: ast.expr) -> set[str]:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _calls(nodes: Sequence[ast.stmt]) -> list[str]:
    calls = [call for node in nodes for call in ast.walk(node) if isinstance(call, ast.Call)]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    return list(dict.fromkeys(call.func.id for call in calls if isinstance(call.func, ast.Name)))


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
