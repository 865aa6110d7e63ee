"""What the rows of a comparison say: estimates over independent units, pairs with the baseline, cost to a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, nan

import numpy as np
from scipy.stats import binom

from drivetrain.evaluation import Difference, Estimate, Rows, estimate, paired_difference

from .case import Case
from .store import Row

FEWEST = 6  # independent units for a verdict; an interval drawn from fewer is too short


@dataclass(frozen=True)
class Results:
    """All rows of one comparison."""

    case: Case
    rows: Sequence[Row]

    @property
    def seeds(self) -> list[int]:
        """The seeds that every arm has run: all are judged on the same."""
        per_arm = [{row["seed"] for row in self.rows if row["arm"] == arm} for arm in self.case.arms]
        return sorted(set.intersection(*per_arm)) if per_arm else []

    def of(self, arm: str) -> list[Row]:
        """The rows of an arm, by seed."""
        found = {row["seed"]: row for row in self.rows if row["arm"] == arm}
        return [found[seed] for seed in self.seeds]

    def scores(self) -> list[str]:
        """The names of what was measured on test data."""
        return list(self.of(self.case.baseline)[0]["test"])

    def estimate(self, arm: str, score: str = "end") -> Estimate:
        """A score of an arm over all seeds, with the interval over the independent units."""
        return estimate(self._joined(arm, score))

    def against_baseline(self, arm: str, score: str = "end") -> Difference:
        """The arm minus the baseline, on the same units of the same seeds."""
        return paired_difference(
            self._joined(arm, score), self._joined(self.case.baseline, score),
            higher_is_better=self.case.scores.get(score, self.case.ends[0]).higher_is_better,
        )  # fmt: skip

    def verdict(self, arm: str, score: str = "end") -> str:
        """What may be said of the arm against the baseline."""
        pair = self.against_baseline(arm, score)
        return pair.verdict(self.case.margin) if pair.units >= FEWEST else f"none under {FEWEST} units"

    def own(self, arm: str, edge: str) -> Estimate:
        """An inner edge's own metric on validation, averaged over seeds."""
        found = [row["own"][edge] for row in self.of(arm) if row["own"][edge] is not None]
        return estimate([value for value in found if value == value])

    def also(self, arm: str, name: str) -> Estimate:
        """A further figure, averaged over seeds."""
        return estimate([row["also"][name] for row in self.of(arm)])

    def also_against_baseline(self, arm: str, name: str) -> Difference:
        """The same minus the baseline's, paired by seed."""
        ours, base = ([row["also"][name] for row in self.of(each)] for each in (arm, self.case.baseline))
        return paired_difference(ours, base)

    def to_target(self, arm: str, price: Callable[[Row], float]) -> list[float]:
        """What it cost each seed to reach the target; infinite where it never did.

        The target of a seed is the end metric on validation of its baseline, less the margin; the price is asked of the
        first point of the curve that reaches it. Both are measured at the thresholds that validation likes best.
        """
        sign = 1 if self.case.ends[0].higher_is_better else -1
        costs = []
        for ours, base in zip(self.of(arm), self.of(self.case.baseline), strict=True):
            target = sign * base["validation"] - self.case.margin
            reached = [point for point in ours["curve"] if sign * point["end"] >= target]
            costs.append(price(reached[0]) if reached else inf)
        return costs

    def labels(self, arm: str) -> float:
        """Annotation values that training read, averaged over seeds."""
        return float(np.mean([row["labels"]["training"] for row in self.of(arm)]))

    def _joined(self, arm: str, score: str) -> Rows:
        """One row a unit and seed; where the data names no unit, the seed is the unit."""
        found = [(row["seed"], *unit) for row in self.of(arm) for unit in row["test"][score]]
        if self.case.unit is None:
            sums: dict[int, list[float]] = {}
            for seed, _, above, below in found:
                kept = sums.setdefault(seed, [0.0, 0.0])
                kept[0] += above
                kept[1] += below
            found = [(seed, str(seed), *kept) for seed, kept in sums.items()]
        return Rows(
            np.array([above for *_, above, _ in found]),
            np.array([below for *_, below in found]),
            tuple(unit for _, unit, *_ in found),
            tuple((seed, unit) for seed, unit, *_ in found),
        )


def median(values: Sequence[float]) -> tuple[float, float, float]:
    """The median, and the 95 % interval of order statistics around it, which runs that never arrived may enter.

    Conover 1999, Practical Nonparametric Statistics, 3.2: under six values there is no such interval (NaN).
    """
    ordered, count = sorted(values), len(values)
    if not count:
        return nan, nan, nan
    lower, upper = ordered[(count - 1) // 2], ordered[count // 2]
    middle = (lower + upper) / 2 if upper < inf else upper
    rank = int(binom.ppf(0.025, count, 0.5))
    return (middle, ordered[rank - 1], ordered[count - rank]) if rank else (middle, nan, nan)
