"""``python -m benchmarks.scikit_learn``: tune, run what is missing, print the tables, write RESULTS.md; it resumes."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.scikit_learn.arms import TEMPI, UPDATES
from benchmarks.scikit_learn.families import FAMILIES, TREES
from benchmarks.scikit_learn.results import Cell, Results, markdown
from benchmarks.scikit_learn.trial import ARMS, END_LOSS, IN_SAMPLE, OUT_OF_BAG, SETTINGS, Job, applies, run
from drivetrain.report import progress
from examples.protocol.running import answers
from examples.protocol.store import Store

TUNING_SEEDS = (9000, 9001)


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Paired splits of each data set.")] = 20,
    rounds: Annotated[int, typer.Option(min=1, help="Refits by the end loss, and what others may do instead.")] = 5,
    only: Annotated[list[str] | None, typer.Option(help="Systems by name; all if not given.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 2,
    minutes: Annotated[float | None, typer.Option(help="Begin no more trials after so long.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of rows and tables; finished trials are kept.")] = Path(
        "benchmarks/results/scikit_learn"
    ),
    publish: Annotated[Path | None, typer.Option(help="Also write the page to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every cell as JSON in place of tables.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="2 splits, 1 refit, 120 rows: to see that it runs.")] = False,
) -> None:
    """Do scikit-learn models gain from the end loss? Individual, end-loss and peers on six systems of real data."""
    if strange := [name for name in only or [] if name not in SETTINGS]:
        raise typer.BadParameter(f"no system {strange[0]!r}; there are: {', '.join(map(repr, SETTINGS))}")
    seeds, rounds, rows = (2, 1, 120) if quick else (seeds, rounds, None)
    store, console, begin = Store(out / "rows.jsonl"), Console(width=200, highlight=False), time.monotonic()
    deadline = None if minutes is None else begin + 60 * minutes
    cells = [
        (name, family, arm)
        for name in only or SETTINGS for family in FAMILIES for arm in ARMS if applies(SETTINGS[name], family, arm)
    ]  # fmt: skip
    trying = [
        Job(*cell, tempo, seed, rounds, rows)
        for cell in cells if cell[2] in END_LOSS for tempo in TEMPI for seed in TUNING_SEEDS
    ]  # fmt: skip
    if _run(trying, store, "choosing tempi", workers, deadline, test=False):
        raise SystemExit("The tempi are not chosen yet; the same command goes on.")
    tempi = _chosen(trying, store)
    tempi |= {(*cell[:2], OUT_OF_BAG): tempo for cell, tempo in tempi.items() if cell[2] == IN_SAMPLE}
    jobs = [
        Job(*cell, tempi.get(cell, next(iter(TEMPI))), seed, rounds, rows) for seed in range(seeds) for cell in cells
    ]
    left = _run(jobs, store, "comparing", workers, deadline)
    wanted = set(jobs)
    results = Results([row for row in store.rows() if _identity(row) in wanted and "values" in row])
    if as_json:
        print(json.dumps(results.json(), indent=2))
    else:
        for table in results.tables():
            console.print(table.rich(), "\n")
    said = "python -m benchmarks.scikit_learn" + (
        " --quick"
        if quick
        else f" --seeds {seeds} --rounds {rounds}" + "".join(f' --only "{name}"' for name in only or [])
    )
    about = (f"**{left} trials were not run.** " if left else "") + _about(seeds, rounds)
    for path in (out / "RESULTS.md", publish):
        if path is not None:
            path.write_text(markdown(said, results, tempi, about), encoding="utf-8")
    if not as_json:
        console.print(f"{time.monotonic() - begin:.0f} s; the page is {out / 'RESULTS.md'}", markup=False)


def _run(jobs: Sequence[Job], store: Store, what: str, workers: int, deadline: float | None, test: bool = True) -> int:
    """Run what is missing; answers how many were left out."""
    done = {_identity(row) for row in store.rows() if not test or "values" in row}
    missing = [job for job in jobs if job not in done]
    title = f"{what}: {len(jobs)} trials, {len(jobs) - len(missing)} before"
    for ended, row in enumerate(progress(answers(partial(run, test=test), missing, workers, deadline), title,
                                         total=len(missing)), 1):  # fmt: skip
        store.append(row)
        if ended == len(missing):
            return 0
    return len(missing) - sum(_identity(row) in set(missing) for row in store.rows() if not test or "values" in row)


def _chosen(tried: Sequence[Job], store: Store) -> dict[Cell, str]:
    """For each arm the tempo with the best mean score on validation, the slow one of equals."""
    asked, scores = set(tried), dict[Cell, dict[str, list[float]]]()
    for row in store.rows():
        if _identity(row) in asked:
            cell = (row["setting"], row["family"], row["arm"])
            scores.setdefault(cell, {}).setdefault(row["tempo"], []).append(row["validation"])
    return {cell: max(TEMPI, key=lambda tempo: mean(found[tempo])) for cell, found in scores.items()}


def _identity(row: dict[str, object]) -> Job:
    return Job(*(row[name] for name in Job._fields))  # type: ignore[arg-type]


def _about(seeds: int, rounds: int) -> str:
    slow, fast = TEMPI["slow"], TEMPI["fast"]
    return (
        f"{seeds} random splits into a half for training and a quarter each for validation and test, the same for "
        f"every arm. End-loss arms begin with individual training and then fit every model {rounds} times more, or "
        f"step it {rounds} times through the data in {UPDATES} batches where its output has a formula (linear "
        "models, support-vector classifiers and single support-vector regressions); the best epoch on validation "
        f"is kept, the start included. Settings are scikit-learn's own, forests of {TREES} trees. Individual "
        f"training may instead be repeated {rounds} times with other random numbers or other settings, chosen on "
        "validation by the metric of the system. Two tempi were tried for end-loss arms (refits with a step of "
        f"{slow[0]:g}, Adam at {slow[1]:g}; or {fast[0]:g} and {fast[1]:g}) on {len(TUNING_SEEDS)} other splits. "
        "Where glue code has a threshold, validation chooses it for every arm. Test rows are looked at once.\n\n"
        "Each difference has two intervals of 95 %. The first is the bootstrap's over the rows of the data set "
        "and says what other test rows might have brought; the second is Student's over splits with the corrected "
        "variance of Nadeau and Bengio (2003) and says what training on other rows might have brought. *Better* "
        "and *worse* are said where both leave zero out, *on these rows* where the first alone does. Many "
        "comparisons stand here: about one in forty would be called better, and one worse, by chance."
    )


if __name__ == "__main__":
    typer.run(main)
