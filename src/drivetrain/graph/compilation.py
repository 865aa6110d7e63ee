"""A diagram as one Python function that costs what a hand-written ``forward`` costs: written, compiled, readable."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from drivetrain.graph.execution import answers_of, needed, where
from drivetrain.graph.graph import Graph, Node, Ref


def compiled(graph: Graph) -> Callable[..., Any]:
    """The diagram as one Python function of its inputs, written, compiled and readable in tracebacks."""
    source, callables, node_of_line = _source(graph)
    filename = f"<drivetrain system {graph.name} {id(graph):x}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), callables)
    function: Callable[..., Any] = callables[graph.name]
    function.__dict__.update(filename=filename, node_of_line=node_of_line)
    return function


def note_where(error: BaseException, function: Callable[..., Any]) -> None:
    """Add to an error raised inside a compiled diagram which component was running."""
    filename, nodes = function.__dict__["filename"], function.__dict__["node_of_line"]
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == filename and traceback.tb_lineno in nodes:
            error.add_note(where(nodes[traceback.tb_lineno], {}))
        traceback = traceback.tb_next


def _source(graph: Graph) -> tuple[str, dict[str, Any], dict[int, Node]]:
    local: dict[str, str] = {}
    for edge in graph.edges:
        local[edge] = edge if "." not in edge else _free_name(edge.replace(".", "_"), graph.edges, local.values())
    globals_: dict[str, Any] = {graph.name: None}  # taken by the function itself

    def called(name: str, thing: Any) -> str:
        free = _free_name(name, local.values(), globals_)
        globals_[free] = thing
        return free

    lines = [f"def {graph.name}({', '.join(local[port.name] for port in graph.inputs)}):"]
    node_of_line = {}
    for node in needed(graph, graph.outputs):
        callee = called(node.name.replace(".", "_"), node.component.runs)
        arguments = [local[a.edge] if isinstance(a, Ref) else called("constant", a.value) for a in node.arguments]
        arguments += [f"{word}={called('constant', value)}" for word, value in node.keywords.items()]
        made = ", ".join(local[edge] for edge in node.makes)
        answer = f"{callee}({', '.join(arguments)})"
        if len(node.makes) > 1 or any(port.ragged for port in node.outputs):
            read = "".join(f"{local[edge]}, " for edge in node.inputs)
            made, answer = f"{made},", f"{called(f'checked_{callee}', partial(answers_of, node))}({answer}, ({read}))"
        lines.append(f"    {made} = {answer}")
        node_of_line[len(lines)] = node
    lines.append(f"    return {_returned(graph.returned, local)}")
    return "\n".join(lines) + "\n", globals_, node_of_line


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
