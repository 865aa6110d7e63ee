"""The comparison on the real car from one end to the other: run what is missing, read all rows, write what they say."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console

from drivetrain.report import progress
from examples.protocol.store import Store
from examples.race_car.real.dataset import layout_of, leave_one_layout_out
from examples.race_car.real.sessions import session_names

from .arms import ARMS, BASELINE, Arm
from .choosing import Choices
from .trial import RATES, Row, Sizes, tested, watched

QUICK = Sizes(epochs=4, checkpoints=2)
Inner = tuple[str, float, tuple[str, str]]  #: the arm whose training it is, learning rate, the layouts left out
Outer = tuple[str, int, str]  #: arm, seed, the layout left out


def main(
    out: Path = Path("report/comparison-real"),
    *,
    seeds: int = 3,
    minutes: float | None = None,
    quick: bool = False,
    publish: Path | None = None,
    path: str | None = None,
) -> None:
    """Run the comparison on one core, print its tables, and leave `rows.jsonl` and `RESULTS.md` in `out`.

    The same command goes on where it stopped. `minutes`: begin no more trials after so long. `quick`: 4 epochs, one
    seed. `publish`: also write the page there. `path`: the recordings' folder.
    """
    from .tables import markdown, tables, words

    torch.set_num_threads(1)
    sizes, seeds = (QUICK, 1) if quick else (Sizes(), seeds)
    console, store = Console(highlight=False), Store(out / "rows.jsonl")
    if not console.is_terminal:
        console.width = 150
    left = run(store, sizes, seeds, minutes=minutes, path=path)
    rows = store.rows(sizes=asdict(sizes))
    tested_rows = complete([row for row in rows if row["kind"] == "outer" and row["seed"] < seeds])
    if not tested_rows:
        console.print(f"{left} trials are still to run before a first seed is complete; the same command goes on.")
        return
    found, said = tables(tested_rows, Choices(rows)), words(tested_rows, Choices(rows))
    for table in found:
        console.print(table.rich(), "\n")
    for sentence in said:
        console.print(f"- {sentence}", markup=False)
    if left:
        console.print(f"{left} trials are still to run; the same command goes on.", markup=False)
    command = f"python -m examples.race_car.comparison --real{' --quick' if quick else f' --seeds {seeds}'}"
    for file in (out / "RESULTS.md", publish):
        if file is not None:
            file.write_text(markdown(command, tested_rows, found, said, left, sizes), encoding="utf-8")


def run(store: Store, sizes: Sizes, seeds: int, *, minutes: float | None = None, path: str | None = None) -> int:
    """Run what is missing, choices first, then whole seeds; answers how many trials the minutes left out."""
    names = session_names(path)
    splits = leave_one_layout_out(names)
    layouts = [layout for layout, _, _ in splits]
    done = store.rows(sizes=asdict(sizes))
    inner_done = {(row["arm"], row["rate"], tuple(row["pair"])) for row in done if row["kind"] == "inner"}
    outer_done = {(row["arm"], row["seed"], row["layout"]) for row in done if row["kind"] == "outer"}
    inner = [job for job in inner_jobs(layouts) if job not in inner_done]
    outer = [(arm, seed, layout) for seed in range(seeds) for arm in ARMS for layout in layouts]
    outer = [job for job in outer if job not in outer_done]
    deadline = None if minutes is None else time.monotonic() + 60 * minutes

    def trials() -> Iterator[Row]:
        jobs: list[Inner | Outer] = [*inner, *outer]
        for job in jobs:
            if deadline is not None and time.monotonic() > deadline:
                return
            with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):  # the trainings' own progress
                yield _run(job, store, sizes, names, path)

    ended = 0
    for row in progress(trials(), "choosing settings, then testing", total=len(inner) + len(outer)):
        store.append(row)
        ended += 1
    return len(inner) + len(outer) - ended


def inner_jobs(layouts: list[str]) -> list[Inner]:
    """The trainings that choose: two layouts are left out, and each is judged by it for the other.

    Layouts come in the order of their rigs, so that a pair takes one from each and leaves both rigs calibrated.
    """
    half = (len(layouts) + 1) // 2
    pairs = [(layouts[number], layouts[(number + half) % len(layouts)]) for number in range(half)]
    return [(arm, rate, pair) for arm in ARMS if trained_as(ARMS[arm]) == arm for rate in RATES for pair in pairs]


def trained_as(arm: Arm) -> str:
    """The arm whose inner trainings are this one's too: how weights are selected does not change training."""
    return next(name for name, other in ARMS.items() if other.pattern is arm.pattern)


def complete(rows: list[Row]) -> list[Row]:
    """The rows of those seeds that every arm has tested on every layout."""
    wanted = {(arm, layout) for arm in ARMS for layout in {row["layout"] for row in rows}}
    there: dict[int, set[tuple[str, str]]] = {}
    for row in rows:
        there.setdefault(row["seed"], set()).add((row["arm"], row["layout"]))
    sessions = {layout for _, layout in wanted}
    return [row for row in rows if len(sessions) > 1 and there[row["seed"]] >= wanted]


def _run(job: Inner | Outer, store: Store, sizes: Sizes, names: tuple[str, ...], path: str | None) -> Row:
    if isinstance(job[1], float):
        arm, rate, pair = job[0], job[1], job[2]
        train = [name for name in names if layout_of(name) not in pair]
        judged = [name for name in names if layout_of(name) in pair]
        points = watched(ARMS[arm], rate, train, judged, sizes, path)
        return {"kind": "inner", "arm": arm, "rate": rate, "pair": list(pair), "sizes": asdict(sizes), "points": points}
    arm, seed, layout = job[0], job[1], str(job[2])
    train = [name for name in names if layout_of(name) != layout]
    test = [name for name in names if layout_of(name) == layout]
    choice = Choices(store.rows(sizes=asdict(sizes))).of(arm, layout)
    row = tested(ARMS[arm], choice, train, test, sizes, path, seed)
    return {"kind": "outer", "arm": arm, "seed": seed, "layout": layout, "sizes": asdict(sizes), **row,
            "choice": {"rates": choice.rates, "epochs": choice.epochs, "caution": choice.caution}}  # fmt: skip


__all__ = ["BASELINE", "main", "run"]
