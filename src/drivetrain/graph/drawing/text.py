"""A diagram for the terminal: one line a component, sub-systems indented, then how the models are integrated."""

from __future__ import annotations

from drivetrain.graph.drawing.captions import CODE, MODEL, SYSTEM, caption, inner, kind, ragged, sharing
from drivetrain.graph.graph import Call, Constant, Graph
from drivetrain.graph.topology import integration_patterns

_SIGN = {MODEL: "●", CODE: "○", SYSTEM: "▾"}


def text(graph: Graph) -> str:
    """The diagram as aligned lines: sign and name, what flows in and out, what it is."""
    shared = sharing(graph)
    rows = _rows(graph, graph, "", 0, shared)
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    inputs = ", ".join(str(port) for port in graph.inputs)
    outputs = ", ".join(ragged(edge, graph) for edge in graph.outputs)
    lines = [f"{graph.name}({inputs}) -> {outputs}"]
    for name, takes, makes, what in rows:
        lines.append(f"  {name:<{widths[0]}}  {takes:>{widths[1]}} -> {makes:<{widths[2]}}  {what}")
    lines += [f"  {pattern}" for pattern in integration_patterns(graph)]
    lines.append(_legend({kind(call) for call in _calls(graph)}, any_ragged=bool(graph.ragged)))
    return "\n".join(lines)


def _rows(
    whole: Graph, graph: Graph, prefix: str, depth: int, shared: dict[str, tuple[str, ...]]
) -> list[tuple[str, str, str, str]]:
    rows = []
    for call in graph.calls:
        takes = [
            _constant(argument.value) if isinstance(argument, Constant) else ragged(argument.edge, graph)
            for argument in call.arguments
        ]
        what = caption(call)
        if partners := shared.get(prefix + call.name):
            what += f", weights shared with {', '.join(partners)}"
        sign = f"{'  ' * depth}{_SIGN[kind(call)]} {call.name}"
        rows.append((sign, ", ".join(takes), ", ".join(map(str, call.outputs)), what))
        part = inner(call)
        if part is not None:
            rows += _rows(whole, part, f"{prefix}{call.name}.", depth + 1, shared)
    return rows


def _calls(graph: Graph) -> list[Call]:
    calls = []
    for call in graph.calls:
        part = inner(call)
        calls += [call, *(_calls(part) if part is not None else [])]
    return calls


def _constant(value: object) -> str:
    words = repr(value)
    return words if len(words) <= 12 and "\n" not in words else type(value).__name__


def _legend(kinds: set[str], any_ragged: bool) -> str:
    words = {MODEL: "a model, it learns", CODE: "code", SYSTEM: "a system of its own"}
    signs = [f"{_SIGN[each]} {words[each]}" for each in (MODEL, CODE, SYSTEM) if each in kinds]
    return "  " + "   ".join(signs + ["[] a list with one value per sample"] * any_ragged)
