"""How large every box of a diagram must be for its words, and the whole diagram with its boxes placed."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from drivetrain.graph.drawing.captions import caption, inner, ragged
from drivetrain.graph.drawing.layout import Block, Layout, layout
from drivetrain.graph.graph import Call, Graph, Ref

NAME, SMALL = 14.0, 11.5  # font sizes
ROW, PORT = 17.0, 22.0  # height of a line of text; distance of two edges on one side of a box
FRAME_TOP, FRAME_BOTTOM, FRAME_SIDE = 32.0, 14.0, 16.0
PILL = 32.0

Shared = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Drawing:
    """A diagram with its boxes placed: the whole picture, or what the frame of a sub-system holds.

    Attributes:
        parts: the drawings of its sub-systems by name.
        lines: what stands below the name of every other component.
        silent: edges that need no label, because they only lead to the pill that says their name.
    """

    graph: Graph
    placed: Layout
    parts: dict[str, Drawing]
    lines: dict[str, list[str]]
    silent: frozenset[str]


def drawn(graph: Graph, shared: Shared, prefix: str = "", framed: bool = False) -> Drawing:
    """Measure and place everything, sub-systems first, since their boxes are as large as their own diagrams."""
    parts = {
        call.name: drawn(part, shared, f"{prefix}{call.name}.", framed=True)
        for call in graph.calls
        if (part := inner(call)) is not None
    }
    lines = {
        call.name: _lines(call, shared.get(prefix + call.name, ())) for call in graph.calls if call.name not in parts
    }
    silent = frozenset() if framed else _silent(graph)
    layers = _layers(graph)
    blocks = [_terminal(f"in {port.name}", 0, str(port), framed, leaves=port.name) for port in graph.inputs]
    for call in graph.calls:
        label_width = max(
            (width(str(port), SMALL) + 16 for port in call.outputs if port.name not in silent), default=0.0
        )
        if call.name in parts:
            blocks.append(_frame(call, layers[call.name], parts[call.name], label_width))
        else:
            blocks.append(_box(call, layers[call.name], lines[call.name], label_width))
    _equalise([block for block in blocks if block.name in lines])
    last = 1 + max(block.layer for block in blocks)
    blocks += [_terminal(f"out {edge}", last, ragged(edge, graph), framed, reads=edge) for edge in graph.outputs]
    return Drawing(graph, layout(blocks), parts, lines, silent)


def width(words: str, size: float) -> float:
    """How wide a text is at most, in the widest of the usual sans-serif fonts."""
    return size * sum(map(_letter_width, words))


def _layers(graph: Graph) -> dict[str, int]:
    """The column of each call: behind everything that it reads."""
    layer_of_edge = {port.name: 0 for port in graph.inputs}
    layers = {}
    for call in graph.calls:
        layers[call.name] = 1 + max((layer_of_edge[edge] for edge in _reads(call)), default=0)
        layer_of_edge.update({port.name: layers[call.name] for port in call.outputs})
    return layers


def _reads(call: Call) -> tuple[str, ...]:
    return tuple(dict.fromkeys(argument.edge for argument in call.arguments if isinstance(argument, Ref)))


def _silent(graph: Graph) -> frozenset[str]:
    read = {edge for call in graph.calls for edge in _reads(call)}
    return frozenset(edge for edge in graph.outputs if edge not in read)


def _lines(call: Call, partners: tuple[str, ...]) -> list[str]:
    return [caption(call)] + ([f"⇄ weights shared with {', '.join(partners)}"] if partners else [])


def _terminal(name: str, layer: int, label: str, framed: bool, leaves: str = "", reads: str = "") -> Block:
    """An input or output: a pill that says its name, or a place on a frame's border, where an input's line says it."""
    box_width, height = (0.0, PORT) if framed else (width(label, NAME) + 28, PILL)
    leaving = {leaves: PILL / 2} if leaves else {}
    entering = {reads: PILL / 2} if reads else {}
    label_width = width(label, SMALL) + 20 if framed and leaves else 0.0
    return Block(name, layer, box_width, height, tuple(entering), leaving, entering, label_width)


def _box(call: Call, layer: int, lines: list[str], label_width: float) -> Block:
    box_width = max(width(call.name, NAME), *(width(line, SMALL) for line in lines)) + 28
    ports = max(len(_reads(call)), len(call.outputs))
    height = max(28 + ROW * len(lines), PORT * ports + 12)
    step = height / (len(call.outputs) + 1)
    leaves = {port.name: step * (index + 1) for index, port in enumerate(call.outputs)}
    return Block(call.name, layer, box_width, height, _reads(call), leaves, label_width=label_width)


def _frame(call: Call, layer: int, part: Drawing, label_width: float) -> Block:
    """The box of a sub-system; its lines meet the lines inside."""
    placed = part.placed.blocks
    enters: dict[str, float] = {}
    for port, argument in zip(part.graph.inputs, call.arguments, strict=True):
        if isinstance(argument, Ref):
            block = placed[f"in {port.name}"]
            enters.setdefault(argument.edge, FRAME_TOP + block.y + block.leaves[port.name])
    leaves = {}
    for port, edge in zip(call.outputs, part.graph.outputs, strict=True):
        block = placed[f"out {edge}"]
        leaves[port.name] = FRAME_TOP + block.y + block.enters[edge]
    box_width = max(part.placed.width, width(call.name, NAME) + 2 * FRAME_SIDE)
    height = part.placed.height + FRAME_TOP + FRAME_BOTTOM
    return Block(call.name, layer, box_width, height, tuple(enters), leaves, enters, label_width)


def _equalise(boxes: list[Block]) -> None:
    """Boxes above each other look calmer with one width, unless one is much wider than the rest."""
    for layer in {box.layer for box in boxes}:
        column = [box for box in boxes if box.layer == layer]
        widest = max(box.width for box in column)
        for box in column:
            if widest < 1.6 * box.width:
                box.width = widest


def _letter_width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.05
    if letter in "mwMW@%—●→⇄":
        return 1.0
    if letter in "iljt.,:;'|![]() f":
        return 0.42
    return 0.76 if letter.isupper() else 0.655
