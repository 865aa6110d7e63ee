"""The arguments of a call, and how they get to the parameters of a function."""

from __future__ import annotations

from collections.abc import Iterator

from drivetrain.mining.dataflow import classes
from drivetrain.mining.dataflow.expressions import evaluate
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.repository import Function
from drivetrain.mining.dataflow.values import EMPTY, Text, Value


class Arguments:
    """The values of a call: by position, by keyword, and what was spread with ``*`` and ``**``."""

    __slots__ = ("_values", "keywords", "positional", "spread")

    def __init__(
        self, positional: list[Value], keywords: dict[str, Value] | None = None, spread: Value = EMPTY
    ) -> None:
        self.positional = positional
        self.keywords = keywords or {}
        self.spread = spread
        self._values: list[Value] | None = None

    def everything(self) -> list[Value]:
        """All values that hold anything."""
        if self._values is None:
            self._values = [value for value in (*self.positional, *self.keywords.values(), self.spread) if value]
        return self._values

    def words(self) -> Iterator[str]:
        """All strings among the values."""
        for value in self.everything():
            for token in value:
                if token.__class__ is Text:
                    yield token.text  # type: ignore[attr-defined]


def bind_arguments(function: Function, arguments: Arguments, frame: Frame) -> dict[str, Value]:
    """Parameters with their values, in order; those without one by their default or annotation."""
    spec = function.node.args
    bound: dict[str, Value] = {}
    positional = [*spec.posonlyargs, *spec.args]
    inner = Frame(frame.machine, function.module, {}, closure=function.closure, owner=function.owner)
    defaults = dict(zip([one.arg for one in positional][::-1], spec.defaults[::-1]))
    defaults.update(
        {one.arg: default for one, default in zip(spec.kwonlyargs, spec.kw_defaults) if default is not None}
    )
    left = dict(arguments.keywords)
    for at, parameter in enumerate([*positional, *spec.kwonlyargs]):
        name = parameter.arg
        if at < len(arguments.positional) and at < len(positional):
            value = arguments.positional[at]
        elif name in left:
            value = left.pop(name)
        else:
            value = arguments.spread
            if not value and name in defaults:
                value = evaluate(defaults[name], inner)
        if not value:
            value = classes.of_annotation(parameter.annotation, inner)
        bound[name] = value
    if spec.vararg is not None:
        rest = tuple(arguments.positional[len(positional) :])
        more = (*rest, arguments.spread) if arguments.spread else rest
        bound[spec.vararg.arg] = frame.machine.packed(more, function.node, inner) if more else EMPTY
    if spec.kwarg is not None:
        bound[spec.kwarg.arg] = (
            frame.machine.record(tuple(sorted(left.items())), function.node, inner) if left else EMPTY
        )
    return bound
