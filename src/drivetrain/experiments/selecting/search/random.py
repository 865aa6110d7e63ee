"""Combinations drawn at random, each at most once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.experiments.selecting.search.base import Search, Space


@dataclass(frozen=True)
class Random:
    """Draw combinations, all equally likely: the baseline that every search has to beat."""

    def search(self, space: Space, budget: int, seed: int) -> Search:
        """Draw until the budget is spent or nothing is left."""
        random = np.random.default_rng(seed)
        seen = set(space.start)
        yield list(space.start)
        while len(seen) < min(budget, space.count):
            drawn = tuple(int(random.integers(size)) for size in space.sizes)
            if drawn not in seen:
                seen.add(drawn)
                yield [drawn]
