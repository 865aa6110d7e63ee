"""One optimizer per model, kept for the stage; each weight has one owner, however often its model is declared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from drivetrain.components.fitting import FittingOptimizer, fitting
from drivetrain.errors import DeclarationError, NonFiniteLossError, listed
from drivetrain.graph import System
from drivetrain.training.turns import Turns

MakeOptimizer = Callable[[list[nn.Parameter]], Optimizer]
MakeSchedule = Callable[[Optimizer], LRScheduler]
Clip = float | Callable[[list[nn.Parameter]], Any]


@dataclass(frozen=True)
class EveryIteration:
    """Steps a schedule after every update of its model instead of after every epoch: ``schedule=EveryIteration(f)``."""

    make: MakeSchedule


def adam(weights: list[nn.Parameter]) -> Optimizer:
    """The optimizer where none is given: Adam with a learning rate of 0.001."""
    return torch.optim.Adam(weights, lr=1e-3)


class Optimizers:
    """The optimizers and schedules of the models that a stage trains in one system, however many its tracks are.

    A weight that several models share belongs to the first of them, and is stepped by its optimizer whoever is in turn.

    Attributes:
        by_model: the optimizer of each model that owns weights.
    """

    def __init__(
        self,
        turns: Turns,
        models: Sequence[str],
        optimizer: MakeOptimizer | Mapping[str, MakeOptimizer] | None,
        schedule: MakeSchedule | EveryIteration | None,
        own_truth: Collection[str] = (),
    ) -> None:
        self.turns = turns
        self.by_model = {
            name: fitted_by(turns.system, name, own_truth) or _made(maker_of(optimizer, name, models), name, weights)
            for name, weights in owned(turns, models).items()
        }
        self._owners: dict[tuple[str, ...], dict[str, Optimizer]] = {}  # found once: turns change in every iteration
        self._counted: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._each_iteration = isinstance(schedule, EveryIteration)
        make = schedule.make if isinstance(schedule, EveryIteration) else schedule
        self.schedules = {} if make is None else {name: _scheduled(make, opt) for name, opt in self.by_model.items()}

    def counted(self, models: Iterable[str]) -> tuple[str, ...]:
        """The names under which an update of some models counts: of weights declared twice the first name."""
        asked = tuple(models)
        if asked not in self._counted:
            names = (name if name in self.by_model else owner for name in asked for owner in self.of((name,)))
            self._counted[asked] = tuple(dict.fromkeys(names))
        return self._counted[asked]

    def of(self, models: Iterable[str]) -> dict[str, Optimizer]:
        """The optimizers that own weights of these models."""
        asked = tuple(models)
        if asked not in self._owners:
            wanted = {id(weight) for weight in self.turns.weights(asked)}
            self._owners[asked] = {
                name: optimizer
                for name, optimizer in self.by_model.items()
                if any(id(weight) in wanted for group in optimizer.param_groups for weight in group["params"])
            }
        return self._owners[asked]

    def step(self, models: tuple[str, ...], clip: Clip | None, scaler: torch.amp.GradScaler) -> None:
        """Update the models in turn from their gradients, and forget the gradients (None, not zero).

        Raises:
            NonFiniteLossError: the norm of the gradient to be clipped is NaN or infinite.
        """
        optimizers = self.of(models)
        for optimizer in optimizers.values():
            if isinstance(optimizer, FittingOptimizer) and optimizer.by_truth:
                optimizer.step()
        weights = [weight for weight in self.turns.weights(models) if weight.grad is not None]
        if not weights:
            return
        if scaler.is_enabled():  # it refuses optimizers that have nothing to step
            optimizers = {name: each for name, each in optimizers.items() if _has_gradient(each)}
        if clip is not None:
            for optimizer in optimizers.values():
                scaler.unscale_(optimizer)
            _clip(weights, clip, refuse=not scaler.is_enabled())
        for optimizer in optimizers.values():
            scaler.step(optimizer)
            optimizer.zero_grad(set_to_none=True)
        scaler.update()
        if self._each_iteration:
            for name in optimizers:
                self.schedules[name].step()

    def fit(self, models: Iterable[str], newest: int) -> tuple[str, ...]:
        """Fit those of some models that learn by being fitted to what they have gathered; answers who has learned."""
        own = {name: self.by_model.get(name) for name in models}
        return tuple(n for n, each in own.items() if isinstance(each, FittingOptimizer) and each.fit(newest))

    def waits(self, models: Iterable[str]) -> bool:
        """Whether all of some models learn by being fitted, and so not in this iteration."""
        return not self.steps_now(models)

    def steps_now(self, models: Iterable[str]) -> tuple[str, ...]:
        """Those of some models whose weights change in every iteration."""
        return tuple(name for name in models if not isinstance(self.by_model.get(name), FittingOptimizer))

    def end_epoch(self) -> None:
        """Step the schedules that count epochs."""
        if not self._each_iteration:
            for schedule in self.schedules.values():
                schedule.step()

    def have_stepped(self) -> None:
        """Note that they have, in another process: torch's schedules warn where they are stepped first."""
        for optimizer in self.by_model.values():
            optimizer._opt_called = True  # type: ignore[attr-defined]

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on later."""
        return {
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.by_model.items()},
            "schedules": {name: schedule.state_dict() for name, schedule in self.schedules.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` answered."""
        for name, optimizer in self.by_model.items():
            optimizer.load_state_dict(state["optimizers"][name])
        for name, schedule in self.schedules.items():
            schedule.load_state_dict(state["schedules"][name])


def fitted_by(system: System, name: str, own_truth: Collection[str] = ()) -> FittingOptimizer | None:
    """What makes a model learn that does so by being fitted; None: an optimizer of torch does."""
    module = fitting(system.component(name))
    if module is None or (module.has_gradient and name not in own_truth):
        return None
    return FittingOptimizer(module, by_truth=name in own_truth)


def owned(turns: Turns, models: Iterable[str]) -> dict[str, list[nn.Parameter]]:
    """The weights of each model, less those that an earlier one has; models to which none is left are not there."""
    taken: set[int] = set()
    found = {}
    for name in models:
        weights = [weight for weight in turns.weights([name]) if id(weight) not in taken]
        taken.update(id(weight) for weight in weights)
        if weights:
            found[name] = weights
    return found


def maker_of(
    optimizer: MakeOptimizer | Mapping[str, MakeOptimizer] | None, name: str, models: Sequence[str]
) -> MakeOptimizer:
    """What makes the optimizer of a model; where they are given by component, its own or its sub-system's.

    Raises:
        DeclarationError: optimizers are given by component, and there is none for this one.
    """
    if optimizer is None:
        return adam
    if not isinstance(optimizer, Mapping):
        return optimizer
    parts = name.split(".")
    known = [".".join(parts[:length]) for length in range(len(parts), 0, -1) if ".".join(parts[:length]) in optimizer]
    if not known:
        raise DeclarationError(
            f"optimizer has none for '{name}'; this pattern trains {listed(models)}, given: {listed(optimizer)}"
        )
    return optimizer[known[0]]


def _made(make: MakeOptimizer, name: str, weights: list[nn.Parameter]) -> Optimizer:
    optimizer = make(weights)
    if not isinstance(optimizer, Optimizer):
        raise DeclarationError(
            f"optimizer: the function answered {type(optimizer).__name__} for the weights of '{name}'; it answers a "
            f"torch optimizer: optimizer=lambda weights: torch.optim.SGD(weights, lr=0.1)"
        )
    if isinstance(optimizer, torch.optim.LBFGS):
        raise DeclarationError(
            f"optimizer: LBFGS, made for '{name}', runs the loss several times in a step, which patterns do not; "
            f"optimizers that step once fit: SGD, Adam, AdamW, ..."
        )
    return optimizer


def _scheduled(make: MakeSchedule, optimizer: Optimizer) -> LRScheduler:
    schedule = make(optimizer)
    if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
        raise DeclarationError(
            "schedule: ReduceLROnPlateau asks for a measured value at every step; schedules that count epochs or "
            "updates fit: StepLR, CosineAnnealingLR, OneCycleLR, ..."
        )
    return schedule


def _clip(weights: list[nn.Parameter], clip: Clip, refuse: bool) -> None:
    if callable(clip):
        clip(weights)
        return
    norm = torch.nn.utils.clip_grad_norm_(weights, clip)
    if refuse and not bool(torch.isfinite(norm)):
        raise NonFiniteLossError(
            f"the gradient's norm is {float(norm)}, which cannot be clipped to {clip}, though the loss is finite: "
            f"a square root, a logarithm or a division at zero has no finite slope. Weights, statistics and "
            f"checkpoints are as they were before this iteration"
        )


def _has_gradient(optimizer: Optimizer) -> bool:
    return any(weight.grad is not None for group in optimizer.param_groups for weight in group["params"])
