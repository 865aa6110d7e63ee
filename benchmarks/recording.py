"""Claims: recording a combination costs at most 1/100 of an MLflow run, reading 1,728 at most 1/50 of search_runs."""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks.measure import Claim, Comparison, absent_or, in_turns, report
from benchmarks.mlflow_runs import MlflowRuns
from drivetrain.experiments import Store
from drivetrain.experiments.versions.version import Evaluation

SLOTS = ("camera", "lidar", "fusion")
BATCH = 16  # evaluations that are finished together and written together
TIMES = 20  # what we do in the time that a peer is given for one, so that nobody is judged by a millisecond
KNOWN = 40  # versions of a slot: more combinations than are recorded, since a known one is cheaper
ONE, MANY, RUN = "drivetrain", f"drivetrain, {BATCH} in a transaction", "MLflow run"
MATRIX, SEARCH, TABLE = "matrix", "search_runs, its client", "search_runs, as a table"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 when every claim holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a sixth of the rounds, and a matrix of 216")
    quick = parser.parse_args(arguments).quick
    versions = 6 if quick else 12
    with tempfile.TemporaryDirectory() as folder:
        met = [recording(Path(folder), quick, waits=False), recording(Path(folder), quick, waits=True)]
        met.append(reading(Path(folder), versions, rounds=5 if quick else 15))
    return 0 if all(met) else 1


def recording(folder: Path, quick: bool, *, waits: bool) -> bool:
    """Both with the same durability: against a killed process, or waiting for the disk as MLflow ships."""
    theirs = MlflowRuns(folder / f"mlflow-{waits}.db", 3, 12, waits=waits)
    store = our_store(folder / f"drivetrain-{waits}.db", KNOWN, durable=waits)
    one, many, other = combinations(KNOWN), combinations(KNOWN), combinations(12)
    contestants: dict[str, Callable[[], object]] = {
        RUN: lambda: theirs.record(next(other), 0.5),
        ONE: lambda: [record(store, [next(one)], "one by one") for _ in range(TIMES)],
        MANY: lambda: [record(store, [next(many) for _ in range(BATCH)], "together") for _ in range(TIMES)],
    }
    seconds = in_turns(contestants, rounds=7 if quick else 30, calls=5)
    for name, records in ((ONE, TIMES), (MANY, TIMES * BATCH)):
        seconds[name] = [each / records for each in seconds[name]]
    store.close()
    how = "waiting for the disk" if waits else "outliving a killed process"
    # Where every transaction waits for the disk, the waiting is most of the price of a single one.
    claims = [Claim(MANY, RUN, 0.01)] if waits else [Claim(ONE, RUN, 0.01)]
    return report(Comparison(f"Recording a combination, {how}", seconds), RUN, claims, unit=1e-3, name="ms")


def reading(folder: Path, versions: int, rounds: int) -> bool:
    """The same combinations in both, and the same numbers out of both."""
    theirs = MlflowRuns(folder / "mlflow-matrix.db", 3, versions, waits=False)
    store = our_store(folder / "drivetrain-matrix.db", versions, durable=False)
    everything = list(itertools.product(range(versions), repeat=3))
    for number, combination in enumerate(track(everything, "filling MLflow", console=Console(stderr=True))):
        theirs.record(combination, number / len(everything))
        record(store, [combination], "g", number / len(everything))
    ours = store.evaluations.matrix("race-car", "f1").rows
    assert sorted(row.value for row in ours) == sorted(value for _, value in theirs.matrix())
    not_measured: dict[str, str] = {}
    contestants = {
        SEARCH: theirs.matrix,
        **(absent_or(lambda: table_of(theirs), not_measured, TABLE)),
        MATRIX: lambda: [store.evaluations.matrix("race-car", "f1") for _ in range(TIMES)],
    }
    # Both compute in this process and wait for nobody: CPU seconds leave out what other programs do meanwhile.
    seconds = in_turns(contestants, rounds, calls=1, clock=time.process_time)
    seconds[MATRIX] = [each / TIMES for each in seconds[MATRIX]]
    comparison = Comparison(f"Reading the matrix of {len(everything)}, CPU seconds", seconds, not_measured)
    store.close()
    return report(comparison, SEARCH, [Claim(MATRIX, SEARCH, 0.02)], unit=1e-3, name="ms")


def table_of(theirs: MlflowRuns) -> Callable[[], object]:
    """What most programs call; it needs pandas."""
    import pandas as pd

    assert pd
    return theirs.table


def our_store(path: Path, versions: int, *, durable: bool) -> Store:
    """A store with the component versions that can be combined."""
    store = Store(path, durable=durable)
    store.systems.declare("race-car", dict.fromkeys(SLOTS, "image -> boxes"))
    for slot, version in itertools.product(SLOTS, range(versions)):
        store.components.add(slot, f"weights of {slot} {version}".encode(), digest=digest(slot, version))
    return store


def record(store: Store, chosen: list[tuple[int, ...]], glue: str, value: float = 0.5) -> None:
    """What an MLflow run says, in one transaction."""
    found = [Evaluation("f1", value, low=value - 0.1, high=value + 0.1, n=100, data="d" * 32)]
    named = [{slot: digest(slot, one) for slot, one in zip(SLOTS, each, strict=True)} for each in chosen]
    store.evaluations.record_all("race-car", [(each, found) for each in named], glue=glue)


def digest(slot: str, version: int) -> str:
    """Of a component version that stands for a real one."""
    return f"{slot} {version:04}".ljust(64, "-")


def combinations(versions: int) -> Iterator[tuple[int, ...]]:
    """One after the other, then from the beginning."""
    return itertools.cycle(itertools.product(range(versions), repeat=3))


if __name__ == "__main__":
    sys.exit(main())
