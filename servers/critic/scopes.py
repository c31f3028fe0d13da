"""The scopes of a program: which region binds which name, and where each piece of its syntax is evaluated."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from servers.critic.program import Unparseable, refuse_deep

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


class Scopes:
    """Every syntax node of one program in its scope, and every binding of its names."""

    def __init__(self, tree: ast.Module) -> None:
        """Place the whole program. Raises Unparseable for annotations that quote or nest too deeply."""
        self.placed: list[Placed] = []
        self._module = Scope("module")
        # Names that lose their value somewhere: after that, the built-in of the same name shows through.
        self._unbound: set[str] = set()
        # End of the first unconditional top-level statement that binds a name.
        self._bound_after: dict[str, tuple[int, int]] = {}
        self._late: list[tuple[Scope, str, Binding]] = []
        for statement in tree.body:
            self._place(statement, self._module, tree)
            self._note_unconditional(statement)
        for scope, name, binding in self._late:
            self._bind_nonlocal(scope, name, binding)

    def holders(self, name: str, scope: Scope) -> list[Scope]:
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

    def may_be_unbound(self, node: ast.Name, scope: Scope) -> bool:
        """Return whether a name may have no value of the program's own where it is used, so that a built-in shows."""
        if any(holder.kind in ("function", "comprehension") for holder in self.holders(node.id, scope)):
            return False
        bound_after = self._bound_after.get(node.id)
        return bound_after is None or node.id in self._unbound or bound_after > (node.lineno, node.col_offset)

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
