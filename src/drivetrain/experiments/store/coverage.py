"""How much of what could be combined was tried, and what shall not be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivetrain.experiments.store.matrix import Matrix


@dataclass(frozen=True)
class Avoided:
    """A combination that shall not be run; with only some slots pinned, every combination with those.

    Attributes:
        pins: the digest of the component version by slot.
        why: in the words of who decided it.
        created: seconds since 1970, UTC.
    """

    pins: Mapping[str, str]
    why: str
    created: float

    def covers(self, combination: Mapping[str, str]) -> bool:
        """Whether the combination is one of those."""
        return all(combination.get(slot) == digest for slot, digest in self.pins.items())


@dataclass(frozen=True)
class Coverage:
    """How much of a system was tried.

    Attributes:
        matrix: what was measured.
        candidates: the digests of the component versions that stand in each slot in some version of the system.
        possible: combinations of these, whatever their number: 28 slots of ten versions are 10^28.
        tried: different combinations with a measurement, whatever the code between the models.
        avoided: what shall not be run.
    """

    matrix: Matrix
    candidates: Mapping[str, tuple[str, ...]]
    possible: int
    tried: int
    avoided: tuple[Avoided, ...]


def coverage_of(matrix: Matrix, avoided: Sequence[Avoided]) -> Coverage:
    """What a matrix covers of the combinations of what stands in it."""
    candidates = {
        slot: tuple(dict.fromkeys(row.pins[place] for row in matrix.rows if row.pins[place]))
        for place, slot in enumerate(matrix.slots)
    }
    tried = {row.pins for row in matrix.rows if not math.isnan(row.value)}
    possible = math.prod(len(versions) or 1 for versions in candidates.values()) if matrix.rows else 0
    return Coverage(matrix, candidates, possible, len(tried), tuple(avoided))
