"""Running a diagram node by node, and checking what each node answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import torch

from drivetrain.errors import ComponentError, MissingEdgeError, listed
from drivetrain.graph.graph import Constant, Graph, Node, Ref
from drivetrain.graph.parts import Parts, marked


def needed(graph: Graph, wanted: Iterable[str], given: Collection[str] = ()) -> tuple[Node, ...]:
    """The nodes that must run to know the wanted edges when some are given; given edges are not computed again."""
    open_edges = set(wanted) - set(given)
    chosen = []
    for node in reversed(graph.nodes):
        if open_edges.intersection(node.makes):
            chosen.append(node)
            open_edges.update(edge for edge in node.inputs if edge not in given)
    return tuple(reversed(chosen))


def run(nodes: Iterable[Node], values: Mapping[str, Any]) -> dict[str, Any]:
    """Run nodes in order on the values of their input edges; answers the values and everything that was made.

    Raises:
        MissingEdgeError: an edge that a node reads has no value.
        ComponentError: a component answered something that its signature does not declare.
    """
    known = dict(values)
    for node in nodes:
        known.update(run_node(node, known))
    return known


def run_node(node: Node, values: Mapping[str, Any]) -> dict[str, Any]:
    """Run one node; the values of the edges that it makes. What goes wrong inside says where it went wrong."""
    missing = [edge for edge in node.inputs if edge not in values]
    if missing:
        raise MissingEdgeError(
            f"'{node.name}' reads {listed(missing)}, which the batch does not have; it has: {listed(values)}"
        )
    arguments = [a.value if isinstance(a, Constant) else values[a.edge] for a in node.arguments]
    try:
        answer = node.component.runs(*arguments, **node.keywords)
    except Exception as error:
        note_node(error, node, values)
        raise
    answers = answers_of(node, answer, [values[edge] for edge in node.inputs])
    ports = zip(node.outputs, answers, strict=True)
    return {port.name: value if port.ragged else marked(value) for port, value in ports}


def size_of(value: Any) -> int | None:
    """How many samples a value holds: the length of a ragged list or the first dimension of its first tensor."""
    if isinstance(value, Mapping):
        return next((size for part in value.values() if (size := size_of(part)) is not None), None)
    if isinstance(value, list) and not isinstance(value, Parts):
        return len(value)
    if isinstance(value, list | tuple):
        return next((size for part in value if (size := size_of(part)) is not None), None)
    shape = getattr(value, "shape", None)
    return int(shape[0]) if shape is not None and len(shape) else None


def describe(value: Any) -> str:
    """A value in a message: its type and shape, never its numbers."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__}{tuple(shape)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {describe(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of {len(value)}" + (f" ({describe(value[0])}, ...)" if value else "")
    return type(value).__name__


def answers_of(node: Node, answer: Any, read: Sequence[Any]) -> Sequence[Any]:
    """What a node answered, one value for each edge that it makes.

    Args:
        node: it ran.
        answer: what its component answered.
        read: the values of the edges that it read, in their order.

    Raises:
        ComponentError: it declares another number of values, or a ragged edge has no list with one value a sample.
    """
    made = node.makes
    if len(made) == 1:
        answer = (answer,)
    elif not isinstance(answer, list | tuple) or len(answer) != len(made):
        found = f"{len(answer)} values" if isinstance(answer, list | tuple) else describe(answer)
        raise ComponentError(f"'{node.name}' declares {len(made)} outputs ({listed(made)}) and answered {found}")
    for port, value in zip(node.outputs, answer, strict=True):
        if port.ragged:
            _check_ragged(node, port.name, value, read)
    return answer  # type: ignore[no-any-return]


def note_node(error: Exception, node: Node, values: Mapping[str, Any]) -> None:
    """Add to an error which component was running, and on what."""
    taken = listed(f"{edge}: {describe(values[edge])}" for edge in node.inputs)
    where = f"while running component '{node.name}' ({taken} -> {listed(node.makes)})"
    error.add_note(where + _of_other_types(node, values, error))


def _of_other_types(node: Node, values: Mapping[str, Any], error: Exception) -> str:
    """What to write where numbers of another type meet the weights, as float64 from numpy often does."""
    own = {weight.dtype for weight in node.component.parameters() if weight.is_floating_point()}
    read = [(edge, getattr(values[edge], "dtype", None)) for edge in node.inputs]
    others = [(edge, dtype) for edge, dtype in read if isinstance(dtype, torch.dtype) and dtype not in own]
    if not isinstance(error, RuntimeError) or "dtype" not in str(error) or len(own) != 1 or not others:
        return ""
    edge, found = others[0]
    wanted = str(own.pop())
    return f"; '{edge}' is {found} and the weights are {wanted}: hand over {edge}.to({wanted})"


def _check_ragged(node: Node, edge: str, value: Any, read: Sequence[Any]) -> None:
    if not isinstance(value, list):
        raise ComponentError(
            f"'{node.name}' declares the ragged edge '{edge}[]', which is a list with one value per sample; "
            f"it answered {describe(value)}"
        )
    # of the lists that it read, those alone count samples that are known to be ragged
    ragged = [
        port.ragged
        for port, argument in zip(node.component.signature.inputs, node.arguments, strict=True)
        if isinstance(argument, Ref)
    ]
    sizes = [size_of(each) for each, known in zip(read, ragged, strict=True) if known or not isinstance(each, list)]
    size = next((found for found in sizes if found is not None), None)
    if size is not None and len(value) != size:
        raise ComponentError(
            f"'{node.name}' answered {len(value)} value(s) on the ragged edge '{edge}[]' for a batch of {size}"
        )
