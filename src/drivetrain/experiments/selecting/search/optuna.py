"""Optuna's samplers as strategies."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from drivetrain.errors import DrivetrainError
from drivetrain.experiments.selecting.search.base import Search, Space


@dataclass(frozen=True)
class Optuna:
    """Ask a sampler of Optuna; each slot is a categorical parameter.

    Attributes:
        sampler: an ``optuna.samplers`` object; None is TPE as Optuna comes, with the seed of the search.
    """

    sampler: Any = None

    def search(self, space: Space, budget: int, seed: int) -> Search:
        """Ask and tell, one combination at a time."""
        try:
            import optuna
        except ImportError:
            raise DrivetrainError("Optuna's samplers need it installed: pip install 'drivetrain[optuna]'") from None
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                sampler = self.sampler or optuna.samplers.TPESampler(seed=seed)
                study = optuna.create_study(direction="maximize", sampler=sampler)
            for one in space.start:
                study.enqueue_trial({f"slot {slot}": version for slot, version in enumerate(one)})
            while True:
                trial = study.ask()
                chosen = tuple(
                    int(trial.suggest_categorical(f"slot {slot}", list(range(size))))
                    for slot, size in enumerate(space.sizes)
                )
                (value,) = yield [chosen]
                study.tell(trial, value)
        finally:
            optuna.logging.set_verbosity(verbosity)
