"""Which trial a row of the comparison is of; the rows are kept as in every comparison."""

from collections.abc import Mapping
from typing import Any

from examples.protocol.store import Store


def identity(row: Mapping[str, Any]) -> tuple[int, str, float, float]:
    """Which trial a row is of: seed, arm, share, learning rate."""
    return row["seed"], row["arm"], row["share"], row["rate"]


def finished(store: Store, sizes: Mapping[str, Any]) -> set[tuple[int, str, float, float]]:
    """The trials of these sizes that need not run again."""
    return {identity(row) for row in store.rows(sizes=dict(sizes))}
