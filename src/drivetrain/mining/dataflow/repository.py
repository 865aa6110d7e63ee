"""What a repository defines, modules, classes and functions, and the tokens that stand for them in values.

A class knows its methods and bases as tokens, and their tokens know the class: neither can be read without the other.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from drivetrain.mining.dataflow.values import Holder, Library, Token, Value
from drivetrain.mining.knowledge import base_library

if TYPE_CHECKING:
    from drivetrain.mining.findings import Place, Source


class Module:
    """A module or a package of the repository; ``fields`` are its global variables."""

    __slots__ = ("fields", "folder", "parts", "source", "state")

    def __init__(self, parts: tuple[str, ...], source: Source | None, package: bool) -> None:
        self.parts = parts  # from the root of the repository
        self.source = source
        self.folder = parts if package else parts[:-1]
        self.fields: dict[str, Value] = {}
        self.state = 0  # the last round in which it was read

    def __repr__(self) -> str:
        return f"<module {'.'.join(self.parts)}>"


class ClassInfo:
    """A class of the repository: its methods, class attributes and bases."""

    __slots__ = (
        "_found",
        "_library",
        "_line",
        "attributes",
        "bases",
        "closure",
        "methods",
        "module",
        "name",
        "node",
        "properties",
    )

    def __init__(
        self, node: ast.ClassDef, module: Module, bases: list[Value], closure: tuple[dict[str, Value], ...]
    ) -> None:
        self.node = node
        self.name = node.name
        self.module = module
        self.bases = bases
        self.closure = closure
        self.methods: dict[str, Function] = {}
        self.properties: dict[str, str] = {}  # method -> "property", "staticmethod", "classmethod"
        self.attributes: dict[str, Value] = {}
        self._library: str | None = None
        self._line: list[ClassInfo] | None = None
        self._found: dict[str, tuple[Function, str] | None] = {}

    def ancestors(self) -> list[ClassInfo]:
        """The class and those of the repository it derives from, nearest first."""
        if self._line is not None:
            return self._line
        found: list[ClassInfo] = []
        queue = [self]
        while queue:
            one = queue.pop(0)
            if one in found:
                continue
            found.append(one)
            queue.extend(token.info for base in one.bases for token in base if token.__class__ is ClassToken)  # type: ignore[attr-defined]
        self._line = found
        return found

    def find(self, name: str) -> tuple[Function, str] | None:
        """A method by name, with what it was decorated as."""
        if name in self._found:
            return self._found[name]
        found = None
        for one in self.ancestors():
            if name in one.methods:
                found = one.methods[name], one.properties.get(name, "")
                break
        self._found[name] = found
        return found

    def outside(self) -> list[str]:
        """The names of the library classes it derives from."""
        bases = (token for one in self.ancestors() for base in one.bases for token in base)
        return [token.name for token in bases if token.__class__ is Library]  # type: ignore[attr-defined]

    def forget(self) -> None:
        """The bases have changed: look again."""
        self._library = self._line = None
        self._found = {}

    def library(self) -> str:
        """The library whose models its instances are; empty if they are none."""
        if self._library is None:
            self._library = next((found for name in self.outside() if (found := base_library(name))), "")
        return self._library


class ModuleToken(Token):
    """A module of the repository."""

    __slots__ = ("module",)

    def __init__(self, module: Module) -> None:
        self.module = module


class ClassToken(Token):
    """A class of the repository."""

    __slots__ = ("info",)

    def __init__(self, info: ClassInfo) -> None:
        self.info = info

    def __repr__(self) -> str:
        return f"<class {self.info.name}>"


class Function(Token):
    """A function of the repository, with the variables around it."""

    __slots__ = ("closure", "module", "node", "owner")

    def __init__(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        module: Module,
        closure: tuple[dict[str, Value], ...],
        owner: ClassInfo | None,
    ) -> None:
        self.node, self.module, self.closure, self.owner = node, module, closure, owner

    def __repr__(self) -> str:
        return f"<function {getattr(self.node, 'name', 'lambda')}>"


class Lazy(Token):
    """A name of a module that is still being read, for modules that import each other."""

    __slots__ = ("module", "name")

    def __init__(self, key: tuple[Module, str]) -> None:
        self.module, self.name = key


class SuperToken(Token):
    """``super()`` in a method of a class."""

    __slots__ = ("info", "me")

    def __init__(self, key: tuple[ClassInfo, Value]) -> None:
        self.info, self.me = key


class Instance(Holder):
    """An instance of a class of the repository."""

    __slots__ = ("info", "names")

    def __init__(self, info: ClassInfo, site: Place, depth: int = 0) -> None:
        super().__init__("instance", site, depth)
        self.info = info
        self.names: dict[str, Place] = {}
