"""The interval of a ratio, or of a difference of two, over independent units: bootstrap, and Student's t for few."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import isfinite, nan, sqrt
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtrit  # scipy.stats has them, too, and takes a second to import

from drivetrain.errors import DeclarationError
from drivetrain.evaluation.tally import Array, Rows

RESAMPLES = 9999
LARGEST_DRAW = 20_000_000  # units times resamples; larger data draws fewer, down to a tenth, and needs no more
FEW = 10  # units; with fewer, the draws, which lie between the smallest and the largest unit, reach not far enough


def sums_by_unit(several: Sequence[Rows], units: Sequence[Hashable]) -> list[Array]:
    """The columns that are drawn together: of each side the numerators and denominators, [units], summed by unit."""
    number = {unit: index for index, unit in enumerate(dict.fromkeys(units))}
    codes = np.array([number[unit] for unit in units], dtype=np.intp)
    columns = [column for rows in several for column in (rows.numerators, rows.denominators)]
    sums = [np.bincount(codes, weights=column, minlength=len(number)).astype(np.float64) for column in columns]
    order = np.lexsort(sums)  # so that the interval does not depend on the order of the samples
    return [column[order] for column in sums]


def interval(sums: Sequence[Array], confidence: float, seed: int) -> tuple[float, float]:
    """Where the ratio of sums (of two sides: the first minus the second) would lie were the units drawn again.

    Units are drawn with replacement, their numerators and denominators are summed, then divided; the quantiles are
    moved outwards to the length of Student's t interval (the expanded percentile interval of Hesterberg 2014, "What
    Teachers Should Know about the Bootstrap", arXiv:1411.5279). Of fewer than ``FEW`` units no draw leaves the range,
    so each end is then the further out of that one and of value ± t · (jackknife standard error); such an end may lie
    beyond what the metric can reach, an F1 of more than one. What that contains, ``tests/evaluation`` measures.

    Args:
        sums: what ``sums_by_unit`` answers: columns [units], two a side.
        confidence: how often such intervals contain the true number, a share.
        seed: of the draws.

    Returns:
        Lower and upper end; NaN, NaN where fewer than two units have something to divide by.

    Raises:
        DeclarationError: the confidence is no share.
    """
    if not 0 < confidence < 1:
        raise DeclarationError(f"confidence is a share between 0 and 1 such as 0.95, found {confidence!r}")
    says_something = np.any([column != 0 for column in sums[1::2]], axis=0)
    sums = [column[says_something] for column in sums]
    units = len(sums[0])
    value = float(_statistic(*sums, axis=0))
    if units < 2 or not isfinite(value):
        return nan, nan
    low, high = _expanded_percentiles(sums, confidence, seed)
    if units < FEW:
        reach = _quantile_of_t(confidence, units) * _jackknife_error(sums)
        low, high = np.nanmin([low, value - reach]), np.nanmax([high, value + reach])
    return min(float(low), value), max(float(high), value)


def _expanded_percentiles(sums: Sequence[Array], confidence: float, seed: int) -> tuple[float, float]:
    units = len(sums[0])
    reach = _quantile_of_t(confidence, units) * sqrt(units / (units - 1))
    tail = float(ndtr(-reach))
    low, high = np.nanquantile(_draws(sums, seed), [tail, 1 - tail])  # a draw may have nothing to divide by
    return float(low), float(high)


def _quantile_of_t(confidence: float, units: int) -> float:
    return float(stdtrit(units - 1, (1 + confidence) / 2))


def _draws(sums: Sequence[Array], seed: int) -> Array:
    """The statistic of units drawn with replacement, again and again: [resamples]."""
    units = len(sums[0])
    resamples = int(np.clip(LARGEST_DRAW // units, RESAMPLES // 10, RESAMPLES))
    at_once = max(1, 100_000 // units)  # larger arrays are given back to the system each time: four times slower
    generator = np.random.default_rng(seed)
    draws = []
    for begin in range(0, resamples, at_once):
        drawn = generator.integers(units, size=(min(at_once, resamples - begin), units))
        draws.append(_statistic(*(column[drawn] for column in sums), axis=1))
    return np.concatenate(draws)


def _jackknife_error(sums: Sequence[Array]) -> float:
    """The standard error from leaving out one unit at a time (Efron and Tibshirani 1993)."""
    units = len(sums[0])
    others = ~np.eye(units, dtype=bool)
    left = np.array([_statistic(*(column[row] for column in sums), axis=0) for row in others])
    return sqrt((units - 1) / units * float(np.nansum((left - np.nanmean(left)) ** 2)))


def _statistic(*sums: Array, axis: int) -> Any:
    """Sum by sum; of two sides the first minus the second."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = [
            np.where((below := sums[i + 1].sum(axis)) != 0, sums[i].sum(axis) / below, np.nan)
            for i in range(0, len(sums), 2)
        ]
    return ratios[0] if len(ratios) == 1 else ratios[0] - ratios[1]
