"""How far a search gets that is told which slots interact and how strongly, beside ours, which has to find it out.

No bound, but what knowing the form of a family is worth: the same expected improvement, with the true kernel.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.special import ndtr

from benchmarks.interactions.families import landscape
from benchmarks.interactions.landscape import Array, Landscape
from benchmarks.interactions.searching import outcome
from benchmarks.paired import interval
from drivetrain.experiments.selecting.search import Interactions, Space
from drivetrain.experiments.selecting.search.base import Search
from drivetrain.experiments.selecting.search.parts import Rows

FAMILIES = (
    "strong pairs in a chain", "strong pairs at a join", "strong pairs at a fork", "pairs where no link is",
    "trained in context", "poisoned", "traps of two", "three-way, sparse", "neighbourhoods of three",
)  # fmt: skip
BEGIN = 8  # combinations drawn before anything can be learned from them
NUGGET = 1e-6


@dataclass(frozen=True)
class Told:
    """Expected improvement (Jones et al. 1998, eq. 15) by a Gaussian process with the factors of the system itself.

    Attributes:
        system: whose scopes, and means and variances of tables, it knows; never their entries.
    """

    system: Landscape

    def search(self, space: Space, budget: int, seed: int) -> Search:
        """Some at random, then the largest expected improvement among all combinations."""
        rows = np.stack(np.unravel_index(np.arange(space.count), space.sizes), axis=1)
        chosen = np.random.default_rng(seed).choice(space.count, size=min(BEGIN, budget), replace=False).tolist()
        values = yield [tuple(rows[place].tolist()) for place in chosen]
        mean = sum(float(table.mean()) for _, table in self.system.factors)
        whole = sum(float(table.var()) for _, table in self.system.factors)
        cross = self.kernel(rows, rows[chosen])
        while len(chosen) < min(budget, space.count):
            noise = NUGGET * whole + self.system.noise**2
            lower = cholesky(cross[chosen] + noise * np.eye(len(chosen)), lower=True)
            expected = mean + cross @ cho_solve((lower, True), np.array(values) - mean)
            spread = solve_triangular(lower, cross.T, lower=True)
            deviation = np.sqrt(np.maximum(whole - (spread**2).sum(axis=0), 1e-10))
            above = (expected - max(values)) / deviation
            gain = deviation * (above * ndtr(above) + np.exp(-(above**2) / 2) / np.sqrt(2 * np.pi))
            gain[chosen] = -np.inf
            place = int(gain.argmax())
            chosen.append(place)
            values = [*values, *(yield [tuple(rows[place].tolist())])]
            cross = np.concatenate([cross, self.kernel(rows, rows[[place]])], axis=1)

    def kernel(self, one: Rows, other: Rows) -> Array:
        """How combinations vary together, [m, n]: by the variance of each table that both read at the same entry."""
        total = np.zeros((len(one), len(other)))
        for scope, table in self.system.factors:
            same = np.ones(total.shape, dtype=bool)
            for slot in scope:
                same &= one[:, slot, None] == other[None, :, slot]
            total += float(table.var()) * same
        return total


def main(arguments: list[str] | None = None) -> int:
    """Search the even seeds, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one system of each family")
    parser.add_argument("--seeds", type=int, default=10, help="systems of each family (10)")
    options = parser.parse_args(arguments)
    Console(width=110).print(measured(FAMILIES, [2 * one for one in range(1 if options.quick else options.seeds)]))
    return 0


def measured(families: Sequence[str], seeds: Sequence[int]) -> Table:
    """Regret of both by family, and of all systems together."""
    table = Table(title="regret, % of the range: mean and 95 % interval, bootstrap over systems of even seeds")
    for column in ("systems", "told the form", "Interactions", "told minus Interactions"):
        table.add_column(column, justify="left" if column == "systems" else "right")
    every: list[tuple[float, float]] = []
    for family in track(families, "families", transient=True, disable=not sys.stdout.isatty()):
        pairs = []
        for seed in seeds:
            system = landscape(family, seed)
            both = (Told(system), Interactions())
            told, ours = (100 * outcome(system, one, 2 * sum(system.sizes), seed).regret for one in both)
            pairs.append((told, ours))
        table.add_row(family, *_words(pairs))
        every += pairs
    table.add_row("together", *_words(every))
    return table


def _words(pairs: Sequence[tuple[float, float]]) -> list[str]:
    columns = [[told for told, _ in pairs], [ours for _, ours in pairs], [told - ours for told, ours in pairs]]
    return ["{:.2f} [{:.2f}, {:.2f}]".format(*interval(column)) for column in columns]


if __name__ == "__main__":
    sys.exit(main())
