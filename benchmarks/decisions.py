"""Claim: decisions made on predicted costs are learned with no more regret and no more solves than PyEPO's methods."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product

import torch
from rich.progress import track

from benchmarks.curves import NoLater, calls_to, no_later
from benchmarks.kept import Kept
from benchmarks.paired import Outcome, report

OURS = "differentiable(solve)"
PEERS = ("PyEPO DBB", "PyEPO PG", "PyEPO DPO", "PyEPO PFYL")
CLAIMS = [NoLater(OURS, peer, 0.01) for peer in PEERS]
AND_BESIDE = [NoLater(OURS, peer, 0.01) for peer in ("PyEPO SPO+", "PyEPO two stages")]
RATES = (0.01, 0.03, 0.1)
TARGETS = (0.2, 0.15, 0.12, 0.1)
TUNING = (1000, 1001)


def main(arguments: list[str] | None = None) -> int:
    """Tune every contestant alike on other seeds, train, print, write; 0 when the claims hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds, two epochs, the rates untuned")
    parser.add_argument("--seeds", type=int, default=10, help="paired seeds (10)")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training samples (10)")
    parser.add_argument("--resume", action="store_true", help="go on with the trainings that a stopped run has kept")
    parser.add_argument("--only", help="contestants whose name holds this")
    options = parser.parse_args(arguments)
    seeds, epochs = (2, 2) if options.quick else (options.seeds, options.epochs)
    torch.set_num_threads(1)
    try:
        from benchmarks.deciding import contestants, problems
    except ImportError as error:
        print(f"not measured: {error.name} is not installed (make bench)")
        return 0
    met, kept = True, Kept("decisions", resume=options.resume)
    wanted = {name: train for name, train in contestants().items() if options.only is None or options.only in name}
    for title, problem in problems().items():
        rates = dict.fromkeys(wanted, RATES[1]) if options.quick else tuned(wanted, problem, title, epochs, kept)
        outcomes: dict[str, list[Outcome]] = {name: [] for name in wanted}
        for seed in track(range(seeds), title, disable=not sys.stdout.isatty()):
            instance = problem(seed)
            for name, train in wanted.items():
                key = (title, name, seed, epochs, rates[name])
                outcomes[name].append(kept.get(key, partial(train, instance, seed, epochs, rates[name])))
        print("learning rates, the best of three for each on other seeds:", rates)
        against = OURS if OURS in wanted else next(iter(wanted))
        report(title, "normalised regret", outcomes, [], against, {}, up=False)
        calls_to(TARGETS, "normalised regret", outcomes, up=False)
        met &= no_later([claim for claim in CLAIMS if {claim.ours, claim.peer} <= set(wanted)], outcomes, up=False)
        if beside := [claim for claim in AND_BESIDE if {claim.ours, claim.peer} <= set(wanted)]:
            print("not claimed, for what it is worth:")
            no_later(beside, outcomes, up=False)
    return 0 if met else 1


def tuned(wanted: Mapping[str, Callable], problem: Callable, title: str, epochs: int, kept: Kept) -> dict[str, float]:
    """For each contestant the rate with the least regret on validation samples; all try the same, on the same seeds."""
    best = {}
    for name, train in track(wanted.items(), "tuning", disable=not sys.stdout.isatty()):
        regrets = dict.fromkeys(RATES, 0.0)
        for rate, seed in product(RATES, TUNING):
            key = (title, "tuning", name, seed, epochs, rate)
            regrets[rate] += kept.get(key, partial(train, problem(seed, True), seed, epochs, rate)).quality
        best[name] = min(regrets, key=regrets.__getitem__)
    return best


if __name__ == "__main__":
    sys.exit(main())
