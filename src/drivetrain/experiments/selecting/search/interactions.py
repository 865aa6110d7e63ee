"""Our own strategy: try pairs of versions together, learn what interacts, and go where the best is expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from drivetrain.experiments.selecting.search.base import Combination, Search, Space
from drivetrain.experiments.selecting.search.covering import covering, enough
from drivetrain.experiments.selecting.search.model import Model
from drivetrain.experiments.selecting.search.parts import Array, Rows

STARTS = 4
MOST = 1500  # combinations among which the next is chosen
JUDGED = 200  # of these, by the improvement that is expected
WIDE = 12  # slots from which no more rows cover pairs than links ask for


@dataclass(frozen=True)
class Interactions:
    """First combinations in which pairs of versions meet, then those that promise most by a model of what interacts.

    It does not assume that a better model makes a better system: what a version is worth may depend on any other one.
    Which pairs meet in the diagram is told to the model, and how much that matters it learns. Half of the proposals are
    those within two exchanges of the best from which the largest improvement is expected (Jones et al. 1998, eq. 15);
    the others are the best of a function drawn from the model (Thompson sampling; Wilson et al. 2020).

    Attributes:
        cover: the share of the budget that lets pairs of versions meet at most.
        explore: the share of the proposals after that which are drawn.
        refit: how many evaluations pass, as a share of those made, until the variances of the model are fitted anew.
    """

    cover: float = 0.45
    explore: float = 0.5
    refit: float = 0.05

    def search(self, space: Space, budget: int, seed: int) -> Search:
        """Cover, then improve, until the budget is spent or nothing is left."""
        random = np.random.default_rng(seed)
        most = max(2, max(space.sizes), round(self.cover * budget))
        covered = covering(space, min(most, enough(space)) if len(space.sizes) > WIDE else most, random)
        rows = list(dict.fromkeys([*space.start, *covered]))
        values = yield rows
        known = dict(zip(rows, values, strict=True))
        model, fitted = None, 0
        while len(known) < min(budget, space.count):
            learn = model is None or len(known) >= fitted * (1 + self.refit)
            model = Model.fitted(space, list(known), list(known.values()), model, learn=learn)
            fitted = len(known) if learn else fitted
            found = drawn(model, known, random) if random.random() < self.explore else []
            found = (found or improving(model, known, random))[: max(1, budget // 200)]
            chosen = found or [_anything(space, known, random)]
            values = yield chosen
            known.update(zip(chosen, values, strict=True))


def drawn(model: Model, known: Mapping[Combination, float], random: np.random.Generator) -> list[Combination]:
    """What is best by a function drawn from the model, climbed to from the best that are known; unknown ones alone."""
    function = model.drawn(random)
    begin = np.array(sorted(known, key=lambda one: -known[one])[:STARTS])
    rows = climbed(model.parts.space, begin, function)
    return _new(rows[np.argsort(-function(rows), kind="stable")], known)


def improving(model: Model, known: Mapping[Combination, float], random: np.random.Generator) -> list[Combination]:
    """What is near the best, by the improvement that is expected from it; unknown ones alone."""
    rows = around(model.parts.space, known, random)
    if len(rows) > JUDGED:  # how sure the model is costs most: only where much is expected, and here and there
        order = np.argsort(-model.expected(rows))
        some = random.choice(order[JUDGED // 2 :], size=JUDGED // 2, replace=False)
        rows = rows[np.concatenate([order[: JUDGED // 2], some])]
    best = float(model.expected(model.rows).max())
    expected, deviation = model.predict(rows)
    above = (expected - best) / deviation
    gain = (expected - best) * ndtr(above) + deviation * np.exp(-(above**2) / 2) / np.sqrt(2 * np.pi)
    return _new(rows[np.argsort(-gain, kind="stable")], known)


def _new(rows: Rows, known: Mapping[Combination, float]) -> list[Combination]:
    return [row for row in map(tuple, rows.tolist()) if row not in known]


def _anything(space: Space, known: Mapping[Combination, float], random: np.random.Generator) -> Combination:
    while True:
        found = tuple(int(random.integers(size)) for size in space.sizes)
        if found not in known:
            return found


def candidates(space: Space, known: Mapping[Combination, float], random: np.random.Generator) -> Rows:
    """Everything where that is little; else what is near the best, crossings of the good, and some at random."""
    if space.count <= MOST:
        return np.stack(np.unravel_index(np.arange(space.count), space.sizes), axis=1)
    order = sorted(known, key=lambda one: -known[one])[:12]
    slots = len(space.sizes)
    near = [_exchanged(space, row, random, slots) for row in order[:3] for _ in range(MOST // 8)]
    good = np.array(order)
    crossed = [good[random.integers(len(order), size=slots), np.arange(slots)] for _ in range(MOST // 4)]
    drawn = [random.integers(np.array(space.sizes)) for _ in range(MOST // 8)]
    return np.unique(np.array([*order, *near, *crossed, *drawn], dtype=np.int64), axis=0)


def around(space: Space, known: Mapping[Combination, float], random: np.random.Generator) -> Rows:
    """The best one with one version exchanged, and with two, all of them where these are not too many."""
    best = np.array(max(known, key=lambda one: known[one]))
    exchanges = [(s, v) for s, size in enumerate(space.sizes) for v in range(size) if v != best[s]]
    pairs = [(a, b) for a in exchanges for b in exchanges if a[0] < b[0]]
    if len(pairs) > MOST:
        linked = set(space.links)
        pairs = [p for p in pairs if (p[0][0], p[1][0]) in linked or random.random() < MOST / len(pairs)]
    rows = []
    for changes in [*((one,) for one in exchanges), *pairs]:
        row = best.copy()
        for slot, version in changes:
            row[slot] = version
        rows.append(row)
    return np.array(rows)


def _exchanged(space: Space, row: Combination, random: np.random.Generator, slots: int) -> Rows:
    """A combination with one to three versions exchanged; of two, often ones that are linked."""
    changed = np.array(row)
    count = min(slots, int(random.integers(1, 4)))
    if count == 2 and space.links and random.random() < 0.5:
        where = np.array(space.links[int(random.integers(len(space.links)))])
    else:
        where = random.choice(slots, size=count, replace=False)
    changed[where] = random.integers(np.array(space.sizes)[where])
    return changed


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
