"""The rows of a comparison, asked by arm and share: numbers by seed, pairs of arms, what it cost to reach a target."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Any

from drivetrain.evaluation import Difference, Estimate, estimate, paired_difference

from .arms import ARMS, BASELINE, at

MARGIN = 0.02  # F1 that counts as not worse; stated before the first trial was run
FEWEST = 6  # seeds for a verdict; an interval drawn from fewer lies within their range and is too short
FOUND = 1e-9  # F1 of a system that finds anything; less reaches no target, however little the baseline found
Row = dict[str, Any]


@dataclass(frozen=True)
class Trials:
    """All rows of one comparison, of equal sizes."""

    rows: Sequence[Row]

    @property
    def shares(self) -> list[float]:
        """The shares of the data that were run, smallest first."""
        return sorted({row["share"] for row in self.rows})

    def arms(self, share: float = 1.0) -> list[str]:
        """The arms that have rows, in the order in which they are declared."""
        return [name for name in ARMS if self.of(name, share)]

    def of(self, arm: str, share: float = 1.0) -> dict[int, Row]:
        """The rows of an arm by seed."""
        found = [row for row in self.rows if row["arm"] == arm and row["share"] == share]
        return {row["seed"]: row for row in sorted(found, key=lambda row: row["seed"])}

    def mean(self, arm: str, number: str, share: float = 1.0) -> Estimate:
        """A number of an arm's rows, averaged over seeds; seeds without one (no right cone has an error) left out."""
        found = [row[number] for row in self.of(arm, share).values()]
        return estimate([value for value in found if value == value])

    def against_baseline(self, arm: str, number: str = "f1", share: float = 1.0) -> Difference:
        """The arm minus individual training on all data, over the seeds that both have."""
        ours, theirs = self.of(arm, share), self.of(BASELINE)
        seeds = [seed for seed in ours if seed in theirs]
        if not seeds:
            return Difference(nan, nan, nan, 0, 0)
        return paired_difference([ours[s][number] for s in seeds], [theirs[s][number] for s in seeds])

    def verdict(self, arm: str, number: str = "f1", share: float = 1.0) -> str:
        """What may be said of the arm against individual training on all data."""
        pair = self.against_baseline(arm, number, share)
        return pair.verdict(MARGIN) if pair.n >= FEWEST else f"none under {FEWEST} seeds"

    def to_target(self, arm: str, price: Callable[[Row], float]) -> list[float]:
        """What it cost each seed to reach the target at full data; infinite where it never did.

        The target of a seed is the F1 on validation of its individual training, less the margin; the price is asked of
        the first point of the curve that reaches it. Both are measured at the thresholds that validation likes best.
        """
        targets = {seed: row["validation"] - MARGIN for seed, row in self.of(BASELINE).items()}
        costs = []
        for seed, row in self.of(arm).items():
            if seed in targets:
                reached = [point for point in row["curve"] if point["f1"] >= max(targets[seed], FOUND)]
                costs.append(price(reached[0]) if reached else inf)
        return costs

    def labels(self, arm: str, share: float = 1.0) -> float:
        """Annotation values that training read, averaged over seeds."""
        rows = self.of(arm, share).values()
        return sum(row["labels"]["training"] for row in rows) / len(rows) if rows else nan

    def labels_to_target(self, arm: str) -> tuple[float, float] | None:
        """The smallest share that is not worse than individual training on all data, and its labels; None: no share."""
        for share in self.shares:
            pair = self.against_baseline(arm, share=share)
            if pair.n >= FEWEST and pair.not_worse(MARGIN):
                return share, self.labels(arm, share)
        return None


def complete(rows: Sequence[Row]) -> list[Row]:
    """The rows of those seeds and shares that every arm asked of the share has run: all are judged on the same."""
    done: dict[tuple[int, float], set[str]] = {}
    for row in rows:
        done.setdefault((row["seed"], row["share"]), set()).add(row["arm"])
    return [row for row in rows if row["arm"] in ARMS and done[row["seed"], row["share"]] >= set(at(row["share"]))]
