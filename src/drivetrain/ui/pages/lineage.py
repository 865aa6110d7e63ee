"""What came from what, drawn around one thing."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import quote

from drivetrain.experiments import Store
from drivetrain.experiments.store.lineage import Lineage, Thing
from drivetrain.ui.boxes import Box, Links, drawn
from drivetrain.ui.wording import moment

DRAWN = 60  # things that a picture can hold
DIRECTIONS = ("upstream", "downstream", "both")
WORDS = {
    "upstream": "what it was made from", "downstream": "what was made from it: stale once it changes", "both": "both",
}  # fmt: skip


def lineage_page(store: Store, links: Links, system: str, of: str, direction: str) -> dict[str, Any]:
    """The lineage of a thing.

    Args:
        store: what is shown.
        links: where other pages are.
        system: the system on whose page this is.
        of: as people call it: ``perception:3``, ``camera:2``, ``last``; empty for the newest version of the system.
        direction: one of ``DIRECTIONS``.
    """
    direction = direction if direction in DIRECTIONS else "both"
    if not of and not store.systems.numbers(system):
        return {"system": system, "tab": "lineage", "things": [], "of": "", "direction": direction, "words": WORDS}
    thing = store.find(of) if of else store.systems.newest(system)
    ask = {"upstream": store.lineage.upstream, "downstream": store.lineage.downstream, "both": store.lineage.around}
    found = ask[direction](thing)
    small = len(found.things) <= DRAWN
    return {
        "system": system, "tab": "lineage", "of": of or f"system:{system}:{store.systems.newest(system).number}",
        "title": str(thing), "direction": direction, "words": WORDS, "count": len(found.things),
        "kinds": dict(Counter(each.kind for each in found.things)),
        "graph": drawn(_boxes(found, links, system), f"the lineage of {thing}") if small and found.links else None,
        "things": [
            {"label": each.label, "kind": each.kind, "when": moment(each.created), "href": _href(each, links, system)}
            for each in found.things[-500:][::-1]
        ],
    }  # fmt: skip


def _boxes(found: Lineage, links: Links, system: str) -> list[Box]:
    reads: dict[str, list[str]] = {}
    for link in found.links:
        reads.setdefault(link.target, []).append(link.source)
    made = {link.source for link in found.links}
    return [
        Box(
            each.id, *_words(each), each.kind, tuple(dict.fromkeys(reads.get(each.id, ()))),
            {each.id: ""} if each.id in made else {}, _href(each, links, system), marked=each.id in found.of,
        )
        for each in found.things
    ]  # fmt: skip


def _words(thing: Thing) -> tuple[str, tuple[str, ...]]:
    """The title of a box and what stands below."""
    title, _, rest = thing.label.partition(", ")
    return title, (rest or thing.kind,)


def _href(thing: Thing, links: Links, system: str) -> str:
    if thing.kind == "training":
        return links("run", key=thing.key)
    prefix = {"component": "model", "system": "system", "data": "data"}.get(thing.kind)
    return f"{links('lineage', system=system)}?of={quote(f'{prefix}:{thing.key}')}" if prefix else ""
