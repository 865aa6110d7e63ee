"""Boxes joined by lines, each a link: the system with its versions, or a lineage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from markupsafe import Markup

from drivetrain.graph.drawing.boxes import NAME, ROW, SMALL, width
from drivetrain.graph.drawing.layout import Block, Layout, Wire, layout

MARGIN, PORT = 18.0, 22.0

Links = Callable[..., str]
"""``links("matrix", system="car")`` answers the path of a page, whatever the pages are mounted under."""


@dataclass(frozen=True)
class Box:
    """Something to draw.

    Attributes:
        name: told apart from every other box.
        title: its first line.
        lines: what stands below.
        look: ``model``, ``code``, ``input``, ``output``, ``data``, ``training``, ``system``, ``evaluation``.
        reads: the edges that enter.
        makes: the edges that leave, each with its label; an empty one is not written.
        href: where it leads.
        marked: whether it is the one that the page is about.
    """

    name: str
    title: str
    lines: tuple[str, ...] = ()
    look: str = "model"
    reads: tuple[str, ...] = ()
    makes: Mapping[str, str] = field(default_factory=dict)
    href: str = ""
    marked: bool = False


def drawn(boxes: Sequence[Box], label: str) -> Markup:
    """The boxes as one SVG element whose colours the page's style sheet says; every link is reachable by keyboard."""
    layers = _layers(boxes)
    placed = layout([_block(box, layers[box.name]) for box in boxes])
    by_name = {box.name: box for box in boxes}
    parts = [_path(wire, placed) for wire in placed.wires]
    parts += [_painted(by_name[name], block) for name, block in placed.blocks.items() if name in by_name]
    across, down = placed.width + 2 * MARGIN, placed.height + 2 * MARGIN
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="boxes" role="group" aria-label="{escape(label)}" '
        f'width="{across:.0f}" height="{down:.0f}" viewBox="0 0 {across:.1f} {down:.1f}">'
        f'<g transform="translate({MARGIN} {MARGIN})">{"".join(parts)}</g></svg>'
    )


def _layers(boxes: Sequence[Box]) -> dict[str, int]:
    """The column of each box: behind everything that it reads. Boxes of a circle stay where they were."""
    maker = {edge: box.name for box in boxes for edge in box.makes}
    before = {box.name: {maker[edge] for edge in box.reads if edge in maker} - {box.name} for box in boxes}
    layers = dict.fromkeys(before, 0)
    for _ in range(len(boxes)):
        deeper = {name: max((layers[other] + 1 for other in others), default=0) for name, others in before.items()}
        if deeper == layers:
            break
        layers = deeper
    return layers


def _block(box: Box, layer: int) -> Block:
    across = max(width(box.title, NAME), *(width(line, SMALL) for line in box.lines), 40.0) + 28
    ports = max(len(box.reads), len(box.makes), 1)
    down = max(26 + ROW * len(box.lines), PORT * ports + 8)
    step = down / (len(box.makes) + 1)
    leaves = {edge: step * (place + 1) for place, edge in enumerate(box.makes)}
    labels = max((width(words, SMALL) + 18 for words in box.makes.values() if words), default=0.0)
    return Block(box.name, layer, across, down, box.reads, leaves, label_width=labels)


def _path(wire: Wire, placed: Layout) -> str:
    (x0, y0), (x1, x2), (x3, y3) = wire.start, wire.bend, wire.end
    if not wire.arrives and (x1, y0) == (x3, y3):
        return ""
    target = placed.blocks.get(wire.arrives)
    arrow = target is not None and target.width > 0
    middle, shaft = (x1 + x2) / 2, x3 - 7 if arrow else x3
    line = f"M{x0:.1f} {y0:.1f}H{x1:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y3:.1f} {x2:.1f} {y3:.1f}H{shaft:.1f}"
    head = f'<path class="tip" d="M{x3:.1f} {y3:.1f}l-8.5 -4v8z"/>' if arrow else ""
    return f'<path class="line" d="{line}"/>{head}'


def _painted(box: Box, block: Block) -> str:
    rounded = {"code": 2.0, "input": block.height / 2, "output": block.height / 2}.get(box.look, 10.0)
    shape = (
        f'<rect class="{escape(box.look)}{" marked" if box.marked else ""}" x="{block.x:.1f}" y="{block.y:.1f}" '
        f'width="{block.width:.1f}" height="{block.height:.1f}" rx="{rounded:.1f}"/>'
    )
    x = block.x + block.width / 2
    y = block.y + (block.height - ROW * len(box.lines)) / 2 + 4.5
    words = [f'<text class="title" x="{x:.1f}" y="{y:.1f}">{escape(box.title)}</text>']
    words += [
        f'<text class="small" x="{x:.1f}" y="{y + ROW * (place + 1):.1f}">{escape(line)}</text>'
        for place, line in enumerate(box.lines)
    ]
    labels = [
        f'<text class="edge" x="{block.x + block.width + 7:.1f}" y="{block.y + block.leaves[edge] - 5:.1f}">'
        f"{escape(told)}</text>"
        for edge, told in box.makes.items() if told
    ]  # fmt: skip
    inside = shape + "".join(words)
    linked = f'<a href="{escape(box.href)}">{inside}</a>' if box.href else f"<g>{inside}</g>"
    return linked + "".join(labels)
