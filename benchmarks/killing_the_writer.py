"""Claim: kill -9 of the writer at 200 random moments loses no finished evaluation and damages no database."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks.measure import RESULTS
from drivetrain.experiments import Store
from drivetrain.experiments.versions.version import Evaluation

SLOTS = {"camera": "image -> boxes", "lidar": "scan -> hits"}
VERSIONS = 400  # 160,000 combinations: no writer lives long enough to run out of them
LONGEST = 0.25  # seconds until a writer is killed


@dataclass
class Toll:
    """What killing cost.

    Attributes:
        kills: writers that were killed while they wrote.
        finished: evaluations that a writer said were recorded.
        lost: of those, how many are not there.
        half: versions without all of their models, or without their evaluation.
        damaged: databases that failed SQLite's own check.
        left_open: runs that training left open and that are not told as killed.
    """

    kills: int = 0
    finished: int = 0
    lost: int = 0
    half: int = 0
    damaged: int = 0
    left_open: int = 0

    @property
    def nothing(self) -> bool:
        """Whether killing cost nothing."""
        return self.lost == self.half == self.damaged == self.left_open == 0


def main(arguments: list[str] | None = None) -> int:
    """Kill, count, print, write; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="15 times")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        toll = kill(Path(folder) / "drivetrain.db", 15 if chosen.quick else 200, chosen.seed)
    console = Console()
    console.print(
        f"{toll.kills} writers killed at random moments (seed {chosen.seed}): of {toll.finished:,} finished "
        f"evaluations {toll.lost} lost, {toll.half} half written, {toll.damaged} databases damaged, "
        f"{toll.left_open} runs left as running"
    )
    console.print("[green]met[/]: nothing was lost" if toll.nothing else "[red]MISSED[/]: something was lost")
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "killing_the_writer.json").write_text(json.dumps(asdict(toll) | {"met": toll.nothing}, indent=2) + "\n")
    return 0 if toll.nothing else 1


def kill(path: Path, times: int, seed: int) -> Toll:
    """Let one writer after another go on where the one before was killed, and look after each what is there."""
    with Store(path) as store:
        store.systems.declare("car", SLOTS)
        for slot, number in ((slot, number) for slot in SLOTS for number in range(VERSIONS)):
            store.components.add(slot, f"{slot} {number}".encode(), digest=digest(slot, number))
    moments, toll, finished = random.Random(seed), Toll(), 0
    for _ in track(range(times), "killing writers", console=Console(stderr=True), transient=True):
        finished += _one(path, finished, moments.uniform(0.0, LONGEST))
        toll.kills += 1
        look(path, finished, toll)
    return toll


def look(path: Path, finished: int, toll: Toll) -> None:
    """Read what a killed writer left behind, as the next process to come would."""
    with closing(sqlite3.connect(path)) as connection:
        toll.damaged += connection.execute("PRAGMA integrity_check").fetchone()[0] != "ok"
    with Store(path) as store:
        rows = store.evaluations.matrix("car", "f1").rows
        toll.half += sum("" in row.pins or row.value != row.value for row in rows)
        there = {row.value for row in rows}
        toll.finished = finished
        toll.lost += sum(number not in there for number in range(finished))
        toll.left_open += sum(run.status == "running" for run in store.runs.all())


def digest(slot: str, number: int) -> str:
    """Of a component version that stands for a real one."""
    return f"{slot} {number:04}".ljust(64, "-")


def _one(path: Path, begin: int, seconds: float) -> int:
    """A writer of its own process, killed some seconds after its first record; answers how many it said it finished."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _write(path, begin, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        first = said.read(1)  # it writes now
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return len(first) + len(said.read())


def _write(path: Path, begin: int, said: int) -> None:
    """Record evaluation after evaluation, with a run and its curves beside them; say a byte after each that is done."""
    with Store(path) as store:
        run = store.runs.begin("killing", "car", pattern="none")
        for number, combination in _combinations(begin):
            store.evaluations.record("car", combination, [Evaluation("f1", float(number))], glue="g")
            os.write(said, b".")
            if number % 7 == 0:
                store.runs.measure(run, [("loss", number, 0.5)])
    os._exit(0)


def _combinations(begin: int) -> Iterator[tuple[int, dict[str, Any]]]:
    for number in range(begin, VERSIONS * VERSIONS):
        camera, lidar = divmod(number, VERSIONS)
        yield number, {"camera": digest("camera", camera), "lidar": digest("lidar", lidar)}


if __name__ == "__main__":
    sys.exit(main())
