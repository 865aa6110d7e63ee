"""A diagram as Mermaid text, which GitHub and many Markdown pages draw."""

from __future__ import annotations

import re

from drivetrain.graph.drawing.captions import MODEL, caption, inner, kind, ragged, readers, sharing
from drivetrain.graph.graph import Graph

# Text colours are given with every fill: the page around may be light or dark.
_CLASSES = (
    "classDef model fill:#d8e8f7,stroke:#2f6da8,color:#15324d,stroke-width:2px",
    "classDef code fill:#ffffff,stroke:#8a949e,color:#23303b",
    "classDef input fill:#efece2,stroke:#a39b7e,color:#3d3824",
    "classDef output fill:#dff0e2,stroke:#4d9161,color:#1d3f28",
)


def mermaid(graph: Graph) -> str:
    """The diagram as a Mermaid flowchart, from left to right."""
    names = [node.name for node in graph.nodes]
    node_id = {name: f"n{index}_{_plain(name)}" for index, name in enumerate(names)}
    lines = ["flowchart LR"]
    for index, port in enumerate(graph.inputs):
        lines.append(f"  i{index}_{_plain(port.name)}([{_quoted(str(port))}]):::input")
    lines += _boxes(graph, "", node_id, sharing(graph), "  ")
    for index, edge in enumerate(graph.outputs):
        lines.append(f"  o{index}_{_plain(edge)}([{_quoted(ragged(edge, graph))}]):::output")
    lines += [f"  {line}" for line in (*_arrows(graph, node_id), *_CLASSES)]
    return "\n".join(lines) + "\n"


def _boxes(
    graph: Graph, prefix: str, node_id: dict[str, str], shared: dict[str, tuple[str, ...]], indent: str
) -> list[str]:
    lines = []
    for call in graph.calls:
        name = prefix + call.name
        part = inner(call)
        if part is not None:
            lines.append(f"{indent}subgraph s_{_plain(name)}[{_quoted(call.name)}]")
            lines += [*_boxes(part, f"{name}.", node_id, shared, indent + "  "), f"{indent}end"]
            continue
        words = [f"<b>{_escaped(call.name)}</b>", f"<small>{_escaped(caption(call))}</small>"]
        if name in shared:
            words.append(f"<small>weights shared with {_escaped(', '.join(shared[name]))}</small>")
        label = "<br/>".join(words)
        is_model = kind(call) == MODEL
        shape = f'("{label}"):::model' if is_model else f'["{label}"]:::code'
        lines.append(f"{indent}{node_id[name]}{shape}")
    return lines


def _arrows(graph: Graph, node_id: dict[str, str]) -> list[str]:
    source = {port.name: f"i{index}_{_plain(port.name)}" for index, port in enumerate(graph.inputs)}
    lines = []
    for edge, node in readers(graph):
        if edge in source:  # the input's own box says its name
            lines.append(f"{source[edge]} --> {node_id[node.name]}")
        else:
            start = node_id[graph.producer[edge].name]
            lines.append(f"{start} -->|{_quoted(ragged(edge, graph))}| {node_id[node.name]}")
    for index, edge in enumerate(graph.outputs):
        start = source[edge] if edge in source else node_id[graph.producer[edge].name]
        lines.append(f"{start} --> o{index}_{_plain(edge)}")
    return lines


def _plain(name: str) -> str:
    """Letters that Mermaid takes in an identifier; others by their number, so that no two names become one."""
    return re.sub(r"[^A-Za-z0-9]", lambda found: "_" if found[0] == "_" else f"_{ord(found[0])}_", name)


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    codes = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", "\\": "#92;"}
    return "".join(codes.get(letter, letter) for letter in text).replace("\n", " ")
