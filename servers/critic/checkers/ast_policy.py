"""The policy's own checker: imports, names, attributes, calls and literals of the syntax tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from loupe.critic.v1.critic_pb2 import Finding, Severity, Tool
from servers.critic.names import UNCLEAR, Names
from servers.critic.policy import Policy
from servers.critic.program import Program, shortened
from servers.critic.scopes import Placed, Scope, Scopes

_ADDRESS = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_DOTTED = re.compile(r"[\w.]+")
# What str.format would look up.
_REPLACEMENT_FIELD = re.compile(r"\{[^{}]*")
_DUNDER = re.compile(r"__\w+__")
# In a pandas query "@name" is the program's variable; anything reached from it is a call into the program.
_QUERY_REACHES_OUT = re.compile(r"@\s*\w+\s*[.(\[]|__")


@dataclass(frozen=True, slots=True)
class Objection:
    """A rule of the policy that a node breaks."""

    rule: str
    message: str
    node: ast.AST | None = None
    """The part that breaks it, where it is not the whole node."""

    is_blocking: bool = True


def check_policy(program: Program, policy: Policy) -> list[Finding]:
    """Return what in a program breaks the policy.

    Raises:
      Unparseable: an annotation written as text nests too deeply.
    """
    scopes = Scopes(program.tree)
    rules = _Rules(policy, Names(scopes), _own_private_names(program.tree))
    findings = []
    for placed in scopes.placed:
        for objection in rules.objections(placed):
            node = objection.node or placed.node
            span = program.span(
                getattr(node, "lineno", 0),
                getattr(node, "col_offset", 0),
                getattr(node, "end_lineno", None) or 0,
                getattr(node, "end_col_offset", None) or 0,
            )
            findings.append(
                Finding(
                    tool=Tool.TOOL_POLICY,
                    rule=objection.rule,
                    severity=Severity.SEVERITY_HIGH if objection.is_blocking else Severity.SEVERITY_LOW,
                    is_blocking=objection.is_blocking,
                    message=shortened(objection.message),
                    line=span.line,
                    column=span.column,
                    end_line=span.end_line,
                    end_column=span.end_column,
                )
            )
    return findings


def _own_private_names(tree: ast.Module) -> frozenset[str]:
    """Return the private attributes the program itself gives to its classes and instances."""
    own: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(body=body):
                for statement in body:
                    match statement:
                        case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                            own.add(name)
                        case ast.Assign(targets=targets):
                            own.update(target.id for target in targets if isinstance(target, ast.Name))
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                own.add(name)
    return frozenset(name for name in own if name.startswith("_") and not _DUNDER.fullmatch(name))


class _Rules:
    """The rules, applied to one node at a time."""

    def __init__(self, policy: Policy, names: Names, own_private: frozenset[str]) -> None:
        self._policy = policy
        self._names = names
        self._own_private = own_private

    def objections(self, placed: Placed) -> Iterator[Objection]:
        """Yield what speaks against a node."""
        match placed.node:
            case ast.Import() | ast.ImportFrom():
                yield from self._import(placed.node, placed.scope)
            case ast.Name():
                yield from self._name(placed.node, placed)
            case ast.Attribute():
                yield from self._attribute(placed.node, placed)
            case ast.Call():
                yield from self._call(placed.node, placed.scope)
            case ast.Constant() if isinstance(placed.parent, ast.Expr):
                # A docstring, which often quotes the question. Nothing can read it: __doc__ is not allowed.
                pass
            case ast.Constant(value=str(text)):
                yield from self._text(text)
            case ast.Constant(value=bytes(data)):
                yield from self._text(data.decode("latin-1"))
            case ast.BinOp(left=left, op=ast.Div(), right=right) if not self._texts(left, placed.scope):
                yield from self._path(right, placed.scope)
            case ast.MatchClass(kwd_attrs=attributes):
                for attribute in attributes:
                    yield from self._attribute_name(attribute, is_own=False)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                if _DUNDER.fullmatch(name) and name not in self._policy.data.attributes.dunder:
                    yield Objection("dunder-not-allowed", f"{name} may not be defined")

    def _origins(self, node: ast.AST, scope: Scope) -> frozenset[str]:
        return frozenset(self._policy.canonical(path) for path in self._names.origins(node, scope))

    def _import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> Iterator[Objection]:
        if scope.kind == "class":
            yield Objection("module-as-value", "an import inside a class makes the module an attribute")
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from self._module(alias.name)
            return
        if node.level or node.module is None:
            yield Objection("import-not-allowed", "relative imports are not allowed: a program is one file")
            return
        if node.module not in self._policy.modules:
            yield from self._module(node.module)
            return
        for alias in node.names:
            if alias.name == "*":
                yield Objection("star-import", f"import the names you use from {node.module} one by one")
            elif self._policy.canonical(f"{node.module}.{alias.name}") not in self._policy.modules:
                yield from self._member(node.module, alias.name)

    def _module(self, path: str) -> Iterator[Objection]:
        if path not in self._policy.modules:
            yield Objection("import-not-allowed", f"{path} may not be imported")

    def _member(self, module: str, name: str) -> Iterator[Objection]:
        path = f"{module}.{name}"
        reason = self._policy.reason_against(path)
        if reason:
            yield Objection("call-not-allowed", f"{path} is not allowed: it {reason}")
        elif not self._policy.allows_name(module, name):
            yield Objection("name-not-allowed", f"{path} is not among the public names of {module}")

    def _name(self, node: ast.Name, placed: Placed) -> Iterator[Objection]:
        if _DUNDER.fullmatch(node.id) and node.id not in self._policy.data.dunder_names:
            if not (placed.scope.kind == "class" and node.id in self._policy.data.attributes.dunder):
                yield Objection("dunder-not-allowed", f"{node.id} is not allowed")
            return
        if isinstance(node.ctx, ast.Load):
            for origin in sorted(self._origins(node, placed.scope)):
                reason = self._policy.reason_against(origin)
                # Where the name was imported, the import is what breaks the rule.
                if reason and origin == f"builtins.{node.id}":
                    yield Objection("call-not-allowed", f"{node.id} is not allowed: it {reason}")
                yield from self._use(origin, placed)

    def _attribute(self, node: ast.Attribute, placed: Placed) -> Iterator[Objection]:
        bases = sorted(self._origins(node.value, placed.scope))
        is_module_member = False
        for base in bases:
            path = self._policy.canonical(f"{base}.{node.attr}")
            if base in self._policy.modules:
                is_module_member = True
                if path not in self._policy.modules:
                    yield from self._member(base, node.attr)
            elif self._policy.reason_against(path):
                yield Objection("call-not-allowed", f"{path} is not allowed: it {self._policy.reason_against(path)}")
            if isinstance(node.ctx, ast.Load):
                yield from self._use(path, placed)
        if not is_module_member:
            # Python mangles self.__name: it is no other class's attribute.
            is_own = isinstance(node.value, ast.Name) and node.value.id == "self" and node.attr.startswith("__")
            yield from self._attribute_name(node.attr, is_own=is_own)
            is_called = isinstance(placed.parent, ast.Call) and placed.parent.func is node
            is_read = isinstance(node.ctx, ast.Load) and not is_called
            if is_read and node.attr in self._policy.data.evaluates_text_methods:
                yield Objection("indirect-use", f".{node.attr} may only be called directly")

    def _attribute_name(self, name: str, *, is_own: bool) -> Iterator[Objection]:
        rules = self._policy.data.attributes
        if name in rules.denied:
            yield Objection(
                "attribute-not-allowed", f"the attribute {name} is not allowed; a column is read as [{name!r}]"
            )
        elif _DUNDER.fullmatch(name):
            if name not in rules.dunder:
                yield Objection("dunder-not-allowed", f"the attribute {name} is not allowed")
        elif name.startswith("_") and name not in rules.private | self._own_private and name != "_" and not is_own:
            yield Objection("private-attribute", f"{name} is private to another library")

    def _use(self, origin: str, placed: Placed) -> Iterator[Objection]:
        """Yield what speaks against a module, or a callable whose arguments are judged, standing where it stands."""
        if origin.startswith(UNCLEAR):
            yield Objection("indirect-use", "what this name stands for can't be told")
            return
        node, parent = placed.node, placed.parent
        is_alias = (
            isinstance(parent, ast.Assign)
            and placed.scope.kind != "class"
            and all(isinstance(target, ast.Name) for target in parent.targets)
        )
        if origin in self._policy.modules:
            if not isinstance(parent, ast.Attribute) and not is_alias:
                yield Objection("module-as-value", f"the module {origin} may only be used by its names")
        elif origin in self._policy.direct_only:
            is_called = isinstance(parent, ast.Call) and parent.func is node
            if not is_called and not is_alias:
                yield Objection("indirect-use", f"{origin} may only be called directly")

    def _call(self, node: ast.Call, scope: Scope) -> Iterator[Objection]:
        data = self._policy.data
        origins = self._origins(node.func, scope)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if origins & data.reads_attribute_by_name:
            yield from self._attribute_by_name(node, is_getter="operator.attrgetter" in origins)
        if origins & data.opens_path or method in data.opens_path_methods:
            yield from self._paths(node, node.args[:1], scope, is_strict=bool(origins & data.opens_path))
        if origins & data.path_types or method == "joinpath":
            yield from self._paths(node, node.args, scope, is_strict=False)
        if method in data.evaluates_text_methods:
            yield from self._query(node, scope)
        if "builtins.type" in origins and (len(node.args) > 1 or node.keywords):
            yield Objection("call-not-allowed", "type() with three arguments is not allowed: write a class")
        if method in ("format", "format_map") and isinstance(node.func, ast.Attribute):
            for text in self._texts(node.func.value, scope):
                yield from self._hidden_names(" ".join(_REPLACEMENT_FIELD.findall(text)))
        yield from self._pickle(node, is_load="numpy.load" in origins)

    def _attribute_by_name(self, node: ast.Call, *, is_getter: bool) -> Iterator[Objection]:
        names = node.args if is_getter else node.args[1:2]
        if not names or node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            yield Objection("dynamic-attribute", "name the attribute with one literal")
            return
        for name in names:
            if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
                yield Objection("dynamic-attribute", "the attribute's name must be a literal")
                continue
            for part in name.value.split("."):
                yield from self._attribute_name(part, is_own=False)

    def _paths(
        self, node: ast.Call, positional: list[ast.expr], scope: Scope, *, is_strict: bool
    ) -> Iterator[Objection]:
        named = [keyword.value for keyword in node.keywords if keyword.arg in self._policy.data.path_arguments]
        for argument in [*positional, *named]:
            if isinstance(argument, ast.Starred):
                if is_strict:
                    yield Objection("indirect-use", "the path of a file must stand in the call itself")
            elif is_strict and isinstance(argument, ast.Constant) and isinstance(argument.value, int):
                yield Objection("path-outside-folder", "a file is opened by its name, not by a number")
            else:
                yield from self._path(argument, scope)

    def _path(self, argument: ast.expr, scope: Scope) -> Iterator[Objection]:
        for text in self._texts(argument, scope):
            if _ADDRESS.match(text):
                yield Objection("network-address", f"there is no network: {text!r} can't be read", argument)
            elif text.startswith(("/", "~")) or _DRIVE.match(text) or ".." in re.split(r"[\\/]", text):
                yield Objection("path-outside-folder", f"{text!r} is outside the working folder", argument)

    def _texts(self, argument: ast.expr, scope: Scope) -> list[str]:
        return [text.value for text in self._names.texts(argument, scope)]

    def _query(self, node: ast.Call, scope: Scope) -> Iterator[Objection]:
        expressions = [keyword.value for keyword in node.keywords if keyword.arg == "expr"] or node.args[:1]
        for expression in expressions:
            texts = self._names.texts(expression, scope)
            if not texts or not all(text.is_complete for text in texts):
                yield Objection("query-not-literal", "the query must be a literal: use a boolean mask for what varies")
            elif any(_QUERY_REACHES_OUT.search(text.value) for text in texts):
                yield Objection("query-reaches-out", "a query may name variables, not reach into them")
        if any(keyword.arg is None for keyword in node.keywords):
            yield Objection("query-not-literal", "the query must be a literal")

    def _pickle(self, node: ast.Call, *, is_load: bool) -> Iterator[Objection]:
        denied = Objection("pickle-not-allowed", "allow_pickle runs code from the file: leave it out")
        for keyword in node.keywords:
            is_false = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if (keyword.arg == "allow_pickle" and not is_false) or (keyword.arg is None and is_load):
                yield denied
        if is_load and len(node.args) > 2:
            yield denied

    def _text(self, text: str) -> Iterator[Objection]:
        """Yield what speaks against a literal wherever it stands. Labels of charts stand in literals too."""
        rules = self._policy.data.text
        if "__" in text and _DOTTED.fullmatch(text):
            yield from self._hidden_names(text)
        if text.startswith(rules.denied_beginnings):
            yield Objection("text-not-allowed", "the text would import a module or open a file by its address")
        first, slash, _ = text.removeprefix("/").partition("/")
        if text.startswith("/") and slash and first in rules.system_folders:
            yield Objection("system-path", f"{text!r} reads like a path of the system", is_blocking=False)

    def _hidden_names(self, text: str) -> Iterator[Objection]:
        for word in sorted(set(_DUNDER.findall(text)) & self._policy.data.text.denied_words):
            yield Objection("hidden-name", f"the text names {word}")
