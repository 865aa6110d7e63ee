"""What a component version is called by: a digest of its weights, settings and code, the code it calls included."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import pickle
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from drivetrain.errors import DeclarationError
from drivetrain.experiments.versions.settings import read_of
from drivetrain.gradients.memory import Memory
from drivetrain.graph import Component

Scalar = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), slice, range)


def fingerprint(*things: Any) -> str:
    """A digest of values, models and code: 32 hexadecimal digits that change when what would be computed may change.

    Of a function counts its byte code, its defaults, what it closes over, and what it names of its own module
    (constants, functions and classes, as deep as they name each other); of a model its weights,
    its settings and the code of its classes. Libraries count by their name: what is installed is not read.

    Example:
        >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 2)
        False

    Raises:
        DeclarationError: something can neither be read nor pickled.
    """
    reader = _Reader()
    for thing in things:
        reader.read(thing)
    return reader.digest.hexdigest()[:32]


def component_fingerprint(component: Component) -> str:
    """The digest of a component as a version: what it computes, not the name under which it stands.

    What a gradient estimator remembers changes no answer and does not count.
    """
    remembered = tuple(f"{name}." for name, part in component.named_modules() if isinstance(part, Memory))
    state = {name: value for name, value in component.state_dict().items() if not name.startswith(remembered)}
    ports = [("<-" if port in component.signature.inputs else "->", port.ragged) for port in _ports(component)]
    return fingerprint(ports, read_of(component), state)


def _ports(component: Component) -> Iterator[Any]:
    yield from component.signature.inputs
    yield from component.signature.outputs


class _Reader:
    """Feeds values into one digest; what was met before is named by when it was met."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.met: dict[int, int] = {}
        self.kept: list[Any] = []  # so that no address is given to a second thing

    def read(self, thing: Any) -> None:
        if isinstance(thing, Scalar):
            self.note(type(thing).__name__, repr(thing))
        elif isinstance(thing, Tensor):
            self.array("tensor", thing.detach().cpu().contiguous())
        elif isinstance(thing, np.ndarray | np.generic) and thing.dtype != object:
            value = np.ascontiguousarray(thing)
            self.note("array", value.dtype.str, value.shape)
            self.digest.update(value.tobytes())
        elif isinstance(thing, type):
            self.class_(thing)  # which itself notes what it has met
        elif not self.again(thing):
            self.whole(thing)

    def whole(self, thing: Any) -> None:
        """A thing with parts, met for the first time."""
        if isinstance(thing, Mapping):
            self.note("mapping", len(thing))
            for key, value in thing.items():
                self.read(key)
                self.read(value)
        elif isinstance(thing, list | tuple):
            self.note(type(thing).__name__, len(thing))
            for part in thing:
                self.read(part)
        elif isinstance(thing, set | frozenset):
            self.note("set", *sorted(fingerprint(part) for part in thing))
        elif isinstance(thing, types.CodeType):
            self.code(thing)
        elif isinstance(thing, types.ModuleType):
            self.note("module", thing.__name__)
        elif isinstance(thing, functools.partial):
            self.read((thing.func, thing.args, thing.keywords))
        elif isinstance(thing, types.MethodType):
            self.read((thing.__func__, thing.__self__))
        elif isinstance(thing, types.FunctionType):
            self.function(thing)
        elif isinstance(thing, types.BuiltinFunctionType | np.ufunc):
            self.note("builtin", getattr(thing, "__qualname__", repr(thing)))
        elif isinstance(thing, nn.Module):
            self.class_(type(thing))
            self.read({k: v for k, v in vars(thing).items() if k not in ("training", "_forward")})
        elif isinstance(thing, torch.dtype | torch.device):
            self.note(str(thing))
        else:
            self.anything(thing)

    def again(self, thing: Any) -> bool:
        if id(thing) in self.met:
            self.note("again", self.met[id(thing)])
            return True
        self.met[id(thing)] = len(self.met)
        self.kept.append(thing)
        return False

    def function(self, function: types.FunctionType) -> None:
        self.note("function")
        if _of_a_library(function):
            self.note(function.__module__, function.__qualname__)
            return
        self.code(function.__code__)
        self.read((function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            self.read(cell.cell_contents if _filled(cell) else None)
        for name in _named(function.__code__):
            if name in function.__globals__:
                self.note(name)
                self.read(function.__globals__[name])

    def code(self, code: types.CodeType) -> None:
        self.note("code", code.co_argcount, code.co_kwonlyargcount, code.co_flags, code.co_names, code.co_varnames)
        self.digest.update(code.co_code)
        for constant in code.co_consts:
            self.read(constant)

    def class_(self, kind: type) -> None:
        self.note("class", kind.__module__, kind.__qualname__)
        if _of_a_library(kind) or self.again(kind):
            return
        for base in kind.__bases__:
            self.class_(base)
        for name, value in vars(kind).items():
            if name not in _UNREAD:
                self.note(name)
                raw = value.__func__ if isinstance(value, staticmethod | classmethod) else value
                self.read([raw.fget, raw.fset] if isinstance(raw, property) else raw)
        if dataclasses.is_dataclass(kind):  # whose other defaults are attributes of the class
            made = [(field.name, field.default_factory) for field in dataclasses.fields(kind)]
            self.read([(name, make) for name, make in made if make is not dataclasses.MISSING])

    def anything(self, thing: Any) -> None:
        """Anything else: as pickle would write it, which is how it would be sent to a worker."""
        self.class_(type(thing))
        try:
            self.digest.update(pickle.dumps(thing, protocol=5))
        except Exception as error:
            if hasattr(thing, "__dict__"):
                self.read(vars(thing))
                return
            raise DeclarationError(
                f"a {type(thing).__name__} has no digest, because it cannot be pickled ({error}); "
                f"give the component plain values, functions or models"
            ) from error

    def array(self, kind: str, value: Tensor) -> None:
        self.note(kind, str(value.dtype), tuple(value.shape))
        if value.numel():
            self.digest.update(value.reshape(-1).view(torch.uint8).numpy().data)  # not copied: data sets are read so

    def note(self, *words: object) -> None:
        self.digest.update(repr(words).encode())


def _of_a_library(thing: Any) -> bool:
    """Whether it was installed: what a user is working on lies elsewhere. Drivetrain is, in a checkout of it, too."""
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    if module is not None and module.__name__.partition(".")[0] == __name__.partition(".")[0]:
        return "<" not in thing.__qualname__  # a lambda, or what a function made, has no name to count by
    file = getattr(module, "__file__", None)
    if module is None or module.__name__ == "__main__":
        return False
    return file is None or "site-packages" in file or file.startswith(_STANDARD_LIBRARY)


_UNREAD = {
    "__module__", "__dict__", "__weakref__", "__doc__", "__annotations__", "__firstlineno__",
    "__dataclass_fields__", "__dataclass_params__",
}  # fmt: skip
"""What a class holds besides what it does."""

_STANDARD_LIBRARY = inspect.getfile(functools).rpartition("/")[0]


def _named(code: types.CodeType) -> Iterator[str]:
    """The global names that code uses, that of the functions written inside it too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _named(constant)


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # reading is the question
    except ValueError:
        return False
    return True
