"""A strategy let loose on a system whose best combination is known, with so many evaluations and not one more."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.interactions.landscape import Landscape
from drivetrain.experiments.selecting.search import Space, Strategy

IDLE = 300  # proposals of what is known already, after which a search has given up


@dataclass(frozen=True)
class Outcome:
    """What a search found.

    Attributes:
        regret: of what it holds for best, true values, as a share of the range.
        evaluations: that it used.
        best: the combination.
        values: of each combination what an evaluation said.
    """

    regret: float
    evaluations: int
    best: tuple[int, ...]
    values: dict[tuple[int, ...], float]


def outcome(landscape: Landscape, strategy: Strategy, budget: int, seed: int) -> Outcome:
    """Search; what is proposed again is answered for free."""
    space = Space(landscape.sizes, landscape.links)
    search = strategy.search(space, budget, seed)
    values: dict[tuple[int, ...], float] = {}
    idle = 0
    try:
        wanted = next(search)
        while True:
            before = len(values)
            for one in wanted:
                if one not in values and len(values) < budget:
                    values[one] = landscape.observed(one)
            idle = 0 if len(values) > before else idle + 1
            if any(one not in values for one in wanted) or idle > IDLE or len(values) == space.count:
                break
            wanted = search.send([values[one] for one in wanted])
    except StopIteration:
        pass
    search.close()
    best = max(values, key=lambda one: values[one])
    return Outcome(landscape.regret(best), len(values), best, values)
