"""What a box says about its component: what it is, how large it is, whose weights it shares."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.parameter import is_lazy

from drivetrain.graph.graph import Call, Graph, Node

MODEL, CODE, SYSTEM = "model", "code", "system"
_LONGEST = 28  # characters of a class name or constant before it is cut


def kind(call: Call) -> str:
    """Whether a box is a model, ordinary code, or a system of its own."""
    if inner(call) is not None:
        return SYSTEM
    return MODEL if call.component.learns else CODE


def inner(call: Call) -> Graph | None:
    """The diagram of a sub-system; other components have none."""
    return getattr(call.component, "graph", None)


def caption(call: Call) -> str:
    """``CameraNet, 12.3 k weights`` or ``code, radius=0.5``; a component that was only read about says it itself."""
    if said := getattr(call.component, "caption", ""):
        return _cut(said)
    words = [type(call.component.thing).__name__ if kind(call) == MODEL else kind(call)]
    if kind(call) == MODEL:
        words.append(_size(call.component))
    words += [f"{word}={value!r}" for word, value in call.keywords.items() if isinstance(value, int | float | str)]
    return ", ".join(_cut(word) for word in words)


def sharing(graph: Graph) -> dict[str, tuple[str, ...]]:
    """For each model that shares weights, the others that have them too; names as in the flat diagram."""
    owners: dict[int, list[str]] = {}
    for node in graph.nodes:
        for parameter in node.component.parameters():
            owners.setdefault(id(parameter), []).append(node.name)
    partners: dict[str, dict[str, None]] = {}
    for names in owners.values():
        for name in names:
            partners.setdefault(name, {}).update(dict.fromkeys(other for other in names if other != name))
    return {name: tuple(others) for name, others in partners.items() if others}


def readers(graph: Graph) -> Iterator[tuple[str, Node]]:
    """Every edge of the flat diagram with each node that reads it, once."""
    for node in graph.nodes:
        for edge in dict.fromkeys(node.inputs):
            yield edge, node


def ragged(edge: str, graph: Graph) -> str:
    """The edge's name, with ``[]`` where it carries a list with one value per sample."""
    return f"{edge}[]" if edge in graph.ragged else edge


def _size(component: nn.Module) -> str:
    parameters = list(component.parameters())
    if any(is_lazy(parameter) for parameter in parameters):
        return "size not yet known"
    count = sum(parameter.numel() for parameter in parameters)
    for unit, step in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= step:
            return f"{count / step:.3g} {unit} weights"
    return f"{count} weight{'' if count == 1 else 's'}"


def _cut(word: str) -> str:
    return word if len(word) <= _LONGEST else word[: _LONGEST - 1] + "…"
