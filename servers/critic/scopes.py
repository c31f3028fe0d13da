"""Which name means what: the scopes of a program, and what its names and expressions stand for.

Nothing is run, so a name can stand for several things; `origins` returns all of them.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from servers.critic.program import Unparseable, refuse_deep

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
_NESTED_ANNOTATION_DEPTH = 3

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True, slots=True)
class Binding:
    """One way in which a name gets its value: a dotted path, an expression, or something unknown (neither)."""

    path: str = ""
    value: ast.expr | None = None
    scope: Scope | None = None


@dataclass(eq=False, slots=True)
class Scope:
    """A region with names of its own."""

    kind: Literal["module", "class", "function", "comprehension"]
    parent: Scope | None = None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    global_names: set[str] = field(default_factory=set)
    nonlocal_names: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Placed:
    """A syntax node, the scope it is evaluated in, and the node around it."""

    node: ast.AST
    scope: Scope
    parent: ast.AST


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

    def __init__(self, tree: ast.Module) -> None:
        self.placed: list[Placed] = []
        self._module = Scope("module")
        # Names that lose their value somewhere: after that, the built-in of the same name shows through.
        self._unbound: set[str] = set()
        # End of the first unconditional top-level statement that binds a name.
        self._bound_after: dict[str, tuple[int, int]] = {}
        self._known: dict[tuple[str, Scope], Meaning] = {}
        self._late: list[tuple[Scope, str, Binding]] = []
        for statement in tree.body:
            self._place(statement, self._module, tree)
            self._note_unconditional(statement)
        for scope, name, binding in self._late:
            self._bind_nonlocal(scope, name, binding)

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
        shows = node.id in _BUILTINS and self._may_be_builtin(node, scope)
        return Use(node.id, scope, shows, attributes)

    def _may_be_builtin(self, node: ast.Name, scope: Scope) -> bool:
        if any(holder.kind in ("function", "comprehension") for holder in self._holders(node.id, scope)):
            return False
        bound_after = self._bound_after.get(node.id)
        return bound_after is None or node.id in self._unbound or bound_after > (node.lineno, node.col_offset)

    def _meanings(self, use: Use) -> list[Meaning]:
        found = []
        for holder in self._holders(use.name, use.scope):
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
                for binding in chain.from_iterable(held.bindings[name] for held in self._holders(name, scope)):
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

    def _holders(self, name: str, scope: Scope) -> list[Scope]:
        """Return the scopes that can give a name its value where it is used in a scope."""
        found: list[Scope] = []
        current: Scope | None = scope
        while current is not None:
            if name in current.global_names:
                current = self._module
            visible = current.kind != "class" or current is scope
            if visible and name in current.bindings:
                found.append(current)
                # In a class or a module a name that is not bound yet is looked up further out.
                if current.kind in ("function", "comprehension"):
                    break
            current = current.parent
        return found

    def _bind(self, scope: Scope, name: str, binding: Binding) -> None:
        if name in scope.global_names:
            scope = self._module
        elif name in scope.nonlocal_names:
            self._late.append((scope, name, binding))
            return
        scope.bindings.setdefault(name, []).append(binding)

    def _bind_nonlocal(self, scope: Scope, name: str, binding: Binding) -> None:
        outer = scope.parent
        while outer is not None and not (outer.kind == "function" and name in outer.bindings):
            outer = outer.parent
        (outer or self._module).bindings.setdefault(name, []).append(binding)

    def _note_unconditional(self, statement: ast.stmt) -> None:
        names: list[str] = []
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names = [name]
            case ast.Assign(targets=targets):
                nodes = [node for target in targets for node in ast.walk(target)]
                names = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                names = [name]
        for name in names:
            self._bound_after.setdefault(name, (statement.end_lineno or 0, statement.end_col_offset or 0))

    def _place_all(self, nodes: Iterator[ast.AST] | list[ast.AST], scope: Scope, parent: ast.AST) -> None:
        for node in nodes:
            self._place(node, scope, parent)

    def _place(self, node: ast.AST, scope: Scope, parent: ast.AST) -> None:
        self.placed.append(Placed(node, scope, parent))
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self._place_function(node, scope)
            case ast.ClassDef():
                self._bind(scope, node.name, Binding())
                self._place_all([*node.decorator_list, *node.bases, *node.keywords], scope, node)
                self._place_all([*node.body], Scope("class", scope), node)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._place_comprehension(node, scope)
            case ast.NamedExpr():
                self._place(node.value, scope, node)
                # The name belongs to the scope around the comprehension.
                while scope.kind == "comprehension" and scope.parent is not None:
                    scope = scope.parent
                self._bind_targets([node.target], node.value, scope)
                self._place(node.target, scope, node)
            case ast.AnnAssign():
                self._bind_targets([node.target], node.value, scope)
                self._place_annotation(node.annotation, scope, node)
                self._place_all([node.target, *([node.value] if node.value else [])], scope, node)
            case _:
                self._bind_names(node, scope, parent)
                self._place_all(ast.iter_child_nodes(node), scope, node)

    def _bind_names(self, node: ast.AST, scope: Scope, parent: ast.AST) -> None:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    path = alias.name if alias.asname else alias.name.partition(".")[0]
                    self._bind(scope, alias.asname or path, Binding(path))
            case ast.ImportFrom(module=module, names=names):
                for alias in names:
                    self._bind(scope, alias.asname or alias.name, Binding(f"{module}.{alias.name}"))
            case ast.Assign(targets=targets, value=value):
                self._bind_targets(targets, value, scope)
            case ast.Name(id=name, ctx=ast.Store()) if not isinstance(
                parent, ast.Assign | ast.AnnAssign | ast.NamedExpr
            ):
                self._bind(scope, name, Binding())
            case ast.Name(id=name, ctx=ast.Del()):
                self._unbound.add(name)
            case ast.ExceptHandler(name=str(name)):
                self._bind(scope, name, Binding())
                self._unbound.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                self._bind(scope, name, Binding())
            case ast.Global(names=names):
                scope.global_names.update(names)
            case ast.Nonlocal(names=names):
                scope.nonlocal_names.update(names)

    def _bind_targets(self, targets: Sequence[ast.expr], value: ast.expr | None, scope: Scope) -> None:
        for target in targets:
            if isinstance(target, ast.Name):
                self._bind(scope, target.id, Binding(value=value, scope=scope if value else None))

    def _place_function(self, node: Function, scope: Scope) -> None:
        inner = Scope("function", scope)
        arguments = node.args
        variadic = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
        everyone = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *variadic]
        # Defaults, decorators and annotations are evaluated outside, when the function is defined.
        defaults = [*arguments.defaults, *(default for default in arguments.kw_defaults if default)]
        self._place_all([*defaults], scope, node)
        for argument in everyone:
            self._bind(inner, argument.arg, Binding())
            if argument.annotation:
                self._place_annotation(argument.annotation, scope, argument)
        if isinstance(node, ast.Lambda):
            self._place(node.body, inner, node)
            return
        self._bind(scope, node.name, Binding())
        self._place_all([*node.decorator_list], scope, node)
        if node.returns:
            self._place_annotation(node.returns, scope, node)
        self._place_all([*node.body], inner, node)

    def _place_comprehension(self, node: Comprehension, scope: Scope) -> None:
        inner = Scope("comprehension", scope)
        for index, generator in enumerate(node.generators):
            # The first iterable is evaluated outside.
            self._place(generator.iter, inner if index else scope, generator)
            self._place_all([generator.target, *generator.ifs], inner, generator)
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._place_all([*results], inner, node)

    def _place_annotation(self, node: ast.expr, scope: Scope, parent: ast.AST, depth: int = 0) -> None:
        """Place an annotation, and the expressions that are written in it as strings: libraries evaluate those."""
        self._place(node, scope, parent)
        for child in list(ast.walk(node)):
            if not (isinstance(child, ast.Constant) and isinstance(child.value, str)):
                continue
            try:
                quoted = ast.parse(child.value.strip(), mode="eval").body
            except (SyntaxError, ValueError):
                continue
            except (RecursionError, MemoryError) as error:
                raise Unparseable("nested-too-deeply", "an annotation nests too deeply", child.lineno) from error
            refuse_deep(quoted)
            for inner in ast.walk(quoted):
                if isinstance(inner, ast.expr):
                    ast.copy_location(inner, child)
            if depth < _NESTED_ANNOTATION_DEPTH:
                self._place_annotation(quoted, scope, child, depth + 1)
            else:
                raise Unparseable("nested-too-deeply", "an annotation quotes too deeply", child.lineno)


def _chain(expression: ast.AST | None) -> tuple[ast.Name, tuple[str, ...]] | None:
    """Return the name and the attributes of `name.a.b`; None for any other expression."""
    attributes: list[str] = []
    while isinstance(expression, ast.Attribute):
        attributes.append(expression.attr)
        expression = expression.value
    return (expression, tuple(reversed(attributes))) if isinstance(expression, ast.Name) else None
