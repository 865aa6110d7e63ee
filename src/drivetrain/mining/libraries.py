"""Which machine-learning libraries a repository uses, and in which files: as a person counts, or as the paper did."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import cache, cached_property
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

from drivetrain.mining.files import Listing, read, target
from drivetrain.mining.findings import Library
from drivetrain.mining.outline import Outline
from drivetrain.mining.parsing import parsed
from drivetrain.mining.trees import walk

_LARGEST = 50_000_000  # bytes; the paper's count read whatever there was


class Names:
    """A set of dotted names, some with stars: ``Names(["cv2.dnn.*"]).match("cv2.dnn.readNet")``."""

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = list(patterns)
        self._exact = frozenset(pattern for pattern in patterns if "*" not in pattern)
        starred = [translate(pattern) for pattern in patterns if "*" in pattern]
        self._starred = re.compile("|".join(starred)) if starred else None
        self._known: dict[str, bool] = {}

    def match(self, name: str) -> bool:
        """Whether a name is in the set."""
        known = self._known.get(name)
        if known is None:
            starred = self._starred is not None and self._starred.match(name) is not None
            known = self._known[name] = starred or name in self._exact
        return known


@dataclass(frozen=True)
class Knowledge:
    """``libraries.toml``, ready to be asked."""

    data: dict[str, Any]

    @cached_property
    def by_import(self) -> dict[str, str]:
        """Dotted import -> name of the library."""
        return {name: library["name"] for library in self.data["library"] for name in library["imports"]}

    @cached_property
    def by_call(self) -> tuple[tuple[Names, str], ...]:
        """Libraries that are used without an import of their own, such as OpenCV's networks."""
        return tuple((Names(lib["calls"]), lib["name"]) for lib in self.data["library"] if "calls" in lib)

    @cached_property
    def of_the_paper(self) -> frozenset[str]:
        """First components of imports that the paper searched for."""
        return frozenset(library["paper"] for library in self.data["library"] if "paper" in library)

    @cached_property
    def paper_suffixes(self) -> tuple[str, ...]:
        """Endings of the files that the paper counted as models."""
        formats = [form for form in self.data["format"] if form.get("paper")]
        return tuple(suffix for form in formats for suffix in form["suffixes"])

    def names(self, table: str, key: str = "calls") -> Names:
        """A list of calls as a set of names: ``names("download")``."""
        return _names(table, key)


@cache
def knowledge() -> Knowledge:
    """What the project knows of machine-learning libraries and files."""
    return Knowledge(tomllib.loads(files("drivetrain.mining").joinpath("libraries.toml").read_text("utf-8")))


@cache
def _names(table: str, key: str) -> Names:
    return Names(knowledge().data[table][key])


def libraries_of(outline: Outline, own: frozenset[str] = frozenset()) -> frozenset[str]:
    """The libraries that one file imports or calls.

    Args:
        outline: of the file.
        own: modules of the repository itself, as paths without ``.py``; what they shadow is no library.
    """
    known = knowledge()
    found = set()
    for name in outline.imports:
        if not name.startswith(".") and not _is_own(name, outline.path, own):
            parts = name.split(".")
            found |= {
                known.by_import[".".join(parts[:length])]
                for length in range(1, len(parts) + 1)
                if ".".join(parts[:length]) in known.by_import
            }
    for names, library in known.by_call:
        if library not in found and any(names.match(call.name) for call in outline.calls):
            found.add(library)
    return frozenset(found)


def used(outlines: Iterable[Outline], own: frozenset[str] = frozenset()) -> tuple[Library, ...]:
    """Every library that the repository uses, with its files; the most used first."""
    by_library: dict[str, list[str]] = {}
    for outline in outlines:
        for library in libraries_of(outline, own):
            by_library.setdefault(library, []).append(outline.path)
    listed = [Library(name, tuple(sorted(paths))) for name, paths in by_library.items()]
    return tuple(sorted(listed, key=lambda library: (-len(library.files), library.name)))


def own_modules(listing: Listing) -> frozenset[str]:
    """The modules and packages of a repository as paths: ``nets/camera``."""
    paths = [file.path.removesuffix(".py") for file in listing.having(".py")]
    return frozenset(path.removesuffix("/__init__") for path in paths)


def used_as_paper(listing: Listing) -> tuple[Library, ...]:
    """Libraries and files as in the data set of Peldszus, Knopp, Sens, Berger: every ``.py`` that Python 3 parses.

    The first component of each import counts, relative or not; notebooks and what does not parse do not. A link counts
    like the file it leads to, if that lies in the repository.
    """
    wanted = knowledge().of_the_paper
    by_library: dict[str, list[str]] = {}
    behind = [(link.path, target(listing, link)) for link in listing.links if link.path.endswith(".py")]
    for path, file in [*((file.path, file) for file in listing.files if file.path.endswith(".py")), *behind]:
        if file is not None and (data := read(listing, file, _LARGEST)) is not None:
            for library in _first_components(data) & wanted:
                by_library.setdefault(library, []).append(path)
    return tuple(Library(name, tuple(sorted(paths))) for name, paths in sorted(by_library.items()))


def _first_components(data: bytes) -> set[str]:
    if not any(name.encode() in data for name in knowledge().of_the_paper):
        return set()  # most files; parsing them would tell no more
    tree = parsed(data)
    found: set[str] = set()
    for node in walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def _is_own(name: str, importer: str, own: frozenset[str]) -> bool:
    """Whether an import means a module of the repository: at its root, under ``src``, or beside the importing file.

    A module beside the file does not hide the frameworks: a package's own ``torch.py`` is reached as ``.torch`` only.
    """
    top = name.partition(".")[0]
    if top in own or f"src/{top}" in own:
        return True
    folder = str(PurePosixPath(importer).parent)
    return top not in knowledge().of_the_paper and folder != "." and f"{folder}/{top}" in own
