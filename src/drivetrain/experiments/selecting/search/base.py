"""The contract of a strategy: it proposes combinations and is told their values, again and again."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from math import prod
from typing import Protocol, runtime_checkable

Combination = tuple[int, ...]
Search = Generator[list[Combination], list[float], None]
"""Yields combinations to evaluate and receives their values, higher being better."""


@dataclass(frozen=True)
class Space:
    """What can be combined.

    Attributes:
        sizes: how many versions each slot has, slots in order of execution.
        links: pairs of slots of which one reads the other's output, or whose outputs meet.
        start: combinations to begin with, such as what is in use today.
    """

    sizes: tuple[int, ...]
    links: tuple[tuple[int, int], ...] = ()
    start: tuple[Combination, ...] = ()

    @property
    def count(self) -> int:
        """How many combinations there are."""
        return prod(self.sizes)

    @property
    def versions(self) -> int:
        """How many versions there are in all slots together; k times v where each of k slots has v."""
        return sum(self.sizes)

    def diagonals(self) -> list[Combination]:
        """As few combinations as possible in which every version occurs."""
        return [tuple(row % size for size in self.sizes) for row in range(max(self.sizes))]


@runtime_checkable
class Strategy(Protocol):
    """Anything that proposes combinations.

    What was proposed before may be proposed again: its value is answered without an evaluation. A proposal that does
    not fit into the budget any more is cut; when the budget is spent the search is closed.
    """

    def search(self, space: Space, budget: int, seed: int) -> Search:
        """Propose until done.

        Args:
            space: what can be combined.
            budget: how many evaluations there will be at most.
            seed: rules everything that is drawn.
        """
        ...
