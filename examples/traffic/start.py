"""What every arm of the comparison goes on from: the fork, each of its models trained on its own truth.

Training the detector from nothing costs many times what an arm does, so it is done once and kept in a file.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from drivetrain import System, fit
from drivetrain.training import Individual

from .losses import classes_loss, map_loss, states_loss
from .picture import Picture
from .pictures import collection
from .samples import alone
from .system import untrained

EPOCHS = 12
RATE = 4e-3
KEPT = "DRIVETRAIN_TRAFFIC_STARTS"  # the variable that names the folder of starts


def individually(recall: float = 1.0) -> Individual:
    """Each model on its own data; to the detector a missed object costs so many times an invented one."""
    return Individual({"map": partial(map_loss, recall=recall), "states": states_loss, "classes": classes_loss})


def build(seed: int = 0) -> System:
    """What the arms of a seed go on from: a start of its own."""
    return start(seed)


def start(seed: int = 0, epochs: int = EPOCHS) -> System:
    """The individually trained fork; trained at the first call, then read from ``report/traffic/starts``."""
    system, pictures = untrained(seed), collection().train
    folder = Path(os.environ.get(KEPT, "report/traffic/starts"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_digest(pictures)}-{epochs}-{seed}.pt"
    with (folder / f"{path.stem}.lock").open("w") as lock:  # two trials of a seed may ask at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            train(system, pictures, seed, epochs)
            torch.save(system.state_dict(), path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
    system.load_state_dict(torch.load(path, weights_only=True))
    return system


def train(system: System, pictures: Sequence[Picture], seed: int, epochs: int) -> None:
    """Individual training from nothing, the rate rising for three epochs and then falling to zero."""

    def rate(epoch: int) -> float:
        return min((epoch + 1) / 3, 1) * (1 + math.cos(math.pi * epoch / epochs)) / 2

    fit(
        system, alone(pictures, seed), individually(), epochs=epochs, batch_size=16, seed=seed, device="cpu", clip=10.0,
        optimizer={
            "detector": lambda weights: torch.optim.AdamW(weights, RATE),
            "plate": lambda weights: torch.optim.Adam(weights, 2e-3),
        },
        schedule=lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, rate),
    )  # fmt: skip


def _digest(pictures: Sequence[Picture]) -> str:
    found = hashlib.sha256()
    for picture in pictures:
        found.update(picture.name.encode() + picture.pixels[:, ::32, ::32].tobytes())
        for family, boxes in picture.boxes.items():
            found.update(family.encode() + boxes.tobytes())
    return found.hexdigest()[:12]
