"""Claim: the best of 125 combinations at least 25 times faster than by the usual script, with the same numbers.

The usual script: one MLflow run and one run of the whole pipeline for each combination of three models' versions.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import torch
from rich.progress import track
from sqlalchemy import Connection, Engine, event
from torch import Tensor, nn

from benchmarks.measure import Claim, Comparison, report
from drivetrain import component, system
from drivetrain.experiments import Candidates, Experiment, select

OURS, SCRIPT = "select, recorded in the store", "usual script, MLflow"
BY_HAND, BARE = "script with a cache by hand, MLflow", "script without any tracking"
CLAIMS = [Claim(OURS, SCRIPT, 1 / 25)]
SLOTS = ("camera", "lidar", "radar")

Values = dict[tuple[int, ...], float]


class Model(nn.Module):
    """Multiplies, and takes as long over a batch as it is told: a stand-in for a network on a device of its own."""

    def __init__(self, weight: float, seconds: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.seconds = seconds

    def forward(self, value: Tensor) -> Tensor:
        """Of [n, k] the same shape."""
        time.sleep(self.seconds)
        return value * self.weight


def fused(camera: Tensor, lidar: Tensor, radar: Tensor) -> Tensor:
    """The code that joins the three."""
    return camera + lidar * radar


def closeness(prediction: Tensor, truth: Tensor) -> Tensor:
    """Minus the mean distance, one a sample."""
    return -(prediction - truth).abs().mean(1)


@dataclass(frozen=True)
class Task:
    """Versions of three models side by side, and 64 samples: one batch, so that a pass is one call."""

    versions: int
    seconds: float

    def models(self) -> dict[str, list[Model]]:
        """By slot."""
        return {slot: [Model(0.5 + 0.25 * i, self.seconds) for i in range(self.versions)] for slot in SLOTS}

    def data(self) -> dict[str, Tensor]:
        """Inputs and the truth, which the versions 1.0, 1.25 and 0.75 make exactly."""
        generator = torch.Generator().manual_seed(0)
        image, scan, echo = (torch.rand(64, 8, generator=generator) for _ in range(3))
        return {"image": image, "scan": scan, "echo": echo, "scene": fused(image, scan * 1.25, echo * 0.75)}


def ours(task: Task, place: Path) -> Values:
    """One call."""
    models = task.models()
    camera = component("camera", models["camera"][0], "image -> seen")
    lidar = component("lidar", models["lidar"][0], "scan -> hits")
    radar = component("radar", models["radar"][0], "echo -> moves")
    join = component("seen, hits, moves -> scene")(fused)

    @system
    def perception(image: Tensor, scan: Tensor, echo: Tensor) -> Tensor:
        return join(camera(image), lidar(scan), radar(echo))

    experiment = Experiment("speed", place / "drivetrain.db", mlflow=False)
    found = select(Candidates(perception, models), task.data(), closeness, experiment=experiment, show_progress=False)
    (_, edge, data), *_ = experiment.store.evaluations.metrics("perception")
    matrix = experiment.store.evaluations.matrix("perception", "closeness", edge=edge, data=data)
    assert len(matrix.rows) == task.versions**3, "not every combination was recorded"
    experiment.store.close()
    return {tuple(int(label) - 1 for label in one.versions.values()): one.values["scene"] for one in found.tried}


def script(task: Task, place: Path, *, cached: bool = False, tracked: bool = True) -> Values:
    """What is written today: loops over versions, a run for each combination with its models and its metric."""
    import mlflow
    from mlflow.entities import LoggedModelInput

    models, data, found = task.models(), task.data(), {}
    kept: dict[tuple[str, int], Tensor] = {}

    def answer(slot: str, number: int, value: Tensor) -> Tensor:
        if not cached:
            return models[slot][number](value)
        if (slot, number) not in kept:
            kept[slot, number] = models[slot][number](value)
        return kept[slot, number]

    def value_of(combination: tuple[int, ...]) -> float:
        with torch.no_grad():
            inputs = zip(SLOTS, combination, ("image", "scan", "echo"), strict=True)
            scene = fused(*(answer(slot, number, data[name]) for slot, number, name in inputs))
            return float(closeness(scene, data["scene"]).mean())

    mlflow.set_tracking_uri(f"sqlite:///{place}/mlflow.db")
    mlflow.set_experiment("speed")
    known = {
        (slot, number): mlflow.create_external_model(name=f"{slot}-{number}")
        for slot in SLOTS for number in range(task.versions)
        if tracked
    }  # fmt: skip
    client = mlflow.MlflowClient()
    for combination in itertools.product(range(task.versions), repeat=3):
        if not tracked:
            found[combination] = value_of(combination)
            continue
        with mlflow.start_run() as run:
            inputs = [LoggedModelInput(known[one].model_id) for one in zip(SLOTS, combination, strict=True)]
            client.log_inputs(run.info.run_id, models=inputs)
            mlflow.log_params(dict(zip(SLOTS, combination, strict=True)))
            found[combination] = value_of(combination)
            mlflow.log_metric("closeness", found[combination])
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run, compare the numbers, print, write; 0 when the claim holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three versions and passes of 5 ms, which judges nothing")
    parser.add_argument("--rounds", type=int, default=3, help="in each, everybody selects once (3)")
    options = parser.parse_args(arguments)
    task = Task(3, 0.005) if options.quick else Task(5, 0.02)
    event.listen(Engine, "engine_connect", _equally_durable)
    torch.set_num_threads(1)
    contestants: dict[str, Callable[[Path], Values]] = {
        OURS: lambda place: ours(task, place),
        SCRIPT: lambda place: script(task, place),
        BY_HAND: lambda place: script(task, place, cached=True),
        BARE: lambda place: script(task, place, tracked=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    rounds = 1 if options.quick else options.rounds
    order = random.Random(0)
    for _ in track(range(rounds), "rounds", transient=True, disable=not sys.stdout.isatty()):
        values = {}
        for name in order.sample(list(contestants), len(contestants)):
            with tempfile.TemporaryDirectory() as folder:
                _migrated(Path(folder))
                begin = time.perf_counter()
                values[name] = contestants[name](Path(folder))
                seconds[name].append(time.perf_counter() - begin)
        for name, found in values.items():
            assert found.keys() == values[SCRIPT].keys(), name
            assert all(abs(found[one] - values[SCRIPT][one]) < 1e-6 for one in found), f"{name}: other numbers"
    title = f"Selecting among {task.versions}^3 combinations, passes of {1000 * task.seconds:.0f} ms"
    print(f"the same numbers from everybody: {len(values[OURS])} combinations, best {max(values[OURS].values()):.6f}")
    met = report(Comparison(title, seconds), SCRIPT, [] if options.quick else CLAIMS)
    return 0 if met else 1


def _equally_durable(connection: Connection) -> None:
    """Every commit of either database waits for the disk, as MLflow's do; ours would not wait if left alone."""
    connection.connection.dbapi_connection.execute("PRAGMA synchronous = FULL")  # type: ignore[union-attr]


def _migrated(place: Path) -> None:
    """Databases with their tables: making them costs seconds, once in a project's life, and is not what is timed."""
    import mlflow

    from drivetrain.experiments import Store

    with Store(place / "drivetrain.db") as store:
        store.systems.names()
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    mlflow.set_tracking_uri(f"sqlite:///{place}/mlflow.db")
    mlflow.create_experiment("speed", artifact_location=str(place / "artifacts"))


if __name__ == "__main__":
    sys.exit(main())
