"""Functions of combinations as tables over versions and pairs of versions, which are read off in no time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from drivetrain.experiments.selecting.search.parts import ALIKE, Array, Parts, Rows

RANDOM_SETS = 16  # groups of slots by which the part of what no pair explains is drawn


@dataclass(frozen=True, eq=False)
class Tables:
    """A sum over versions, over pairs of versions, and over likeness on the whole to some combinations.

    Attributes:
        singles: [slots, versions].
        pairs: by pair of slots [versions, versions].
        rows: combinations; empty where likeness plays no part.
        weights: of each of them.
    """

    singles: Array
    pairs: Mapping[tuple[int, int], Array]
    rows: Rows
    weights: Array

    @staticmethod
    def weighted(parts: Parts, shares: Array, rows: Rows, weights: Array) -> Tables:
        """The kernel with some combinations, each with its weight, summed up: a Gaussian process's expected value."""
        sizes = parts.space.sizes
        slots = len(sizes)
        hits = np.zeros((slots, max(sizes)))
        for slot in range(slots):
            np.add.at(hits[slot], rows[:, slot], weights)
        singles = shares[:slots, None] * hits
        for slot, near in enumerate(parts.near if parts.ordered else ()):
            singles[slot, : sizes[slot]] += shares[slots] / slots * (near @ hits[slot, : sizes[slot]])
        smooth = shares[-4] / max(1, len(parts.links)) if parts.ordered else 0.0
        rest = shares[-3] / max(1, len(parts.rest))
        single = dict(zip(parts.pairs, shares[slots + 1 : slots + 1 + len(parts.pairs)], strict=True))
        pairs, links = {}, set(parts.links)
        for one, other in (*parts.pairs, *parts.rest):
            together = np.zeros((sizes[one], sizes[other]))
            np.add.at(together, (rows[:, one], rows[:, other]), weights)
            pairs[one, other] = single.get((one, other), rest) * together
            if smooth and (one, other) in links:
                pairs[one, other] += smooth * (parts.near[one] @ together @ parts.near[other].T)
        return Tables(singles, pairs, rows, shares[-2] * weights)

    def __call__(self, rows: Rows) -> Array:
        """The value of some combinations, [m]."""
        value = self.singles[np.arange(rows.shape[1]), rows].sum(axis=1)
        for (one, other), table in self.pairs.items():
            value += table[rows[:, one], rows[:, other]]
        if len(self.rows):
            same = self._ones(rows) @ self._ones(self.rows).T
            value += ALIKE ** (rows.shape[1] - same) @ self.weights
        return np.asarray(value)

    def _ones(self, rows: Rows) -> Array:
        found = np.zeros((len(rows), self.singles.size))
        np.put_along_axis(found, rows + np.arange(rows.shape[1]) * self.singles.shape[1], 1.0, 1)
        return found


def prior_draw(parts: Parts, shares: Array, random: np.random.Generator) -> Callable[[Rows], Array]:
    """A function drawn from the prior: normal tables, and of random groups of slots tables too large to write down."""
    sizes = parts.space.sizes
    slots, largest = len(sizes), max(sizes)
    scale = np.sqrt(shares)
    singles = scale[:slots, None] * random.normal(size=(slots, largest))
    single = dict(zip(parts.pairs, scale[slots + 1 : slots + 1 + len(parts.pairs)], strict=True))
    rest = scale[-3] / np.sqrt(max(1, len(parts.rest)))
    pairs = {
        (one, other): single.get((one, other), rest) * random.normal(size=(sizes[one], sizes[other]))
        for one, other in (*parts.pairs, *parts.rest)
    }
    if parts.ordered:
        roots = [np.linalg.cholesky(near + 1e-6 * np.eye(len(near))) for near in parts.near]
        for slot, root in enumerate(roots):
            singles[slot, : len(root)] += scale[slots] / np.sqrt(slots) * root @ random.normal(size=len(root))
        for one, other in parts.links:
            drawn = roots[one] @ random.normal(size=(sizes[one], sizes[other])) @ roots[other].T
            pairs[one, other] = pairs[one, other] + scale[-4] / np.sqrt(len(parts.links)) * drawn
    tables = Tables(singles, pairs, np.zeros((0, slots), dtype=np.int64), np.zeros(0))
    member = random.random((RANDOM_SETS, slots)) < 1 - ALIKE
    codes = random.integers(1, 2**31, size=(RANDOM_SETS, slots, largest)).astype(np.uint64)

    def function(rows: Rows) -> Array:
        value = tables(rows)
        for number in range(RANDOM_SETS):
            code = (codes[number][np.arange(slots), rows] * member[number]).sum(axis=1, dtype=np.uint64)
            value = value + scale[-2] / np.sqrt(RANDOM_SETS) * _normal(code + np.uint64(number))
        return value

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
