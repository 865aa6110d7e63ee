"""Claim: with 2 evaluations a version, the search comes within 1 % of the range of the best, and before its peers.

On every family of systems of ``benchmarks/interactions``, with the seeds that were kept back while the search was made.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.interactions.classes import CLASSES
from benchmarks.interactions.families import FAMILIES, NO_STRUCTURE, landscape
from benchmarks.interactions.searching import outcome
from benchmarks.measure import RESULTS
from benchmarks.paired import interval
from drivetrain.experiments.selecting.search import Coordinate, Interactions, Optuna, Random

OURS, TPE, GP = "Interactions", "Optuna TPE", "Optuna GPSampler"
CONTESTANTS = (OURS, TPE, "Coordinate", "Random", GP)
LIMIT = 0.01
LARGE = ("long chain", "large tree")
GP_SEEDS = 1  # systems of each family that it searches: it takes hundreds of times as long as the others


def main(arguments: list[str] | None = None) -> int:
    """Search, print, write; 0 when the claims hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three families and one seed, which judge nothing")
    parser.add_argument("--seeds", type=int, default=4, help="systems of each family (4)")
    parser.add_argument("--tuning", action="store_true", help="the even seeds, on which the search was made")
    parser.add_argument("--rows", type=Path, help="finished searches, read and appended to")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no search later than this (60)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    families = ["weak pairs in a chain", "all pairs", NO_STRUCTURE] if options.quick else list(FAMILIES)
    seeds = [2 * one + (not options.tuning) for one in range(1 if options.quick else options.seeds)]
    path = options.rows or RESULTS / ("search_tuning.jsonl" if options.tuning else "search.jsonl")
    rows = measured(families, seeds, path, time.monotonic() + 60 * options.minutes, quick=options.quick)
    return 0 if report(rows, families, seeds, judged=not options.quick) else 1


def strategy(name: str, seed: int) -> Any:
    """A contestant by name."""
    if name == GP:
        import optuna

        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return Optuna(optuna.samplers.GPSampler(seed=seed, deterministic_objective=True))
    return {OURS: Interactions(), TPE: Optuna(), "Coordinate": Coordinate(), "Random": Random()}[name]


def measured(
    families: Sequence[str], seeds: Sequence[int], path: Path, deadline: float, *, quick: bool = False
) -> list[dict[str, Any]]:
    """The searches that are not in the file yet, each appended as it ends; answers all that were asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(row["contestant"], row["family"], row["seed"]): row for row in known}
    work = [
        (name, family, seed)
        for name in (CONTESTANTS[:-1] if quick else CONTESTANTS)
        for place, seed in enumerate(seeds) for family in families
        if not (name == GP and (place >= GP_SEEDS or family in LARGE))
        and not (family == "large tree" and place >= 2)
    ]  # fmt: skip
    for key in track(work, "searches", transient=True, disable=not sys.stdout.isatty()):
        if key in done or time.monotonic() > deadline:
            continue
        name, family, seed = key
        system, begin = landscape(family, seed), time.process_time()
        found = outcome(system, strategy(name, seed), min(2 * sum(system.sizes), system_count(system)), seed)
        row = {
            "contestant": name, "family": family, "seed": seed, "regret": found.regret,
            "evaluations": found.evaluations, "seconds": time.process_time() - begin,
        }  # fmt: skip
        done[key] = row
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
    return [done[key] for key in work if key in done]


def system_count(system: Any) -> int:
    """How many combinations there are."""
    return int(min(1e9, np.prod([float(size) for size in system.sizes])))


def by_class(by_key: dict[Any, float], families: Sequence[str], seeds: Sequence[int]) -> Table:
    """Regret by what makes the systems hard."""
    table = Table(title="by class of systems, % of the range: mean and 95 % interval, bootstrap over systems")
    for column in ("class", "systems", *CONTESTANTS):
        table.add_column(column, justify="left" if column == "class" else "right")
    for name, those in CLASSES.items():
        keys = [(family, seed) for family in those if family in families for seed in seeds]
        cells = [[100 * by_key[n, *key] for key in keys if (n, *key) in by_key] for n in CONTESTANTS]
        if cells[0]:
            words = ["{:.2f} [{:.2f}, {:.2f}]".format(*interval(cell)) if cell else "-" for cell in cells]
            table.add_row(name, str(len(cells[0])), *words)
    return table


def report(rows: list[dict[str, Any]], families: Sequence[str], seeds: Sequence[int], *, judged: bool) -> bool:
    """Print regrets by family and together, and the verdicts; were the claims met?"""
    console = Console(width=140)
    by_key = {(row["contestant"], row["family"], row["seed"]): row["regret"] for row in rows}
    table = Table(title="regret, % of the range, with 2 evaluations a version")
    for column in ("systems", *CONTESTANTS):
        table.add_column(column, justify="left" if column == "systems" else "right")
    for family in families:
        cells = [[by_key[n, family, s] for s in seeds if (n, family, s) in by_key] for n in CONTESTANTS]
        table.add_row(family, *(f"{100 * np.mean(cell):.2f}" if cell else "-" for cell in cells))
    console.print(table)
    console.print(by_class(by_key, families, seeds))
    structured = [family for family in families if family != NO_STRUCTURE]
    together = Table(title="together, without the control: intervals are 95 %, bootstrap over systems")
    for column in ("contestant", "systems", "regret %", "interval", f"{OURS} minus it", "interval", "CPU s a search"):
        together.add_column(column, justify="left" if column == "contestant" else "right")
    gaps, mean = {}, (float("nan"),) * 3
    for name in CONTESTANTS:
        mine = {key[1:]: value for key, value in by_key.items() if key[0] == name and key[1] in structured}
        if not mine:
            together.add_row(name, "0", "not measured")
            continue
        value = interval([100 * one for one in mine.values()])
        mean = value if name == OURS else mean
        pairs = [100 * (by_key[OURS, *key] - one) for key, one in mine.items() if (OURS, *key) in by_key]
        gaps[name] = interval(pairs) if pairs else (float("nan"),) * 3
        seconds = np.mean([row["seconds"] for row in rows if row["contestant"] == name])
        together.add_row(
            name, str(len(mine)), f"{value[0]:.2f}", f"{value[1]:.2f} to {value[2]:.2f}", f"{gaps[name][0]:+.2f}",
            f"{gaps[name][1]:+.2f} to {gaps[name][2]:+.2f}", f"{seconds:.2f}",
        )  # fmt: skip
    console.print(together)
    claims = [{"claim": f"mean regret of {OURS} at most {LIMIT:.0%}", "met": mean[0] <= 100 * LIMIT}]
    claims += [
        {"claim": f"{OURS} beats {name} beyond the interval", "met": gaps[name][2] < 0}
        for name in CONTESTANTS if name != OURS and name in gaps
    ]  # fmt: skip
    for claim in claims if judged else []:
        console.print(f"{'met' if claim['met'] else 'MISSED'}: {claim['claim']}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {"title": "search", "rows": rows, "claims": claims if judged else []}
    (RESULTS / "search.json").write_text(json.dumps(record, indent=2) + "\n")
    return not judged or all(claim["met"] for claim in claims)


if __name__ == "__main__":
    sys.exit(main())
