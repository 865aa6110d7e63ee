"""Every combination, in an order in which what was computed for one is of use for the next."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from drivetrain.experiments.selecting.search.base import Search, Space


@dataclass(frozen=True)
class Exhaustive:
    """Evaluate all combinations; the last slot varies fastest, so that upstream outputs are of use at once."""

    def search(self, space: Space, budget: int, seed: int) -> Search:
        """All of them, in one proposal."""
        yield space.diagonals()  # whether all versions fit shows first
        yield list(product(*map(range, space.sizes)))
