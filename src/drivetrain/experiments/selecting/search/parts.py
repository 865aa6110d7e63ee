"""What two combinations have in common, part by part: versions, pairs of versions, neighbours, the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt

from drivetrain.experiments.selecting.search.base import Space

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
ALIKE = 0.35  # of the last part: the share of it that two combinations keep with each slot in which they differ
REACH = 0.3  # how far versions resemble their neighbours, as a share of the slot's versions, where they do
SINGLE = 45  # pairs of slots up to which each has a variance of its own, linked or not
ORDERED = 12  # slots up to which the order of versions is looked at
GROUPS = [1.5, 2.0, 2.0, 2.0, 2.0, 2.0, 1.5, 1.5]


@dataclass(frozen=True, eq=False)
class Parts:
    """The kernel as a sum of parts, each 1 between equal combinations; how large each is, is learned.

    One part a slot (do they share the version?), one a pair of slots (do they share both?), the same with versions
    that resemble their neighbours in the order given, and one for what neither explains (are they alike on the whole?).

    Attributes:
        space: the combinations.
        pairs: with a variance of their own.
        rest: the other pairs, which have one in common.
    """

    space: Space
    pairs: tuple[tuple[int, int], ...]
    rest: tuple[tuple[int, int], ...]

    @staticmethod
    def of(space: Space) -> Parts:
        """The parts for a space: linked pairs singly, others too where they are few."""
        linked = tuple(sorted({(min(pair), max(pair)) for pair in space.links}))
        other = tuple(pair for pair in combinations(range(len(space.sizes)), 2) if pair not in set(linked))
        single = len(linked) + len(other) <= SINGLE
        return Parts(space, linked + other if single else linked, () if single else other)

    @cached_property
    def group(self) -> Rows:
        """To which group each variance belongs: slots, linked pairs, other pairs, and each of the rest its own."""
        slots, linked = len(self.space.sizes), len(set(self.space.links))
        pairs = [1 if place < linked else 2 for place in range(len(self.pairs))]
        return np.array([0] * slots + [3] + pairs + [4, 5, 6, 7])

    @cached_property
    def prior(self) -> tuple[Array, Array]:
        """Of the logarithm of each group's variance: mean and standard deviation."""
        slots, linked = len(self.space.sizes), max(1, len(set(self.space.links)))
        other = max(1, slots * (slots - 1) // 2 - linked)
        mean = [0.5 / slots, 0.3 / linked, 0.1 / other, 0.05, 0.05, 0.05, 0.05, 1e-3]
        return np.log(mean), np.array(GROUPS)

    def between(self, one: Rows, other: Rows) -> Array:
        """All parts, [parts, m, n]."""
        return np.stack(list(self._each(one, other)))

    def kernel(self, shares: Array, one: Rows, other: Rows) -> Array:
        """Their weighted sum, [m, n]."""
        total = np.zeros((len(one), len(other)))
        for share, part in zip(shares, self._each(one, other), strict=True):
            total += share * part
        return total

    def _each(self, one: Rows, other: Rows) -> Iterator[Array]:
        same = (one.T[:, :, None] == other.T[:, None, :]).astype(np.float64)
        count, nothing = same.sum(axis=0), np.zeros(same.shape[1:])
        near = [self.near[slot][one[:, slot]][:, other[:, slot]] for slot in range(len(same) if self.ordered else 0)]
        yield from same
        yield sum(near, nothing) / len(same)
        pairs = nothing.copy()
        for a, b in self.pairs:
            yield (part := same[a] * same[b])
            pairs += part
        yield sum((near[a] * near[b] for a, b in self.links if near), nothing) / max(1, len(self.links))
        yield (count * (count - 1) / 2 - pairs) / max(1, len(self.rest)) if self.rest else nothing
        yield ALIKE ** (len(same) - count)

    @property
    def ordered(self) -> bool:
        """Whether neighbours may resemble each other: in large systems that costs more than it has been worth."""
        return len(self.space.sizes) <= ORDERED

    @cached_property
    def links(self) -> list[tuple[int, int]]:
        """The pairs of which neighbours may resemble each other together."""
        return sorted(set(self.space.links)) or list(self.pairs)

    @cached_property
    def near(self) -> list[Array]:
        """By slot, how much versions resemble each other by their places alone, [versions, versions]."""
        places = [np.arange(size) for size in self.space.sizes]
        return [np.exp(-np.abs(place[:, None] - place[None, :]) / (REACH * len(place))) for place in places]
