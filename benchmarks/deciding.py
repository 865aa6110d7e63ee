"""Who competes in `decisions.py`, and on what: PyEPO's problems, its losses, and the same solver behind our glue."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyepo
import torch
from pyepo.model.ort import shortestPathModel
from pyepo.model.ort.knapsack import knapsackModelRel
from torch import Tensor, nn

from benchmarks.curves import Recorder
from benchmarks.paired import Outcome
from drivetrain import component, fit, system
from drivetrain.gradients import AbstractEstimator, Perturbed, Surrogate, differentiable
from drivetrain.training import SimultaneousEndLoss

TRAIN, TEST, FEATURES, BATCH = 400, 1000, 5, 32
DEGREE, NOISE = 4, 0.5  # how far a linear model is from the truth, and the noise of costs (PyEPO's generators)

Train = Callable[["Instance", int, int, float], Outcome]


@dataclass(frozen=True)
class Instance:
    """Samples of one problem: features [n, 5] and costs [n, decisions], and PyEPO's solver of it.

    Attributes:
        sense: 1 where the lowest sum of costs is looked for, -1 for the highest.
    """

    solver: Any
    train: tuple[Tensor, Tensor]
    held_out: tuple[Tensor, Tensor]
    sense: float

    def solve(self, costs: Tensor) -> Tensor:
        """The best plan [n, decisions] for each row of costs."""
        plans = []
        for row in costs.numpy():
            self.solver.setObj(row)
            plans.append(self.solver.solve()[0])
        return torch.from_numpy(np.array(plans, dtype=np.float32))

    def regret(self, net: nn.Module) -> float:
        """What the plans for predicted costs cost more than the best, over what the best cost, on held-out samples."""
        features, costs = self.held_out
        with torch.no_grad():
            plans = self.solve(net(features))
        best = (self.solve(costs) * costs).sum(1)
        return float((self.sense * ((plans * costs).sum(1) - best)).sum() / best.abs().sum())


def problems() -> dict[str, Callable[..., Instance]]:
    """Each makes an instance from a seed; with `True` the held-out samples are for tuning and not those of the test."""
    return {"Shortest path, grid of 5 x 5": shortest_path, "The best 5 of 20": top_k}


def shortest_path(seed: int, tuning: bool = False) -> Instance:
    """PyEPO's grid: 40 edges."""
    x, c = pyepo.data.shortestpath.genData(TRAIN + TEST, FEATURES, (5, 5), DEGREE, NOISE, seed=seed)
    return _instance(shortestPathModel((5, 5)), x, c, 1.0, tuning)


def top_k(seed: int, tuning: bool = False) -> Instance:
    """PyEPO's knapsack with items of equal weight, whose linear program has whole solutions."""
    _, x, c = pyepo.data.knapsack.genData(TRAIN + TEST, FEATURES, 20, 1, DEGREE, NOISE, seed=seed)
    return _instance(knapsackModelRel(np.ones((1, 20)), [5], "glop"), x, c, -1.0, tuning)


def contestants() -> dict[str, Train]:
    """By name; all train one linear layer by Adam on batches of 32."""
    return {
        "differentiable(solve)": lambda *given: ours(None, *given),
        "Surrogate()": lambda *given: ours(Surrogate(), *given),
        "Perturbed(8)": lambda *given: ours(Perturbed(), *given),
        "PyEPO two stages": lambda *given: peer(None, _two_stages, *given),
        "PyEPO SPO+": lambda *given: peer(pyepo.func.SPOPlus, lambda f, p, c, w, z: f(p, c, w, z), *given),
        "PyEPO DBB": lambda *given: peer(
            lambda solver: pyepo.func.blackboxOpt(solver, lambd=10),
            lambda f, p, c, w, z: ((f(p) * c).sum(1, keepdim=True) - z).abs().mean(), *given),
        "PyEPO PG": lambda *given: peer(
            lambda solver: pyepo.func.perturbationGradient(solver, sigma=0.1), lambda f, p, c, w, z: f(p, c), *given,
            labels=False),
        "PyEPO DPO": lambda *given: peer(
            lambda solver: pyepo.func.perturbedOpt(solver, n_samples=10, sigma=0.5),
            lambda f, p, c, w, z: nn.functional.mse_loss(f(p), w), *given),
        "PyEPO PFYL": lambda *given: peer(
            lambda solver: pyepo.func.perturbedFenchelYoung(solver, n_samples=10, sigma=0.5),
            lambda f, p, c, w, z: f(p, w), *given),
    }  # fmt: skip


def ours(method: AbstractEstimator | None, instance: Instance, seed: int, epochs: int, rate: float) -> Outcome:
    """A system of a predictor and the solver, whose end loss is what the plan costs; no plan is solved for as a label.

    Solves of learning are counted; what `fit` asks to measure the system before and after is not, as PyEPO's loop
    measures nothing.
    """
    net = _net(instance, seed)
    record = Recorder(lambda: instance.regret(net))

    @component("costs -> plan")
    def solve(costs: Tensor) -> Tensor:
        if glue.training:
            record.calls += len(costs)
        return instance.solve(costs)

    predictor, glue = component("predictor", net, "features -> costs"), differentiable(solve, method)

    @system
    def deciding(features: Tensor) -> Tensor:
        return glue(predictor(features))

    features, costs = instance.train
    begin = time.perf_counter()
    fit(
        deciding, {"features": features, "plan": costs}, epochs=epochs, batch_size=BATCH, seed=seed,
        pattern=SimultaneousEndLoss(lambda plan, costs: instance.sense * (plan * costs).sum(1).mean()),
        optimizer=lambda weights: torch.optim.Adam(weights, rate), callbacks=[lambda state: record.note()],
    )  # fmt: skip
    return record.outcome(time.perf_counter() - begin)


def peer(
    make: Callable[[Any], Any] | None, loss: Callable[..., Tensor], instance: Instance, seed: int, epochs: int,
    rate: float, labels: bool = True,
) -> Outcome:  # fmt: skip
    """PyEPO's loss in the loop of its examples; the plans that it needs as labels are solved for once, and counted."""
    net = _net(instance, seed)
    record = Recorder(lambda: instance.regret(net))
    features, costs = instance.train
    optimizer, begin = torch.optim.Adam(net.parameters(), rate), time.perf_counter()
    plans = instance.solve(costs) if make is not None and labels else torch.zeros_like(costs)
    record.calls += len(costs) if make is not None and labels else 0
    best = (plans * costs).sum(1, keepdim=True)
    counted = _Counted(instance.solver, record)
    function = None if make is None else make(counted)
    draws = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        counted.on()
        for some in torch.randperm(len(costs), generator=draws).split(BATCH):
            optimizer.zero_grad()
            loss(function, net(features[some]), costs[some], plans[some], best[some]).backward()
            optimizer.step()
        counted.off()
        record.note()
    return record.outcome(time.perf_counter() - begin)


def _Counted(solver: Any, record: Recorder) -> Any:  # noqa: N802  # PyEPO looks at the class of a solver
    original = type(solver).solve

    def solve() -> Any:
        record.calls += 1
        return original(solver)

    solver.on = lambda: setattr(solver, "solve", solve)
    solver.off = lambda: solver.__dict__.pop("solve")
    return solver


def _two_stages(function: None, predicted: Tensor, costs: Tensor, plans: Tensor, best: Tensor) -> Tensor:
    return nn.functional.mse_loss(predicted, costs)


def _net(instance: Instance, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(FEATURES, instance.train[1].shape[1])


def _instance(solver: Any, features: np.ndarray, costs: np.ndarray, sense: float, tuning: bool) -> Instance:
    x, c = torch.from_numpy(features).float(), torch.from_numpy(costs).float()
    held_out = slice(TRAIN, TRAIN + 300) if tuning else slice(TRAIN, None)
    return Instance(solver, (x[:TRAIN], c[:TRAIN]), (x[held_out], c[held_out]), sense)
