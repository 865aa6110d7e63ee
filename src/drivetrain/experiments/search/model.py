"""What combinations are worth, guessed from those evaluated: versions, pairs of them, and what no pair explains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from drivetrain.experiments.search.base import Combination, Space

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
ALIKE = 0.35  # of the last part: the share of it that two combinations keep with each slot in which they differ
REACH = 0.3  # how far versions resemble their neighbours, as a share of the slot's versions, where they do
SINGLE = 45  # pairs of slots up to which each has a variance of its own, linked or not
ENOUGH = 160  # evaluations from which the variances are fitted; more cost much and change little
NUGGET = 1e-6
GROUPS = [1.5, 2.0, 2.0, 2.0, 2.0, 2.0, 1.5, 1.5]
APART = 0.6  # standard deviation of the logarithms of variances within a group


@dataclass(frozen=True, eq=False)
class Parts:
    """The kernel as a sum of parts, each 1 between equal combinations; how large each is, is learned.

    One part a slot (do they share the version?), one a pair of slots (do they share both?), the same with versions
    that resemble their neighbours in the order given, and one for what neither explains (are they alike on the whole?).

    Attributes:
        space: the combinations.
        pairs: with a variance of their own.
        rest: the other pairs, which have one in common.
    """

    space: Space
    pairs: tuple[tuple[int, int], ...]
    rest: tuple[tuple[int, int], ...]

    @staticmethod
    def of(space: Space) -> Parts:
        """The parts for a space: linked pairs singly, others too where they are few."""
        linked = tuple(sorted({(min(pair), max(pair)) for pair in space.links}))
        other = tuple(pair for pair in combinations(range(len(space.sizes)), 2) if pair not in set(linked))
        single = len(linked) + len(other) <= SINGLE
        return Parts(space, linked + other if single else linked, () if single else other)

    @cached_property
    def group(self) -> Rows:
        """To which group each variance belongs: slots, linked pairs, other pairs, and each of the rest its own."""
        slots, linked = len(self.space.sizes), len(set(self.space.links))
        pairs = [1 if place < linked else 2 for place in range(len(self.pairs))]
        return np.array([0] * slots + [3] + pairs + [4, 5, 6, 7])

    @cached_property
    def prior(self) -> tuple[Array, Array]:
        """Of the logarithm of each group's variance: mean and standard deviation."""
        slots, linked = len(self.space.sizes), max(1, len(set(self.space.links)))
        other = max(1, slots * (slots - 1) // 2 - linked)
        mean = [0.5 / slots, 0.3 / linked, 0.1 / other, 0.05, 0.05, 0.05, 0.05, 1e-3]
        return np.log(mean), np.array(GROUPS)

    def between(self, one: Rows, other: Rows) -> Array:
        """All parts, [parts, m, n]."""
        return np.stack(list(self._each(one, other)))

    def kernel(self, shares: Array, one: Rows, other: Rows) -> Array:
        """Their weighted sum, [m, n]."""
        total = np.zeros((len(one), len(other)))
        for share, part in zip(shares, self._each(one, other), strict=True):
            total += share * part
        return total

    def _each(self, one: Rows, other: Rows) -> Iterator[Array]:
        same = (one.T[:, :, None] == other.T[:, None, :]).astype(np.float64)
        near = [self.near[slot][one[:, slot][:, None], other[:, slot][None, :]] for slot in range(len(same))]
        count, pairs = same.sum(axis=0), np.zeros(same.shape[1:])
        yield from same
        yield sum(near, np.zeros_like(count)) / len(near)
        for a, b in self.pairs:
            yield (part := same[a] * same[b])
            pairs += part
        links = sorted(set(self.space.links)) or list(self.pairs)
        yield sum((near[a] * near[b] for a, b in links), np.zeros_like(count)) / max(1, len(links))
        yield (count * (count - 1) / 2 - pairs) / max(1, len(self.rest)) if self.rest else np.zeros_like(count)
        yield ALIKE ** (len(same) - count)

    @cached_property
    def near(self) -> list[Array]:
        """By slot, how much versions resemble each other by their places alone, [versions, versions]."""
        places = [np.arange(size) for size in self.space.sizes]
        return [np.exp(-np.abs(place[:, None] - place[None, :]) / (REACH * len(place))) for place in places]


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

    def kernel(self, rows: Rows) -> Array:
        """Between some combinations and those evaluated, [m, n]."""
        return self.parts.kernel(np.exp(self.logs[:-1]), rows, self.rows)

    def conditioned(self, rows: Rows, prior: Array, at_rows: Array, random: np.random.Generator) -> Array:
        """A draw from the prior turned into one from the posterior (Wilson et al. 2020, eq. 5).

        Args:
            rows: [m, slots]; where it is wanted.
            prior: [m]; the draw there, standardised.
            at_rows: [n]; the same draw at what was evaluated.
            random: draws the noise.
        """
        target = self.lower @ (self.lower.T @ self.weights)
        missing = target - at_rows - np.sqrt(np.exp(self.logs[-1])) * random.normal(size=len(at_rows))
        drawn: Array = self.mean + self.scale * (prior + self.kernel(rows) @ cho_solve((self.lower, True), missing))
        return drawn


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
