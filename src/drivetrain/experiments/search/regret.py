"""How much better than the best found the best of all may be: an estimate by draws from the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import nan

import numpy as np

from drivetrain.experiments.search.base import Combination, Space
from drivetrain.experiments.search.interactions import WHOLE, climbed, starts
from drivetrain.experiments.search.model import ALIKE, Array, Model, Rows

DRAWS = 64
RANDOM_SETS = 48  # groups of slots by which the kernel of what no pair explains is drawn
FEWEST = 8


def regret(space: Space, values: Mapping[Combination, float], seed: int) -> tuple[float, float]:
    """The expected regret of the best combination known, and what it stays below in 95 of 100 draws.

    Args:
        space: all combinations.
        values: those evaluated, higher being better.
        seed: of the draws.

    Returns:
        Both in units of the values; NaN, NaN where there are too few.
    """
    if len(values) < FEWEST or len(set(values.values())) < 2:
        return nan, nan
    random = np.random.default_rng([seed, 1])
    model = Model.fitted(space, list(values), list(values.values()))
    best = max(values.values())
    whole = None
    if space.count <= WHOLE:
        whole = np.stack(np.unravel_index(np.arange(space.count), space.sizes), axis=1)
    above = []
    for _ in range(DRAWS):
        prior = _prior(model, random)
        at_rows = prior(model.rows)

        def draw(rows: Rows, prior: Callable[[Rows], Array] = prior, at_rows: Array = at_rows) -> Array:
            return model.conditioned(rows, prior(rows), at_rows, np.random.default_rng(seed))

        rows = whole if whole is not None else climbed(space, starts(space, dict(values), random), draw)
        above.append(max(0.0, float(draw(rows).max()) - best))
    return float(np.mean(above)), float(np.quantile(above, 0.95))


def _prior(model: Model, random: np.random.Generator) -> Callable[[Rows], Array]:
    """A function drawn from the prior: tables of versions and of pairs, and tables of random groups of slots."""
    space = model.space
    slots, largest = len(space.sizes), max(space.sizes)
    alone, linked, other, rest = np.sqrt(model.shares)
    links = set(space.links)
    pairs = [(a, b) for a in range(slots) for b in range(a + 1, slots)]
    apart = max(1, len(pairs) - len(links))
    scale = np.array([linked / np.sqrt(len(links)) if pair in links else other / np.sqrt(apart) for pair in pairs])
    main = alone / np.sqrt(slots) * random.normal(size=(slots, largest))
    tables = scale[:, None, None] * random.normal(size=(len(pairs), largest, largest))
    member = random.random((RANDOM_SETS, slots)) < 1 - ALIKE
    codes = random.integers(1, 2**31, size=(RANDOM_SETS, slots, largest)).astype(np.uint64)

    def function(rows: Rows) -> Array:
        value = main[np.arange(slots), rows].sum(axis=1)
        for (first, second), table in zip(pairs, tables, strict=True):
            value += table[rows[:, first], rows[:, second]]
        for number in range(RANDOM_SETS):
            code = (codes[number][np.arange(slots), rows] * member[number]).sum(axis=1, dtype=np.uint64)
            value += rest / np.sqrt(RANDOM_SETS) * _normal(code + np.uint64(number))
        return value  # type: ignore[no-any-return]

    return function


def _normal(code: np.ndarray) -> Array:  # type: ignore[type-arg]
    """A standard normal number for each code, always the same one (splitmix64, then Box and Muller)."""
    with np.errstate(over="ignore"):
        mixed = code * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    radius = np.sqrt(-2 * np.log(((mixed >> np.uint64(32)).astype(np.float64) + 1) / 2**32))
    angle = 2 * np.pi * (mixed & np.uint64(0xFFFFFFFF)).astype(np.float64) / 2**32
    return radius * np.cos(angle)  # type: ignore[no-any-return]
