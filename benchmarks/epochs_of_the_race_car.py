"""Claim: an epoch of `fit` costs what the best hand-written loop doing the same costs, for every training pattern."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Mapping

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks import loops_of_the_race_car as loops
from benchmarks.measure import Claim, Comparison, report
from benchmarks.relay import EpochDone, Loop, epochs_in_turns
from drivetrain import fit
from drivetrain.training import AlternatingEndLoss, PartialEndLoss, SimultaneousEndLoss
from drivetrain.training.base import TrainingPattern
from examples.race_car.losses import cone_loss
from examples.race_car.simulation import simulate
from examples.race_car.system import build

KEPT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
"""Memory once got from the system is kept, and is the same for every contestant.

Each contestant trains in a thread, for which glibc keeps memory of its own and gives much of it back after each batch:
whom that hits is chance, and moved ratios of one and the same code between 0.80 and 1.46 from run to run.
"""

OURS, BY_HAND, LIGHTNING = "drivetrain", "by hand", "lightning, manual"
NAIVE = "without thinking"


def main(arguments: list[str] | None = None) -> int:
    """Measure the three patterns, print, write; 0 when every claim holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the frames and of the rounds")
    quick = parser.parse_args(arguments).quick
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    data = simulate(320 if quick else 1280, seed=0)
    rounds = 6 if quick else 48
    held = [
        compare("Simultaneous end-loss, an epoch of the race car", data, SimultaneousEndLoss(cone_loss), rounds,
                {BY_HAND: loops.simultaneous, LIGHTNING: loops.lightning_manual_optimisation},
                [Claim(OURS, BY_HAND, 1.03), Claim(OURS, LIGHTNING, 1.0)]),
        compare("Alternating end-loss, an epoch of the race car", data, AlternatingEndLoss(cone_loss), rounds,
                {BY_HAND: loops.alternating}, [Claim(OURS, BY_HAND, 1.07)]),
        compare("Partial end-loss, an epoch of the race car", data, PartialEndLoss("lidar", cone_loss), rounds,
                {BY_HAND: loops.partial_over_cached_boxes, NAIVE: loops.partial_without_thinking},
                [Claim(OURS, BY_HAND, 1.5), Claim(OURS, NAIVE, 1.0)]),
    ]  # fmt: skip
    return 0 if all(held) else 1


def compare(
    title: str,
    data: loops.Data,
    pattern: TrainingPattern,
    rounds: int,
    peers: Mapping[str, Callable[[loops.Data], Loop]],
    claims: list[Claim],
) -> bool:
    """Epochs of one pattern by `fit` and by its peers, in turns; were the claims met?"""
    contestants = {OURS: by_fit(data, pattern)}
    not_measured = {}
    for name, make in peers.items():
        try:
            contestants[name] = make(data)
        except ImportError as error:
            not_measured[name] = f"not installed ({error.name}): make bench"
    seconds = epochs_in_turns(contestants, rounds)
    return report(Comparison(title, seconds, not_measured), BY_HAND, claims, unit=1e-3, name="ms")


def by_fit(data: loops.Data, pattern: TrainingPattern) -> Loop:
    """One call of `fit`, which tells after each epoch."""
    fields = {name: data[name] for name in ("image", "scan", "cones")}

    def loop(epochs: int, epoch_done: EpochDone) -> None:
        fit(
            build(seed=loops.SEED), fields, pattern, epochs=epochs, batch_size=loops.BATCH, seed=loops.SEED,
            device="cpu",
            optimizer=lambda weights: torch.optim.Adam(weights, lr=loops.LEARNING_RATE),
            callbacks=[lambda state: epoch_done(state.history[-1]["loss"])],
        )  # fmt: skip

    return loop


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in KEPT.items()):  # read when a process starts
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **KEPT})
    sys.exit(main())
