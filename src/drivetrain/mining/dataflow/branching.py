"""Where ways through the code part and meet again: variables are joined, loops hand values on to their next turn."""

from __future__ import annotations

from collections.abc import Callable

from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.values import Mixed, ModelToken, Output, Token, Value

Names = dict[str, Value]


def join(names: Names, others: Names) -> None:
    """Variables may have what they had in either."""
    for name, value in others.items():
        mine = names.get(name)
        if mine is None:
            names[name] = value
        elif mine is not value and not value <= mine:
            names[name] = mine | value


def loop(walk: Callable[[], object], frame: Frame) -> None:
    """Walk the body of a loop once, and again if outputs of one turn reach the next."""
    before = dict(frame.names)
    left, frame.left = frame.left, []
    walk()
    for names in frame.left:
        join(frame.names, names)
    frame.left = []
    carried = _carried(before, frame)
    if carried:
        fresh = dict(frame.names)
        frame.names.clear()
        frame.names.update(before)
        join(frame.names, carried)
        walk()
        join(frame.names, fresh)
        for names in frame.left:
            join(frame.names, names)
    join(frame.names, before)
    frame.left = left


def _carried(before: Names, frame: Frame) -> Names:
    """What a loop hands to its next turn: outputs among it are marked as those of the turn before."""
    found: Names = {}
    for name, value in frame.names.items():
        old = before.get(name)
        if value is old or (old is not None and value <= old):
            continue
        new = value - old if old else value
        if any(token.__class__ in _CARRIED for token in new):
            found[name] = frozenset(_again(token, frame) for token in new)
    return found


_CARRIED = frozenset({Output, Mixed, ModelToken})


def _again(token: Token, frame: Frame) -> Token:
    if token.__class__ is Output:
        return frame.machine.output(token.model, token.place, token.medium, token.via, again=True)  # type: ignore[attr-defined]
    if token.__class__ is Mixed:
        return frame.machine.mixed(frozenset(_again(part, frame) for part in token.members), token.place)  # type: ignore[attr-defined, misc]
    return token
