"""All modules of a repository, found by what an import statement says."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from drivetrain.mining.dataflow.repository import Module
from drivetrain.mining.dataflow.values import EMPTY, Value
from drivetrain.mining.knowledge import is_known

if TYPE_CHECKING:
    from drivetrain.mining.findings import Source


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
