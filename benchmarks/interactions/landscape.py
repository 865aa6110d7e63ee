"""A system as a search sees it: slots with versions, which slots are linked, and the value of every combination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Scope = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Landscape:
    """Values of combinations as a sum of factors, each a table over the versions of a few slots.

    Attributes:
        name: of its family.
        sizes: versions of each slot.
        links: pairs of slots of which one reads the other's output, or whose outputs meet; what a diagram shows.
        factors: the slots that a table is about, and the table.
        shape: what is done to the sum; the identity where the optimum is found by elimination.
        noise: standard deviation of what an evaluation adds to the value, the same at every repetition.
        quality: [slots][versions]; how good each version is measured on its own, which may mislead.
    """

    name: str
    sizes: tuple[int, ...]
    links: tuple[Scope, ...]
    factors: tuple[tuple[Scope, Array], ...]
    shape: Callable[[Array], Array] | None = None
    noise: float = 0.0
    quality: tuple[Array, ...] = ()
    seed: int = 0
    _extremes: list[float] = field(default_factory=list)

    def value(self, combination: Sequence[int]) -> float:
        """The true value."""
        total = sum(float(table[tuple(combination[slot] for slot in scope)]) for scope, table in self.factors)
        return total if self.shape is None else float(self.shape(np.array(total)))

    def observed(self, combination: Sequence[int]) -> float:
        """What an evaluation on a finite data set says: the value and an error that belongs to the combination."""
        if not self.noise:
            return self.value(combination)
        error = np.random.default_rng([self.seed, *combination]).normal()
        return self.value(combination) + self.noise * float(error)

    @property
    def worst(self) -> float:
        """The lowest value of any combination."""
        return self._both()[0]

    @property
    def best(self) -> float:
        """The highest value of any combination."""
        return self._both()[1]

    def regret(self, combination: Sequence[int]) -> float:
        """How far the combination is below the best, as a share of the range."""
        return (self.best - self.value(combination)) / (self.best - self.worst)

    def _both(self) -> list[float]:
        if not self._extremes:
            if int(np.prod([float(size) for size in self.sizes])) <= 100_000:
                values = self._all()
                self._extremes.extend([float(values.min()), float(values.max())])
            else:
                assert self.shape is None, "too large to enumerate, and no plain sum"
                lowest = -eliminated(self.sizes, [(scope, -table) for scope, table in self.factors])
                self._extremes.extend([lowest, eliminated(self.sizes, self.factors)])
        return self._extremes

    def _all(self) -> Array:
        total = np.zeros(self.sizes)
        for scope, table in self.factors:
            total = total + spread(table, scope, len(self.sizes))
        return total if self.shape is None else self.shape(total)


def spread(table: Array, scope: Scope, slots: int) -> Array:
    """A table over some slots as one over all of them, with length one where it does not matter."""
    order = np.argsort(scope)
    shape = [1] * slots
    for axis in order:
        shape[scope[axis]] = table.shape[axis]
    return np.transpose(table, order).reshape(shape)


def eliminated(sizes: Sequence[int], factors: Sequence[tuple[Scope, Array]]) -> float:
    """The maximum of a sum of factors by eliminating the slot with the fewest neighbours (Dechter 1999)."""
    left, open_slots = list(factors), set(range(len(sizes)))

    def around(slot: int) -> set[int]:
        return {other for scope, _ in left if slot in scope for other in scope} - {slot}

    while open_slots:
        slot = min(open_slots, key=lambda one: (len(around(one)), one))
        scope = (slot, *sorted(around(slot)))
        total: Array = np.zeros([sizes[one] for one in scope])
        for own, table in [one for one in left if slot in one[0]]:
            total = total + spread(table, tuple(scope.index(one) for one in own), len(scope))
        left = [one for one in left if slot not in one[0]] + [(scope[1:], total.max(axis=0))]
        open_slots.remove(slot)
    return float(sum(table for _, table in left))
