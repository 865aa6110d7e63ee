"""One trial on the real car: an arm trained on some layouts, judged on others; answers plain sums by session."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drivetrain import System, fit
from drivetrain.data import annotated
from drivetrain.training import Individual, State
from examples.race_car.real.calibration import calibrate
from examples.race_car.real.dataset import load
from examples.race_car.real.fusion import DEFAULT_RULES, Rules, fuse
from examples.race_car.real.scoring import judge
from examples.race_car.real.system import build, labels

from .arms import MODELS, Arm

Row = dict[str, Any]
Tallies = dict[str, list[float]]  #: by session: right, predictions, cones in view, metres, pairs

RATES = (1e-3, 4e-3)  # of Adam; the projection's, which starts from its calibration, is a hundredth of it
CAUTIONS = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)  # of the fusion; tuned for every arm
LOST = 0.5  # share of beams, or of boxes, that a corruption takes away


@dataclass(frozen=True)
class Sizes:
    """How large every trial is.

    Attributes:
        epochs: readings of the training frames; of two stages the first has half of them.
        checkpoints: how often training is looked at, evenly; each is an epoch that may be chosen.
        batch_size: frames per batch.
    """

    epochs: int = 8
    checkpoints: int = 2
    batch_size: int = 16

    def plan(self, arm: Arm) -> tuple[int, list[int]]:
        """Epochs of the first of two stages (0 for one stage), and the epochs of the last stage that may be chosen."""
        first = self.epochs // 2 if arm.staged else 0
        step = max((self.epochs - first) // self.checkpoints, 1)
        return first, [step * (number + 1) for number in range(self.checkpoints)]


@dataclass(frozen=True)
class Choice:
    """What the layouts left out inside the training layouts have chosen for an arm.

    Attributes:
        rates: the learning rate of each model.
        epochs: of each model, in the last stage.
        caution: of the fusion.
    """

    rates: Mapping[str, float]
    epochs: Mapping[str, int]
    caution: float


def watched(
    arm: Arm, rate: float, train: Sequence[str], judged: Sequence[str], sizes: Sizes, path: str | None, seed: int = 0
) -> list[Row]:
    """Train and look at every checkpoint: F1's sums by session and caution, each model's own score, cost so far."""
    first, points = sizes.plan(arm)
    system, seen, rows, spent = start(train, path, seed), data_of(tuple(judged), path), [], [0.0]

    def look(state: State) -> None:
        if state.epoch not in points or (first and state.stage == 0):
            return
        begin = time.process_time()
        system.eval()
        rows.append(
            {"epoch": state.epoch, "cpu": begin - started - spent[0], "updates": dict(state.updates),
             "tallies": tuned(system, seen), **own_scores(system, seen)}
        )  # fmt: skip
        spent[0] += time.process_time() - begin

    started = time.process_time()
    _fit(system, arm, train, sizes, path, dict.fromkeys(MODELS.values(), rate), points[-1], seed, [look])
    return rows


def tested(
    arm: Arm, choice: Choice, train: Sequence[str], test: Sequence[str], sizes: Sizes, path: str | None, seed: int
) -> Row:
    """Train with the chosen settings on all training layouts, and look once at the layout left out."""
    system, begin = start(train, path, seed), time.process_time()
    if arm.selected_by == "own":
        assert isinstance(arm.pattern, Individual)
        alone = [
            replace(arm, pattern=Individual({edge: loss})) for edge, loss in arm.pattern.losses.items()
        ]  # each model has epochs of its own
        reports = [
            _fit(system, one, train, sizes, path, choice.rates, choice.epochs[MODELS[edge]], seed)
            for one, edge in zip(alone, arm.pattern.losses, strict=True)
        ]
    else:
        epochs = next(iter(choice.epochs.values()))
        reports = [_fit(system, arm, train, sizes, path, choice.rates, epochs, seed)]
    cpu, rules = time.process_time() - begin, replace(DEFAULT_RULES, caution=choice.caution)
    clean, generator = data_of(tuple(test), path), torch.Generator().manual_seed(seed)
    system.eval()
    return {
        "clean": tallies(system, clean, rules),
        "beams lost": tallies(system, without_beams(clean, generator), rules),
        "boxes lost": tallies(system, without_boxes(clean, generator), rules),
        **own_scores(system, clean), "cpu": cpu, "updates": _summed([report.updates for report in reports]),
        "passes": {model: [sum(part) for part in zip(*(r.passes[model] for r in reports if model in r.passes))]
                   for model in MODELS.values()},
        "labels": max(report.labels.total(use="training") for report in reports),
    }  # fmt: skip


def start(train: Sequence[str], path: str | None, seed: int) -> System:
    """The system that every arm of a seed starts from: fresh models, and rigs calibrated on the training sessions."""
    return build(_poses(tuple(train), path), seed=seed)


@lru_cache(maxsize=64)
def data_of(sessions: tuple[str, ...], path: str | None) -> Row:
    """The frames of some sessions."""
    everything = _all(path)
    rows = [index for index, session in enumerate(everything["session"]) if session in sessions]
    return {
        name: value[rows] if isinstance(value, Tensor) else [value[row] for row in rows]
        for name, value in everything.items()
    }


def tallies(system: System, data: Row, rules: Rules) -> Tallies:
    """The sums of F1 and of the position error by session, with the fusion as ordinary code."""
    with torch.no_grad():
        values = system.trace({name: data[name] for name in system.inputs})
    return _tallies(_fused(values, data, rules), data)


def tuned(system: System, data: Row) -> dict[str, Tallies]:
    """The same by the fusion's caution."""
    with torch.no_grad():
        values = system.trace({name: data[name] for name in system.inputs})
    bold = min(CAUTIONS)  # caution leaves out the less certain cones and changes no other: the fusion runs once
    cones, found = _fused(values, data, replace(DEFAULT_RULES, caution=bold)), {}
    for caution in CAUTIONS:
        kept = cones.clone()
        kept[:, :, 2] *= torch.logit(cones[:, :, 2]) + bold > caution
        found[str(caution)] = _tallies(kept, data)
    return found


def own_scores(system: System, data: Row) -> dict[str, float]:
    """Each model on its own edge, more is better: F1 of beams, share of colours right, minus the median foot error."""
    with torch.no_grad():
        values = system.trace({name: data[name] for name in system.inputs})
    found, true = values["hits"] > 0, data["hits"] > 0.5
    painted = data["tints"] >= 1
    right = (values["tints"][:, 2] > values["tints"][:, 1]) == (data["tints"] > 1.5)
    known = torch.isfinite(data["hits"])
    off = (values["feet"] - data["feet"]).norm(dim=1)
    off = 1024 * off[torch.isfinite(off)]
    return {
        "own hits": float(2 * (found & true).sum() / ((found & known).sum() + true.sum()).clamp(min=1)),
        "own tints": float(right[painted].float().mean()),
        "own feet": -float(off.median()) if len(off) else -1000.0,
    }


def without_beams(data: Row, generator: torch.Generator) -> Row:
    """Half of the LiDAR's beams come back empty."""
    kept = torch.rand(data["scan"].shape[0], 1, data["scan"].shape[2], generator=generator) >= LOST
    return {**data, "scan": data["scan"] * kept, "picture": data["picture"] * kept}


def without_boxes(data: Row, generator: torch.Generator) -> Row:
    """Half of the recorded boxes are missed; the camera looked all the same."""
    recorded = data["recorded"].clone()
    missed = (recorded[:, :, 5] > 0.5) & (torch.rand(recorded.shape[:2], generator=generator) < LOST)
    recorded[missed] = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.5, 0.0])
    return {**data, "recorded": recorded}


def _fit(
    system: System, arm: Arm, train: Sequence[str], sizes: Sizes, path: str | None, rates: Mapping[str, float],
    epochs: int, seed: int, callbacks: Sequence[Any] = (),
) -> Any:  # fmt: skip
    def adam(rate: float) -> Any:
        return partial(torch.optim.AdamW, lr=rate, weight_decay=0.02)

    first, _ = sizes.plan(arm)
    optimizer = {model: adam(rate) for model, rate in rates.items()}
    optimizer["projection"] = partial(torch.optim.Adam, lr=rates["projection"] / 100)
    return fit(
        system, annotated(data_of(tuple(train), path), **labels()), arm.pattern,
        epochs=(first, epochs) if arm.staged else epochs, batch_size=sizes.batch_size, optimizer=optimizer,
        clip=1.0, seed=seed, callbacks=callbacks,
    )  # fmt: skip


def _fused(values: Mapping[str, Any], data: Row, rules: Rules) -> Tensor:
    return fuse(data["scan"], values["hits"], values["tints"], values["feet"], values["boxes"], rules)


def _tallies(cones: Tensor, data: Row) -> Tallies:
    sums: dict[str, Any] = {}
    for session, prediction, truth in zip(data["session"], cones, data["cones"], strict=True):
        one = judge(prediction, truth)
        row = np.array([one.right.sum(), one.counted, len(one.in_view), one.metres.sum(), len(one.metres)], dtype=float)
        sums[session] = sums.get(session, 0.0) + row
    return {session: [round(float(value), 4) for value in row] for session, row in sums.items()}


def _summed(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {model: sum(count.get(model, 0) for count in counts) for model in MODELS.values()}


@lru_cache(maxsize=1)
def _all(path: str | None) -> Row:
    return load(path=path)


@lru_cache(maxsize=32)
def _poses(train: tuple[str, ...], path: str | None) -> dict[str, tuple[float, ...]]:
    return calibrate(data_of(train, path))
