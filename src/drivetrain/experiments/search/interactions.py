"""Our own strategy: try pairs of versions together, learn what interacts, and go where the best is expected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from drivetrain.experiments.search.base import Combination, Search, Space
from drivetrain.experiments.search.covering import covering
from drivetrain.experiments.search.model import Array, Model, Rows

WHOLE = 20_000  # combinations up to which every single one is judged by the model
STARTS = 12


@dataclass(frozen=True)
class Interactions:
    """First combinations that cover pairs of versions, then those from which the model expects the largest improvement.

    It does not assume that a better model makes a better system: what a version is worth may depend on any other one.
    Which pairs meet in the diagram is told to the model, and how much that matters it learns.

    Attributes:
        cover: the share of the budget that covers pairs.
        refit: how many evaluations pass, as a share of those made, until the shares of the model are fitted anew.
    """

    cover: float = 0.4
    refit: float = 0.1

    def search(self, space: Space, budget: int, seed: int) -> Search:
        """Cover, then improve, until the budget is spent or nothing is left."""
        random = np.random.default_rng(seed)
        rows = covering(space, max(2, max(space.sizes), round(self.cover * budget)), random)
        values = yield rows
        known = dict(zip(rows, values, strict=True))
        model, fitted = None, 0
        while len(known) < min(budget, space.count):
            if model is None or len(known) >= fitted * (1 + self.refit):
                model, fitted = Model.fitted(space, list(known), list(known.values())), len(known)
            else:
                model = Model.fitted(space, list(known), list(known.values()), model)
            chosen = proposals(model, known, random, max(1, budget // 200))
            values = yield chosen
            known.update(zip(chosen, values, strict=True))


def proposals(
    model: Model, known: dict[Combination, float], random: np.random.Generator, count: int
) -> list[Combination]:
    """The unknown combinations from which the largest improvement is expected (Jones et al. 1998, eq. 15)."""
    best = float(model.predict(model.rows)[0].max())

    def improvement(rows: Rows) -> Array:
        expected, deviation = model.predict(rows)
        above = (expected - best) / deviation
        gain: Array = (expected - best) * ndtr(above) + deviation * np.exp(-(above**2) / 2) / np.sqrt(2 * np.pi)
        return gain

    space = model.space
    if space.count <= WHOLE:
        rows = np.stack(np.unravel_index(np.arange(space.count), space.sizes), axis=1)
    else:
        rows = climbed(space, starts(space, known, random), improvement)
    order = np.argsort(-improvement(rows), kind="stable")
    found = [row for row in map(tuple, rows[order].tolist()) if row not in known]
    while len(found) < count and len(known) + len(found) < space.count:
        drawn = tuple(int(random.integers(size)) for size in space.sizes)
        if drawn not in known and drawn not in found:
            found.append(drawn)
    return found[:count]


def starts(space: Space, known: dict[Combination, float], random: np.random.Generator) -> Rows:
    """Where climbing begins: the best that are known, crossed with each other, and some at random."""
    order = sorted(known, key=lambda one: -known[one])[:STARTS]
    drawn = [[int(random.integers(size)) for size in space.sizes] for _ in range(STARTS // 3)]
    crossed = [
        [order[int(random.integers(len(order)))][slot] for slot in range(len(space.sizes))] for _ in range(STARTS // 3)
    ]
    return np.array([*order, *crossed, *drawn], dtype=np.int64)


def climbed(space: Space, begin: Rows, score: Callable[[Rows], Array], steps: int = 60) -> Rows:
    """Each start with the best exchange of one version, again until none is better; with what was passed on the way."""
    here, passed = begin.copy(), [begin]
    value = score(here)
    exchanges = [(slot, version) for slot, size in enumerate(space.sizes) for version in range(size)]
    slots, versions = (np.array(part) for part in zip(*exchanges, strict=True))
    active = np.arange(len(here))
    for _ in range(steps):
        tried = np.repeat(here[active], len(slots), axis=0)
        tried[np.arange(len(tried)), np.tile(slots, len(active))] = np.tile(versions, len(active))
        scores = score(tried).reshape(len(active), -1)
        top = scores.argmax(axis=1)
        better = scores[np.arange(len(active)), top] > value[active] + 1e-12
        moved = active[better]
        if not len(moved):
            break
        here[moved, slots[top[better]]] = versions[top[better]]
        value[moved] = scores[better, top[better]]
        passed.append(here[moved].copy())
        active = moved
    return np.unique(np.concatenate(passed), axis=0)
