"""How the arguments of a call get to the parameters of a function."""

from __future__ import annotations

from drivetrain.mining.dataflow import classes
from drivetrain.mining.dataflow.arguments import Arguments
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.repository import Function
from drivetrain.mining.dataflow.values import EMPTY, Value


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
                value = inner.evaluate(defaults[name])
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
