"""Claim: recording a fit of ten seconds costs at most 1 % of it, showing it in MLflow besides included.

What MLflow's client spends on being told is a row of its own: less than that nobody can show a run in MLflow for.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.measure import Claim, Comparison, report
from drivetrain import fit
from drivetrain.experiments import Experiment
from drivetrain.experiments.tracking.mirror import mirror
from drivetrain.training import SimultaneousEndLoss
from examples.race_car.losses import cone_loss
from examples.race_car.metrics import cone_f1
from examples.race_car.simulation import simulate
from examples.race_car.system import build

PLAIN, RECORDED, MIRRORED = "fit", "fit, recorded", "fit, recorded and shown in MLflow"
CLIENT = "fit, and MLflow's client alone"
CALLS = (
    "get_experiment_by_name", "create_run", "log_batch", "create_logged_model", "finalize_logged_model", "log_outputs",
    "log_inputs", "set_terminated",
)  # fmt: skip
CLAIMS = [Claim(RECORDED, PLAIN, 1.01), Claim(MIRRORED, PLAIN, 1.01)]


class Timed:
    """A callback around another one that adds up the CPU seconds spent in it."""

    def __init__(self, recorder: Any) -> None:
        self.recorder, self.seconds = recorder, 0.0

    def __call__(self, state: Any) -> None:
        self._spend(self.recorder, state)

    def __getattr__(self, name: str) -> Callable[[Any], None]:
        if name not in ("begin", "step", "end", "fail"):
            raise AttributeError(name)
        told = getattr(self.recorder, name)
        return lambda what: self._spend(told, what)

    def _spend(self, told: Callable[[Any], None], what: Any) -> None:
        begin = cpu_seconds()
        told(what)
        self.seconds += cpu_seconds() - begin


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 when both claims hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="six epochs, of which what is fixed takes a larger part")
    quick = parser.parse_args(arguments).quick
    torch.set_num_threads(1)
    epochs, rounds = (6, 2) if quick else (48, 3)
    seconds: dict[str, list[float]] = {PLAIN: [], RECORDED: [], CLIENT: [], MIRRORED: []}
    with tempfile.TemporaryDirectory() as folder:
        *_, first, _ = fitted(1, Path(folder) / "drivetrain.db", first=True)
        print(f"shown in MLflow for the first time (import, and its tables in a new database): {first:.2f} s, once")
        for _ in range(rounds):
            plain, recording, showing, client = fitted(epochs, Path(folder) / "drivetrain.db")
            spent = {PLAIN: 0.0, RECORDED: recording, CLIENT: client, MIRRORED: recording + showing}
            for name, more in spent.items():
                seconds[name].append(plain + more)
    comparison = Comparison(f"What tracking costs {epochs} epochs of the race car, CPU seconds", seconds)
    return 0 if report(comparison, PLAIN, CLAIMS) else 1


def fitted(epochs: int, store: Path, *, first: bool = False) -> tuple[float, float, float, float]:
    """CPU seconds of a fit as the demo makes it, of recording it, of showing it in MLflow, and of its client in that.

    What a callback takes is measured inside of one fit: the difference of two fits would be as noisy as a fit.
    """
    car, fields = build(seed=0), ("image", "scan", "cones")
    data, validation = (
        {name: value for name, value in simulate(scenes, seed=scenes).items() if name in fields}
        for scenes in (400, 200)
    )
    experiment = Experiment("race-car", store, mlflow=False)
    with experiment.run(car) as run:
        timed, begin = Timed(run), cpu_seconds()
        fit(
            car, data, SimultaneousEndLoss(cone_loss), epochs=epochs, seed=0, validation=validation,
            metric={"cones": cone_f1}, callbacks=[timed],
        )  # fmt: skip
        whole = cpu_seconds() - begin
    with ExitStack() as stack:
        told = [0.0] if first else stack.enter_context(in_the_client())  # the first time, importing it is measured too
        begin = cpu_seconds()
        mirror(experiment.store, run.key or "", True)
        shown = cpu_seconds() - begin
    return whole - timed.seconds, timed.seconds, shown, sum(told)


@contextmanager
def in_the_client() -> Iterator[list[float]]:
    """The CPU seconds of every call of MLflow's client meanwhile."""
    from mlflow.tracking import MlflowClient

    spent: list[float] = []

    def timed(told: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **named: Any) -> Any:
            begin = cpu_seconds()
            try:
                return told(*values, **named)
            finally:
                spent.append(cpu_seconds() - begin)

        return call

    with ExitStack() as stack:
        for name in CALLS:
            stack.enter_context(mock.patch.object(MlflowClient, name, timed(getattr(MlflowClient, name))))
        yield spent


def cpu_seconds() -> float:
    """Of this process and of those that it started, such as git; what other programs do does not count."""
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system


if __name__ == "__main__":
    sys.exit(main())
