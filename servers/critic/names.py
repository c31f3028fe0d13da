"""What a program's names and expressions stand for: dotted paths of what is imported or built in, and strings.

Nothing is run, so a name can stand for several things; `origins` returns all of them.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from itertools import chain

from servers.critic.scopes import Scope, Scopes

# More than this is no honest program; the answer is then UNCLEAR, which the policy refuses.
_MAX_USES = 32
# No module or function that the policy names lies deeper.
_MAX_ATTRIBUTES = 5
# How far strings are put together; what lies deeper counts as unknown.
_MAX_TEXT_DEPTH = 40
_NAME_TEXT_DEPTH = 20
_MAX_TEXTS = 32
UNCLEAR = "?"
_BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True, slots=True)
class Use:
    """A name where it is used, and the attributes taken from it."""

    name: str
    scope: Scope
    shows_builtin: bool
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the bindings of a name in one scope give it: imported paths, and uses of other names."""

    paths: frozenset[str]
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A string as far as it is known without running the program."""

    value: str
    is_complete: bool


class Names:
    """The names of one program."""

    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes
        self._known: dict[tuple[str, Scope], Meaning] = {}

    def origins(self, expression: ast.AST, scope: Scope) -> frozenset[str]:
        """Return the dotted paths an expression can stand for: "numpy.random", "builtins.open", or none."""
        whole = _chain(expression)
        if whole is None:
            return frozenset()
        start = self._use(whole[0], scope, whole[1])
        if not self._reaches_a_path(start):
            return frozenset()
        found: set[str] = set()
        # Every use is followed once, so circular names end.
        seen = {start}
        waiting = [start]
        while waiting:
            use = waiting.pop()
            for meaning in self._meanings(use):
                found.update(".".join((path, *use.attributes)) for path in meaning.paths)
                for inner in meaning.uses:
                    attributes = inner.attributes + use.attributes
                    following = Use(inner.name, inner.scope, inner.shows_builtin, attributes)
                    # A longer chain ends in no module or function: `x = x.parent` may go on for ever.
                    if len(attributes) <= _MAX_ATTRIBUTES and following not in seen:
                        seen.add(following)
                        waiting.append(following)
            if len(seen) > _MAX_USES:
                return frozenset({UNCLEAR})
            if use.shows_builtin:
                found.add(".".join(("builtins", use.name, *use.attributes)))
        return frozenset(found)

    def _reaches_a_path(self, start: Use) -> bool:
        """Return whether a name can stand for anything imported or built in, whatever attributes lie between."""
        seen = {(start.name, start.scope)}
        waiting = [start]
        while waiting:
            use = waiting.pop()
            meanings = self._meanings(use)
            if use.shows_builtin or len(seen) > _MAX_USES or any(meaning.paths for meaning in meanings):
                return True
            for meaning in meanings:
                for inner in meaning.uses:
                    if (inner.name, inner.scope) not in seen or inner.shows_builtin:
                        seen.add((inner.name, inner.scope))
                        waiting.append(inner)
        return False

    def _use(self, node: ast.Name, scope: Scope, attributes: tuple[str, ...]) -> Use:
        """Return a use of a name; a built-in shows where nothing surely hides it."""
        shows = node.id in _BUILTINS and self._scopes.may_be_unbound(node, scope)
        return Use(node.id, scope, shows, attributes)

    def _meanings(self, use: Use) -> list[Meaning]:
        found = []
        for holder in self._scopes.holders(use.name, use.scope):
            key = (use.name, holder)
            if key not in self._known:
                bindings = holder.bindings[use.name]
                values = [(_chain(binding.value), binding.scope) for binding in bindings]
                # A dictionary keeps their order, and with it every verdict, the same.
                uses = tuple(dict.fromkeys(self._use(value[0], at, value[1]) for value, at in values if value and at))
                paths = frozenset(binding.path for binding in bindings if binding.path)
                is_clear = len(uses) <= _MAX_USES
                self._known[key] = Meaning(paths, uses) if is_clear else Meaning(frozenset({UNCLEAR}), ())
            found.append(self._known[key])
        return found

    def texts(self, expression: ast.AST | None, scope: Scope, depth: int = 0) -> list[Text]:
        """Return the strings an expression can give, each as far as its beginning is known."""
        if depth > _MAX_TEXT_DEPTH:
            return []
        match expression:
            case ast.Constant(value=str(value)):
                return [Text(value, True)]
            case ast.Constant(value=bytes(data)):
                return [Text(data.decode("latin-1"), True)]
            case ast.JoinedStr(values=parts):
                return self._joined(parts, scope, depth)
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return self.texts(value, scope, depth + 1)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                # A number added to something is no text.
                return self._joined([left, right], scope, depth) if self.texts(left, scope, depth + 1) else []
            case ast.BinOp(left=left, op=ast.Mod()) | ast.Call(func=ast.Attribute(value=left, attr="format")):
                return [Text(text.value, False) for text in self.texts(left, scope, depth + 1)]
            case ast.Name(id=name):
                found: list[Text] = []
                for binding in chain.from_iterable(held.bindings[name] for held in self._scopes.holders(name, scope)):
                    where = binding.scope or scope
                    found += self.texts(binding.value, where, depth + _NAME_TEXT_DEPTH) or [Text("", False)]
                    if len(found) > _MAX_TEXTS:
                        return [*found[:_MAX_TEXTS], Text("", False)]
                return found
        return []

    def _joined(self, parts: list[ast.expr], scope: Scope, depth: int) -> list[Text]:
        """Return what parts give one after the other, up to the first that is not known."""
        results = [Text("", True)]
        for part in parts:
            ends = self.texts(part, scope, depth + 1) or [Text("", False)]
            results = [
                Text(start.value + end.value, end.is_complete) if start.is_complete else start
                for start in results
                for end in ends
            ]
            if len(results) > _MAX_TEXTS:
                return [Text("", False)]
        return results


def _chain(expression: ast.AST | None) -> tuple[ast.Name, tuple[str, ...]] | None:
    """Return the name and the attributes of `name.a.b`; None for any other expression."""
    attributes: list[str] = []
    while isinstance(expression, ast.Attribute):
        attributes.append(expression.attr)
        expression = expression.value
    return (expression, tuple(reversed(attributes))) if isinstance(expression, ast.Name) else None
