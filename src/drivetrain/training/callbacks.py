"""What a callback may be told besides the end of an epoch: that training begins, moves on, ends, or fails.

A callback is a function of the ``State``, called after every epoch. An object that is called so may have any of these
methods, too: ``begin(plan)`` before anything is trained, ``step(state)`` after every update, ``end(report)`` with what
``fit`` answers, ``fail(error)`` where it does not. Only the first of several processes is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from drivetrain.training.base import Plan, State


def hooks(callbacks: Sequence[Callable[[State], Any]], name: str) -> tuple[Callable[[Any], Any], ...]:
    """The methods of that name of those callbacks that have one."""
    return tuple(getattr(callback, name) for callback in callbacks if hasattr(callback, name))


@contextmanager
def told(callbacks: Sequence[Callable[[State], Any]], plan: Plan) -> Iterator[Callable[[Any], None]]:
    """Tell callbacks that training begins, and that it fails if it does; what is yielded tells them how it ended."""
    for begin in hooks(callbacks, "begin"):
        begin(plan)

    def ended(report: Any) -> None:
        for end in hooks(callbacks, "end"):
            end(report)

    try:
        yield ended
    except BaseException as error:
        for fail in hooks(callbacks, "fail"):
            fail(error)
        raise
