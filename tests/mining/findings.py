"""Findings written by hand, for tests of what is read off them."""

from __future__ import annotations

from drivetrain.mining.findings import FEEDS, Edge, Fitting, Merge, Model, Place, Wiring


def model(name: str, **more) -> Model:
    line = sum(map(ord, name)) % 1000 + 1
    return Model(name, Place("main.py", line), more.pop("maker", f"nets.{name.title()}"), **more)


def edge(text: str, kind: str = FEEDS, **more) -> Edge:
    """``"a -> b"``"""
    source, target = text.split(" -> ")
    return Edge(source, target, kind, at_source=Place("main.py", 10), at_target=Place("main.py", 20), **more)


def merge(text: str, what: str = "fuse(a, b)", line: int = 30) -> Merge:
    """``"a, b"`` or ``"a, b -> c"``."""
    models, _, into = text.partition(" -> ")
    return Merge(Place("main.py", line), tuple(models.split(", ")), tuple(into.split(", ")) if into else (), what)


def fitting(*models: str, how: str = "step", line: int = 50, file: str = "train.py", **more) -> Fitting:
    return Fitting(Place(file, line), how, models, **more)


def wiring(*parts, **slots: str) -> Wiring:
    """A wiring of models (a string names several), edges, merges and fittings; ``slots`` by model."""
    models, edges, merges, fittings = [], [], [], []
    for part in parts:
        if isinstance(part, str):
            models.extend(model(name, slot=slots.get(name, "")) for name in part.split())
        else:
            kinds = {Model: models, Edge: edges, Merge: merges, Fitting: fittings}
            kinds[type(part)].append(part)
    return Wiring(tuple(models), tuple(edges), tuple(merges), tuple(fittings))
