"""Combinations in which linked versions meet, each pair of them as often as any other, in as few rows as possible."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drivetrain.experiments.selecting.search.base import Combination, Space

Column = npt.NDArray[np.int64]
APART = 0.3  # what a pair of slots that are not linked counts against one of slots that are
TRIES = 30


def orthogonal(space: Space, random: np.random.Generator) -> list[Combination]:
    """All versions of any two slots meet, of at most p + 1 slots, where p is the next prime number of versions.

    A linear orthogonal array of strength two (Bose and Bush 1952): rows are the points of a plane over p, and each slot
    looks at them in a direction of its own. Where there are more slots than directions, linked ones get different ones.
    """
    prime = _prime(max(space.sizes))
    slots = len(space.sizes)
    directions: list[int] = []
    for slot in range(slots):
        taken = [directions[a + b - slot] for a, b in space.links if slot in (a, b) and a + b - slot < slot]
        times = [10 * slots * taken.count(one) + directions.count(one) for one in range(prime + 1)]
        directions.append(int(np.argmin(times)))
    x, y = np.divmod(np.arange(prime * prime), prime)
    rows = np.empty((prime * prime, slots), dtype=np.int64)
    for slot, size in enumerate(space.sizes):
        point = y if directions[slot] == prime else (x + directions[slot] * y) % prime
        names = np.concatenate([random.permutation(size), random.integers(size, size=prime - size)])
        rows[:, slot] = names[random.permutation(prime)][point]
    return list(dict.fromkeys(map(tuple, rows[random.permutation(len(rows))].tolist())))


def _prime(least: int) -> int:
    return next(n for n in range(max(2, least), 2 * least + 2) if all(n % d for d in range(2, n)))


def enough(space: Space) -> int:
    """So many rows let every pair of linked versions meet where links form a tree."""
    return max([*(space.sizes[one] * space.sizes[other] for one, other in space.links), *space.sizes])


def covering(space: Space, rows: int, random: np.random.Generator) -> list[Combination]:
    """So many combinations, each at most once: orthogonal arrays as far as whole ones fit, else what links ask for."""
    chosen: dict[Combination, None] = {}
    prime = _prime(max(space.sizes))
    if prime * prime <= rows:
        for _ in range(rows // (prime * prime)):
            chosen |= dict.fromkeys(orthogonal(space, random))
    elif rows > 0:
        chosen |= dict.fromkeys(linked(space, rows, random))
    while len(chosen) < min(rows, space.count):
        chosen[tuple(int(random.integers(size)) for size in space.sizes)] = None
    return list(chosen)


def linked(space: Space, rows: int, random: np.random.Generator) -> list[Combination]:
    """So many rows, slot by slot: below each version of a linked slot all versions of the next, in turn.

    Along a tree of links no pair of versions meets twice before all have met; elsewhere it is the best of some draws.
    """
    slots = len(space.sizes)
    near = np.zeros((slots, slots), dtype=bool)
    for one, other in space.links:
        near[one, other] = near[other, one] = True
    columns: dict[int, Column] = {}
    while len(columns) < slots:
        done = list(columns)
        left = [slot for slot in range(slots) if slot not in columns]
        slot = max(left, key=lambda one: (near[one, done].sum(), random.random()))
        drawn = [_column(space, slot, rows, columns, near, random) for _ in range(TRIES if done else 1)]
        columns[slot] = max(drawn, key=lambda column: _met(space, slot, column, columns, near))
    table = np.stack([columns[slot] for slot in range(slots)], axis=1)[random.permutation(rows)]
    return list(map(tuple, table.tolist()))


def _column(
    space: Space, slot: int, rows: int, columns: dict[int, Column], near: npt.NDArray[np.bool_],
    random: np.random.Generator,
) -> Column:  # fmt: skip
    """The versions of one slot by row, equally often, spread evenly below each version of one linked slot."""
    size = space.sizes[slot]
    there = [other for other in columns if near[slot, other]]
    above = columns[int(random.choice(there))] if there else np.zeros(rows, dtype=np.int64)
    column, used = np.zeros(rows, dtype=np.int64), np.zeros(size)
    for version in random.permutation(np.unique(above)):
        below = np.flatnonzero(above == version)
        order = np.lexsort((random.random(size), used))  # those that were used least first
        chosen = np.concatenate([order] * (1 + len(below) // size))[: len(below)]
        column[random.permutation(below)] = chosen
        np.add.at(used, chosen, 1)
    return column


def _met(space: Space, slot: int, column: Column, columns: dict[int, Column], near: npt.NDArray[np.bool_]) -> float:
    """How many different pairs of versions a column brings together."""
    total = 0.0
    for other, there in columns.items():
        pairs = len(np.unique(there * space.sizes[slot] + column))
        total += pairs * (1.0 if near[slot, other] else APART)
    return total
