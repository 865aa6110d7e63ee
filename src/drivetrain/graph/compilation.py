"""A diagram as one Python function that costs what a hand-written ``forward`` costs: written, compiled, readable."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from drivetrain.graph.execution import answers_of, needed, note_node
from drivetrain.graph.graph import Graph, Node, Ref
from drivetrain.graph.parts import marked


def compiled(graph: Graph) -> Callable[..., Any]:
    """The diagram as one Python function of its inputs, written, compiled and readable in tracebacks."""
    writing = _Writing(graph.name, tuple(port.name for port in graph.inputs), graph.edges)
    for node in needed(graph, graph.outputs):
        writing.call(node)
    return writing.function(_returned(graph.returned, writing.local))


def compiled_part(name: str, nodes: Sequence[Node], takes: Sequence[str]) -> Callable[..., dict[str, Any]]:
    """Some nodes of a diagram, in order of execution, as one Python function.

    Args:
        name: of the function, for tracebacks.
        nodes: what runs.
        takes: the edges whose values it is given, by position: all that the nodes read and do not make.

    Returns:
        It answers the value of every edge that the nodes make, lists that are structure known for it.
    """
    made = [edge for node in nodes for edge in node.makes]
    writing = _Writing(name, takes, (*takes, *made))
    for node in nodes:
        writing.call(node)
        for port in node.outputs:
            if not port.ragged:
                writing.mark(port.name)
    return writing.function("{" + ", ".join(f"{edge!r}: {writing.local[edge]}" for edge in made) + "}")


def note_where(error: Exception, function: Callable[..., Any]) -> None:
    """Add to an error raised inside a compiled diagram which component was running, and on what."""
    known = function.__dict__
    traceback = error.__traceback__
    while traceback is not None:
        frame, line = traceback.tb_frame, traceback.tb_lineno
        if frame.f_code.co_filename == known["filename"] and line in known["node_of_line"]:
            values = {edge: frame.f_locals[name] for edge, name in known["local"].items() if name in frame.f_locals}
            note_node(error, known["node_of_line"][line], values)
        traceback = traceback.tb_next


class _Writing:
    """The source of one function, line by line.

    Attributes:
        local: the name that each edge has in it.
    """

    def __init__(self, name: str, takes: Sequence[str], edges: Collection[str]) -> None:
        self.name = name
        self.local: dict[str, str] = {}
        for edge in edges:
            free = edge if "." not in edge else _free_name(edge.replace(".", "_"), edges, self.local.values())
            self.local[edge] = free
        self._globals: dict[str, Any] = {name: None}  # taken by the function itself
        self._lines = [f"def {name}({', '.join(self.local[edge] for edge in takes)}):"]
        self._node_of_line: dict[int, Node] = {}
        self._marked = ""

    def call(self, node: Node) -> None:
        """One line: the node runs, and what it answers gets its edges' names."""
        callee = self._called(node.name.replace(".", "_"), node.component.runs)
        arguments = [
            self.local[a.edge] if isinstance(a, Ref) else self._called("constant", a.value) for a in node.arguments
        ]
        arguments += [f"{word}={self._called('constant', value)}" for word, value in node.keywords.items()]
        made = ", ".join(self.local[edge] for edge in node.makes)
        answer = f"{callee}({', '.join(arguments)})"
        if len(node.makes) > 1 or any(port.ragged for port in node.outputs):
            read = "".join(f"{self.local[edge]}, " for edge in node.inputs)
            made = f"{made},"
            answer = f"{self._called(f'checked_{callee}', partial(answers_of, node))}({answer}, ({read}))"
        self._lines.append(f"    {made} = {answer}")
        self._node_of_line[len(self._lines)] = node

    def mark(self, edge: str) -> None:
        """One line: the lists in the value of an edge are known for structure."""
        self._marked = self._marked or self._called("marked", marked)
        self._lines.append(f"    {self.local[edge]} = {self._marked}({self.local[edge]})")

    def function(self, returned: str) -> Callable[..., Any]:
        """The function that answers this expression."""
        source = "\n".join([*self._lines, f"    return {returned}"]) + "\n"
        filename = f"<drivetrain system {self.name} {id(self._globals):x}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        exec(compile(source, filename, "exec"), self._globals)
        function: Callable[..., Any] = self._globals[self.name]
        function.__dict__.update(filename=filename, node_of_line=self._node_of_line, local=self.local)
        return function

    def _called(self, name: str, thing: Any) -> str:
        free = _free_name(name, self.local.values(), self._globals)
        self._globals[free] = thing
        return free


def _free_name(name: str, edges: Collection[str], taken: Collection[str]) -> str:
    while name in edges or name in taken:
        name += "_"
    return name


def _returned(returned: Any, local: Mapping[str, str]) -> str:
    if isinstance(returned, Ref):
        return local[returned.edge]
    if isinstance(returned, dict):
        return "{" + ", ".join(f"{key!r}: {_returned(value, local)}" for key, value in returned.items()) + "}"
    parts = ", ".join(_returned(value, local) for value in returned)
    return f"[{parts}]" if isinstance(returned, list) else f"({parts},)"
