"""The noun: a system of several models, declared as the function that runs it."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from drivetrain.errors import (
    DataError,
    DeclarationError,
    MissingEdgeError,
    SignatureError,
    TracingError,
    listed,
)
from drivetrain.graph import drawing, weights
from drivetrain.graph.compilation import compiled, note_where
from drivetrain.graph.component import Component, checked_name
from drivetrain.graph.execution import describe, needed, run
from drivetrain.graph.graph import Graph, Node, rebuild
from drivetrain.graph.replacement import replaced
from drivetrain.graph.signature import Port, Signature
from drivetrain.graph.topology import Integration, integration_patterns
from drivetrain.graph.tracing import trace


class System(Component):
    """Components and the edges between them; a ``torch.nn.Module``, and a component of larger systems.

    Make one with ``@system``. Calling it on the values of its inputs runs it and answers what the body returned.

    Attributes:
        graph: the diagram, calls as written and flat nodes.
    """

    def __init__(self, graph: Graph, outputs: tuple[Port, ...] | None = None) -> None:
        made = [port for node in graph.nodes for port in node.outputs if port.name in graph.outputs]
        super().__init__(graph.name, Signature(graph.inputs, tuple(made)))
        self.graph = graph
        self._outputs_when_called = outputs
        for call in graph.calls:
            self.add_module(call.name, call.component)
        self._forward = compiled(graph)

    # -- what it is made of

    @property
    def thing(self) -> Any:
        """The system itself."""
        return self

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the input edges, in the order of the body's parameters."""
        return tuple(port.name for port in self.graph.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the output edges, in the order of the body's answer."""
        return self.graph.outputs

    @property
    def edges(self) -> tuple[str, ...]:
        """The names of all edges: inputs first, then in order of execution."""
        return self.graph.edges

    @property
    def ragged(self) -> frozenset[str]:
        """The edges that carry a list with one value per sample."""
        return self.graph.ragged

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The flat diagram in order of execution; sub-systems are opened, their names are prefixes."""
        return self.graph.nodes

    @property
    def models(self) -> tuple[str, ...]:
        """The components that learn, in order of execution."""
        return tuple(node.name for node in self.nodes if node.component.learns)

    @property
    def patterns(self) -> tuple[Integration, ...]:
        """How the models are integrated."""
        return integration_patterns(self.graph)

    def component(self, name: str) -> Component:
        """The component of that name; ``front.camera`` inside a sub-system, ``front`` for the sub-system itself."""
        for call in self.graph.calls:
            if call.name == name:
                return call.component
        return self.graph.node(name).component

    # -- running

    def forward(self, *values: Any, **constants: Any) -> Any:
        """Run on the values of the input edges, by position or by name; answers as the body returned."""
        try:
            return self._forward(*values, **constants)
        except Exception as error:
            note_where(error, self._forward)
            raise

    def trace(self, batch: Any) -> dict[str, Any]:
        """Run on a batch, a dict keyed by edge, and answer the value of every edge by name.

        Raises:
            DataError: the batch is no dict.
            MissingEdgeError: it lacks an input.
            ComponentError: a component answered something that its signature does not declare.
        """
        if not isinstance(batch, Mapping):
            written = listed(f"{edge!r}: {edge}" for edge in self.inputs)
            raise DataError(
                f"{self.name}.trace takes a batch keyed by edge, found {describe(batch)}; "
                f"write {self.name}.trace({{{written}}})"
            )
        inputs = {edge: batch[edge] for edge in self.inputs if edge in batch}
        read = {edge for node in self.nodes for edge in node.inputs}
        if missing := [edge for edge in self.inputs if edge in read and edge not in inputs]:
            raise MissingEdgeError(
                f"{self.name}.trace: the batch has no {listed(missing)}, which it reads; it has: {listed(batch)}"
            )
        return run(self.nodes, inputs)

    def plan(self, wanted: tuple[str, ...], given: tuple[str, ...] = ()) -> tuple[Node, ...]:
        """The nodes to run for the wanted edges when some are given."""
        return needed(self.graph, wanted, given)

    # -- changing

    def replace(self, **components: Any) -> System:
        """A new system with other components in the named places; edges keep their names, the rest is shared.

        Components inside sub-systems are named with their prefix: ``replace(**{"front.camera": other})``.

        Raises:
            UnknownNameError: there is no component of that name.
            SignatureError: the newcomer is no component, or does not take or answer the values of its place.
        """
        graph = self.graph
        for name, newcomer in components.items():
            graph = replaced(graph, name, newcomer)
        return System(graph, self._outputs_when_called)

    def renamed(self, name: str, signature: Signature) -> System:
        """The same system as a component of another name and with other names for its outputs; weights are shared."""
        if len(signature.inputs) != len(self.inputs) or len(signature.outputs) != len(self.outputs):
            raise SignatureError(
                f"system '{self.name}' takes {listed(self.inputs)} and answers {listed(self.outputs)}; "
                f"'{signature}' does not fit"
            )
        graph = Graph(checked_name(name), self.graph.inputs, self.graph.calls, self.graph.returned)
        return System(graph, signature.outputs)

    # -- keeping

    def save(self, path: str | Path) -> None:
        """Write the weights as safetensors, all or nothing; the diagram stays in your code, where it is read."""
        weights.save(self, Path(path), self.digest)

    def load(self, path: str | Path) -> System:
        """Read weights that ``save`` wrote into this system, and answer it.

        Raises:
            CheckpointError: the file is missing or damaged, or it was written by another system.
        """
        weights.load(self, Path(path), self.digest)
        return self

    @property
    def digest(self) -> str:
        """Says whether two systems have the same diagram and weights of the same shapes."""
        nodes = "\n".join(f"{n.name}:{n.inputs}->{n.makes}:{type(n.component).__name__}" for n in self.nodes)
        free = weights.growing(self)
        shapes = "\n".join(f"{n}{tuple(v.shape)}" for n, v in self.state_dict().items() if not n.startswith(free))
        return hashlib.sha256(f"{nodes}\n{shapes}".encode()).hexdigest()[:16]

    # -- showing

    def svg(self) -> str:
        """The diagram as an SVG picture."""
        return drawing.svg(self.graph)

    def mermaid(self) -> str:
        """The diagram as Mermaid text, for Markdown pages."""
        return drawing.mermaid(self.graph)

    def text(self) -> str:
        """The diagram for a terminal."""
        return drawing.text(self.graph)

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.svg()

    # -- as a component of a larger system

    @property
    def edges_when_called(self) -> tuple[Port, ...]:
        """The edges that a call of this system makes in a larger one."""
        if passed := [edge for edge in self.outputs if edge in self.inputs]:
            raise TracingError(f"system '{self.name}' hands its input {listed(passed)} through; as a part it cannot")
        ports = {port.name: port for port in self.signature.outputs}
        own = tuple(Port(f"{self.name}.{edge}", ports[edge].ragged) for edge in self.outputs)
        return own if self._outputs_when_called is None else self._outputs_when_called

    def shape_answer(self, values: list[Any]) -> Any:
        """Values of the output edges in the shape in which the body returned them."""
        return rebuild(self.graph.returned, dict(zip(self.outputs, values, strict=True)))

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_forward"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._forward = compiled(self.graph)


def system(function: Callable[..., Any]) -> System:
    """Declare a system: the function's parameters are its inputs, its body is the diagram.

    The body runs once, on symbols; from then on only the diagram runs.

    Example:
        >>> import torch
        >>> from drivetrain import component, system
        >>> encoder = component("encoder", torch.nn.Linear(4, 3), "signal -> code")
        >>> reader = component("reader", torch.nn.Linear(3, 2), "code -> word")
        >>> @system
        ... def listener(signal):
        ...     return reader(encoder(signal))
        >>> listener.outputs
        ('word',)

    Raises:
        DeclarationError: the body cannot be a diagram; the message says what to write instead.
    """
    if not inspect.isroutine(function):
        raise DeclarationError(
            f"@system stands above the function that runs the system, found {type(function).__name__}"
        )
    return System(trace(function, checked_name(function.__name__)))
