"""A training loop that somebody wrote by hand, as an arm: the peer that a pattern is measured beside."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from drivetrain import System
from drivetrain.data import Ledger, Opened
from drivetrain.report import progress
from drivetrain.training import SimultaneousEndLoss, State


@dataclass(frozen=True)
class Budget:
    """What a loop may spend, the same as a pattern."""

    epochs: int
    batch_size: int
    rate: float
    seed: int


Loop = Callable[[System, Any, Budget], Iterator[Mapping[str, int]]]
"""Trains the models of a system in place, in plain PyTorch; yields after every epoch the updates of each model."""


@dataclass(frozen=True)
class ByHand:
    """A loop; the comparison keeps the weights of the epoch that validation likes best, as ``fit`` does."""

    loop: Loop


@dataclass
class Trained:
    """What a trial wants to know of a training, as ``fit`` reports it."""

    updates: dict[str, int] = field(default_factory=dict)
    labels: Ledger = field(default_factory=Ledger)
    passes: dict[str, tuple[int, int]] = field(default_factory=dict)
    verdict: str = ""

    @property
    def iterations(self) -> int:
        """Batches: a loop by hand updates all models at once."""
        return max(self.updates.values(), default=0)


def train_by_hand(
    system: System, train: Any, arm: ByHand, budget: Budget, ends: tuple[str, ...],
    judge: Callable[[System], float] | None, note: Callable[[State], None],
) -> Trained:  # fmt: skip
    """Run the loop; ``judge`` chooses the epoch, more is better; None keeps the last one."""
    trained = Trained()
    source = Opened(train, system).whole
    for batch in source.batches(budget.batch_size):
        trained.labels.read(batch, ends, source.labels, "training", "training")
    state = State(system, SimultaneousEndLoss(None))
    best = (judge(system), copy.deepcopy(system.state_dict())) if judge else None
    for updates in progress(arm.loop(system, train, budget), "training by hand", total=budget.epochs):
        trained.updates = dict(updates)
        state.iteration, state.updates = trained.iterations, type(state.updates)(updates)
        state.history.append({})
        note(state)
        if judge is not None and best is not None and (score := judge(system)) > best[0]:
            best = (score, copy.deepcopy(system.state_dict()))
    if best is not None:
        system.load_state_dict(best[1])
    trained.passes = {model: (count, count) for model, count in trained.updates.items()}
    return trained
