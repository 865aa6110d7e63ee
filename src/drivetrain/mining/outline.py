"""What one file says by itself: its imports, its classes, and every call by its full name, in one walk of the tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from drivetrain.mining.findings import Source


@dataclass(frozen=True)
class Call:
    """A call, by its name as the imports of the file resolve it.

    Attributes:
        name: ``"torch.nn.Linear"``; a method of what a known call answered is written after that call:
            ``"sklearn.svm.SVC.fit"``. A name of the file itself stands as it is written: ``"self.model.fit"``.
        line: of the tree.
        within: the function or method that holds it: ``"Camera.see"``; empty at the top of the file.
        node: for whoever needs its arguments.
    """

    name: str
    line: int
    within: str
    node: ast.Call = field(repr=False, compare=False)

    @property
    def last(self) -> str:
        """The bare name: ``fit``."""
        return self.name.rpartition(".")[2]

    def strings(self) -> Iterator[str]:
        """The text constants among the arguments."""
        for value in (*self.node.args, *(word.value for word in self.node.keywords)):
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.value


@dataclass(frozen=True)
class Class:
    """A class with the resolved names of its bases."""

    name: str
    bases: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Outline:
    """Everything that the counting of facts needs to know about one file.

    Attributes:
        source: the file.
        imports: what the file imports, with dots in front where the import is relative, and the line.
        calls: in no particular order.
        classes: in no particular order.
        functions: ``"name"`` or ``"Class.name"`` -> first and last line.
        tests: names of functions and classes that a test runner would collect.
        asserts: lines of ``assert`` statements.
    """

    source: Source
    imports: dict[str, int]
    calls: list[Call]
    classes: list[Class]
    functions: dict[str, tuple[int, int]]
    asserts: list[tuple[str, ast.Assert]]

    @property
    def path(self) -> str:
        """From the root of the repository."""
        return self.source.path


def outline(source: Source) -> Outline:
    """The outline of a parsed file."""
    walk = _Walk()
    walk.run(source.tree)
    walk.origins = dict.fromkeys(walk.made)
    walk.attributes = {name.rpartition(".")[2] for name in walk.made if "." in name}
    calls = [Call(name, node.lineno, within, node) for node, within in walk.found if (name := walk.resolved(node.func))]
    classes = [
        Class(node.name, tuple(filter(None, map(walk.resolved, node.bases))), node.lineno) for node in walk.classes
    ]
    return Outline(source, walk.imports, calls, classes, walk.functions, walk.asserts)


class _Walk:
    """Collects in one pass; names are resolved after it, so that an import below its use counts."""

    def __init__(self) -> None:
        self.imports: dict[str, int] = {}
        self.aliases: dict[str, str] = {}
        self.made: dict[str, ast.Call] = {}  # what a variable was last given, where that was a call
        self.origins: dict[str, str | None] = {}  # the name of that call
        self.attributes: set[str] = set()  # last names of those variables that have dots: self.model
        self.found: list[tuple[ast.Call, str]] = []
        self.classes: list[ast.ClassDef] = []
        self.functions: dict[str, tuple[int, int]] = {}
        self.asserts: list[tuple[str, ast.Assert]] = []

    def run(self, tree: ast.Module) -> None:
        scopes: list[tuple[ast.AST, str]] = [(tree, "")]
        while scopes:  # one scope after another, so that what is inside need not carry its name along
            scope, within = scopes.pop()
            waiting: list[Any] = list(scope.__dict__.values())
            while waiting:
                node = waiting.pop()
                kind = node.__class__
                if kind in _LEAVES:
                    continue
                if kind is list:
                    waiting += node
                    continue
                if kind is ast.Call:
                    self.found.append((node, within))
                elif kind in _SCOPES:
                    scopes.append((node, self._scope(node, within)))
                    continue
                elif kind in _NOTED:
                    self._note(node, within)
                waiting += node.__dict__.values()

    def _scope(self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, within: str) -> str:
        inside = f"{within}.{node.name}" if within else node.name
        if isinstance(node, ast.ClassDef):
            self.classes.append(node)
        else:
            self.functions[inside] = (node.lineno, node.end_lineno or node.lineno)
        return inside

    def _note(self, node: ast.AST, within: str) -> None:
        match node:
            case ast.Import():
                for name in node.names:
                    self.imports.setdefault(name.name, node.lineno)
                    top = name.name.partition(".")[0]
                    self.aliases[name.asname or top] = name.name if name.asname else top
            case ast.ImportFrom():
                module = "." * node.level + (node.module or "")
                self.imports.setdefault(module, node.lineno)
                for name in node.names:
                    self.aliases[name.asname or name.name] = (
                        f"{module}.{name.name}" if node.module else module + name.name
                    )
            case (
                ast.Assign(targets=[target], value=ast.Call() as value)
                | ast.AnnAssign(target=target, value=ast.Call() as value)
            ):
                if isinstance(target, ast.Name | ast.Attribute) and (written := _written(target)):
                    self.made[written] = value
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    if isinstance(item.optional_vars, ast.Name) and isinstance(item.context_expr, ast.Call):
                        self.made[item.optional_vars.id] = item.context_expr
            case ast.Assert():
                self.asserts.append((within, node))

    def resolved(self, node: ast.expr, depth: int = 0) -> str:
        """The full name of an expression; empty for one that has none."""
        behind: list[str] = []
        while True:
            kind = node.__class__
            if kind is ast.Attribute:
                if node.attr in self.attributes and (written := _written(node)) in self.origins:  # type: ignore[attr-defined]
                    start = self._made(written, depth)
                    break
                behind.append(node.attr)  # type: ignore[attr-defined]
                node = node.value  # type: ignore[attr-defined]
            elif kind is ast.Call:
                node = node.func  # type: ignore[attr-defined]
            elif kind is ast.Subscript or kind is ast.Await:
                node = node.value  # type: ignore[attr-defined]
            else:
                start = self._start(node, depth)
                break
        if not behind:
            return start
        return ".".join((start, *reversed(behind))) if start else ""

    def _start(self, node: ast.expr, depth: int) -> str:
        if node.__class__ is not ast.Name:
            return "str" if node.__class__ in (ast.Constant, ast.JoinedStr) else ""
        name: str = node.id  # type: ignore[attr-defined]
        known = self.aliases.get(name)
        if known is not None:
            return known
        return (self._made(name, depth) or name) if name in self.made else name

    def _made(self, name: str, depth: int) -> str:
        """What a variable was made by; each is looked up once."""
        known = self.origins.get(name)
        if known is None and depth < 4:
            known = self.origins[name] = ""  # a variable may be made from itself
            known = self.origins[name] = self.resolved(self.made[name].func, depth + 1)
        return known or ""


_SCOPES = frozenset({ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef})
_NOTED = frozenset({ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.With, ast.AsyncWith, ast.Assert})
_LEAVES = frozenset(
    {
        int,
        str,
        float,
        bool,
        bytes,
        complex,
        type(None),
        type(...),
        ast.Name,
        ast.Constant,
        ast.Load,
        ast.Store,
        ast.Pass,
    }
)


def _written(node: ast.expr) -> str:
    """``self.model`` as it is written; empty for anything but names and dots."""
    behind: list[str] = []
    while isinstance(node, ast.Attribute):
        behind.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(behind)]) if isinstance(node, ast.Name) else ""
