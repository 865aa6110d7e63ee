"""Combinations in which every version occurs, and as many pairs of versions as possible together, linked ones first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drivetrain.experiments.search.base import Combination, Space

APART = 0.3  # what a pair of slots that are not linked counts against one of slots that are


def covering(space: Space, rows: int, random: np.random.Generator) -> list[Combination]:
    """So many combinations, built greedily as covering arrays are (Cohen et al. 1997, AETG), each at most once.

    One combination tries a pair of versions for each pair of slots at the same time, so that about the square of the
    number of versions tries them all, however many slots there are.
    """
    slots = len(space.sizes)
    weight = np.full((slots, slots), APART)
    for one, other in space.links:
        weight[one, other] = weight[other, one] = 1.0
    largest = max(space.sizes)
    times = np.zeros((slots, largest, slots, largest))  # how often two versions met
    used = np.zeros((slots, largest))
    shuffled = [random.permutation(size) for size in space.sizes]
    chosen: dict[Combination, None] = {}
    for diagonal in space.diagonals():
        row = tuple(int(shuffled[slot][version]) for slot, version in enumerate(diagonal))
        _count(row, times, used)
        chosen[row] = None
    for _ in range(20 * rows):
        if len(chosen) >= min(rows, space.count):
            break
        row = _grown(space, weight, times, used, random)
        if row in chosen:
            row = tuple(int(random.integers(size)) for size in space.sizes)
        if row not in chosen:
            _count(row, times, used)
            chosen[row] = None
    return list(chosen)[:rows]


def _grown(
    space: Space,
    weight: npt.NDArray[np.float64],
    times: npt.NDArray[np.float64],
    used: npt.NDArray[np.float64],
    random: np.random.Generator,
) -> Combination:
    row = [-1] * len(space.sizes)
    done: list[int] = []
    for slot in random.permutation(len(space.sizes)).tolist():
        score = -0.01 * used[slot, : space.sizes[slot]] + 0.001 * random.random(space.sizes[slot])
        for other in done:
            met = times[slot, : space.sizes[slot], other, row[other]]
            score += weight[slot, other] / (1 + 4 * met)
        row[slot] = int(np.argmax(score))
        done.append(slot)
    return tuple(row)


def _count(row: Combination, times: npt.NDArray[np.float64], used: npt.NDArray[np.float64]) -> None:
    place = np.arange(len(row))
    versions = np.array(row)
    used[place, versions] += 1
    times[place[:, None], versions[:, None], place[None, :], versions[None, :]] += 1
