"""Stores to show: a small system with holes and a forbidden corner, one of 28 models, one that was trained."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from torch.nn import functional as F

from drivetrain import fit
from drivetrain.experiments import Experiment, Store
from drivetrain.experiments.versions.version import Evaluation
from drivetrain.training import AlternatingEndLoss, SimultaneousEndLoss
from tests.training.systems import error_per_sample, join

DATA, GLUE = "d" * 32, "g" * 32


def car(store: Store) -> None:
    """Three slots; f1 grows with the versions, but the newest eye with the newest beam is worse."""
    store.systems.declare("car", {"eye": "image -> boxes", "beam": "scan -> hits", "fuser": "boxes, hits -> cones"})
    versions = {
        slot: [store.components.add(slot, f"{slot} {number}".encode()).digest for number in range(count)]
        for slot, count in (("eye", 4), ("beam", 3), ("fuser", 2))
    }
    rows = []
    for c, eye in enumerate(versions["eye"]):
        for d, beam in enumerate(versions["beam"]):
            for e, fuser in enumerate(versions["fuser"]):
                if (c, d) == (0, 2) or (c, d) == (3, 0):
                    continue
                f1 = 0.5 + 0.06 * c + 0.05 * d + 0.01 * e - 0.2 * (c == 3 and d == 2)
                found = Evaluation("f1", f1, "cones", f1 - 0.03, f1 + 0.03, 40, DATA)
                rows.append(({"eye": eye, "beam": beam, "fuser": fuser}, [found]))
    store.evaluations.record_all("car", rows, glue=GLUE)
    store.evaluations.avoid("car", {"eye": versions["eye"][3], "beam": versions["beam"][0]}, "another frame")


def apollo(store: Store) -> None:
    """28 slots of 10 versions, 2,000 combinations of them measured."""
    draw = random.Random(0)
    slots = [f"model{number}" for number in range(28)]
    signatures = {slot: f"e{number} -> e{number + 1}" for number, slot in enumerate(slots)}
    store.systems.declare("apollo", signatures)
    versions = {slot: [store.components.add(slot, f"{slot} {k}".encode()).digest for k in range(10)] for slot in slots}
    rows = [
        (
            {slot: draw.choice(versions[slot]) for slot in slots},
            [Evaluation("success", draw.random(), "e28", data=DATA)],
        )
        for _ in range(2000)
    ]
    store.evaluations.record_all("apollo", rows, glue=GLUE)


def trained(place: Path) -> Store:
    """Two seeds of two patterns, and one run that failed."""
    experiment = Experiment("race-car", place, mlflow=False)
    torch.manual_seed(0)
    example = join()
    for seed in (0, 1):
        for pattern in (SimultaneousEndLoss(F.mse_loss), AlternatingEndLoss(F.mse_loss)):
            with experiment.run(example.system) as run:
                fit(
                    example.system, example.data, pattern, epochs=3, batch_size=8, seed=seed, callbacks=[run],
                    validation=example.data, metric={"cones": error_per_sample},
                )  # fmt: skip
    try:
        with experiment.run(example.system) as run:
            fit(
                example.system, example.data, SimultaneousEndLoss(lambda p, t: (p - t).mean() * float("nan")), epochs=1,
                callbacks=[run],
            )  # fmt: skip
    except ArithmeticError:
        pass
    return experiment.store
