"""Three detectors of the same objects, each with a sensor and hyper-parameters of its own, and code that joins them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from drivetrain import System, component, system

SENSORS = {"camera": "photo", "lidar": "scan", "radar": "echo"}
SPACE: dict[str, Any] = {
    "units": (4, 64, "log"), "reach": (0.3, 3.0, "log"), "ridge": (1e-4, 1.0, "log"), "weight": (0.1, 10.0, "log"),
}  # fmt: skip
SHARE, POOL = 0.98, 40  # required, of the best system that so many random versions of each model can make


class World:
    """Objects and what three sensors read of them: each is blind in its own way."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.train, self.validation, self.test = (self._data(seed, part, n) for part, n in enumerate((600, 600, 2000)))

    @cached_property
    def required(self) -> float:
        """The requirement, which can be met: a share of the best of 40^3 systems of random versions."""
        random, pool = np.random.default_rng([self.seed, 7]), []
        for sensor in SENSORS:
            detectors = [learned(self, sensor, _drawn(random)) for _ in range(POOL)]
            with torch.no_grad():
                pool.append(torch.stack([detector(self.validation[SENSORS[sensor]]) for detector in detectors]))
        truth, best = self.validation["object"], 0.0
        for first in pool[0]:
            hits = (pool[1] * (first * truth)) @ pool[2].T
            said = (pool[1] * first) @ pool[2].T
            best = max(best, float((2 * hits / (said + truth.sum())).max()))
        return SHARE * best

    def _data(self, seed: int, part: int, count: int) -> dict[str, Tensor]:
        random = np.random.default_rng([seed, part])
        there = random.random(count) < 0.35
        shape = random.normal(size=(count, 2)) + 1.6 * there[:, None]
        batch = {}
        for number, sensor in enumerate(SENSORS.values()):
            optics = np.random.default_rng([seed, 9, number]).normal(size=(2, 5))
            batch[sensor] = np.tanh(shape @ optics) + 0.6 * random.normal(size=(count, 5))
        truth = dict.fromkeys(("seen", "hit", "echoed", "object"), there)
        return {name: torch.tensor(value, dtype=torch.float32) for name, value in {**batch, **truth}.items()}


class Detector(nn.Module):
    """A random hidden layer and a logistic output: [n, 5] -> [n], 1 where an object is seen."""

    def __init__(self, units: int, reach: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(units)
        self.register_buffer("mixing", reach * torch.randn(5, units, generator=generator))
        self.register_buffer("offset", 2 * torch.rand(units, generator=generator) - 1)
        self.out = nn.Linear(units, 1)

    def hidden(self, value: Tensor) -> Tensor:
        return torch.tanh(value @ self.mixing + self.offset)

    def forward(self, value: Tensor) -> Tensor:
        return (self.out(self.hidden(value)).squeeze(1) > 0).to(value.dtype)

    def learn(self, value: Tensor, truth: Tensor, ridge: float, weight: float) -> None:
        """Weighted logistic regression by Newton steps."""
        units = torch.cat([self.hidden(value), torch.ones(len(value), 1)], 1)
        beta, importance = torch.zeros(units.shape[1]), torch.where(truth > 0.5, weight, 1.0)
        for _ in range(6):
            share = torch.sigmoid(units @ beta)
            slope = units.T @ (importance * (truth - share)) - ridge * len(value) * 0.01 * beta
            curve = (units * (importance * share * (1 - share)).unsqueeze(1)).T @ units
            beta = beta + torch.linalg.solve(curve + (ridge * len(value) * 0.01 + 1e-4) * torch.eye(len(beta)), slope)
        with torch.no_grad():
            self.out.weight.copy_(beta[:-1].unsqueeze(0))
            self.out.bias.copy_(beta[-1:])


def f1(prediction: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Numerator and denominator a sample, summed before dividing."""
    return 2 * prediction * truth, prediction + truth


@component("seen, hit, echoed -> object")
def agreed(seen: Tensor, hit: Tensor, echoed: Tensor) -> Tensor:
    """What all three see."""
    return seen * hit * echoed


def built() -> System:
    """The system with detectors that learned nothing."""
    camera = component("camera", Detector(4, 1.0), "photo -> seen")
    lidar = component("lidar", Detector(4, 1.0), "scan -> hit")
    radar = component("radar", Detector(4, 1.0), "echo -> echoed")

    @system
    def watch(photo: Any, scan: Any, echo: Any) -> Any:
        return agreed(camera(photo), lidar(scan), radar(echo))

    return watch


def learned(world: World, sensor: str, parameters: dict[str, Any]) -> Detector:
    """One training run."""
    detector = Detector(parameters["units"], parameters["reach"])
    detector.learn(world.train[SENSORS[sensor]], world.train["object"], parameters["ridge"], parameters["weight"])
    return detector


def _drawn(random: np.random.Generator) -> dict[str, Any]:
    """Hyper-parameters, all on their logarithmic scale."""
    drawn = {name: float(np.exp(random.uniform(*np.log(kind[:2])))) for name, kind in SPACE.items()}
    return {**drawn, "units": round(drawn["units"])}
