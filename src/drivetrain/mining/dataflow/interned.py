"""Tokens, each made once in an analysis, so that equal ones are the same object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.mining.dataflow.repository import Lazy, ModuleToken
from drivetrain.mining.dataflow.values import (
    Bound,
    Library,
    MethodOf,
    Mixed,
    ModelToken,
    Output,
    Text,
    Token,
    Value,
    number_anew,
)
from drivetrain.mining.findings import MEMORY, Place

if TYPE_CHECKING:
    from drivetrain.mining.dataflow.repository import Module


class Interned:
    """Answers the one token of a kind for what makes it: a text, a name of a library, an output of a model."""

    def __init__(self) -> None:
        number_anew()
        self._names: dict[tuple[type, object], Token] = {}
        self._outputs: dict[tuple[object, ...], Output] = {}

    def text(self, text: str) -> Token:
        key = (Text, text)
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = Text(text)
        return found

    def library(self, name: str) -> Token:
        key = (Library, name)
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = Library(name)
        return found

    def module(self, module: Module) -> Token:
        key = (ModuleToken, module)
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = ModuleToken(module)
        return found

    def method(self, receiver: Token, name: str) -> Token:
        key = (MethodOf, (receiver, name))
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = MethodOf(receiver, name)
        return found

    def named(self, kind: type[Token], key: object) -> Any:
        """The one token of a kind for a key: a class, a module's name, the weights of a model."""
        found = self._names.get((kind, key))
        if found is None:
            found = self._names[(kind, key)] = kind(key)  # type: ignore[call-arg]
        return found

    def lazy(self, module: Module, name: str) -> Token:
        found: Token = self.named(Lazy, (module, name))
        return found

    def mixed(self, parts: frozenset[Output], place: Place) -> Mixed:
        key = (Mixed, (parts, place))
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = Mixed(parts, place)
        return found  # type: ignore[return-value]

    def bound(
        self, function: Token, arguments: tuple[Value, ...], keywords: tuple[tuple[str, Value], ...] = ()
    ) -> Token:
        key = (Bound, (function, arguments, keywords))
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = Bound(function, arguments, keywords)
        return found

    def output(
        self, model: ModelToken, place: Place, medium: str = MEMORY, via: str = "", again: bool = False
    ) -> Output:
        key = (model, medium, via, again)
        found = self._outputs.get(key)
        if found is None:
            found = self._outputs[key] = Output(model, place, medium, via, again)
        return found
