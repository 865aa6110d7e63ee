"""Models that the repository itself implements: classes of a library's kind, and functions that build one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drivetrain.mining.findings import Place
from drivetrain.mining.knowledge import base_library
from drivetrain.mining.libraries import Names
from drivetrain.mining.outline import Outline

_BUILDING = Names(
    [
        "keras.Sequential",
        "keras.Model",
        "keras.models.Sequential",
        "keras.models.Model",
        "keras.engine.*.Model",
        "tensorflow*.keras.Sequential",
        "tensorflow*.keras.Model",
        "tensorflow*.keras.models.Sequential",
        "tensorflow*.keras.models.Model",
        "tflearn.DNN",
        "lasagne.layers.get_output",
    ]
)


@dataclass(frozen=True)
class Implementation:
    """A model that is written in the repository.

    Attributes:
        name: of the class, or of the function that builds it.
        place: where it is written.
        library: whose model it is.
        part: it is only ever made inside another one: a block, a layer, a loss.
    """

    name: str
    place: Place
    library: str
    part: bool = False


def implementations(outlines: Iterable[Outline]) -> tuple[Implementation, ...]:
    """Every implementation in order of place."""
    outlines = tuple(outlines)
    libraries = _libraries(outlines)
    outside: set[str] = set()
    inside: set[str] = set()
    for read in outlines:
        for call in read.calls:
            if call.last in libraries:
                maker = call.within.partition(".")[0]
                (inside if maker in libraries else outside).add(call.last)
    found = [
        Implementation(one.name, read.source.place(one.line), libraries[one.name], one.name in inside - outside)
        for read in outlines
        for one in read.classes
        if one.name in libraries
    ]
    for read in outlines:
        built = {call.within: call.line for call in read.calls if _BUILDING.match(call.name)}
        of_classes = {one.name for one in read.classes if one.name in libraries}
        found += [
            Implementation(_builder(within), read.source.place(line), "keras")
            for within, line in built.items()
            if within.partition(".")[0] not in of_classes
        ]
    return tuple(sorted(found, key=lambda one: (one.place.file, one.place.line)))


def _builder(within: str) -> str:
    """What a person would call a model that is built there: like the function, or the class whose constructor it is."""
    *holders, function = within.split(".")
    return holders[-1] if holders and function.startswith("__") else function or "model"


def _libraries(outlines: tuple[Outline, ...]) -> dict[str, str]:
    """Class -> library, for classes that derive from a library's model, however many steps it takes."""
    classes = [one for read in outlines for one in read.classes]
    found: dict[str, str] = {}
    grown = True
    while grown:
        grown = False
        for one in classes:
            if one.name not in found:
                libraries = (base_library(base) or found.get(base.rpartition(".")[2]) for base in one.bases)
                library = next(filter(None, libraries), None)
                if library is not None:
                    found[one.name] = library
                    grown = True
    return found
