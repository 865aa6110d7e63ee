"""One slot after another: the best version of it while the others stay, again until nothing changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.experiments.selecting.search.base import Search, Space


@dataclass(frozen=True)
class Coordinate:
    """Greedy coordinate search, what a careful person does by hand; from a new random start once nothing changes.

    It finds the best combination where versions do not interact, with as many evaluations as there are versions, and
    stops at any combination that no single exchange improves.
    """

    def search(self, space: Space, budget: int, seed: int) -> Search:
        """Climb, start anew, until the budget is spent."""
        random = np.random.default_rng(seed)
        starts = list(space.start) or [tuple(0 for _ in space.sizes)]
        values = yield starts
        here = starts[int(np.argmax(values))]
        while True:
            (value,) = yield [here]
            changed = True
            while changed:
                changed = False
                for slot in random.permutation(len(space.sizes)).tolist():
                    tried = [(*here[:slot], version, *here[slot + 1 :]) for version in range(space.sizes[slot])]
                    values = yield tried
                    best = int(np.argmax(values))
                    if values[best] > value:
                        here, value, changed = tried[best], values[best], True
            here = tuple(int(random.integers(size)) for size in space.sizes)
