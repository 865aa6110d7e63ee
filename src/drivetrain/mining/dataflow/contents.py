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
    if not value:
        return found
    seen: set[Token] = set()
    stack: list[tuple[Value, int]] = [(value, depth)]
    while stack:
        part, left = stack.pop()
        for token in part:
            kind = token.__class__
            if kind is Output or kind is Mixed:
                found.add(token)
            elif left and isinstance(token, Holder) and token not in seen:
                seen.add(token)
                if kind is not Instance or not holds_models(token):
                    stack.extend((held, left - 1) for held in token.fields.values())
    return found


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
    return _groups(value, depth, set()) if outputs(value, depth) else []


def _groups(value: Value, depth: int, seen: set[Token]) -> list[frozenset[Token]]:
    direct: frozenset[Token] = frozenset(t for t in value if t.__class__ is Output or t.__class__ is Mixed)
    found: list[frozenset[Token]] = [direct] if direct else []
    if depth:
        for token in value:
            if isinstance(token, Holder) and token not in seen:
                seen.add(token)  # once: objects that hold each other would be looked at without end
                if not (token.__class__ is Instance and holds_models(token)):
                    for part in list(token.fields.values()):
                        found.extend(_groups(part, depth - 1, seen))
    return found
