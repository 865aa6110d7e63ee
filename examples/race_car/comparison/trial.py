"""One trial: one arm, one seed, one share of the data; trained, its thresholds tuned, tested once; answers a row."""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import torch

from drivetrain import System, evaluate, fit
from drivetrain.data import Labels, annotated
from drivetrain.data.labels import Annotated
from drivetrain.evaluation import Metric
from drivetrain.training import State
from drivetrain.training.fit_report import FitReport
from examples.race_car.demo import stretches
from examples.race_car.metrics import cone_f1, position_error, precision, recall
from examples.race_car.simulation import corrupt, simulate
from examples.race_car.system import build, hard_fusion
from examples.race_car.truth import count_labels

from .arms import ARMS, Arm
from .own_metrics import beam_f1, box_f1
from .projection import projected
from .thresholds import tune

Row = dict[str, Any]

F1 = Metric(cone_f1, "cones", name="F1")
ON_CONES = {"f1": F1, "precision": Metric(precision), "recall": Metric(recall), "metres": Metric(position_error)}
ON_MODELS = {"boxes": Metric(box_f1, "boxes"), "hits": Metric(beam_f1, "hits")}
CORRUPTIONS = {"fog": "image", "beam_dropout": "scan"}
SEVERITY = 3  # of 5
EVERY = 2  # epochs from one point of a curve to the next
VALIDATION_SEEDS, TEST_SEEDS = 100_000, 200_000  # scenes never meet those of training


@dataclass(frozen=True)
class Sizes:
    """How large every trial is.

    Attributes:
        scenes: training scenes at a share of 1.
        validation: scenes that choose weights, thresholds and learning rates, whatever the share.
        test: scenes that are looked at once.
        epochs: readings of as many frames as `scenes`, whatever the share, so that updates are equal too.
        batch_size: frames per batch.
    """

    scenes: int = 200
    validation: int = 60
    test: int = 200
    epochs: int = 32
    batch_size: int = 16


class Job(NamedTuple):
    """Which trial: the seed of weights, scenes and reading order, the arm, the share of the scenes, Adam's rate."""

    seed: int
    arm: str
    share: float
    rate: float


def run(job: Job, sizes: Sizes, *, test: bool = True) -> Row:
    """Train the arm on a share of the scenes of a seed; everything that the tables need, as plain values.

    A trial that only tunes the learning rate (`test` is false) does not see the test scenes.
    """
    torch.set_num_threads(1)
    begin, arm = time.perf_counter(), ARMS[job.arm]
    pool, validation, unseen = scenes(job.seed, sizes)
    system, curve = build(job.seed), Curve(validation)
    part = training_data(pool, arm, job.share)
    report = fit(
        system, repeated(part, len(pool["scan"])), arm.pattern, epochs=arm.epochs(sizes.epochs),
        batch_size=sizes.batch_size, optimizer=lambda weights: torch.optim.Adam(weights, lr=job.rate),
        validation=validation, metric={**ON_MODELS, "cones": F1} if arm.selected_by == "own" else F1, seed=job.seed,
        cache=job.share == 1, callbacks=[curve],
    )  # fmt: skip
    thresholds, tuned = tune(system, validation)
    row = {
        **job._asdict(), "sizes": asdict(sizes), "thresholds": thresholds, "validation": tuned,
        **_own_edges(system, validation), **_cost(report, curve), "labels": _labels(report, arm, part, validation),
        "curve": curve.points, "verdict": report.verdict,
    }  # fmt: skip
    if test:
        row |= tested(system.replace(fusion=hard_fusion(**thresholds)), unseen)
    return row | {"trial seconds": time.perf_counter() - begin}


class Curve:
    """A callback that notes after every second epoch what was paid so far and what it brought; not its own time.

    F1 on validation is that of the best thresholds, found anew at every point, as they are when training is over.
    """

    def __init__(self, validation: Row) -> None:
        self.validation = validation
        self.points: list[Row] = []
        self._clock, self._paused = time.process_time, 0.0
        self._begin = self._clock()

    @property
    def seconds(self) -> float:
        """Processor time since the beginning, one thread."""
        return self._clock() - self._begin - self._paused

    def __call__(self, state: State) -> None:
        if len(state.history) % EVERY:
            return
        seconds, begin = self.seconds, self._clock()
        _, f1 = tune(state.system, self.validation)
        self.points.append(
            {"iterations": state.iteration, "seconds": seconds, "f1": f1, "updates": dict(state.updates)}
        )
        self._paused += self._clock() - begin


@lru_cache(maxsize=2)
def scenes(seed: int, sizes: Sizes) -> tuple[Row, Row, Row]:
    """The scenes of a seed: to train on, to choose by, and to test on; the same for every arm."""
    return (
        simulate(sizes.scenes, seed=seed),
        simulate(sizes.validation, seed=VALIDATION_SEEDS + seed),
        simulate(sizes.test, seed=TEST_SEEDS + seed),
    )


def training_data(pool: Row, arm: Arm, share: float) -> Annotated:
    """The first tracks of the pool, with the labels that the arm reads and what they cost."""
    frames = len(pool["scan"])
    part = {name: value[: max(1, ceil(share * frames))] for name, value in pool.items()}
    if arm.labels == "annotated":
        return annotated(part, hits=Labels(count=stretches))
    free = {"origin": "derived", "derived_from": "cones"}
    return annotated(
        projected(part),
        boxes=Labels(count=lambda boxes: 3 * len(boxes), **free),  # what the cone behind each box has cost
        hits=Labels(count=lambda hits: 3 * stretches(hits), **free),
    )


def repeated(part: Annotated, frames: int) -> Annotated:
    """The part again and again until an epoch has so many frames, so that every share is trained by as many updates."""
    count = len(part.data["scan"])
    if count == frames:
        return part
    order = (torch.arange(frames) % count).tolist()
    # Without their key: a frame that is read again is a sample of its own to `fit`.
    again = {
        name: [value[i] for i in order] if isinstance(value, list) else value[order]
        for name, value in part.data.items()
        if name != "key"
    }
    return Annotated(again, part.labels)


def paid(part: Annotated, edges: Iterable[str]) -> int:
    """What these truths of the part cost, each frame's once; derived labels cost what they are derived from."""
    seen, values = set[tuple[str, int]](), 0
    for edge in edges:
        label = part.labels.get(edge, Labels())
        source = label.derived_from or edge
        for frame, truth in enumerate(part.data[edge]):
            values += 0 if (source, frame) in seen else label.count(truth)
            seen.add((source, frame))
    return values


def tested(system: System, test: Row) -> dict[str, float]:
    """The one look at the test scenes: clean, and with either sensor damaged."""
    clean = evaluate(system, test, {"cones": ON_CONES}, show_progress=False)
    scores = {name: clean[f"cones.{name}"].value for name in ON_CONES}
    for corruption in CORRUPTIONS:
        damaged = evaluate(system, corrupt(test, corruption, SEVERITY), F1, show_progress=False)
        scores[f"f1 {corruption}"] = damaged["cones"].value
    return scores


def _own_edges(system: System, validation: Row) -> dict[str, float]:
    found = evaluate(system, validation, ON_MODELS, show_progress=False)
    return {f"own {edge}": found[edge].value for edge in ON_MODELS}


def _cost(report: FitReport, curve: Curve) -> Row:
    return {
        "iterations": report.iterations, "updates": dict(report.updates), "seconds": curve.seconds,
        "passes": {model: list(count) for model, count in report.passes.items()},
    }  # fmt: skip


def _labels(report: FitReport, arm: Arm, part: Annotated, validation: Row) -> dict[str, int]:
    """Annotation values: read in training, and on validation to choose weights and thresholds."""
    cost = count_labels(validation)
    chosen = cost["cones"] + (cost["boxes"] + cost["hits"] if arm.selected_by == "own" else 0)
    read = dict.fromkeys(edge for edge, _, use in report.labels.entries if use == "training")
    return {"training": paid(part, read), "validation": chosen}
