"""How much better than the best found the best of all may be: an estimate by draws from the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import nan

import numpy as np

from drivetrain.experiments.search.base import Combination, Space
from drivetrain.experiments.search.interactions import STARTS, candidates, climbed
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
    above = []
    for _ in range(DRAWS):
        prior = _prior(model, random)
        at_rows = prior(model.rows)

        def draw(rows: Rows, prior: Callable[[Rows], Array] = prior, at_rows: Array = at_rows) -> Array:
            return model.conditioned(rows, prior(rows), at_rows, np.random.default_rng(seed))

        rows = candidates(space, dict(values), random)
        found = draw(rows)
        if space.count > len(rows):
            found = draw(climbed(space, rows[np.argsort(-found)[:STARTS]], draw))
        above.append(max(0.0, float(found.max()) - best))
    return float(np.mean(above)), float(np.quantile(above, 0.95))


def _prior(model: Model, random: np.random.Generator) -> Callable[[Rows], Array]:
    """A function drawn from the prior: tables of versions and of pairs, and tables of random groups of slots."""
    parts = model.parts
    sizes, pairs = parts.space.sizes, parts.pairs
    slots, largest = len(sizes), max(sizes)
    scale = np.sqrt(np.exp(model.logs))
    alone, smooth, together = scale[:slots], scale[slots], scale[slots + 1 : slots + 1 + len(pairs)]
    smooth_pairs, others, rest = scale[slots + 1 + len(pairs) : -1]
    roots = [np.linalg.cholesky(near + 1e-6 * np.eye(len(near))) for near in parts.near]
    main = np.zeros((slots, largest))
    for slot, size in enumerate(sizes):
        main[slot, :size] = alone[slot] * random.normal(size=size)
        main[slot, :size] += smooth / np.sqrt(slots) * roots[slot] @ random.normal(size=size)
    links = sorted(set(parts.space.links)) or list(pairs)
    tables = [(pair, each * random.normal(size=(largest, largest))) for pair, each in zip(pairs, together, strict=True)]
    for a, b in links:
        drawn = roots[a] @ random.normal(size=(sizes[a], sizes[b])) @ roots[b].T
        tables.append(((a, b), smooth_pairs / np.sqrt(len(links)) * drawn))
    apart = others / np.sqrt(max(1, len(parts.rest)))
    tables += [(pair, apart * random.normal(size=(largest, largest))) for pair in parts.rest]
    member = random.random((RANDOM_SETS, slots)) < 1 - ALIKE
    codes = random.integers(1, 2**31, size=(RANDOM_SETS, slots, largest)).astype(np.uint64)

    def function(rows: Rows) -> Array:
        value = main[np.arange(slots), rows].sum(axis=1)
        for (first, second), table in tables:
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
