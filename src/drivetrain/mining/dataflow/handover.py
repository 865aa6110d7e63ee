"""The second layer: what is written under a name in one place and read under it in another (files, queues, tables)."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.values import (
    EMPTY,
    ClassToken,
    Function,
    Holder,
    ModelToken,
    Output,
    Text,
    Token,
    Value,
)
from drivetrain.mining.findings import QUEUE

if TYPE_CHECKING:
    from drivetrain.mining.dataflow.calls import Arguments


def entered(value: Value, frame: Frame) -> None:
    """A context manager is entered."""


def decorated(function: Function, decorator: ast.expr, frame: Frame) -> None:
    """A function is registered by its decorator."""


def read_from(value: Value, frame: Frame) -> set[Token]:
    """What earlier code left in the files that a value names."""
    return set()


def written_by(values: list[Value], result: Value, frame: Frame) -> None:
    """A model that is given a path may write what it puts out there."""


def path_of(model: ModelToken, arguments: Arguments, frame: Frame) -> None:
    """A model is made with a path it may read or write at."""


def outside_call(name: str, full: str, arguments: Arguments, met: Value, node: ast.AST, frame: Frame) -> Value:
    """A call of a library that may write or read under a name."""
    return EMPTY


def library_object(holder: Holder, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A method of a library object that may write or read under a name."""
    return EMPTY


def of_class(receiver: ClassToken, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A table that stands as a class."""
    return EMPTY


def opened(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """``open(path)``: a file that remembers its path."""
    return frozenset(token for value in arguments.positional[:1] for token in value if token.__class__ is Text)


def queued(holder: Holder, value: Value, frame: Frame) -> Value:
    """Outputs that go through a queue say so."""
    if "Queue" not in holder.kind and "Pipe" not in holder.kind:
        return value
    return frozenset(
        frame.machine.output(token.model, token.place, QUEUE, holder.kind, token.again)  # type: ignore[attr-defined]
        if token.__class__ is Output
        else token
        for token in value
    )
