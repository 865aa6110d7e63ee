"""Functions on their way to another process: by name where it can be imported there, by value where it cannot.

A function of a script, of a notebook, or one written inside another function has no name that a second process could
import, and one under ``@component`` has lost its name to the component. Pickling happens in spawned workers, on Ray and
wherever users keep a system, so all of these must come through it.
"""

from __future__ import annotations

import importlib
from types import FunctionType
from typing import Any


def packed(function: Any) -> Any:
    """What to pickle in place of a function; anything else is answered as it is."""
    if not isinstance(function, FunctionType):
        return function
    home = function.__module__
    if home != "__main__":
        found = _named(home, function.__qualname__)
        if found is function:
            return function
        if _Packed(function).is_behind(found):
            return _Decorated(function)
    return _Whole(function)


def unpacked(function: Any) -> Any:
    """The function again, of whatever ``packed`` made of it."""
    return function.function if isinstance(function, _Packed) else function


class _Packed:
    """Holds a function until it is pickled; a copy in the same process holds the very same one."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function

    def is_behind(self, thing: Any) -> bool:
        """Whether a component took the function's name."""
        return getattr(thing, "function", None) is self.function

    def __deepcopy__(self, memo: dict[int, Any]) -> _Packed:
        return self


class _Decorated(_Packed):
    """A function whose name a component took."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _behind, (self.function.__module__, self.function.__qualname__)


class _Whole(_Packed):
    """A function that no second process could import."""

    def __reduce__(self) -> tuple[Any, ...]:
        import cloudpickle

        return cloudpickle.loads, (cloudpickle.dumps(self.function),)


def _behind(module: str, name: str) -> Any:
    return _named(module, name).function


def _named(module: str, name: str) -> Any:
    try:
        place: Any = importlib.import_module(module)
        for part in name.split("."):
            place = getattr(place, part)
    except (ImportError, AttributeError):
        return None
    return place
