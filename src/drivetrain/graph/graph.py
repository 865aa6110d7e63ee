"""The diagram itself, as plain values: calls as they were written, and the flat nodes that run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from drivetrain.errors import UnknownNameError, listed
from drivetrain.graph.component import Component
from drivetrain.graph.signature import Port


@dataclass(frozen=True)
class Ref:
    """An argument that comes over an edge."""

    edge: str


@dataclass(frozen=True)
class Constant:
    """An argument that was written into the body."""

    value: Any


@dataclass(frozen=True, eq=False)
class Call:
    """One line of a system's body: a component, where its values come from, the edges that it makes."""

    name: str
    component: Component
    arguments: tuple[Ref | Constant, ...]
    keywords: Mapping[str, Any]
    outputs: tuple[Port, ...]


@dataclass(frozen=True, eq=False)
class Node(Call):
    """A call in the flat diagram: no system in it any more, names and edges with the prefixes of their sub-systems."""

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The edges that it reads, constants left out."""
        return tuple(argument.edge for argument in self.arguments if isinstance(argument, Ref))

    @cached_property
    def makes(self) -> tuple[str, ...]:
        """The edges that it makes."""
        return tuple(port.name for port in self.outputs)


@dataclass(frozen=True, eq=False)
class Graph:
    """A system's diagram.

    Attributes:
        name: the system's name.
        inputs: its input edges.
        calls: the lines of its body, in order.
        returned: what the body returns, with a ``Ref`` in place of each value.
    """

    name: str
    inputs: tuple[Port, ...]
    calls: tuple[Call, ...]
    returned: Any

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The flat diagram, in order of execution."""
        return tuple(node for call in self.calls for node in _flat(call))

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The edges that the system answers, in the order of its answer, each once."""
        return tuple(dict.fromkeys(ref.edge for ref in refs(self.returned)))

    @cached_property
    def edges(self) -> tuple[str, ...]:
        """Every edge: the inputs, then what the nodes make, in order of execution."""
        return tuple(port.name for port in self.inputs) + tuple(edge for node in self.nodes for edge in node.makes)

    @cached_property
    def ragged(self) -> frozenset[str]:
        """The edges that carry a list with one value per sample."""
        ports = [*self.inputs, *(port for node in self.nodes for port in node.outputs)]
        return frozenset(port.name for port in ports if port.ragged)

    @cached_property
    def producer(self) -> dict[str, Node]:
        """The node that makes each edge; inputs have none."""
        return {edge: node for node in self.nodes for edge in node.makes}

    def node(self, name: str) -> Node:
        """The node of that name, ``front.camera`` inside a sub-system ``front``.

        Raises:
            UnknownNameError: there is none; the message lists those there are.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        raise UnknownNameError(
            f"no component '{name}' in {self.name}; it has: {listed(node.name for node in self.nodes)}"
        )

    def check_edge(self, edge: str, why: str = "") -> str:
        """The edge, if the diagram has it.

        Raises:
            UnknownNameError: it has not; the message lists the edges there are.
        """
        if edge not in self.edges:
            raise UnknownNameError(
                f"{why + ': ' if why else ''}no edge '{edge}' in {self.name}; it has: {listed(self.edges)}"
            )
        return edge


def graph_of(component: Component) -> Graph | None:
    """The diagram of a component that is a system of its own; None for any other."""
    found = getattr(component, "graph", None)
    return found if isinstance(found, Graph) else None


def refs(returned: Any) -> Iterator[Ref]:
    """Every reference in what a body returns, in order."""
    if isinstance(returned, Ref):
        yield returned
    elif isinstance(returned, dict):
        for value in returned.values():
            yield from refs(value)
    else:
        for value in returned:
            yield from refs(value)


def rebuild(returned: Any, values: Mapping[str, Any]) -> Any:
    """What the body returns, with values in place of references."""
    if isinstance(returned, Ref):
        return values[returned.edge]
    if isinstance(returned, dict):
        return {key: rebuild(value, values) for key, value in returned.items()}
    return type(returned)(rebuild(value, values) for value in returned)


def _flat(call: Call) -> Iterator[Node]:
    inner = graph_of(call.component)
    if inner is None:
        yield Node(call.name, call.component, call.arguments, call.keywords, call.outputs)
        return
    place: dict[str, Ref | Constant] = {
        port.name: argument for port, argument in zip(inner.inputs, call.arguments, strict=True)
    }
    outer_name = dict(zip(inner.outputs, (port.name for port in call.outputs), strict=True))
    for node in inner.nodes:
        outputs = tuple(replace(p, name=outer_name.get(p.name, f"{call.name}.{p.name}")) for p in node.outputs)
        arguments = tuple(place[a.edge] if isinstance(a, Ref) else a for a in node.arguments)
        place |= {port.name: Ref(outer.name) for port, outer in zip(node.outputs, outputs, strict=True)}
        yield Node(f"{call.name}.{node.name}", node.component, arguments, node.keywords, outputs)
