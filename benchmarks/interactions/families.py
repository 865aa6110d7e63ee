"""The families of systems, written and frozen before any search was tuned on them: what each is, stands beside it.

Even seeds were for designing searches, odd seeds were kept back for the comparison that is published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from benchmarks.interactions.landscape import Array, Landscape, Scope

Random = np.random.Generator
Factors = list[tuple[Scope, Array]]


def chain(slots: int) -> tuple[Scope, ...]:
    """Each reads the one before."""
    return tuple((slot, slot + 1) for slot in range(slots - 1))


def join(slots: int) -> tuple[Scope, ...]:
    """All but the last are parallel; the last reads them all."""
    return tuple((slot, slots - 1) for slot in range(slots - 1))


def fork(slots: int) -> tuple[Scope, ...]:
    """All but the first read the first."""
    return tuple((0, slot) for slot in range(1, slots))


def tree(slots: int) -> tuple[Scope, ...]:
    """Branches that join in pairs towards the root, slot 0."""
    return tuple(((slot - 1) // 2, slot) for slot in range(1, slots))


def main_effects(random: Random, sizes: Sequence[int], scale: float = 1.0) -> Factors:
    """Some versions are better than others, wherever they stand."""
    return [((slot,), scale * random.normal(size=size)) for slot, size in enumerate(sizes)]


def tables(random: Random, sizes: Sequence[int], scopes: Sequence[Scope], scale: float) -> Factors:
    """Versions of these slots suit each other more or less."""
    return [(scope, scale * random.normal(size=[sizes[slot] for slot in scope])) for scope in scopes]


def lock_and_key(random: Random, sizes: Sequence[int], scopes: Sequence[Scope], bonus: float) -> Factors:
    """Each version suits one version of the neighbour, such as the one it was trained in the context of."""
    found: Factors = []
    for first, second in scopes:
        table = np.zeros((sizes[first], sizes[second]))
        partners = random.permutation(max(sizes[first], sizes[second]))
        for one in range(sizes[first]):
            table[one, partners[one] % sizes[second]] = bonus
        found.append(((first, second), table))
    return found


def made_worse(random: Random, sizes: Sequence[int], scopes: Sequence[Scope]) -> Factors:
    """A better first model shifts what the second was tuned for: quality helps, distance from the tuning harms more."""
    found: Factors = []
    for slot, size in enumerate(sizes):
        found.append(((slot,), 0.5 * np.linspace(0, 1, size)))
    for first, second in scopes:
        tuned = random.integers(0, max(1, sizes[first] // 2), size=sizes[second])
        away = np.abs(np.arange(sizes[first])[:, None] - tuned[None, :])
        found.append(((first, second), -1.5 * away / sizes[first]))
    return found


def trap(random: Random, sizes: Sequence[int], scopes: Sequence[Scope], depth: float = 1.0) -> Factors:
    """The best versions are good together only; each step towards them alone loses (Deb and Goldberg 1993)."""
    found: Factors = []
    for scope in scopes:
        key = [int(random.integers(sizes[slot])) for slot in scope]
        grid = np.indices([sizes[slot] for slot in scope])
        right = sum((grid[axis] == key[axis]).astype(float) for axis in range(len(scope)))
        table = np.where(right == len(scope), 1.0, 0.8 * (len(scope) - 1 - right) / len(scope))
        found.append((scope, depth * table))
    return found


def poisoned(random: Random, sizes: Sequence[int], scopes: Sequence[Scope]) -> Factors:
    """In each pair the version that is best on its own ruins the system with all but one partner."""
    found = main_effects(random, sizes, 0.5)
    for first, second in scopes:
        table = np.zeros((sizes[first], sizes[second]))
        top = int(np.argmax(found[first][1]))
        table[top, :] = -2.0
        table[top, int(random.integers(sizes[second]))] = 1.0
        found.append(((first, second), table))
    return found


def some(random: Random, slots: int, width: int, count: int) -> list[Scope]:
    """Some groups of slots, wherever they stand in the diagram."""
    every = list(combinations(range(slots), width))
    return [every[i] for i in sorted(random.choice(len(every), size=min(count, len(every)), replace=False))]


def bottleneck(random: Random, slots: int, versions: int) -> Factors:
    """One table over everything: the weakest version decides, with a little credit for the rest."""
    quality = [random.uniform(size=versions) for _ in range(slots)]
    grid = np.stack(np.meshgrid(*quality, indexing="ij"))
    return [(tuple(range(slots)), grid.min(axis=0) + 0.1 * grid.mean(axis=0))]


def neighbourhoods(random: Random, slots: int, versions: int, others: Callable[[int], Sequence[int]]) -> Factors:
    """NK landscape (Kauffman 1989): what a slot contributes depends on itself and two others."""
    sizes = [versions] * slots
    return [f for slot in range(slots) for f in tables(random, sizes, [(slot, *others(slot))], 1.0)]


def _logistic(total: Array) -> Array:
    return 1 / (1 + np.exp(-total))


def _steps(total: Array) -> Array:
    return np.floor(total * 2) / 2


def _near(slots: int) -> Callable[[int], Sequence[int]]:
    return lambda slot: sorted({(slot + 1) % slots, (slot + 2) % slots})


def _made(name: str, sizes: Sequence[int], links: Sequence[Scope], factors: Factors, **more: object) -> Landscape:
    """With what each version scores on its own: its mean over all partners in the factors that name it."""
    quality = []
    for slot, size in enumerate(sizes):
        score = np.zeros(size)
        for scope, table in factors:
            if slot in scope:
                score += table.mean(axis=tuple(axis for axis, one in enumerate(scope) if one != slot))
        quality.append(score)
    return Landscape(name, tuple(sizes), tuple(links), tuple(factors), quality=tuple(quality), **more)  # type: ignore[arg-type]


def landscape(family: str, seed: int) -> Landscape:
    """The system of that family and seed."""
    random = np.random.default_rng([list(FAMILIES).index(family), seed])
    sizes, links, factors, more = FAMILIES[family](random)
    return _made(family, sizes, links, factors, seed=seed, **more)


def _family(sizes: Sequence[int], links: Sequence[Scope], build: Callable[[Random], Factors], **more: object):
    return lambda random: (sizes, links, build(random), more)


S6, S5, S8 = [5] * 6, [6] * 5, [3] * 8
MIXED = [2, 9, 4, 6, 3, 5]
C6, J6, F6, T6, C5 = chain(6), join(6), fork(6), tree(6), chain(5)

FAMILIES = {
    "additive": _family(S6, C6, lambda r: main_effects(r, S6)),
    "additive, one dominant": _family(S6, J6, lambda r: main_effects(r, S6, 0.2) + main_effects(r, S6[:1], 2.0)),
    "additive, measured with noise": _family(S6, T6, lambda r: main_effects(r, S6), noise=0.1),
    "weak pairs in a chain": _family(S6, C6, lambda r: main_effects(r, S6) + tables(r, S6, C6, 0.3)),
    "strong pairs in a chain": _family(S6, C6, lambda r: main_effects(r, S6, 0.5) + tables(r, S6, C6, 1.0)),
    "strong pairs at a join": _family(S6, J6, lambda r: main_effects(r, S6, 0.5) + tables(r, S6, J6, 1.0)),
    "strong pairs at a fork": _family(S6, F6, lambda r: main_effects(r, S6, 0.5) + tables(r, S6, F6, 1.0)),
    "pairs where no link is": _family(S6, C6, lambda r: main_effects(r, S6) + tables(r, S6, some(r, 6, 2, 4), 1.0)),
    "all pairs": _family(S6, T6, lambda r: main_effects(r, S6) + tables(r, S6, some(r, 6, 2, 15), 0.4)),
    "better models make it worse": _family(S6, C6, lambda r: made_worse(r, S6, C6)),
    "better models make it worse, join": _family(S6, J6, lambda r: made_worse(r, S6, J6)),
    "trained in context": _family(S5, C5, lambda r: main_effects(r, S5, 0.5) + lock_and_key(r, S5, C5, 1.5)),
    "three-way, sparse": _family(S6, C6, lambda r: main_effects(r, S6) + tables(r, S6, some(r, 6, 3, 2), 1.0)),
    "four-way, sparse": _family(S8, tree(8), lambda r: main_effects(r, S8) + tables(r, S8, some(r, 8, 4, 2), 0.7)),
    "traps of two": _family(S6, C6, lambda r: main_effects(r, S6, 0.1) + trap(r, S6, C6[::2])),
    "traps of two, no link": _family(S6, C6, lambda r: main_effects(r, S6, 0.1) + trap(r, S6, some(r, 6, 2, 2))),
    "traps of three": _family(S8, chain(8), lambda r: main_effects(r, S8, 0.1) + trap(r, S8, [(0, 1, 2), (3, 4, 5)])),
    "poisoned": _family(S6, C6, lambda r: poisoned(r, S6, C6)),
    "weakest decides": _family(S5, J6[:0] + join(5), lambda r: bottleneck(r, 5, 6)),
    "saturated": _family(S6, T6, lambda r: main_effects(r, S6) + tables(r, S6, T6, 0.6), shape=_logistic),
    "plateaus": _family(S6, C6, lambda r: main_effects(r, S6) + tables(r, S6, C6, 0.6), shape=_steps),
    "neighbourhoods of three": _family(S6, C6, lambda r: neighbourhoods(r, 6, 5, _near(6))),
    "mixed sizes": _family(MIXED, T6, lambda r: main_effects(r, MIXED) + tables(r, MIXED, T6, 0.7)),
    "mixed sizes, noise": _family(MIXED, C6, lambda r: main_effects(r, MIXED) + tables(r, MIXED, C6, 0.7), noise=0.1),
    "long chain": _family(
        [8] * 12, chain(12), lambda r: main_effects(r, [8] * 12) + tables(r, [8] * 12, chain(12), 0.7)
    ),
    "large tree": _family(
        [10] * 28, tree(28), lambda r: main_effects(r, [10] * 28) + tables(r, [10] * 28, tree(28), 0.5)
    ),
}
"""By name; each is at least a system of five models."""

NO_STRUCTURE = "no structure"
FAMILIES[NO_STRUCTURE] = _family([5] * 5, chain(5), lambda r: tables(r, [5] * 5, [(0, 1, 2, 3, 4)], 1.0))
"""The control: every combination is its own surprise, and no search can beat drawing at random."""
