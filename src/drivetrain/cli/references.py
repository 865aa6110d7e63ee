"""How a command line names a Python object: ``MODULE:NAME``, or ``MODULE:NAME(literal arguments)`` to call it."""

from __future__ import annotations

import ast
import importlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from drivetrain.errors import DeclarationError, UnknownNameError, listed
from drivetrain.graph import System


def load(reference: str, what: str) -> Any:
    """The object that a reference names, looked for from the current folder first.

    Args:
        reference: ``"cars:perception"``, ``"cars.data:simulate(frames=100, seed=1)"``.
        what: what it should be, for messages: ``"the system"``.

    Raises:
        DeclarationError: it cannot be read, or importing the module failed.
        UnknownNameError: there is no such module, or nothing of that name in it.
    """
    module_name, name, positional, keywords = _parsed(reference, what)
    place = _module(module_name, what)
    for part in name.split("."):
        if not hasattr(place, part):
            there = [known for known in vars(place) if not known.startswith("_")]
            raise UnknownNameError(f"{what}: no '{part}' in {module_name}; it has: {listed(there)}")
        place = getattr(place, part)
    if positional is None:
        return place
    try:
        return place(*positional, **keywords)
    except TypeError as error:
        raise DeclarationError(f"{what}: {reference} cannot be called so: {error}") from error
    except Exception as error:
        raise _failure(f"{what}: calling {reference}", error) from error


def load_system(reference: str) -> System:
    """A system, or what a function without arguments builds.

    Raises:
        DeclarationError: it is something else.
    """
    found = _made(load(reference, "the system"))
    if not isinstance(found, System):
        raise DeclarationError(
            f"the system: {reference} is {_article(found)}; "
            f"name what stands below @system, or a function that builds it"
        )
    return found


def load_data(reference: str, what: str = "the data") -> Any:
    """A data set, or what a function without arguments answers."""
    return _made(load(reference, what))


def by_edge(references: Iterable[str], what: str) -> Any:
    """``["MODULE:NAME"]`` is that object; ``["EDGE=MODULE:NAME", ...]`` is a dict of objects by edge.

    Raises:
        DeclarationError: both forms are mixed, or an object for no edge is given twice.
    """
    pairs = [_edge_and_reference(reference) for reference in references]
    if len(pairs) == 1 and not pairs[0][0]:
        return load(pairs[0][1], what)
    if not all(edge for edge, _ in pairs):
        raise DeclarationError(f"{what}: say for each which edge it is for: EDGE=MODULE:NAME")
    return {edge: load(reference, what) for edge, reference in pairs}


def _edge_and_reference(text: str) -> tuple[str, str]:
    before, equals, after = text.partition("=")
    if equals and ":" not in before:
        return before.strip(), after.strip()
    return "", text


def _parsed(reference: str, what: str) -> tuple[str, str, list[Any] | None, dict[str, Any]]:
    wrong = DeclarationError(
        f"{what}: {reference!r} names nothing; write MODULE:NAME, such as cars:perception, "
        f'or with plain arguments "cars:build(seed=1)"'
    )
    module_name, colon, rest = reference.partition(":")
    if not colon or not rest or not module_name:
        raise wrong
    try:
        expression = ast.parse(rest.strip(), mode="eval").body
        if isinstance(expression, ast.Call):
            positional = [ast.literal_eval(argument) for argument in expression.args]
            keywords = {str(word.arg): ast.literal_eval(word.value) for word in expression.keywords}
            return module_name, ast.unparse(expression.func), positional, keywords
        if not isinstance(expression, ast.Name | ast.Attribute):
            raise wrong
    except (SyntaxError, ValueError):
        raise wrong from None
    return module_name, ast.unparse(expression), None, {}


def _module(name: str, what: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    if "/" in name or name.endswith(".py"):
        module = name.removesuffix(".py").strip("./").replace("/", ".")
        raise UnknownNameError(f"{what}: {name} is a file; MODULE is written as in an import: {module}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UnknownNameError(
                f"{what}: no module '{error.name}', looked for from {here}; "
                f"MODULE is written as in an import: cars.system"
            ) from None
        raise _failure(f"{what}: importing {name}", error) from error
    except Exception as error:
        raise _failure(f"{what}: importing {name}", error) from error


def _failure(doing: str, error: Exception) -> DeclarationError:
    """What went wrong in the user's own code, and in which line of it."""
    frame = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith("<")][-1]
    place = "" if isinstance(error, SyntaxError) else f" ({Path(frame.filename).name}, line {frame.lineno})"
    return DeclarationError(f"{doing} failed: {type(error).__name__}: {error}{place}")


def _made(found: Any) -> Any:
    """What a function without arguments answers; everything else as it is."""
    if not (callable(found) and hasattr(found, "__code__")):
        return found
    try:
        return found()
    except Exception as error:
        raise _failure(f"calling {found.__name__}()", error) from error


def _article(found: Any) -> str:
    name = type(found).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
