"""What combinations are worth, guessed from those evaluated, and how sure the guess is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from drivetrain.experiments.selecting.search.base import Combination, Space
from drivetrain.experiments.selecting.search.parts import Array, Parts, Rows
from drivetrain.experiments.selecting.search.tables import Tables, prior_draw

ENOUGH = 160  # evaluations from which the variances are fitted; more cost much and change little
NUGGET = 1e-6
APART = 0.6  # standard deviation of the logarithms of variances within a group


@dataclass(frozen=True, eq=False)
class Model:
    """A Gaussian process over combinations (Rasmussen and Williams 2006, eq. 2.25 and 2.26), values standardised.

    Attributes:
        parts: of the kernel.
        rows: [n, slots]; those evaluated.
        mean: of their values.
        scale: their standard deviation.
        groups: logarithms of the variances of groups of parts: most likely given the values (eq. 5.8) and a prior.
        away: how far each part's is from its group's, the noise last.
    """

    parts: Parts
    rows: Rows
    mean: float
    scale: float
    groups: Array
    away: Array
    lower: Array
    weights: Array

    @staticmethod
    def fitted(
        space: Space, rows: Sequence[Combination], values: Sequence[float], start: Model | None = None,
        *, learn: bool = True,
    ) -> Model:  # fmt: skip
        """The model of some values; without ``learn`` with the variances of an earlier one."""
        held, told = np.array(rows, dtype=np.int64), np.array(values)
        parts = start.parts if start is not None else Parts.of(space)
        mean, scale = float(told.mean()), float(told.std()) or 1.0
        target = (told - mean) / scale
        groups = start.groups if start is not None else parts.prior[0]
        away = start.away if start is not None else np.zeros(len(parts.group))
        if learn:
            groups, away = _likeliest(parts, held, target, groups, away, 40 if start is None else 12)
        logs = groups[parts.group] + away
        kernel = parts.kernel(np.exp(logs[:-1]), held, held)
        lower = cholesky(kernel + (np.exp(logs[-1]) + NUGGET) * np.eye(len(held)), lower=True)
        return Model(parts, held, mean, scale, groups, away, lower, cho_solve((lower, True), target))

    @cached_property
    def logs(self) -> Array:
        """Logarithms of the variances, the noise last."""
        return np.asarray(self.groups[self.parts.group] + self.away)

    def predict(self, rows: Rows) -> tuple[Array, Array]:
        """Expected value and standard deviation of some combinations, [m] each."""
        cross = self.kernel(rows)
        spread = solve_triangular(self.lower, cross.T, lower=True)
        variance = np.maximum(np.exp(self.logs[:-1]).sum() - (spread**2).sum(axis=0), 1e-10)
        return self.mean + self.scale * (cross @ self.weights), self.scale * np.sqrt(variance)

    def expected(self, rows: Rows) -> Array:
        """Expected value of some combinations, [m]: read off tables, much faster than ``predict``."""
        return np.asarray(self.mean + self.scale * self.tables(rows))

    @cached_property
    def tables(self) -> Tables:
        """What adds up to the expected value, standardised."""
        return Tables.weighted(self.parts, np.exp(self.logs), self.rows, self.weights)

    def kernel(self, rows: Rows) -> Array:
        """Between some combinations and those evaluated, [m, n]."""
        return self.parts.kernel(np.exp(self.logs[:-1]), rows, self.rows)

    def drawn(self, random: np.random.Generator) -> Callable[[Rows], Array]:
        """A draw from the posterior: one from the prior, set right by tables (Wilson et al. 2020, eq. 5)."""
        prior = prior_draw(self.parts, np.exp(self.logs), random)
        target = self.lower @ (self.lower.T @ self.weights)
        missing = target - prior(self.rows) - np.sqrt(np.exp(self.logs[-1])) * random.normal(size=len(target))
        weights = cho_solve((self.lower, True), missing)
        change = Tables.weighted(self.parts, np.exp(self.logs), self.rows, weights)
        return lambda rows: np.asarray(self.mean + self.scale * (prior(rows) + change(rows)))


def _likeliest(parts: Parts, rows: Rows, target: Array, groups: Array, away: Array, steps: int) -> tuple[Array, Array]:
    """The most likely logarithms of variances: of groups, and how far each is away from its group's."""
    if len(rows) > ENOUGH:  # the best ones and an even share of the others
        order = np.argsort(-target)
        chosen = np.concatenate([order[: ENOUGH // 4], order[ENOUGH // 4 :: max(1, len(order) // ENOUGH)]])[:ENOUGH]
        rows, target = rows[chosen], target[chosen]
    kernels = parts.between(rows, rows)
    flat = kernels.reshape(len(kernels), -1)
    mean, deviation = parts.prior
    member = parts.group[None, :] == np.arange(len(mean))[:, None]

    def minus_log_posterior(both: Array) -> tuple[float, Array]:
        whole, single = both[: len(mean)], both[len(mean) :]
        shares = np.exp(whole[parts.group] + single)
        kernel = (shares[:-1] @ flat).reshape(len(rows), len(rows)) + (shares[-1] + NUGGET) * np.eye(len(rows))
        try:
            lower = cholesky(kernel, lower=True)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(both)
        inverse = cho_solve((lower, True), np.eye(len(rows)))
        weights = inverse @ target
        off = (whole - mean) / deviation
        value = 0.5 * target @ weights + np.log(np.diag(lower)).sum() + 0.5 * (off**2).sum()
        slope = np.outer(weights, weights) - inverse  # eq. 5.9
        gradient = np.append(-0.5 * shares[:-1] * (flat @ slope.ravel()), -0.5 * shares[-1] * np.trace(slope))
        value += 0.5 * ((single / APART) ** 2).sum()
        return float(value), np.concatenate([member @ gradient + off / deviation, gradient + single / APART**2])

    start = np.concatenate([groups, away])
    bounds = [(-14.0, 3.0)] * len(mean) + [(-4.0, 4.0)] * len(away)
    found = minimize(minus_log_posterior, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps})
    return found.x[: len(mean)], found.x[len(mean) :]
