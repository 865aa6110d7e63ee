"""Where outputs of several models become one value: the first place is a merge, later ones say nothing new."""

from __future__ import annotations

import ast

from drivetrain.mining.dataflow.contents import groups, members
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.values import EMPTY, Mixed, ModelToken, Output, Token, Value
from drivetrain.mining.knowledge import words

_MOST_GROUPS = 24


def combine(
    frame: Frame,
    values: list[Value],
    node: ast.AST,
    what: str,
    *,
    reporting: bool = False,
    fallback: bool = False,
    confidence: float = 1.0,
) -> Value:
    """The outputs in some values after code made one value out of them.

    Outputs that one value may be in turn are alternatives and do not meet; outputs that different values hold do.
    """
    parts = [group for value in values if value for group in groups(value)][:_MOST_GROUPS]
    if not parts:
        return EMPTY
    joined: frozenset[Token] = frozenset().union(*parts) if len(parts) > 1 else parts[0]
    if len(parts) == 1 or reporting or fallback or is_reporting(what) or len({*_models(joined)}) < 2:
        return joined
    if not _new(parts):
        return joined
    met = members(joined)
    place = frame.place(node)
    frame.machine.facts.meet(met, place, what, confidence)
    return frozenset((frame.machine.mixed(frozenset(met), place),))


def _models(tokens: frozenset[Token]) -> set[ModelToken]:
    return {output.model for output in members(tokens)}


def _new(parts: list[frozenset[Token]]) -> bool:
    """Whether two models come together here that are not alternatives in one part."""
    beside: dict[ModelToken, set[ModelToken]] = {}
    for part in parts:
        owned = _models(part)
        for model in owned:
            beside.setdefault(model, set()).update(owned)
    return any(len(known) < len(beside) for known in beside.values())


def is_reporting(what: str) -> bool:
    """Whether a call of this name only shows, stores or carries what it is given."""
    known = words()
    lowered = what.lower().lstrip("_")
    return (
        what in known.reporting
        or lowered.startswith(known.reporting_prefixes)
        or any(part in lowered for part in known.reporting_parts)
    )


__all__ = ["Mixed", "Output", "combine", "is_reporting"]
