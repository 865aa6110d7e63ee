"""Which tests run a model, and how much of the code that does machine learning, and of the rest, tests touch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from drivetrain.mining.findings import Place
from drivetrain.mining.outline import Call, Outline

_FILE = re.compile(r"(?:^|/)(?:tests?|testing)/|(?:^|/)(?:test_[^/]*|[^/]*_tests?|conftest)\.py$")
Function = tuple[str, str]  # path of the file, name within it


@dataclass(frozen=True)
class Tested:
    """What tests reach, as far as names tell; a method of an unknown object is followed only if its name is unique.

    Attributes:
        files: test files.
        tests: test functions.
        of_models: tests that come to where a model is made, trained or run.
        ml_lines: lines of functions in files that use an ML library, tests left out.
        ml_touched: those of them that some test reaches.
        other_lines: the same in all other files.
        other_touched: the same.
    """

    files: int = 0
    tests: int = 0
    of_models: tuple[Place, ...] = ()
    ml_lines: int = 0
    ml_touched: int = 0
    other_lines: int = 0
    other_touched: int = 0


def is_test(path: str) -> bool:
    """Whether a path looks like a file of tests."""
    return _FILE.search(path) is not None


def tested(outlines: Iterable[Outline], ml_files: Iterable[str], model_calls: Iterable[tuple[str, Call]]) -> Tested:
    """What tests touch.

    Args:
        outlines: of all files.
        ml_files: paths of those that use an ML library.
        model_calls: path and call wherever a model is made, trained or run.
    """
    outlines = tuple(outlines)
    ml = frozenset(ml_files)
    running = {(path, call.within) for path, call in model_calls}
    after = _called(outlines)
    tests = [
        (read.path, name)
        for read in outlines
        if is_test(read.path)
        for name in read.functions
        if name.rpartition(".")[2].startswith("test")
    ]
    of_models, touched = [], set()
    for test in tests:
        reached = _reached(test, after)
        touched |= reached
        if reached & running:
            read = next(one for one in outlines if one.path == test[0])
            of_models.append(read.source.place(read.functions[test[1]][0]))
    lines = {True: 0, False: 0}
    seen = {True: 0, False: 0}
    for read in outlines:
        if not is_test(read.path):
            for name, (first, last) in read.functions.items():
                lines[read.path in ml] += last - first + 1
                seen[read.path in ml] += (last - first + 1) * ((read.path, name) in touched)
    return Tested(
        files=sum(is_test(read.path) for read in outlines),
        tests=len(tests),
        of_models=tuple(of_models),
        ml_lines=lines[True],
        ml_touched=seen[True],
        other_lines=lines[False],
        other_touched=seen[False],
    )


def _reached(start: Function, after: dict[Function, set[Function]]) -> set[Function]:
    reached, waiting = {start}, [start]
    while waiting:
        for function in after.get(waiting.pop(), ()):
            if function not in reached:
                reached.add(function)
                waiting.append(function)
    return reached


def _called(outlines: tuple[Outline, ...]) -> dict[Function, set[Function]]:
    """Function -> functions of the repository that it calls."""
    by_last: dict[str, list[Function]] = {}
    classes: dict[str, list[Function]] = {}  # class -> its methods
    for read in outlines:
        for name in read.functions:
            by_last.setdefault(name.rpartition(".")[2], []).append((read.path, name))
            holder = name.rpartition(".")[0]
            if holder:
                classes.setdefault(holder.rpartition(".")[2], []).append((read.path, name))
    after: dict[Function, set[Function]] = {}
    for read in outlines:
        for call in read.calls:
            found = after.setdefault((read.path, call.within), set())
            if call.last in classes:  # making an object runs what makes it, and later what it is called for
                special = ("__init__", "forward", "__call__", "call", "__post_init__")
                found.update(method for method in classes[call.last] if method[1].endswith(special))
            found.update(_meant(call, read, by_last.get(call.last, [])))
    return after


def _meant(call: Call, read: Outline, candidates: list[Function]) -> list[Function]:
    here = [function for function in candidates if function[0] == read.path]
    if call.name == call.last:
        return [function for function in here if function[1] == call.last]
    if call.name.startswith("self."):
        holder = call.within.partition(".")[0]
        return [function for function in here if function[1] == f"{holder}.{call.last}"]
    module = call.name.rpartition(".")[0].strip(".").replace(".", "/")
    exact = [function for function in candidates if _belongs(function, module)]
    return exact or (candidates if len(candidates) == 1 and "." in candidates[0][1] else [])


def _belongs(function: Function, module: str) -> bool:
    """Whether a function is the one that a dotted name means: ``nets/camera`` or ``nets/camera/CameraNet``."""
    path = function[0].removesuffix(".py").removesuffix("/__init__")
    holder = function[1].rpartition(".")[0].replace(".", "/")
    whole = f"{path}/{holder}" if holder else path
    return bool(module) and (whole == module or whole.endswith(f"/{module}"))
