"""Every arm chooses its learning rate among the same few, on seeds that are not compared, by validation alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from .arms import ARMS
from .store import identity
from .trial import Job

FIRST_SEED = 9000  # far from those that are compared, and so are its scenes


@dataclass(frozen=True)
class Tuning:
    """How much every arm may try.

    Attributes:
        rates: Adam's learning rates.
        seeds: repetitions of each.
    """

    rates: tuple[float, ...] = (3e-3, 1e-2, 3e-2)
    seeds: int = 2

    def jobs(self) -> list[Job]:
        """Equal trials for every arm: each rate on each seed, with all the data."""
        seeds = range(FIRST_SEED, FIRST_SEED + self.seeds)
        return [Job(seed, arm, 1.0, rate) for seed in seeds for arm in ARMS for rate in self.rates]

    def chosen(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """For each arm the rate with the best mean F1 on validation, the smallest of equals."""
        asked, scores = set(self.jobs()), dict[tuple[str, float], list[float]]()
        for row in rows:
            if identity(row) in asked:
                scores.setdefault((row["arm"], row["rate"]), []).append(row["validation"])
        return {arm: max(self.rates, key=lambda rate: (mean(scores[arm, rate]), -rate)) for arm in ARMS}
