"""The one structural operation: another component in a place of the diagram."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drivetrain.errors import SignatureError, UnknownNameError, listed
from drivetrain.graph.component import Component
from drivetrain.graph.graph import Call, Graph, graph_of


def replaced(graph: Graph, name: str, newcomer: Any) -> Graph:
    """The diagram with another component in the place of that name; all else is shared.

    Args:
        graph: the diagram.
        name: ``"camera"``, or ``"front.camera"`` inside a sub-system ``front``.
        newcomer: what comes to stand there; it takes and answers as many values, ragged where the place is.

    Raises:
        UnknownNameError: there is no such place; the message lists those there are.
        SignatureError: the newcomer is no component, or does not fit the place.
    """
    head, _, tail = name.partition(".")
    for index, call in enumerate(graph.calls):
        if call.name != head:
            continue
        if not tail:
            component = _fitting(call, newcomer)
        elif graph_of(call.component):
            component = call.component.replace(**{tail: newcomer})  # type: ignore[operator]
        else:
            break
        changed = Call(call.name, component, call.arguments, call.keywords, call.outputs)
        return Graph(
            graph.name, graph.inputs, (*graph.calls[:index], changed, *graph.calls[index + 1 :]), graph.returned
        )
    raise UnknownNameError(f"no component '{name}' in {graph.name}; it has: {listed(_places(graph))}")


def _places(graph: Graph) -> Iterator[str]:
    """What can be replaced: components, sub-systems and the components in them."""
    for call in graph.calls:
        yield call.name
        if inner := graph_of(call.component):
            yield from (f"{call.name}.{place}" for place in _places(inner))


def _fitting(call: Call, newcomer: Any) -> Component:
    if not isinstance(newcomer, Component):
        raise SignatureError(
            f"'{call.name}' is replaced by {type(newcomer).__name__}, which is not a component; "
            f'write replace({call.name}=component("{call.name}", thing, "{call.component.signature}"))'
        )
    outputs = newcomer.edges_when_called
    if len(newcomer.signature.inputs) != len(call.arguments) or len(outputs) != len(call.outputs):
        raise SignatureError(
            f"'{call.name}' is declared as '{call.component.signature}'; "
            f"'{newcomer.name}' with '{newcomer.signature}' does not fit its place"
        )
    for old, new in zip(call.outputs, outputs, strict=True):
        if old.ragged != new.ragged:
            raise SignatureError(
                f"'{call.name}' is declared as '{call.component.signature}'; '{newcomer.name}' answers '{new}' "
                f"{'as' if new.ragged else 'not as'} a list with one value per sample; declare it as '-> {old}'"
            )
    return newcomer
