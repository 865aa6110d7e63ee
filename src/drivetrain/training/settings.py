"""How to train, apart from what: batch size, optimizers, precision, where; checked before data is touched."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from drivetrain.errors import DeclarationError, UnknownNameError, listed
from drivetrain.evaluation.metrics import Metric
from drivetrain.graph import System
from drivetrain.training.base import State, Track, TrainingPattern
from drivetrain.training.optimizers import Clip, EveryIteration, MakeOptimizer, MakeSchedule, maker_of, owned
from drivetrain.training.turns import Turns

PRECISIONS = {None: None, "32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Settings:
    """The options of ``fit``; see there."""

    epochs: tuple[int, ...]
    batch_size: int
    optimizer: MakeOptimizer | Mapping[str, MakeOptimizer] | None
    schedule: MakeSchedule | EveryIteration | None
    clip: Clip | None
    accumulate: int
    precision: str | None
    until: Mapping[str, float]
    seed: int
    checkpoint: Path | None
    cache: bool
    callbacks: Sequence[Callable[[State], Any]]

    def plan(self, patterns: Sequence[TrainingPattern], asked_seed: int | None) -> str:
        """What a checkpoint must agree with to be resumed."""
        return json.dumps(
            {
                "patterns": [pattern.name for pattern in patterns],
                "epochs": self.epochs,
                "batch_size": self.batch_size,
                "accumulate": self.accumulate,
                "precision": self.precision,
                "seed": asked_seed,
            }
        )


def epochs_of(epochs: int | tuple[int, ...], stages: int) -> tuple[int, ...]:
    """The number of epochs of each stage.

    Raises:
        DeclarationError: the tuple has not one number per stage, or a number is negative.
    """
    lengths = (epochs,) * stages if isinstance(epochs, int) else tuple(epochs)
    if len(lengths) != stages:
        raise DeclarationError(f"epochs={epochs}: this pattern has {stages} stage(s); give one number for each")
    if any(not isinstance(length, int) or length < 0 for length in lengths):
        raise DeclarationError(f"epochs={epochs}: epochs are whole numbers from 0 on")
    return lengths


def check_numbers(batch_size: int, accumulate: int, precision: str | None) -> None:
    """Refuse numbers that mean nothing.

    Raises:
        DeclarationError: the message says what would fit.
    """
    if batch_size < 1:
        raise DeclarationError(f"batch_size={batch_size}: a batch has at least one sample")
    if accumulate < 1:
        raise DeclarationError(f"accumulate={accumulate}: an update takes at least one batch")
    if precision not in PRECISIONS:
        raise DeclarationError(f"precision={precision!r}: what fits: {listed(PRECISIONS)}")


def check_optimizers(
    system: System,
    optimizer: MakeOptimizer | Mapping[str, MakeOptimizer] | None,
    tracks: Sequence[Sequence[Track]],
) -> None:
    """Refuse optimizers by component that name none, or miss one that learns in some stage.

    Raises:
        UnknownNameError: a name is no model's.
        DeclarationError: a model that learns has none; of weights that are declared twice the first one needs it.
    """
    if not isinstance(optimizer, Mapping):
        return
    for name in optimizer:
        if name not in system.models:
            raise UnknownNameError(
                f"optimizer names '{name}', which is no model of {system.name}; models are: {listed(system.models)}"
            )
    for stage in tracks:
        models = tuple(dict.fromkeys(name for track in stage for name in track.models))
        for name in owned(Turns(system), models):
            maker_of(optimizer, name, models)


def check_until(
    system: System, until: Mapping[str, float] | None, metrics: Mapping[str, Metric], validation: Any
) -> None:
    """Refuse a requirement that nothing measures.

    Raises:
        DeclarationError: there is no validation data, or no metric of that name.
    """
    for name in until or {}:
        if validation is None:
            raise DeclarationError(
                f"until={dict(until or {})} is judged on validation data; give validation= and metric="
            )
        if name not in metrics:
            raise DeclarationError(
                f"until names '{name}', which no metric measures; metrics are: {listed(metrics)}; "
                f"write metric={{'{name if name in system.edges else system.outputs[0]}': your_metric}}"
            )
