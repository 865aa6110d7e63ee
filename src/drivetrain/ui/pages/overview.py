"""A system as a graph with its versions and numbers on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from drivetrain.experiments import Store
from drivetrain.experiments.versions.version import ComponentVersion
from drivetrain.graph.signature import Signature
from drivetrain.ui.boxes import Box, Links, drawn
from drivetrain.ui.metrics import choices
from drivetrain.ui.wording import interval, number


def system_page(store: Store, links: Links, system: str, version: str) -> dict[str, Any]:
    """The graph of a version of a system: its newest one unless another is asked for.

    Args:
        store: what is shown.
        links: where other pages are.
        system: its name.
        version: a number, an alias or a digest; empty for what is in production, else the newest.
    """
    slots = store.systems.slots(system)
    promoted = store.promotions.current(system)
    numbers = store.systems.numbers(system)
    version = version or ("production" if "production" in promoted else "")
    shown = store.systems.get(system, version or numbers[-1]) if version or numbers else None
    pins = {slot: store.components.get(digest) for slot, digest in shown.pins.items()} if shown else {}
    there = {slot: store.components.in_slot(system, slot) for slot in slots}
    measured = store.evaluations.of(shown) if shown else []
    labels: dict[str, str] = {}
    for each in measured:  # the newest of every metric stands last
        labels[each.edge] = f"{each.metric} {number(each.value)}"
    diagram = store.systems.diagram(system) or _from_signatures(system, slots)
    partners = {slot: _context(store, one) for slot, one in pins.items()}
    return {
        "system": system, "tab": "system", "version": shown, "versions": numbers[::-1], "promoted": promoted,
        "graph": drawn(_boxes(diagram, links, system, pins, there, labels), f"the components of {system}"),
        "patterns": [
            f"{found['pattern']}: {', '.join(found['models'])}" + (f" at {found['at']}" if found.get("at") else "")
            for found in diagram.get("patterns", [])
        ],
        "slots": [
            {"name": slot, "signature": signature, "pinned": pins.get(slot), "there": there[slot],
             "context": partners.get(slot, [])}
            for slot, signature in slots.items()
        ],
        "measured": [
            {"metric": each.metric, "edge": each.edge, "value": interval(each.value, each.low, each.high),
             "n": each.n, "data": each.data[:8]}
            for each in measured
        ],
        "metrics": choices(store, system),
    }  # fmt: skip


def _context(store: Store, version: ComponentVersion) -> list[dict[str, str]]:
    """In whose context a model was trained: a line for each run."""
    by_run: dict[str, dict[str, list[str]]] = {}
    for context, member, role in store.contexts.partners(version.digest):
        others = by_run.setdefault(context.run, {}).setdefault(role, [])
        others.append(str(store.components.get(member.component)))
    told = []
    for run, roles in by_run.items():
        parts = [f"{words} {', '.join(dict.fromkeys(roles[role]))}" for role, words in _ROLES.items() if role in roles]
        told.append({"run": run, "words": "; ".join(parts)})
    return told


_ROLES = {"initialised from": "from", "co-trained": "together with", "frozen": "with frozen"}


def _boxes(
    diagram: Mapping[str, Any], links: Links, system: str, pins: Mapping[str, ComponentVersion],
    there: Mapping[str, list[ComponentVersion]], labels: Mapping[str, str],
) -> list[Box]:  # fmt: skip
    ragged = set(diagram.get("ragged", ()))
    read = {edge for part in diagram["components"] for edge in part["inputs"]}

    def label(edge: str) -> str:
        name = f"{edge}[]" if edge in ragged else edge
        return f"{name} · {labels[edge]}" if edge in labels else name

    boxes = [Box(f"in {edge}", edge, look="input", makes={edge: ""}) for edge in diagram["inputs"]]
    for part in diagram["components"]:
        name, lines, href = part["name"], [part["thing"]], ""
        if name in pins:
            count = len(there[name])
            lines.insert(0, f"{pins[name]} · one of {count}" if count > 1 else f"{pins[name]}")
            href = f"{links('lineage', system=system)}?of={quote(f'model:{pins[name].name}:{pins[name].number}')}"
        makes = {edge: label(edge) if edge in read else "" for edge in part["outputs"]}
        look = "model" if part["learns"] else "code"
        boxes.append(Box(name, name, tuple(lines), look, tuple(dict.fromkeys(part["inputs"])), makes, href))
    ends = [
        Box(f"out {edge}", edge, (labels[edge],) if edge in labels else (), "output", (edge,))
        for edge in diagram["outputs"]
    ]
    return [*boxes, *ends]


def _from_signatures(system: str, slots: Mapping[str, str]) -> dict[str, Any]:
    """What the signatures of the models alone tell of a diagram, where nobody kept it."""
    components, made, read = [], [], []
    for slot, text in slots.items():
        signature = Signature.parse(text)
        inputs, outputs = [port.name for port in signature.inputs], [port.name for port in signature.outputs]
        components.append({"name": slot, "inputs": inputs, "outputs": outputs, "learns": True, "thing": ""})
        made += outputs
        read += inputs
    return {
        "name": system, "components": components, "inputs": [edge for edge in dict.fromkeys(read) if edge not in made],
        "outputs": [edge for edge in made if edge not in read],
    }  # fmt: skip
