"""The repository as the interpreter sees it: modules found by their dotted names, and classes with their ancestors."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from drivetrain.mining.dataflow.values import EMPTY, ClassToken, Function, Library, Value
from drivetrain.mining.knowledge import base_library, is_known

if TYPE_CHECKING:
    from drivetrain.mining.findings import Source


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


class Program:
    """All modules of a repository, found by what an import statement says."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.modules: dict[tuple[str, ...], Module] = {}
        self.by_last: dict[str, list[Module]] = {}
        for source in sources:
            path = PurePosixPath(source.path)
            package = path.stem == "__init__"
            parts = path.parent.parts if package else (*path.parent.parts, path.stem)
            if path.suffix == ".ipynb":
                parts = (*path.parent.parts, path.name)
            kept = self.modules.get(parts)
            if kept is None or kept.source is None:
                self.modules[parts] = Module(parts, source, package)
        for module in list(self.modules.values()):
            for end in range(1, len(module.parts)):
                self.modules.setdefault(module.parts[:end], Module(module.parts[:end], None, package=True))
        for module in self.modules.values():
            if module.parts:
                self.by_last.setdefault(module.parts[-1], []).append(module)

    def child(self, module: Module, name: str) -> Module | None:
        """A module inside a package."""
        if module.folder != module.parts:
            return None
        return self.modules.get((*module.parts, name))

    def resolve(self, dotted: str, level: int, importer: Module) -> Module | None:
        """The module of the repository that an import means; None for a library."""
        parts = tuple(dotted.split(".")) if dotted else ()
        if level:
            folder = importer.folder
            cut = level - 1
            return self.modules.get((*(folder[: len(folder) - cut] if cut else folder), *parts))
        if not parts:
            return None
        folder = importer.folder
        for length in range(len(folder), -1, -1):  # the folder of the script first, then those above
            found = self.modules.get((*folder[:length], *parts))
            if found is not None and found is not importer:
                if found.source is None and length < len(folder) and is_known(parts[0]):
                    continue
                return found
        top = parts[0]
        if is_known(top) or top in sys.stdlib_module_names:
            return None
        best: tuple[int, int, Module] | None = None
        for module in self.by_last.get(parts[-1], ()):
            if module.parts[-len(parts) :] == parts and module is not importer:
                shared = sum(1 for a, b in zip(module.parts, folder) if a == b)
                if best is None or (shared, -len(module.parts)) > best[:2]:
                    best = (shared, -len(module.parts), module)
        return best[2] if best else None


def lookup(module: Module, name: str) -> Value:
    """A global variable of a module."""
    return module.fields.get(name, EMPTY)
