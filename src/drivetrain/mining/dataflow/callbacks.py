"""Functions that are handed to code of which nothing is known: it calls them."""

from __future__ import annotations

import ast

from drivetrain.mining.dataflow.arguments import Arguments
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.repository import Function
from drivetrain.mining.dataflow.values import ELEMENT, EMPTY, Bound, Holder, MethodOf, ModelToken, Token, Value


def callbacks(arguments: Arguments, given: Value, node: ast.AST, frame: Frame) -> Value:
    """Functions handed to unknown code are called by it, with what else it was given."""
    values = arguments.everything()
    rest = [value for value in values if not _callable(value)]
    if len(rest) == len(values):
        return EMPTY
    found: Value = EMPTY
    for key, value in [*enumerate(arguments.positional), *arguments.keywords.items()]:
        if not _callable(value):
            continue
        spread = arguments.keywords.get("args", EMPTY)
        for token in value:
            if _may_be_called(token):
                if spread:
                    packed = [part for held in spread if isinstance(held, Holder) for part in held.fields.values()]
                    handed = Arguments(packed)
                elif key == 0 and len(arguments.positional) > 1:
                    handed = Arguments([_opened(part) for part in arguments.positional[1:]])
                else:
                    handed = Arguments([], spread=given | frozenset().union(*rest) if given else EMPTY)
                found |= frame.call(token, handed, node)
    return found


def _callable(value: Value) -> bool:
    return any(map(_may_be_called, value))


def _may_be_called(token: Token) -> bool:
    """Whether unknown code that is handed this may call it: a function, or a method of a model."""
    kind = token.__class__
    return kind is Function or kind is Bound or (kind is MethodOf and token.receiver.__class__ is ModelToken)  # type: ignore[attr-defined]


def _opened(value: Value) -> Value:
    """What is handed to a mapped function: an element of a container, or the thing itself."""
    found = set(value)
    for token in value:
        if isinstance(token, Holder) and token.kind == "list":
            found |= token.fields.get(ELEMENT, EMPTY)
            for key, part in token.fields.items():
                if isinstance(key, int):
                    found |= part
    return frozenset(found)
