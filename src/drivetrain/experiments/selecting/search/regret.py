"""How much better than the best found the best of all may be: an estimate by draws from the model."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

import numpy as np

from drivetrain.experiments.selecting.search.base import Combination, Space
from drivetrain.experiments.selecting.search.interactions import STARTS, candidates, climbed
from drivetrain.experiments.selecting.search.model import Model

DRAWS, FEW_DRAWS, LARGE = 64, 16, 12
"""Functions that are drawn, and how many where there are more slots than the last number: each costs seconds there."""
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
    rows = candidates(space, dict(values), random)
    above = []
    for _ in range(DRAWS if len(space.sizes) <= LARGE else FEW_DRAWS):
        function = model.drawn(random)
        found = function(rows)
        if space.count > len(rows):
            found = function(climbed(space, rows[np.argsort(-found)[:STARTS]], function))
        above.append(max(0.0, float(found.max()) - best))
    return float(np.mean(above)), float(np.quantile(above, 0.95))
