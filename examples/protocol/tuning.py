"""How the learning rates are tuned: equal trials for every arm on seeds that are not compared, judged on validation."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from .case import Case
from .running import identity
from .store import Row
from .tables import Table
from .trial import Job

TUNING_SEED = 9000  # far from those that are compared


def tuning_jobs(case: Case, epochs: int) -> list[Job]:
    """Equal trials for every arm: each rate on each tuning seed."""
    if len(case.rates) == 1:
        return []
    seeds = range(TUNING_SEED, TUNING_SEED + case.tuning_seeds)
    return [Job(seed, arm, rate, epochs) for seed in seeds for arm in case.arms for rate in case.rates]


def chosen(case: Case, rows: Sequence[Row], epochs: int) -> dict[str, float]:
    """For each arm the rate with the best mean end metric on validation, the smallest of equals."""
    if len(case.rates) == 1:
        return dict.fromkeys(case.arms, case.rates[0])
    scores, sign = _scores(case, rows, epochs), 1 if case.ends[0].higher_is_better else -1
    return {arm: max(case.rates, key=lambda rate: (sign * mean(scores[arm, rate]), -rate)) for arm in case.arms}


def tried(case: Case, rows: Sequence[Row], epochs: int) -> list[Table]:
    """What every rate brought every arm, the chosen one marked; no table where there was nothing to choose."""
    if len(case.rates) == 1:
        return []
    scores, taken = _scores(case, rows, epochs), chosen(case, rows, epochs)
    body = [
        [arm, *(f"{mean(scores[arm, rate]):.3f}{' *' * (rate == taken[arm])}" for rate in case.rates)]
        for arm in case.arms
    ]
    note = f"{case.end_name} on validation, mean over {case.tuning_seeds} seeds that are not compared; * was taken."
    return [Table("Rates that every arm tried", ("arm", *(f"{rate:g}" for rate in case.rates)), body, note)]


def _scores(case: Case, rows: Sequence[Row], epochs: int) -> dict[tuple[str, float], list[float]]:
    """The end metric on validation of the tuning trials, by arm and rate."""
    asked = set(tuning_jobs(case, epochs))
    scores: dict[tuple[str, float], list[float]] = {}
    for row in rows:
        if identity(row) in asked:
            scores.setdefault((row["arm"], row["rate"]), []).append(row["validation"])
    return scores
