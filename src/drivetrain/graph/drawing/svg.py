"""A diagram as a picture: models, code, inputs and outputs told apart by shape and colour, sub-systems framed.

One self-contained element without scripts, fonts or links; it follows the reader's light or dark mode.
"""

from __future__ import annotations

from html import escape

from drivetrain.graph.drawing.boxes import FRAME_SIDE, FRAME_TOP, NAME, PILL, ROW, SMALL, Drawing, drawn, width
from drivetrain.graph.drawing.captions import CODE, MODEL, kind, ragged, sharing
from drivetrain.graph.drawing.layout import Block, Layout, Wire
from drivetrain.graph.graph import Call, Graph
from drivetrain.graph.topology import integration_patterns

MARGIN = 20.0

# Classes have a prefix: in a page or notebook a style sheet reaches everything around it.
_LIGHT = {
    "paper": "fill:#fcfbf8;stroke:#e4e1d8",
    "model": "fill:#dae9f8;stroke:#2f6da8",
    "code": "fill:#fff;stroke:#8f99a3",
    "input": "fill:#f0ede3;stroke:#bdb597",
    "output": "fill:#e0f1e3;stroke:#4d9161",
    "frame": "fill:#eef1f3;stroke:#9fb0bf",
    "line": "stroke:#75828e",
    "tip": "fill:#75828e",
    "name": "fill:#1d2a35",
    "small": "fill:#586672",
    "edge": "fill:#31414e",
}
_DARK = {
    "paper": "fill:#161b22;stroke:#2b323b",
    "model": "fill:#173450;stroke:#5fa3df",
    "code": "fill:#20262e;stroke:#7d8894",
    "input": "fill:#2c2a22;stroke:#8a8264",
    "output": "fill:#17301f;stroke:#5fae78",
    "frame": "fill:#1f2730;stroke:#566473",
    "line": "stroke:#8a96a3",
    "tip": "fill:#8a96a3",
    "name": "fill:#e8edf2",
    "small": "fill:#a2aeba",
    "edge": "fill:#c5d0da",
}
_SHAPES = (
    ".dt-graph{max-width:100%;height:auto;font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif}"
    ".dt-line{fill:none;stroke-width:1.5}.dt-model{stroke-width:2}.dt-code{stroke-width:1.3}"
    ".dt-input,.dt-output{stroke-width:1.3}.dt-frame{stroke-width:1.3;stroke-dasharray:5 4}"
    f".dt-name{{font-size:{NAME}px;font-weight:600}}.dt-small,.dt-edge{{font-size:{SMALL}px}}"
)


def svg(graph: Graph) -> str:
    """The diagram as the text of one SVG element."""
    drawing = drawn(graph, sharing(graph))
    legend, legend_width = _legend(graph)
    notes = [str(pattern).replace("->", "→") for pattern in integration_patterns(graph)]
    widest = max([drawing.placed.width, legend_width, width(graph.name, NAME), *(width(note, SMALL) for note in notes)])
    top = MARGIN + 28
    foot = top + drawing.placed.height + 34
    total_width, total_height = widest + 2 * MARGIN, foot + ROW * len(notes) + MARGIN
    left = (total_width - drawing.placed.width) / 2
    body = [
        f'<rect class="dt-paper" x=".5" y=".5" width="{total_width - 1:.1f}" height="{total_height - 1:.1f}" rx="12"/>',
        _text("name", MARGIN, MARGIN + 8, graph.name),
        f'<g transform="translate({left:.1f} {top:.1f})">{_paint(drawing)}</g>',
        *(_text("small", MARGIN, foot + ROW * index, note) for index, note in enumerate(notes)),
        f'<g transform="translate({MARGIN:.1f} {foot + ROW * len(notes) + 3:.1f})">{legend}</g>',
    ]
    label = f"{graph.name}: {', '.join(call.name for call in graph.calls)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="dt-graph" role="img" aria-label="{escape(label)}" '
        f'width="{total_width:.0f}" height="{total_height:.0f}" viewBox="0 0 {total_width:.1f} {total_height:.1f}">'
        f"<style>{_style()}</style>{''.join(body)}</svg>"
    )


def _paint(drawing: Drawing) -> str:
    graph, placed = drawing.graph, drawing.placed
    parts = [_path(wire, placed, drawing) for wire in placed.wires]
    parts += [_terminal("input", placed.blocks[f"in {port.name}"], str(port)) for port in graph.inputs]
    parts += [_terminal("output", placed.blocks[f"out {edge}"], ragged(edge, graph)) for edge in graph.outputs]
    for call in graph.calls:
        block = placed.blocks[call.name]
        if call.name in drawing.parts:
            parts.append(_frame(call, block, drawing.parts[call.name]))
        else:
            parts.append(_box(call, block, drawing.lines[call.name]))
        for port in call.outputs:
            if port.name not in drawing.silent:
                y = block.y + block.leaves[port.name]
                parts.append(_text("edge", block.x + block.width + 7, y - 5, str(port)))
    return "".join(parts)


def _path(wire: Wire, placed: Layout, drawing: Drawing) -> str:
    (x0, y0), (x1, x2), (x3, y3) = wire.start, wire.bend, wire.end
    target = placed.blocks.get(wire.arrives)
    arrow = target is not None and target.width > 0 and target.name not in drawing.parts
    middle = (x1 + x2) / 2
    shaft = x3 - 7 if arrow else x3
    line = f"M{x0:.1f} {y0:.1f}H{x1:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y3:.1f} {x2:.1f} {y3:.1f}H{shaft:.1f}"
    head = f'<path class="dt-tip" d="M{x3:.1f} {y3:.1f}l-8.5 -4v8z"/>' if arrow else ""
    return f'<path class="dt-line" d="{line}"/>{head}'


def _terminal(look: str, block: Block, label: str) -> str:
    if not block.width:  # on a frame's border
        x, y = block.x, block.y + PILL / 2
        dot = f'<circle class="dt-tip" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>'
        return dot + (_text("edge", x + 9, y - 5, label) if look == "input" else "")
    shape = _rectangle(look, block, radius=block.height / 2)
    return shape + _text("name", block.x + block.width / 2, block.y + block.height / 2 + 5, label, middle=True)


def _box(call: Call, block: Block, lines: list[str]) -> str:
    is_model = kind(call) == MODEL
    shape = _rectangle(MODEL if is_model else CODE, block, radius=11.0 if is_model else 2.0)
    x = block.x + block.width / 2
    y = block.y + (block.height - ROW * len(lines)) / 2 + 4.5
    written = [_text("small", x, y + ROW * (index + 1), line, middle=True) for index, line in enumerate(lines)]
    title = f"<title>{escape(f'{call.name}: {call.component.signature}')}</title>"
    return f"<g>{title}{shape}{_text('name', x, y, call.name, middle=True)}{''.join(written)}</g>"


def _frame(call: Call, block: Block, part: Drawing) -> str:
    shape = _rectangle("frame", block, radius=10.0)
    name = _text("name", block.x + FRAME_SIDE, block.y + 21, call.name)
    left = block.x + (block.width - part.placed.width) / 2
    inside = f'<g transform="translate({left:.1f} {block.y + FRAME_TOP:.1f})">{_paint(part)}</g>'
    return shape + name + inside


def _legend(graph: Graph) -> tuple[str, float]:
    """What the shapes mean, and how wide that is."""
    parts, x = [], 0.0
    models = {node.component.learns for node in graph.nodes}
    shapes = [("model", 5, "a model: it learns")] * (True in models) + [("code", 1, "code")] * (False in models)
    for look, radius, words in shapes:
        parts.append(f'<rect class="dt-{look}" x="{x:.1f}" y="-10" width="18" height="12" rx="{radius}"/>')
        parts.append(_text("small", x + 25, 0.0, words))
        x += 25 + width(words, SMALL) + 14
    if graph.ragged:
        words = "[]  a list with one value per sample"
        parts.append(_text("small", x, 0.0, words))
        x += width(words, SMALL)
    return "".join(parts), x


def _rectangle(look: str, block: Block, radius: float) -> str:
    return (
        f'<rect class="dt-{look}" x="{block.x:.1f}" y="{block.y:.1f}" '
        f'width="{block.width:.1f}" height="{block.height:.1f}" rx="{radius:.1f}"/>'
    )


def _text(look: str, x: float, y: float, words: str, middle: bool = False) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    return f'<text class="dt-{look}" x="{x:.1f}" y="{y:.1f}"{anchor}>{escape(words)}</text>'


def _style() -> str:
    light = "".join(f".dt-{look}{{{rules}}}" for look, rules in _LIGHT.items())
    dark = "".join(f".dt-{look}{{{rules}}}" for look, rules in _DARK.items())
    return f"{_SHAPES}{light}@media (prefers-color-scheme:dark){{{dark}}}"
