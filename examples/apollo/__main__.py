"""Selects the best of 10^28 combinations of Apollo's 28 models, beside what is done today, and tracks all of it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from drivetrain import evaluate
from drivetrain.experiments import Experiment, select
from drivetrain.experiments.selecting.search import Coordinate, Interactions, Random
from drivetrain.experiments.selecting.selection_report import SelectionReport
from examples.apollo.versions import Project, closeness, project

OURS = "select"
METHODS = {OURS: Interactions(), "coordinate search": Coordinate(), "random search": Random()}


@dataclass(frozen=True)
class Row:
    """One way to choose versions, and what it chose.

    Attributes:
        how: its name.
        validation: closeness where it searched, or where models were chosen.
        test: closeness on other scenes, measured once.
        planted: in how many of the 28 slots it chose the planted version.
        evaluations: of the whole system.
        seconds: that it took.
    """

    how: str
    validation: float
    test: float
    planted: int
    evaluations: int
    seconds: float


def main(arguments: list[str] | None = None) -> int:
    """Build, search, print."""
    parser = argparse.ArgumentParser(prog="python -m examples.apollo", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four versions of each model and 100 evaluations")
    parser.add_argument("--budget", type=int, help="evaluations for each search (2 x 28 x 10)")
    parser.add_argument("--seed", type=int, default=0, help="of scenes, networks and searches (0)")
    parser.add_argument("--store", type=Path, default=Path("report/apollo.db"), help="database (report/apollo.db)")
    parser.add_argument("--drawing", type=Path, default=Path("report/apollo.svg"), help="(report/apollo.svg)")
    parser.add_argument("--json", action="store_true", help="print the rows for programs")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    say = Console(stderr=options.json, width=110)
    begin = time.perf_counter()
    made = project(4 if options.quick else 10, seed=options.seed)
    candidates = made.candidates
    say.print(
        f"{len(candidates.slots)} models, {candidates.count:.1e} combinations, {time.perf_counter() - begin:.1f} s"
    )
    budget = options.budget or (100 if options.quick else 2 * sum(candidates.sizes))
    for place in (options.store, options.drawing):
        place.parent.mkdir(parents=True, exist_ok=True)
    options.drawing.write_text(candidates.system.svg())
    own = made.best_by_own_labels()
    rows = [chosen("each best by its own labels", made, own)]
    experiment = Experiment("apollo", options.store, mlflow=False)
    for name, strategy in METHODS.items():
        found = select(
            candidates, made.validation, closeness, test=made.test, strategy=strategy, start=[own], budget=budget,
            seed=options.seed, experiment=experiment if name == OURS else None, show_progress=not options.json,
        )  # fmt: skip
        rows.append(selected(name, made, found))
        if name == OURS:
            words = found.sentences()
    rows.append(chosen("planted, the best by construction", made, made.planted))
    if options.json:
        print(json.dumps([vars(row) for row in rows], indent=2))
        return 0
    say.print(table(rows, len(candidates.slots)))
    say.print(f"\n{OURS} says:", *words, sep="\n  ")
    say.print(f"\ntracked in {options.store}; the diagram is {options.drawing}")
    return 0


def chosen(how: str, made: Project, labels: dict[str, str]) -> Row:
    """What a combination is worth."""
    begin = time.perf_counter()
    system = made.candidates.build(labels)
    values = [
        evaluate(system, data, closeness, show_progress=False)["drive"].value for data in (made.validation, made.test)
    ]
    return Row(how, *values, _planted(made, labels), 0, time.perf_counter() - begin)


def selected(how: str, made: Project, found: SelectionReport) -> Row:
    """What a search chose."""
    return Row(
        how, found.value.value, found.test["drive"].value, _planted(made, found.best), found.evaluations, found.seconds
    )


def table(rows: list[Row], slots: int) -> Any:
    """For people."""
    drawn = Table("versions chosen by", "validation", "test", f"planted of {slots}", "evaluations", "seconds")
    for row in rows:
        drawn.add_row(
            row.how, f"{row.validation:.3f}", f"{row.test:.3f}", str(row.planted), str(row.evaluations),
            f"{row.seconds:.1f}",
        )  # fmt: skip
    return drawn


def _planted(made: Project, labels: dict[str, str]) -> int:
    return sum(labels[model] == planted for model, planted in made.planted.items())


if __name__ == "__main__":
    sys.exit(main())
