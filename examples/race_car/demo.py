"""The demo: the simulated race car, trained by every pattern from the same start and judged on the same scenes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from drivetrain import System, evaluate, fit
from drivetrain.data import Labels, annotated
from drivetrain.evaluation import EvaluationReport, Metric
from drivetrain.training import (
    AlternatingEndLoss,
    Individual,
    PartialEndLoss,
    SimultaneousEndLoss,
    Stages,
    TrainingPattern,
)
from drivetrain.training.fit_report import FitReport

from .losses import box_loss, cone_loss, hit_loss
from .metrics import cone_f1, position_error, precision, recall
from .simulation import corrupt, simulate
from .system import build

Data = dict[str, Any]

METRICS = {
    "f1": Metric(cone_f1, "cones", name="F1"),
    "precision": Metric(precision, "cones"),
    "recall": Metric(recall, "cones"),
    "metres": Metric(position_error, "cones", higher_is_better=False, name="position error, m"),
}
CORRUPTIONS = {"fog": "in fog", "beam_dropout": "beams lost"}
SEVERITY = 3  # of 5
LEARNING_RATE = 3e-3
SEEDS = {"validation": 100_001, "test": 100_002}  # of the scenes; far from those that a user asks for


@dataclass(frozen=True)
class Settings:
    """What the user of the demo chose.

    Attributes:
        seed: of the first weights, the training scenes and the order in which they are read.
        scenes: how many scenes are trained on; half as many validate, as many test.
        epochs: readings of the training scenes, the same number for every pattern.
        out: the folder of the report.
    """

    seed: int = 0
    scenes: int = 400
    epochs: int = 48
    out: Path = Path("report")


@dataclass(frozen=True)
class Scenes:
    """The frames that training reads, those that choose the best weights, and those that are looked at once."""

    train: Any
    validation: Data
    test: Data


@dataclass(frozen=True)
class Outcome:
    """What one pattern made of the race car.

    Attributes:
        name: the pattern as the table calls it.
        system: the trained system.
        report: what ``fit`` told.
        scores: on the test scenes.
        corrupted: F1 on the test scenes with one sensor damaged, by corruption.
        inner: the loss of each model's own edge on the validation scenes, before and after.
    """

    name: str
    system: System
    report: FitReport
    scores: EvaluationReport
    corrupted: dict[str, EvaluationReport]
    inner: dict[str, tuple[float, float]]

    def trace(self, data: Data, frames: list[int]) -> dict[str, Tensor]:
        """Every edge of the trained system on some frames."""
        self.system.eval()
        with torch.no_grad():
            return self.system.trace({edge: data[edge][frames] for edge in self.system.inputs})


def patterns(epochs: int) -> dict[str, tuple[TrainingPattern, int | tuple[int, ...]]]:
    """Every pattern with its epochs; all read the training scenes equally often."""
    individual = Individual({"boxes": box_loss, "hits": hit_loss})
    first = epochs // 2
    return {
        "individual": (individual, epochs),
        "partial end-loss, camera": (PartialEndLoss("camera", cone_loss), epochs),
        "simultaneous end-loss": (SimultaneousEndLoss(cone_loss), epochs),
        "alternating end-loss": (AlternatingEndLoss(cone_loss), epochs),
        "individual, then partial": (
            Stages(individual, PartialEndLoss("camera", cone_loss)), (first, epochs - first),
        ),
        "individual, then simultaneous": (
            Stages(individual, SimultaneousEndLoss(cone_loss)), (first, epochs - first),
        ),
    }  # fmt: skip


def scenes(settings: Settings) -> Scenes:
    """Simulate all frames; what their labels would have cost is told to the ledger."""
    train = simulate(settings.scenes, seed=settings.seed)
    hits = Labels(count=stretches)
    return Scenes(
        annotated(train, hits=hits),
        simulate(max(settings.scenes // 2, 20), seed=SEEDS["validation"]),
        simulate(settings.scenes, seed=SEEDS["test"]),
    )


def stretches(hits: Tensor) -> int:
    """Beam labels as a person would give them: one per stretch of neighbouring beams on a cone."""
    struck = hits > 0.5
    return int(struck[0]) + int((struck[1:] & ~struck[:-1]).sum())


def run(settings: Settings, data: Scenes, say: Callable[[str], None]) -> Iterator[Outcome]:
    """Train by one pattern after the other, each from the same weights, and judge on the test scenes."""
    chosen = patterns(settings.epochs)
    for number, (name, (pattern, epochs)) in enumerate(chosen.items(), 1):
        begin = time.monotonic()
        say(f"[{number}/{len(chosen)}] {name}: {_epochs(epochs)} over {settings.scenes} scenes ...")
        system = build(settings.seed)
        before = own_losses(system, data.validation)
        report = fit(
            system, data.train, pattern, epochs=epochs, optimizer=adam, validation=data.validation,
            metric=METRICS["f1"], seed=settings.seed,
        )  # fmt: skip
        after = own_losses(system, data.validation)
        inner = {edge: (before[edge], after[edge]) for edge in before}
        outcome = judged(name, system, report, data.test, inner)
        f1 = outcome.scores["cones.f1"]
        say(f"      F1 {f1.value:.3f} on test scenes, {time.monotonic() - begin:.0f} s")
        yield outcome


def own_losses(system: System, data: Data) -> dict[str, float]:
    """How far each model alone is from its own truth; the same measure under every pattern."""
    system.eval()
    with torch.no_grad():
        values = system.trace({edge: data[edge] for edge in system.inputs})
        losses: dict[str, Any] = {
            "boxes": box_loss(values["boxes"], data["boxes"]),
            "hits": hit_loss(values["hits"], data["hits"]),
        }
    return {edge: float(sum(loss.values()) if isinstance(loss, dict) else loss) for edge, loss in losses.items()}


def judged(name: str, system: System, report: FitReport, test: Data, inner: dict[str, tuple[float, float]]) -> Outcome:
    """Measure a trained system on the test scenes, clean and with one sensor damaged; tracks are the units."""
    scores = evaluate(system, test, {"cones": METRICS}, unit="layout")
    corrupted = {
        corruption: evaluate(system, corrupt(test, corruption, SEVERITY), METRICS["f1"], unit="layout")
        for corruption in CORRUPTIONS
    }
    return Outcome(name, system, report, scores, corrupted, inner)


def adam(weights: Any) -> torch.optim.Optimizer:
    """The optimizer of every model under every pattern."""
    return torch.optim.Adam(weights, lr=LEARNING_RATE)


def main(settings: Settings) -> Path:
    """Run the demo, print its table, write its page and answer where the page is."""
    from .demo_report import cost_table, page, quality_table, verdicts

    torch.set_num_threads(1)  # models this small are slower on two
    console, begin = Console(highlight=False), time.monotonic()
    if not console.is_terminal:
        console.width = 120  # a file has no width; tables want some
    console.print("The race car, trained by every pattern from the same start; two to three minutes on two idle cores.")
    console.print(f"Simulating {settings.scenes} scenes to train on, as many to test on, half as many to validate ...")
    data = scenes(settings)
    console.print(build(settings.seed).text(), "\n", markup=False)
    outcomes = list(run(settings, data, lambda words: console.print(words, markup=False)))
    console.print()
    for part in (quality_table(outcomes), cost_table(outcomes)):
        console.print(part, "\n")
    for words in verdicts(outcomes):
        console.print(f"- {words}", markup=False)
    path = page(settings, data.test, outcomes).write(settings.out / "index.html")
    console.print(f"\n{time.monotonic() - begin:.0f} s in all; the report is {path}", markup=False)
    return path


def _epochs(epochs: int | tuple[int, ...]) -> str:
    return " + ".join(map(str, epochs)) + " epochs" if isinstance(epochs, tuple) else f"{epochs} epochs"
