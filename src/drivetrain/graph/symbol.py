"""A symbol stands for the value of an edge while the body of a system is read; it can only be handed on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from torch.utils._pytree import tree_leaves

from drivetrain.errors import TracingError, listed


class AbstractReader(ABC):
    """Whoever reads a body and is told of every call in it.

    Attributes:
        name: of the system that is read.
    """

    name: str

    @abstractmethod
    def call(self, component: Any, values: tuple[Any, ...], constants: Mapping[str, Any]) -> Any:
        """Record a call of a component and answer the symbols of its outputs."""


class Symbol:
    """The value of one edge, to be; whatever is done to it but handing it to a component is refused."""

    __slots__ = ("_edge", "_reader")
    _edge: str
    _reader: AbstractReader

    def __init__(self, edge: str, reader: AbstractReader) -> None:
        object.__setattr__(self, "_edge", edge)
        object.__setattr__(self, "_reader", reader)

    def __repr__(self) -> str:
        return f"<the value of edge '{self._edge}'>"

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("__") and attribute.endswith("__"):
            raise AttributeError(attribute)  # Python and numpy probe these; absence is the honest answer
        _refuse(self, f".{attribute}")

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> NoReturn:
        _refuse(symbols_in((args, kwargs or {}))[0], f"torch.{getattr(function, '__name__', function)}(...)")


def symbols_in(value: Any) -> list[Symbol]:
    """The symbols in a nested structure, in order."""
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Symbol)]


def is_drawn(values: tuple[Any, ...], constants: Mapping[str, Any]) -> bool:
    """Whether a call belongs to the reading of a body: a symbol is among its arguments, at the top or inside one."""
    for value in values:
        if type(value) is Symbol or (isinstance(value, list | tuple | dict) and symbols_in(value)):
            return True
    return bool(constants) and bool(symbols_in(dict(constants)))


def draw(component: Any, values: tuple[Any, ...], constants: Mapping[str, Any]) -> Any:
    """Draw a call into the diagram that its symbols belong to.

    Raises:
        TracingError: they belong to several.
    """
    readers = {id(symbol._reader): symbol._reader for symbol in symbols_in((values, dict(constants)))}
    if len(readers) > 1:
        names = listed(reader.name for reader in readers.values())
        raise TracingError(f"'{component.name}' is called with edges of several systems: {names}")
    return next(iter(readers.values())).call(component, values, constants)


def _refuse(symbol: Symbol, what: str) -> NoReturn:
    edge = symbol._edge
    raise TracingError(
        f"in {symbol._reader.name}: {what} on edge '{edge}' cannot be part of the diagram; a system's body only calls "
        f'components and returns. Wrap it with @component("{edge} -> ...") and call that.'
    )


def _refusal(operation: str) -> Callable[..., NoReturn]:
    def refused(self: Symbol, *_: Any, **__: Any) -> NoReturn:
        _refuse(self, operation)

    return refused


_OPERATIONS = {
    "iteration or unpacking (declare several outputs: 'x -> a, b')": ("__iter__",),
    "indexing": ("__getitem__", "__setitem__", "__contains__"),
    "setting an attribute": ("__setattr__", "__delattr__"),
    "copying": ("__copy__", "__deepcopy__", "__reduce_ex__"),
    "a condition": ("__bool__",),
    "len()": ("__len__",),
    "a call": ("__call__",),
    "a conversion": ("__float__", "__int__", "__index__", "__complex__", "__array__", "__str__", "__format__"),
    "a comparison": ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"),
    "arithmetic": tuple(
        f"__{side}{name}__"
        for side in ("", "r", "i")
        for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
    ) + ("__neg__", "__pos__", "__abs__", "__invert__", "__round__"),
}  # fmt: skip
for _what, _names in _OPERATIONS.items():
    for _name in _names:
        setattr(Symbol, _name, _refusal(_what))
Symbol.__hash__ = object.__hash__  # type: ignore[method-assign]  # a class with __eq__ loses its hash
