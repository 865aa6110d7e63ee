"""How many calls of a program, or of a solver, it takes to be so good: the curve of a training, and its table."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.paired import Outcome


class Recorder:
    """Counts calls while something is trained, and notes its quality after each epoch.

    Attributes:
        calls: answers for one sample.
        distinct: different questions among them, where they can be told apart; a perfect memory would ask no others.
    """

    def __init__(self, quality: Callable[[], float]) -> None:
        self.quality = quality
        self.calls = 0
        self.distinct: set[Hashable] = set()
        self.curve: list[tuple[int, float]] = []

    def ask(self, questions: Iterable[Hashable]) -> None:
        """Count one call for each question."""
        for question in questions:
            self.calls += 1
            self.distinct.add(question)

    def note(self) -> None:
        """Measure the quality now; what that asks is not counted."""
        before = self.calls, set(self.distinct)
        quality = self.quality()
        self.calls, self.distinct = before
        self.curve.append((self.calls, quality))

    def outcome(self, seconds: float) -> Outcome:
        """The training as a whole."""
        return Outcome(self.curve[-1][1], self.calls, seconds, tuple(self.curve), len(self.distinct))


def calls_to(
    targets: Sequence[float], quality: str, outcomes: Mapping[str, Sequence[Outcome]], *, up: bool = True
) -> None:
    """Print, for each target, how many calls the median run needed, and how many runs never got there."""
    console = Console(width=140)
    table = Table(
        title=f"calls until {quality} first {'reaches' if up else 'falls to'}", caption="median over all runs"
    )
    table.add_column("contestant")
    for target in targets:
        table.add_column(f"{target:g}", justify="right")
    for name, runs in outcomes.items():
        table.add_row(name, *(_cell(runs, target, up) for target in targets))
    console.print(table)


@dataclass(frozen=True)
class NoLater:
    """`ours` becomes as good as `peer` ends, within `margin`, after no more calls than `peer` took to be that good."""

    ours: str
    peer: str
    margin: float


def no_later(claims: Sequence[NoLater], outcomes: Mapping[str, Sequence[Outcome]], *, up: bool = True) -> bool:
    """Print for each claim how many calls both took, by the median seed; were all of them met?"""
    console, met = Console(width=150), True
    for claim in claims:
        pairs = list(zip(outcomes[claim.ours], outcomes[claim.peer], strict=True))
        goals = [peer.quality - claim.margin if up else peer.quality + claim.margin for _, peer in pairs]
        mine, theirs = (
            [first(pair[k].curve, goal, up) for pair, goal in zip(pairs, goals, strict=True)] for k in (0, 1)
        )
        holds = bool(np.median(mine) <= np.median(theirs))
        met &= holds
        console.print(
            f"[{'green' if holds else 'red'}]{'met' if holds else 'MISSED'}[/]: calls until it is as good as "
            f"{claim.peer} ends: {claim.ours} {_said(mine)}, {claim.peer} {_said(theirs)} (median, {len(pairs)} seeds)"
        )
    return met


def first(curve: Sequence[tuple[int, float]], target: float, up: bool = True) -> float:
    """The calls at the end of the first epoch that is so good; infinite where none is."""
    return next((calls for calls, found in curve if (found >= target if up else found <= target)), float("inf"))


def _cell(runs: Sequence[Outcome], target: float, up: bool) -> str:
    counts = [first(run.curve, target, up) for run in runs]
    return _said(counts)


def _said(counts: Sequence[float]) -> str:
    never = sum(count == float("inf") for count in counts)
    middle = float(np.median(counts))  # of all runs: one that never gets there stands above every number
    said = f"{middle:,.0f}" if np.isfinite(middle) else "never"
    return f"{said} ({len(counts) - never} of {len(counts)})" if never else said
