"""What is in a value: its models, its outputs, and which outputs lie side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from drivetrain.mining.dataflow.repository import Instance
from drivetrain.mining.dataflow.values import Bound, Holder, MethodOf, Mixed, ModelToken, Output, Text, Token, Value


def texts(value: Value) -> list[str]:
    """The strings a value may be."""
    return [token.text for token in value if token.__class__ is Text]  # type: ignore[attr-defined]


def models(value: Value, depth: int = 3) -> list[ModelToken]:
    """The models a value may be or holds in containers and objects, each once."""
    found: dict[ModelToken, None] = {}
    for token in reach(value, depth):
        if token.__class__ is ModelToken:
            found[token] = None  # type: ignore[index]
        elif token.__class__ is Bound or token.__class__ is MethodOf:
            owner = token.receiver if isinstance(token, MethodOf) else token.function  # type: ignore[attr-defined]
            if owner.__class__ is ModelToken:
                found[owner] = None
    return list(found)


def reach(value: Value, depth: int = 3) -> Iterator[Token]:
    """Every token of a value and of the containers, records and library objects in it, each holder once."""
    seen: set[Token] = set()
    layer: list[Value] = [value]
    while layer and depth >= 0:
        below: list[Value] = []
        for part in layer:
            for token in part:
                yield token
                if isinstance(token, Holder) and token not in seen:
                    seen.add(token)
                    below.extend(token.fields.values())
        layer, depth = below, depth - 1


def holds_models(holder: Holder) -> bool:
    """Whether any field of an object is itself a model, directly."""
    return any(token.__class__ is ModelToken for part in holder.fields.values() for token in part)


def outputs(value: Value, depth: int = 4) -> set[Token]:
    """The outputs and mixtures in a value, also inside containers and records; what owns models is no record."""
    found: set[Token] = set()
    seen: set[Token] = set()
    part, left = value, depth
    waiting: list[tuple[Value, int]] = []
    while True:
        for token in part:
            kind = token.__class__
            if kind is Output or kind is Mixed:
                found.add(token)
            elif kind in _HOLDING and left and token not in seen:
                seen.add(token)
                if kind is Holder or not holds_models(token):  # type: ignore[arg-type]
                    waiting.extend((held, left - 1) for held in token.fields.values() if held)  # type: ignore[attr-defined]
        if not waiting:
            return found
        part, left = waiting.pop()


_DATA = frozenset({Output, Mixed})
_HOLDING = frozenset({Holder, Instance})


def members(tokens: Iterable[Token]) -> set[Output]:
    """Single outputs, with mixtures taken apart."""
    found: set[Output] = set()
    for token in tokens:
        if token.__class__ is Output:
            found.add(token)  # type: ignore[arg-type]
        elif token.__class__ is Mixed:
            found |= token.members  # type: ignore[attr-defined]
    return found


def groups(value: Value, depth: int = 3) -> list[frozenset[Token]]:
    """The outputs in a value, those that may stand for each other in one group, those held side by side in several."""
    found: list[frozenset[Token]] = []
    _collect_groups(value, depth, set(), found)
    return found


def _collect_groups(value: Value, depth: int, seen: set[Token], found: list[frozenset[Token]]) -> None:
    data = [token for token in value if token.__class__ in _DATA]
    if data:
        found.append(value if len(data) == len(value) else frozenset(data))
    if not depth or len(data) == len(value):
        return
    for token in value:
        if token.__class__ in _HOLDING and token not in seen:
            seen.add(token)  # once: objects that hold each other would be looked at without end
            if token.__class__ is Holder or not holds_models(token):  # type: ignore[arg-type]
                for part in token.fields.values():  # type: ignore[attr-defined]
                    if part:
                        _collect_groups(part, depth - 1, seen, found)
