"""How the trunks of chains that learned apart become one: by averages, on validation, or as sums of task vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from drivetrain.errors import DeclarationError

Weights = dict[str, Tensor]
"""Weights and statistics by their name in the system's ``state_dict``."""

STEPS = 10
"""Into how many parts the way from one chain to another is cut when validation chooses; Ilharco et al. cut by 0.05."""
WITHOUT_VALIDATION = 0.4
"""The scale of task vectors that Ilharco et al. 2023, section 4.2, found to serve where there is no validation data."""
DRAWS = 32
"""Mixtures that are tried where more than three chains make a grid too large."""


@dataclass(frozen=True)
class Chains:
    """What there is to merge at the end of a round.

    Attributes:
        weights: of each chain, those that more than one of them trains.
        owners: for each of these names the chains that train it.
        start: what all of them started from.
        samples: how many samples each chain has learned from in the last epoch.
        statistics: those of the names that are no weights, such as the running means and variances of batch norm.
        score: how good the system is with such weights in its trunk, on validation; more is better; None without.
    """

    weights: Sequence[Weights]
    owners: Mapping[str, Sequence[int]]
    start: Weights
    samples: Sequence[float]
    score: Callable[[Weights], float] | None
    statistics: frozenset[str] = frozenset()

    def mixed(self, shares: Sequence[float]) -> Weights:
        """The chains in these shares; of each weight among those that train it."""
        return {name: _mixed([self.weights[c][name] for c in own], [shares[c] for c in own]) for name, own in self.all}

    def added(self, scale: float) -> Weights:
        """The start plus the scaled sum of what each chain has learned, its task vector.

        Statistics are no weights: they are those of the chains in equal shares, since an extrapolated variance could
        be negative.
        """
        apart = self.mixed([1.0] * len(self.weights))
        return {
            name: apart[name]
            if name in self.statistics
            else _added(self.start[name], [self.weights[chain][name] for chain in own], scale)
            for name, own in self.all
        }

    @property
    def all(self) -> list[tuple[str, Sequence[int]]]:
        """Every name with its owners."""
        return list(self.owners.items())


@dataclass(frozen=True)
class TaskArithmetic:
    """The start plus a scaled sum of task vectors (Ilharco et al. 2023, "Editing Models with Task Arithmetic").

    Attributes:
        scale: of the sum; None chooses the best on validation, or takes 0.4 where there is none.
    """

    scale: float | None = None

    def __call__(self, chains: Chains) -> Weights:
        if self.scale is not None:
            return chains.added(self.scale)
        if chains.score is None:
            return chains.added(WITHOUT_VALIDATION)
        return _best(chains, (chains.added(step / STEPS) for step in range(1, STEPS + 1)))


def federated_average(chains: Chains) -> Weights:
    """Weighted by samples (McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks", algorithm 1)."""
    return chains.mixed(chains.samples if sum(chains.samples) else [1.0] * len(chains.samples))


def by_validation(chains: Chains) -> Weights:
    """The mixture of chains that validates best: equal shares, those by samples, or of a grid between the chains."""
    candidates: list[list[float]] = [[1.0] * len(chains.weights), list(chains.samples), *mixtures(len(chains.weights))]
    return _best(chains, (chains.mixed(shares) for shares in candidates if sum(shares)))


def mixtures(chains: int) -> Iterator[list[float]]:
    """Shares that sum to one: a grid for two or three chains, the corners and seeded draws for more."""
    if chains <= 3:
        for parts in product(range(STEPS + 1), repeat=chains - 1):
            if sum(parts) <= STEPS:
                yield [part / STEPS for part in (*parts, STEPS - sum(parts))]
        return
    yield from torch.eye(chains).tolist()
    draws = torch.rand(DRAWS, chains, generator=torch.Generator().manual_seed(0)).log().neg()
    yield from (draws / draws.sum(1, keepdim=True)).tolist()  # uniform over the simplex


MERGES: dict[str, Callable[[Chains], Weights]] = {
    "average": federated_average,
    "validation": by_validation,
    "tasks": TaskArithmetic(),
}


def check_merge(merge: Any) -> None:
    """Refuse what merges nothing.

    Raises:
        DeclarationError: it is no name of a merge and no function.
    """
    if not (callable(merge) or (isinstance(merge, str) and merge in MERGES)):
        names = ", ".join(f'"{name}"' for name in MERGES)
        raise DeclarationError(
            f"FederatedMerge: merge is {names}, or a function from a list of state dicts to one, found {merge!r}"
        )
    if isinstance(merge, TaskArithmetic) and merge.scale is not None and not isfinite(merge.scale):
        raise DeclarationError(f"TaskArithmetic: the scale is a finite number such as 0.4, found {merge.scale!r}")


def _best(chains: Chains, candidates: Iterator[Weights]) -> Weights:
    assert chains.score is not None
    scored = [(chains.score(candidate), candidate) for candidate in candidates]
    return max(scored, key=lambda pair: pair[0])[1]  # of equals the first


def _mixed(values: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    first = values[0]
    if not (first.is_floating_point() or first.is_complex()):
        return first
    whole = sum(shares)
    parts = [share / whole if whole else 1 / len(shares) for share in shares]
    # as a sum of differences, so that a weight on which all chains agree stays bitwise what it is
    return first + torch.stack([part * (value - first) for part, value in zip(parts, values, strict=True)]).sum(0)


def _added(start: Tensor, values: Sequence[Tensor], scale: float) -> Tensor:
    if not (start.is_floating_point() or start.is_complex()):
        return values[0]
    return start + scale * torch.stack([value - start for value in values]).sum(0)
