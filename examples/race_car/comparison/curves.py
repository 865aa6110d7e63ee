"""Learning curves and the distance between them: how much data an arm needs for the quality of individual training."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from .arms import BASELINE
from .trials import FEWEST, MARGIN, Trials

RESAMPLES = 2000
Curves = npt.NDArray[np.float64]  # [seeds, shares]: F1 on test scenes


@dataclass(frozen=True)
class Quantity:
    """A share of the data, or a ratio of two, with its 95 % interval; infinite: not within what was run."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Need:
    """What an arm needs to reach the quality of individual training on all data, less the margin.

    Attributes:
        share: of the training scenes.
        labels: annotation values of those scenes, on average.
        saving: the label values that individual training needs for the same quality, over the arm's.
    """

    share: Quantity
    labels: float
    saving: Quantity


def need(trials: Trials, arm: str, *, seed: int = 0) -> Need | None:
    """The horizontal distance between the curves of an arm and the baseline; None where seeds or shares are too few.

    A curve is the mean over seeds, made monotone by isotonic regression and read between its points on a logarithmic
    scale of data. The interval draws the seeds again, the same ones for both arms.
    """
    shares = trials.shares
    seeds = [found for found in trials.of(BASELINE) if all(_has(trials, arm, found, share) for share in shares)]
    if len(seeds) < FEWEST or len(shares) < 2:
        return None
    ours, theirs = (_curves(trials, name, seeds) for name in (arm, BASELINE))
    prices = trials.labels(arm) / trials.labels(BASELINE)
    draws = np.random.default_rng(seed).integers(len(seeds), size=(RESAMPLES, len(seeds)))
    found = [_distance(ours[draw].mean(axis=0), theirs[draw].mean(axis=0), shares) for draw in draws]
    mine, other = _distance(ours.mean(axis=0), theirs.mean(axis=0), shares)
    share = Quantity(mine, *_ends([one for one, _ in found]))
    ratios = Quantity(_ratio(other, mine, prices), *_ends([_ratio(two, one, prices) for one, two in found]))
    return Need(share, mine * trials.labels(arm), ratios)


def _distance(ours: Curves, theirs: Curves, shares: Sequence[float]) -> tuple[float, float]:
    """The shares at which the two curves reach the baseline's quality on all data, less the margin."""
    target = isotonic_regression(theirs).x[-1] - MARGIN
    return reached(ours, shares, target), reached(theirs, shares, target)


def reached(curve: Curves, shares: Sequence[float], target: float) -> float:
    """The smallest share at which a curve reaches the target; infinite if it does not, the smallest if it starts there.

    curve: mean F1 at each of the shares, which ascend.
    """
    rising = isotonic_regression(curve).x
    above = np.flatnonzero(rising >= target)
    if not len(above):
        return inf
    first = above[0]
    if first == 0:
        return shares[0]
    around = slice(first - 1, first + 1)
    return float(np.exp(np.interp(target, rising[around], np.log(shares[around]))))


def _ratio(theirs: float, ours: float, prices: float) -> float:
    """Label values of the baseline over the arm's; 0 where the arm never arrives."""
    return theirs / (ours * prices)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval; order statistics, since some values may be infinite."""
    low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def _curves(trials: Trials, arm: str, seeds: Sequence[int]) -> Curves:
    return np.array([[trials.of(arm, share)[seed]["f1"] for share in trials.shares] for seed in seeds])


def _has(trials: Trials, arm: str, seed: int, share: float) -> bool:
    return seed in trials.of(arm, share) and seed in trials.of(BASELINE, share)
