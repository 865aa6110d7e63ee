"""How far models have come to rely on each other: each is put back to what it was when it was trained alone."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from drivetrain.evaluation.change import Change, Measurement
from drivetrain.evaluation.swapping import Swap, swaps_of
from drivetrain.graph import System
from drivetrain.training.measuring import Gauge
from drivetrain.training.selection import put_back, snapshot


class Alone:
    """The models as a stage of individual training left them, and what the system was then.

    Attributes:
        weights: of each model that was trained alone.
        measured: every edge at the end of that stage.
    """

    def __init__(self) -> None:
        self.weights: dict[str, dict[str, Tensor]] = {}
        self.measured = Measurement({}, {})

    def remember(self, system: System, models: Iterable[str], gauge: Gauge) -> None:
        """Keep the weights of models that were trained alone, and measure the system that they make."""
        self.weights |= snapshot(system, tuple(models))
        system.eval()
        self.measured = gauge.measure(whole=True)

    def inner_changes(self, system: System, gauge: Gauge, after: Measurement) -> dict[str, Change]:
        """What became of the inner edges since then."""
        if not self.weights:
            return {}
        changes = gauge.changes(self.measured, after)
        return {name: change for name, change in changes.items() if change.edge not in system.outputs}

    def swaps(self, system: System, gauge: Gauge, after: Measurement) -> tuple[Swap, ...]:
        """What the system loses when each of the models that were trained together is put back, one at a time.

        Nothing where fewer than two have changed since: putting back the only one undoes its training, no more.
        """
        moved = [name for name in self.weights if self._moved(system, name)]
        found: list[Swap] = []
        for model in moved if len(moved) > 1 else ():
            kept = snapshot(system, (model,))
            put_back(system, {model: self.weights[model]})
            try:
                measured = gauge.measure(also=system.outputs)
            finally:
                put_back(system, kept)
            swaps = swaps_of(model, gauge.metrics, after, self.measured, measured)
            found += [swap for swap in swaps if swap.together.edge in system.outputs]
        return tuple(found)

    def _moved(self, system: System, model: str) -> bool:
        now = system.component(model).state_dict()
        return any(not torch.equal(now[name], value) for name, value in self.weights[model].items())
