"""YOLOv5n beside the compact camera in the simulated race car: the same scenes, the same epochs, the same patterns."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from torch import nn

from drivetrain import System, evaluate, fit
from drivetrain.evaluation import Estimate, estimate, paired_difference
from drivetrain.report import Report
from drivetrain.training import AlternatingEndLoss, Individual, SimultaneousEndLoss, TrainingPattern
from examples.race_car.comparison.store import Row, Store
from examples.race_car.demo import METRICS, SEEDS
from examples.race_car.losses import box_loss, cone_loss, hit_loss
from examples.race_car.simulation import simulate
from examples.race_car.system import build

from .camera import YoloCamera

CAMERAS: dict[str, Callable[[int], nn.Module | None]] = {
    "CameraNet": lambda _: None,  # what `build` takes by itself
    "YOLOv5n": lambda seed: YoloCamera(seed=seed),
}
PATTERNS: dict[str, TrainingPattern] = {
    "individual": Individual({"boxes": box_loss, "hits": hit_loss}),
    "simultaneous end-loss": SimultaneousEndLoss(cone_loss),
    "alternating end-loss": AlternatingEndLoss(cone_loss),
}


@dataclass(frozen=True)
class Sizes:
    """How much is computed; both cameras get the same.

    Attributes:
        scenes: trained on; half as many choose the best weights.
        test: scenes that are judged, the same for every seed.
        first: epochs of individual training, from which every pattern goes on.
        then: epochs of each pattern after that.
        rate: of Adam, in both parts.
    """

    scenes: int = 120
    test: int = 200
    first: int = 14
    then: int = 6
    batch: int = 8
    rate: float = 2e-3


@dataclass(frozen=True, repr=False)
class CameraReport(Report):
    """System F1 by camera and pattern, over seeds."""

    sizes: Sizes
    f1: dict[str, dict[str, list[float]]]  # by camera and pattern, in the order of `seeds`
    seeds: list[int]
    weights: dict[str, int]  # by camera
    seconds: dict[str, float]  # of training a seed, all patterns, by camera

    def estimated(self, camera: str, pattern: str) -> Estimate:
        """Mean F1 and its interval over seeds."""
        return estimate(self.f1[camera][pattern])

    def __rich__(self) -> RenderableType:
        first, second = CAMERAS
        title = f"F1 of the system on {self.sizes.test} test scenes, mean [95 % over {len(self.seeds)} seeds]"
        table = Table("after individual training", first, second, f"{second} minus {first}", title=title)
        for pattern in PATTERNS:
            difference = paired_difference(self.f1[second][pattern], self.f1[first][pattern])
            told = "better" if difference.better() else "loses" if difference.worse() else "undecided"
            cells = (self.estimated(camera, pattern).text() for camera in CAMERAS)
            table.add_row(pattern, *cells, f"{difference.text(signed=True)} {told}")
        table.add_row("weights", *(f"{self.weights[camera]:,}" for camera in CAMERAS), "")
        table.add_row("training a seed, s", *(f"{self.seconds[camera]:.0f}" for camera in CAMERAS), "")
        sizes = self.sizes
        words = (
            f"{sizes.scenes} training scenes; {sizes.first} epochs of individual training, then {sizes.then} of each "
            "pattern from there, so that 'individual' is the others' control. Seeds change weights, training scenes "
            "and order; the test scenes are the same."
        )
        return Group(table, words)


def compare(seeds: list[int], sizes: Sizes = Sizes(), *, out: Path, say: Callable[[str], None]) -> CameraReport:
    """Train and judge both cameras with every seed; what stands in `out`/simulated.jsonl is not computed again."""
    store = Store(out / "simulated.jsonl")
    asked = asdict(sizes)
    for seed in seeds:
        for camera in CAMERAS:
            done = {row["pattern"] for row in store.rows(asked) if (row["seed"], row["camera"]) == (seed, camera)}
            if done >= set(PATTERNS):
                continue
            for row in _trials(camera, seed, sizes):
                say(f"seed {seed}, {camera}, {row['pattern']}: F1 {row['f1']:.3f}, {row['seconds']:.0f} s of training")
                if row["pattern"] not in done:
                    store.append({**row, "sizes": asked})
    rows = store.rows(asked)
    return CameraReport(
        sizes=sizes,
        f1={
            camera: {pattern: [_one(rows, seed, camera, pattern)["f1"] for seed in seeds] for pattern in PATTERNS}
            for camera in CAMERAS
        },
        seeds=seeds,
        weights={camera: _one(rows, seeds[0], camera, "individual")["weights"] for camera in CAMERAS},
        seconds={
            camera: sum(_one(rows, seed, camera, pattern)["seconds"] for seed in seeds for pattern in PATTERNS)
            / len(seeds)
            for camera in CAMERAS
        },
    )


def _one(rows: list[Row], seed: int, camera: str, pattern: str) -> Row:
    wanted = {"seed": seed, "camera": camera, "pattern": pattern}
    return next(row for row in rows if wanted.items() <= row.items())


def _trials(camera: str, seed: int, sizes: Sizes) -> Iterator[Row]:
    """Individual training once, and from there every pattern on a copy."""
    train = simulate(sizes.scenes, seed=seed)
    validation = simulate(sizes.scenes // 2, seed=SEEDS["validation"])
    test = simulate(sizes.test, seed=SEEDS["test"])
    learn = partial(
        fit,
        data=train,
        batch_size=sizes.batch,
        optimizer=partial(torch.optim.Adam, lr=sizes.rate),
        validation=validation,
        metric=METRICS["f1"],
        seed=seed,
        device="cpu",
    )
    started = time.perf_counter()
    first: System = build(seed, camera=CAMERAS[camera](seed))
    learn(first, pattern=PATTERNS["individual"], epochs=sizes.first)
    weights = sum(weight.numel() for weight in first.component("camera").parameters())
    for name, pattern in PATTERNS.items():
        system = copy.deepcopy(first)
        learn(system, pattern=pattern, epochs=sizes.then)
        seconds = time.perf_counter() - started
        f1 = evaluate(system, test, {"cones": METRICS["f1"]}, unit="layout")["cones"].value
        yield {"seed": seed, "camera": camera, "pattern": name, "f1": f1, "weights": weights, "seconds": seconds}
        started = time.perf_counter()
