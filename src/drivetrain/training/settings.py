"""How to train, apart from what: batch size, optimizers, precision, where; checked before data is touched."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from drivetrain.errors import DeclarationError, UnknownNameError, listed
from drivetrain.evaluation.metrics import Metric
from drivetrain.graph import System
from drivetrain.report import plain
from drivetrain.training.base import State, Track, TrainingPattern
from drivetrain.training.calling import check_takes
from drivetrain.training.optimizers import Clip, EveryIteration, MakeOptimizer, MakeSchedule, fitted_by, maker_of, owned
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

    def to_dict(self) -> dict[str, Any]:
        """As plain values, functions by their names."""
        named: dict[str, Any] = plain({each.name: getattr(self, each.name) for each in fields(self)})
        return {name: value for name, value in named.items() if name != "callbacks" and value not in (None, {})}

    def plan(self, patterns: Sequence[TrainingPattern], asked_seed: int | None, margins: Mapping[str, float]) -> str:
        """What a checkpoint must agree with to be resumed."""
        return json.dumps(
            {
                "patterns": [pattern.name for pattern in patterns],
                "epochs": self.epochs,
                "batch_size": self.batch_size,
                "accumulate": self.accumulate,
                "precision": self.precision,
                "seed": asked_seed,
                "protect": dict(margins),
            }
        )


def epochs_of(epochs: int | tuple[int, ...], stages: int) -> tuple[int, ...]:
    """The number of epochs of each stage.

    Raises:
        DeclarationError: the tuple has not one number per stage, or a number is negative.
    """
    lengths = tuple(epochs) if isinstance(epochs, tuple | list) else (epochs,) * stages
    if len(lengths) != stages:
        raise DeclarationError(f"epochs={epochs}: this pattern has {stages} stage(s); give one number for each")
    if any(not _is_whole(length) or length < 0 for length in lengths):
        raise DeclarationError(f"epochs={epochs!r}: epochs are whole numbers from 0 on")
    return lengths


def check_options(settings: Settings) -> None:
    """Refuse options that mean nothing.

    Raises:
        DeclarationError: the message says what would fit.
    """
    if not _is_whole(settings.batch_size) or settings.batch_size < 1:
        raise DeclarationError(
            f"batch_size={settings.batch_size!r}: a batch has a whole number of samples, at least one sample"
        )
    if not _is_whole(settings.accumulate) or settings.accumulate < 1:
        raise DeclarationError(
            f"accumulate={settings.accumulate!r}: an update takes a whole number of batches, at least one batch"
        )
    if not _is_whole(settings.seed):
        raise DeclarationError(f"seed={settings.seed!r}: a seed is a whole number")
    if settings.precision not in PRECISIONS:
        raise DeclarationError(f"precision={settings.precision!r}: what fits: {listed(PRECISIONS)}")
    if not isinstance(settings.cache, bool):
        raise DeclarationError(f"cache={settings.cache!r}: it is True or False")
    clip = settings.clip
    if clip is not None and not callable(clip) and not (isinstance(clip, int | float) and clip > 0):
        raise DeclarationError(
            f"clip={clip!r}: it is the largest norm of the gradient, such as clip=1.0, or a function of the weights"
        )
    if callable(settings.callbacks) or not all(map(callable, settings.callbacks)):
        raise DeclarationError(
            f"callbacks={settings.callbacks!r}: it is a list of functions of the state: callbacks=[my_function]"
        )
    schedule = settings.schedule.make if isinstance(settings.schedule, EveryIteration) else settings.schedule
    if schedule is not None and not callable(schedule):
        raise DeclarationError(
            f"schedule={schedule!r}: it is a function from an optimizer to a torch scheduler, since every model has an "
            f"optimizer of its own: schedule=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 10)"
        )
    if schedule is not None:
        example = "schedule=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 10)"
        check_takes(schedule, 1, f"schedule is a function of an optimizer alone: {example}")
    for callback in settings.callbacks:
        check_takes(callback, 1, "a callback is a function of the state: callbacks=[lambda state: print(state.epoch)]")


def checkpoint_at(place: Any) -> Path | None:
    """Where the checkpoint is kept.

    Raises:
        DeclarationError: that is no path.
    """
    if place is not None and not isinstance(place, str | Path):
        raise DeclarationError(f"checkpoint={place!r}: it is the path of a file, such as 'training.checkpoint'")
    return None if place is None else Path(place)


def check_perturbations(patterns: Sequence[TrainingPattern]) -> None:
    """Refuse patterns whose perturbation cannot be called.

    Raises:
        DeclarationError: the message says how it is called.
    """
    for pattern in patterns:
        if pattern.perturb is not None and not callable(pattern.perturb):
            raise DeclarationError(
                f"{pattern.name}: perturb={pattern.perturb!r}; it is a function: perturb(system, batch, loss) -> batch"
            )
        if pattern.perturb is not None:
            check_takes(pattern.perturb, 3, f"{pattern.name}: perturb is called as perturb(system, batch, loss)")


def check_optimizers(
    system: System,
    optimizer: MakeOptimizer | Mapping[str, MakeOptimizer] | None,
    tracks: Sequence[Sequence[Track]],
) -> None:
    """Refuse what makes no optimizers; those by component must know every model that learns in some stage.

    Raises:
        UnknownNameError: a name is no model's.
        DeclarationError: a model that learns has none (of weights that are declared twice the first one needs it), or
            one is no function.
    """
    for each in optimizer.values() if isinstance(optimizer, Mapping) else [optimizer]:
        if each is not None and not callable(each):
            raise DeclarationError(
                f"optimizer={_told(each)}: it is a function from weights to a torch optimizer, since every model has "
                f"one of its own: optimizer=lambda weights: torch.optim.SGD(weights, lr=0.1)"
            )
        if each is not None:
            example = "optimizer=lambda weights: torch.optim.SGD(weights, lr=0.1)"
            check_takes(each, 1, f"optimizer is a function of the weights of one model: {example}")
    if not isinstance(optimizer, Mapping):
        return
    for name in optimizer:
        if not any(model == name or model.startswith(f"{name}.") for model in system.models):
            raise UnknownNameError(
                f"optimizer names '{name}', which is no model of {system.name}; models are: {listed(system.models)}"
            )
    for stage in tracks:
        models = tuple(dict.fromkeys(name for track in stage for name in track.models))
        for name in owned(Turns(system), models):
            if fitted_by(system, name, {own for track in stage if track.own_truth for own in track.models}) is None:
                maker_of(optimizer, name, models)


def check_until(
    system: System, until: Mapping[str, float] | None, metrics: Mapping[str, Metric], validation: Any
) -> None:
    """Refuse a requirement that nothing measures.

    Raises:
        DeclarationError: there is no validation data, or no metric of that name.
    """
    if until is not None and not isinstance(until, Mapping):
        example = next(iter(metrics), system.outputs[0])
        raise DeclarationError(
            f"until={until!r}: it names metrics and what they must reach: until={{'{example}': 0.9}}"
        )
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


def _told(value: Any) -> str:
    """A wrong value in a message; of an optimizer its type, since it prints all its options."""
    return f"{type(value).__name__}(...)" if isinstance(value, torch.optim.Optimizer) else repr(value)


def _is_whole(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)
