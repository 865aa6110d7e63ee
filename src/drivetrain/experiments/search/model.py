"""What combinations are worth, guessed from those evaluated: versions, pairs of them, and what no pair explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular

from drivetrain.experiments.search.base import Combination, Space

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
ALIKE = 0.35  # of the last kernel: the share of it that two combinations keep with each slot in which they differ
SHARES = ("versions", "linked pairs", "other pairs", "rest")


@dataclass(frozen=True, eq=False)
class Model:
    """A Gaussian process over combinations (Rasmussen and Williams 2006, eq. 2.25 and 2.26), values standardised.

    Its kernel adds up: do two combinations share versions, linked pairs of versions, other pairs of versions, and are
    they alike on the whole; how much of the variance each explains is what makes the values most likely (eq. 5.8).

    Attributes:
        space: the combinations.
        rows: [n, slots]; those evaluated.
        mean: of their values.
        scale: their standard deviation.
        shares: of the variance, in the order of ``SHARES``.
        noise: variance of an evaluation that repeats nothing.
    """

    space: Space
    rows: Rows
    mean: float
    scale: float
    shares: tuple[float, ...]
    noise: float
    lower: Array
    weights: Array

    @staticmethod
    def fitted(space: Space, rows: Sequence[Combination], values: Sequence[float], start: Model | None = None) -> Model:
        """The model of some values; the shares of an earlier one are kept where given."""
        held = np.array(rows, dtype=np.int64)
        told = np.array(values)
        mean, scale = float(told.mean()), float(told.std()) or 1.0
        target = (told - mean) / scale
        if start is None:
            shares, noise = _likeliest(parts(space, held, held), target)
        else:
            shares, noise = start.shares, start.noise
        kernel = np.tensordot(shares, parts(space, held, held), 1) + noise * np.eye(len(held))
        lower = cholesky(kernel, lower=True)
        return Model(space, held, mean, scale, shares, noise, lower, cho_solve((lower, True), target))

    def predict(self, rows: Rows) -> tuple[Array, Array]:
        """Expected value and standard deviation of some combinations, [m] each."""
        cross = np.tensordot(self.shares, parts(self.space, rows, self.rows), 1)
        spread = solve_triangular(self.lower, cross.T, lower=True)
        variance = np.maximum(sum(self.shares) - (spread**2).sum(axis=0), 1e-12)
        return self.mean + self.scale * (cross @ self.weights), self.scale * np.sqrt(variance)

    def conditioned(self, rows: Rows, prior: Array, at_rows: Array, random: np.random.Generator) -> Array:
        """A draw from the prior turned into one from the posterior (Wilson et al. 2020, eq. 5).

        Args:
            rows: [m, slots]; where it is wanted.
            prior: [m]; the draw there, standardised.
            at_rows: [n]; the same draw at what was evaluated.
            random: draws the noise.
        """
        target = self.lower @ (self.lower.T @ self.weights)
        missing = target - at_rows - np.sqrt(self.noise) * random.normal(size=len(at_rows))
        cross = np.tensordot(self.shares, parts(self.space, rows, self.rows), 1)
        drawn: Array = self.mean + self.scale * (prior + cross @ cho_solve((self.lower, True), missing))
        return drawn


def parts(space: Space, one: Rows, other: Rows) -> Array:
    """The kernels of the shares, [4, m, n], each one at equal combinations."""
    slots = one.shape[1]
    same = (one[:, None, :] == other[None, :, :]).astype(np.float32)
    count = same.sum(axis=2)
    linked = np.zeros_like(count)
    for a, b in space.links:
        linked += same[:, :, a] * same[:, :, b]
    pairs = count * (count - 1) / 2 - linked
    apart = slots * (slots - 1) // 2 - len(space.links)
    found = np.stack(
        [count / slots, linked / max(1, len(space.links)), pairs / max(1, apart), ALIKE ** (slots - count)]
    )
    return found.astype(np.float64)


_STARTS = [
    (0.9, 0.04, 0.04, 0.02), (0.6, 0.3, 0.05, 0.05), (0.6, 0.05, 0.3, 0.05), (0.3, 0.6, 0.05, 0.05),
    (0.3, 0.3, 0.3, 0.1), (0.3, 0.05, 0.05, 0.6), (0.1, 0.8, 0.05, 0.05), (0.1, 0.1, 0.7, 0.1), (0.1, 0.1, 0.1, 0.7),
]  # fmt: skip


def _likeliest(kernels: Array, target: Array) -> tuple[tuple[float, ...], float]:
    """Shares and noise of the highest likelihood: the best of some starts, then steps in one of them at a time."""
    logs = [(_likelihood(kernels, np.array(start), 0.02, target), np.array(start), 0.02) for start in _STARTS]
    best, shares, noise = max(logs, key=lambda one: one[0])
    for step in (3.0, 1.7, 1.3):
        for place in range(len(shares) + 1):
            for factor in (step, 1 / step):
                tried, other = shares.copy(), noise
                if place < len(shares):
                    tried[place] = min(max(tried[place] * factor, 0.005), 4.0)
                else:
                    other = min(max(noise * factor, 1e-4), 1.0)
                found = _likelihood(kernels, tried, other, target)
                if found > best:
                    best, shares, noise = found, tried, other
    return tuple(map(float, shares)), noise


def _likelihood(kernels: Array, shares: Array, noise: float, target: Array) -> float:
    """The logarithm of the marginal likelihood, up to a constant, with a prior that keeps the shares sane."""
    kernel = np.tensordot(shares, kernels, 1) + noise * np.eye(len(target))
    try:
        lower, _ = cho_factor(kernel, lower=True)
    except np.linalg.LinAlgError:
        return -np.inf
    fit = float(target @ cho_solve((lower, True), target))
    prior = 0.1 * float(((np.log(shares) - np.log(0.25)) ** 2).sum()) + 0.05 * float(
        (np.log(noise) - np.log(0.02)) ** 2
    )
    return -0.5 * fit - float(np.log(np.diag(lower)).sum()) - prior
