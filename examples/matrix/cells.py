"""What the rows say of each cell: the pattern against individual training, paired over systems and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drivetrain.evaluation import Difference, Estimate, estimate, paired_difference
from examples.protocol.results import FEWEST
from examples.protocol.store import Row

BASELINE = "individual"
WIN, LOSS, EVEN, OPEN, NONE = "win", "loss", "even", "open", "none"
"""Better; worse; not worse by the margin; undecided; the pattern does not apply."""


@dataclass(frozen=True)
class Cell:
    """A pattern on some systems.

    Attributes:
        outcome: one word.
        own: its end metric; None where it was trained nowhere.
        difference: to individual training, over pairs of system and seed.
        systems: on how many systems it was trained, of how many.
        refusals: in its own words, where it does not apply.
    """

    outcome: str
    own: Estimate | None
    difference: Difference | None
    systems: tuple[int, int]
    refusals: tuple[str, ...] = ()


def cell(rows: Sequence[Row], systems: Sequence[str], arm: str, margin: float) -> Cell:
    """Judge an arm on some systems by the rows of all."""
    ours = {(row["system"], row["seed"]): row for row in rows if row["arm"] == arm and row["system"] in systems}
    base = {(row["system"], row["seed"]): row for row in rows if row["arm"] == BASELINE and row["system"] in systems}
    pairs = sorted(pair for pair in ours.keys() & base.keys() if "end" in ours[pair] and "end" in base[pair])
    refusals = tuple(dict.fromkeys(str(row["refused"]) for row in ours.values() if "refused" in row))
    trained = (len({system for system, _ in pairs}), len(systems))
    if not pairs:
        return Cell(NONE if refusals else OPEN, None, None, trained, refusals)
    values = [[found[pair]["end"] for pair in pairs] for found in (ours, base)]
    difference = paired_difference(*values)
    return Cell(outcome(difference, margin), estimate(values[0]), difference, trained, refusals)


def outcome(difference: Difference, margin: float) -> str:
    """The word for a difference; no verdict under six pairs."""
    if difference.units < FEWEST:
        return OPEN
    if difference.better():
        return WIN
    if difference.worse():
        return LOSS
    return EVEN if difference.not_worse(margin) else OPEN


def words(cell: Cell, arm: str) -> str:
    """What stands in the cell."""
    if cell.outcome == NONE:
        return "does not apply"
    if cell.own is None or cell.difference is None:
        return "not run yet"
    found = cell.own.text() if arm == BASELINE else cell.difference.text(signed=True)
    some, every = cell.systems
    return found if some == every else f"{found} ({some} of {every} systems)"


def tally(cells: Iterable[Cell]) -> dict[str, int]:
    """How many cells have each outcome."""
    counts = dict.fromkeys((WIN, EVEN, OPEN, LOSS, NONE), 0)
    for each in cells:
        counts[each.outcome] += 1
    return counts
