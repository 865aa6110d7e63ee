"""What a whole training did to its system: measured before, between the stages and after, and put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from drivetrain.components.fitting import unfitted
from drivetrain.evaluation.change import Change, Measurement
from drivetrain.evaluation.swapping import Swap, swap_words
from drivetrain.evaluation.tally import Rows
from drivetrain.training.base import State, TrainingPattern
from drivetrain.training.branches import branch_words
from drivetrain.training.gap import Gap, gap_words, gaps
from drivetrain.training.individual import Individual
from drivetrain.training.run import Run
from drivetrain.training.running import sharing
from drivetrain.training.swapped_back import Alone

Kept = Sequence[Mapping[str, int | None]]


@dataclass(frozen=True)
class Observed:
    """What was found.

    Attributes:
        changes: of each edge, from before training.
        gaps: between training and validation data.
        inner: of inner edges, from the end of individual training.
        swaps: what putting back each individually trained model costs.
        words: all of that in sentences.
    """

    changes: dict[str, Change]
    gaps: dict[str, Gap]
    inner: dict[str, Change]
    swaps: tuple[Swap, ...]
    words: tuple[str, ...]


class Observer:
    """Measures the system of a run at its turning points.

    Attributes:
        before: every edge, on validation data where there is any, before training.
        at_home: the same on training data; nothing where that cannot be read without moving its order.
        alone: the models as individual training left them.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.before, self.at_home = Measurement({}, {}), Measurement({}, {})
        self.alone = Alone()

    def start(self) -> None:
        """Before the first stage.

        Raises:
            DataError: what is protected cannot be measured.
        """
        self.run.system.eval()
        if not unfitted(self.run.system):  # what was never fitted cannot answer
            self.before = self.run.gauge.measure(whole=True)
            self.at_home = self._at_home()
        self.run.protection.check(self.before)

    def end_stage(self, pattern: TrainingPattern, kept: Mapping[str, int | None], more: bool) -> None:
        """After each stage; where more follow on individual training, they will be compared with it."""
        if more and isinstance(pattern, Individual):
            self.alone.remember(self.run.system, kept, self.run.gauge)

    def finish(self, state: State, kept: Kept) -> Observed:
        """After the last one."""
        system, gauge, protection = self.run.system, self.run.gauge, self.run.protection
        system.eval()
        after, at_home = gauge.measure(whole=True), self._at_home()
        changes = gauge.changes(self.before, after)
        found = gaps(gauge.changes(self.at_home, at_home), changes)
        inner = self.alone.inner_changes(system, gauge, after)
        swaps = self.alone.swaps(system, gauge, after)
        moved = [
            name for name, count in state.updates.items() if count and any(each.get(name, 0) != 0 for each in kept)
        ]
        words = branch_words(system, changes.values(), sharing(system, tuple(moved)))
        words += gap_words(system, found, state.updates)
        words += protection.words(state.history, changes)
        words += _meaning(inner) + ([swap_words(swaps)] if swaps else [])
        return Observed(changes, found, inner, swaps, tuple(words))

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on later, as plain data."""
        return {
            "before": _as_data(self.before), "at_home": _as_data(self.at_home), "alone": self.alone.weights,
            "measured_alone": _as_data(self.alone.measured),
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` answered."""
        self.before, self.at_home = _from_data(state["before"]), _from_data(state["at_home"])
        self.alone.weights, self.alone.measured = dict(state["alone"]), _from_data(state["measured_alone"])

    def _at_home(self) -> Measurement:
        gauge = self.run.at_home
        return Measurement({}, {}) if gauge is None else gauge.measure(also=tuple(gauge.extra))


def _meaning(inner: Mapping[str, Change]) -> list[str]:
    """What inner edges still mean, in a sentence."""
    lost = [change for change in inner.values() if change.better is False]
    if not lost:
        return []
    named = "; ".join(f"{change.edge}: {change.words}" for change in lost)
    return [f"Inner edges lost some of the meaning that they had after individual training: {named}."]


def _as_data(measured: Measurement) -> dict[str, Any]:
    rows = {
        name: [
            torch.from_numpy(np.array(r.numerators)),
            torch.from_numpy(np.array(r.denominators)),
            list(r.units),
            list(r.ids),
        ]
        for name, r in measured.rows.items()
    }
    return {"values": measured.values, "rows": rows}


def _from_data(data: dict[str, Any]) -> Measurement:
    rows = {
        name: Rows(above.numpy(), below.numpy(), tuple(units), tuple(ids))
        for name, (above, below, units, ids) in data["rows"].items()
    }
    return Measurement(data["values"], rows)
